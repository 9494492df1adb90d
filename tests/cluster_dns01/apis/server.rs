//! HTTPS under the real host names of an API: the bed's own `/etc/hosts` leads there, and a CA of the test's own certifies it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, header, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use url::form_urlencoded;

use super::asked::{Answer, Asked};
use crate::support::{Bed, Pair, fault_proxy::acceptor};

/// An address of the bed that nothing else has.
const ADDRESS: &str = "10.99.0.8";

/// The API of a provider, as far as lego and certlet use it.
pub(super) trait Api: Send + Sync + 'static {
    /// The hosts of the API.
    const HOSTS: &'static [&'static str];
    /// The words in its paths. Other segments identify something.
    const WORDS: &'static [&'static str];

    /// What it replies.
    fn answer(&self, asked: &Asked) -> impl Future<Output = Answer> + Send;
}

/// A running API; dropping it ends it.
pub(super) struct Server {
    ca: PathBuf,
    log: Log,
    /// The words in the paths of the API.
    pub(super) words: &'static [&'static str],
    accepting: JoinHandle<()>,
}

type Log = Arc<Mutex<Vec<Asked>>>;

impl Server {
    /// Starts it.
    pub(super) async fn start<A: Api>(bed: &Bed, api: A) -> Self {
        for host in A::HOSTS {
            bed.name(host, ADDRESS);
        }
        let ca = Pair::dated("CA of the APIs", -1, 30, true);
        let leaf = ca.server(A::HOSTS);
        let file = |name: &str, text: &str| {
            let path = bed.path(&format!("pki/apis-{name}"));
            std::fs::write(&path, text).unwrap();
            path
        };
        let (certificate, key) = (file("leaf.crt", &leaf.certificate), file("leaf.key", &leaf.key));
        let listener = TcpListener::bind((ADDRESS, 443)).await.unwrap();
        let (log, api) = (Log::default(), Arc::new(api));
        let accepting = tokio::spawn(accept(listener, acceptor(&certificate, &key), Arc::clone(&log), api));
        Self {
            ca: file("ca.crt", &ca.certificate),
            log,
            words: A::WORDS,
            accepting,
        }
    }

    /// A file with its CA.
    pub(super) fn ca(&self) -> &Path {
        &self.ca
    }

    /// What was asked since this was called before.
    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept<A: Api>(listener: TcpListener, acceptor: TlsAcceptor, log: Log, api: Arc<A>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, log, api) = (acceptor.clone(), Arc::clone(&log), Arc::clone(&api));
        tokio::spawn(async move { converse(stream, acceptor, log, api).await });
    }
}

async fn converse<A: Api>(stream: TcpStream, acceptor: TlsAcceptor, log: Log, api: Arc<A>) {
    // A client that does not trust the CA, or goes away, says so itself.
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(move |request| reply(request, Arc::clone(&log), Arc::clone(&api)));
    drop(
        auto::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

async fn reply<A: Api>(
    request: Request<Incoming>,
    log: Log,
    api: Arc<A>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let asked = {
        let query = parts.uri.query().unwrap_or_default();
        let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = parts.uri.host().or(named).unwrap_or_default();
        let segments = parts.uri.path().trim_start_matches('/').split('/');
        Asked {
            host: host.split(':').next().unwrap_or_default().to_owned(),
            method: parts.method,
            target: parts.uri.path_and_query().map_or("", PathAndQuery::as_str).to_owned(),
            path: segments.map(decoded).collect(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: parts.headers,
            body: body.collect().await?.to_bytes(),
        }
    };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
    let Answer { status, body } = if A::HOSTS.contains(&asked.host.as_str()) {
        api.answer(&asked).await
    } else {
        Answer::new(421, Value::Null)
    };
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// A segment of a path, without its escapes.
fn decoded(segment: &str) -> String {
    let query = format!("={}", segment.replace('+', "%2B"));
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.next().map_or_else(String::new, |(_, text)| text.into_owned())
}
