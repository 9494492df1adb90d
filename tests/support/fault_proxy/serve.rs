//! How a request goes through the proxy.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, Version};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::faults::{Fault, broken, full, slow};
use super::{Bait, Callback, Head, Moment, State, Trap, Write, lock};

/// An error of either side.
pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;
/// A request or response body.
pub(super) type Body = UnsyncBoxBody<Bytes, Error>;
/// The client that asks the server behind the proxy.
pub(super) type Upstream = Client<HttpsConnector<HttpConnector>, Body>;

/// Accepts connections until the proxy is dropped.
pub(super) async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = lock(&state.away).child_token();
        if !connection.is_cancelled() {
            tokio::spawn(serve(stream, acceptor.clone(), Arc::clone(&state), connection));
        }
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, state: Arc<State>, connection: CancellationToken) {
    let cut = connection.clone();
    let exchange = async move {
        let stream = acceptor.accept(stream).await?;
        let service = service_fn(move |request| pass(Arc::clone(&state), request, connection.clone()));
        auto::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await
    };
    // A client that goes away, or is killed, is what this proxy is for: errors say nothing new.
    tokio::select! {
        () = cut.cancelled() => {}
        _ = exchange => {}
    }
}

/// One request. An error makes hyper give up the connection (HTTP/1.1) or the stream (HTTP/2); `connection` cuts both.
async fn pass(
    state: Arc<State>,
    request: Request<Incoming>,
    connection: CancellationToken,
) -> Result<Response<Body>, Error> {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", PathAndQuery::as_str)
        .to_owned();
    let head = Head {
        method: request.method().clone(),
        path,
    };
    lock(&state.requests).push(head.clone());
    let write = state.count(&head);
    let fault = state.fault(&head);

    // A trap is taken when its request comes, not when the server has answered: others see what the server did before that is told.
    let (moment, mut callback) = state.spring(write, &head).unzip();
    if moment == Some(Moment::BeforeForward)
        && let Some(callback) = callback.take()
    {
        callback().await;
        return cut(&connection).await;
    }
    if moment == Some(Moment::OnTheWay)
        && let Some(callback) = callback.take()
    {
        // the client may be gone by then, and this future with it
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, full(body.collect().await?.to_bytes()));
        let forwarded = tokio::spawn(async move {
            callback().await;
            let answer = state.forward(request).await?;
            state.answered(write, &answer);
            answer.into_body().collect().await.map(drop)
        });
        forwarded.await??;
        return cut(&connection).await;
    }
    match &fault {
        Some(Fault::Cut) => return cut(&connection).await,
        Some(Fault::Hang) => return std::future::pending().await,
        Some(other) => {
            if let Some(answer) = other.answer() {
                return Ok(answer);
            }
        }
        None => {}
    }

    let answer = state
        .forward(request.map(|body| body.map_err(Error::from).boxed_unsync()))
        .await?;
    state.answered(write, &answer);
    if let Some(callback) = callback {
        drop(answer.into_body().collect().await);
        callback().await;
        return cut(&connection).await;
    }
    spoil(answer, fault, &connection).await
}

impl State {
    /// The number of this write, from 1 on, if it is one.
    fn count(&self, head: &Head) -> Option<usize> {
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        if !writes.contains(&head.method) || !(self.counts)(head) {
            return None;
        }
        let mut writes = lock(&self.writes);
        writes.push(Write {
            head: head.clone(),
            status: None,
        });
        Some(writes.len())
    }

    fn fault(&self, head: &Head) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let rule = rules
            .iter_mut()
            .filter(|rule| (rule.question)(head))
            .rev()
            .find_map(|rule| rule.left.take().then_some(rule))?;
        Some(rule.fault.clone())
    }

    /// Notes what the server answered to this write.
    fn answered(&self, write: Option<usize>, answer: &Response<Body>) {
        if let Some(number) = write
            && let Some(record) = lock(&self.writes).get_mut(number - 1)
        {
            record.status = Some(answer.status().as_u16());
        }
    }

    fn spring(&self, write: Option<usize>, head: &Head) -> Option<(Moment, Callback)> {
        let mut traps = lock(&self.traps);
        let sprung = traps.iter().position(|trap| match &trap.bait {
            Bait::Write(number) => Some(*number) == write,
            Bait::Request(question) => question(head),
        })?;
        let Trap { moment, callback, .. } = traps.remove(sprung);
        Some((moment, callback))
    }

    async fn forward(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (mut parts, body) = request.into_parts();
        // The client's own idea of the host is kept: Pebble builds its URLs from it.
        if let Some(authority) = parts.uri.authority() {
            let host = HeaderValue::from_str(authority.as_str())?;
            parts.headers.entry(HOST).or_insert(host);
        }
        let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        parts.uri = format!("https://{}{path}", self.upstream).parse()?;
        parts.version = Version::HTTP_11;
        for header in [CONNECTION, UPGRADE, TRANSFER_ENCODING] {
            parts.headers.remove(header);
        }
        let request = Request::from_parts(parts, body);
        let (mut parts, body) = self.client.request(request).await?.into_parts();
        // These concern the connection to the server, not the client's.
        for header in [CONNECTION, TRANSFER_ENCODING] {
            parts.headers.remove(header);
        }
        Ok(Response::from_parts(parts, body.map_err(Error::from).boxed_unsync()))
    }
}

/// Does to the server's answer what the fault wants.
async fn spoil(
    answer: Response<Body>,
    fault: Option<Fault>,
    connection: &CancellationToken,
) -> Result<Response<Body>, Error> {
    let (mut parts, body) = answer.into_parts();
    let body = match fault {
        Some(Fault::CutReply) => {
            drop(body.collect().await);
            return cut(connection).await;
        }
        Some(Fault::CutBody) => broken(body.collect().await?.to_bytes()),
        Some(Fault::SlowBody(size, pause)) => slow(body.collect().await?.to_bytes(), size, pause),
        Some(Fault::ContentType(text)) => {
            parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(text));
            full(body.collect().await?.to_bytes())
        }
        Some(Fault::Reshape(reshape)) => {
            let body = reshape(&mut parts, body.collect().await?.to_bytes());
            parts.headers.remove(CONTENT_LENGTH);
            full(body)
        }
        // The others have been dealt with before the server was asked.
        Some(Fault::Answer { .. } | Fault::Hang | Fault::Cut | Fault::Oversized(_) | Fault::Redirect(..)) | None => {
            body
        }
    };
    Ok(Response::from_parts(parts, body))
}

/// Cuts the connection; the answer is never sent.
async fn cut(connection: &CancellationToken) -> Result<Response<Body>, Error> {
    connection.cancel();
    std::future::pending().await
}
