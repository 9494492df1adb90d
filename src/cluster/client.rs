//! The HTTP stack under kube's client: one HTTP/2 connection instead of one socket per request and watch.

use std::{error::Error as _, sync::Arc, task, time::Duration};

use bytes::Bytes;
use futures::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, Either, Ready, ready},
    stream,
};
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::{
    Client, Config,
    client::{Body, ConfigExt, retry::RetryPolicy},
};
use tokio::time::{Instant, timeout_at};
use tower::{BoxError, Service, ServiceBuilder, retry::RetryLayer};

use super::calls::Counted;
use crate::{
    pki::tls,
    process::{USER_AGENT, metrics::Metrics},
    text::excerpt,
};

/// Idle time after which an HTTP/2 ping is sent, and the time limit for its answer.
const PING_AFTER: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// HTTP/2 windows: bytes that the API server may send before they are read, for a response and for all. Lists of thousands of objects arrive
/// faster than they are parsed, and the bytes between need memory. The defaults of hyper, 2 MiB and 5 MiB, are more than a connection within
/// a cluster needs.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// A client for the cluster in `config`.
///
/// # Errors
/// If the certificates or credentials in `config` cannot be used.
pub fn connect(config: &Config) -> Result<Client, kube::Error> {
    client(config, Rights::All, None, None, None)
}

/// A client for a command, with a time limit for every request.
///
/// # Errors
/// As [`connect`].
pub(crate) fn connect_within(config: &Config, limit: Option<Duration>) -> Result<Client, kube::Error> {
    client(config, Rights::All, None, limit, None)
}

/// A client whose User-Agent also names the replica, and whose requests are counted.
///
/// # Errors
/// As [`connect`].
pub(crate) fn connect_as_replica(
    config: &Config,
    pod: Option<&str>,
    metrics: Arc<Metrics>,
) -> Result<Client, kube::Error> {
    client(config, Rights::All, pod, None, Some(metrics))
}

/// A read-only client: any other request fails before it is sent, whatever the credentials allow. Questions about rights and
/// identity are sent: they are created, and nothing is stored.
///
/// # Errors
/// As [`connect`].
pub(crate) fn connect_to_read(config: &Config, limit: Option<Duration>) -> Result<Client, kube::Error> {
    client(config, Rights::Read, None, limit, None)
}

fn client(
    config: &Config,
    rights: Rights,
    pod: Option<&str>,
    limit: Option<Duration>,
    metrics: Option<Arc<Metrics>>,
) -> Result<Client, kube::Error> {
    let agent = agent(pod);
    let mut http = hyper_util::client::legacy::connect::HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(http);
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_AFTER)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_keep_alive_while_idle(true)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .map_request(move |mut request: http::Request<Body>| {
            request.headers_mut().insert(http::header::USER_AGENT, agent.clone());
            request
        })
        .layer(config.base_uri_layer())
        .layer(RetryLayer::new(RetryPolicy::server_retry()))
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(unreachable_from(&config.cluster_url))
        .service(client);
    let service = Counted { metrics, service };
    let service = Guard { rights, service };
    let namespace = config.default_namespace.clone();
    Ok(match limit {
        Some(limit) => Client::new(Limited { limit, service }, namespace),
        None => Client::new(service, namespace),
    })
}

/// No connection to the API server.
#[derive(Debug, thiserror::Error)]
#[error("the API server {url} cannot be reached: {cause}")]
pub(crate) struct Unreachable {
    url: String,
    cause: String,
}

/// No answer within the time limit of a command.
#[derive(Debug, thiserror::Error)]
#[error("the API server did not answer within {}s (--request-timeout)", limit.as_secs_f64())]
pub(crate) struct TooSlow {
    limit: Duration,
}

/// Replaces the nested causes of a failed connection by the last one.
fn unreachable_from(url: &http::Uri) -> impl Fn(hyper_util::client::legacy::Error) -> BoxError + Clone + Send + use<> {
    let url = url.to_string();
    move |error| {
        if !error.is_connect() {
            return error.into();
        }
        let mut cause = error.source();
        let mut text = error.to_string();
        while let Some(error) = cause {
            text = tls::cause(error);
            cause = error.source();
        }
        let url = url.trim_end_matches('/').to_owned();
        let cause = excerpt(&text);
        Unreachable { url, cause }.into()
    }
}

/// The User-Agent: `certlet/1.2.3`, or `certlet/1.2.3 (certlet-5d8f)` in a pod.
fn agent(pod: Option<&str>) -> http::HeaderValue {
    let with_pod = pod.map(|pod| format!("{USER_AGENT} ({pod})"));
    with_pod
        .and_then(|agent| http::HeaderValue::try_from(agent).ok())
        .unwrap_or(http::HeaderValue::from_static(USER_AGENT))
}

/// The requests that a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    All,
    Read,
}

/// The paths of questions about rights and identity.
const QUESTIONS: [&str; 3] = [
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
];

fn is_question(request: &http::Request<Body>) -> bool {
    request.method() == http::Method::POST && QUESTIONS.contains(&request.uri().path())
}

/// A layer that rejects requests which the rights do not cover.
#[derive(Clone)]
struct Guard<S> {
    rights: Rights,
    service: S,
}

impl<S> Service<http::Request<Body>> for Guard<S>
where
    S: Service<http::Request<Body>, Error = BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Either<S::Future, Ready<Result<S::Response, BoxError>>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> task::Poll<Result<(), BoxError>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if self.rights == Rights::All || request.method() == http::Method::GET || is_question(&request) {
            return Either::Left(self.service.call(request));
        }
        let refused = format!(
            "{} {} was not sent: this command is read-only. Please report this as a bug",
            request.method(),
            request.uri().path()
        );
        Either::Right(ready(Err(refused.into())))
    }
}

/// A layer with a time limit for each request, from its start to the end of the answer.
#[derive(Clone)]
struct Limited<S> {
    limit: Duration,
    service: S,
}

impl<S, B> Service<http::Request<Body>> for Limited<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = http::Response<UnsyncBoxBody<Bytes, BoxError>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> task::Poll<Result<(), BoxError>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let limit = self.limit;
        let deadline = Instant::now() + limit;
        let answer = timeout_at(deadline, self.service.call(request));
        async move {
            let answer = answer.await.map_err(|_| TooSlow { limit })??;
            Ok(answer.map(|body| {
                let chunks = stream::unfold(Some(body.into_data_stream()), move |body| async move {
                    let mut body = body?;
                    match timeout_at(deadline, body.next()).await {
                        Ok(chunk) => Some((chunk?.map(Frame::data).map_err(Into::into), Some(body))),
                        Err(_) => Some((Err(BoxError::from(TooSlow { limit })), None)),
                    }
                });
                UnsyncBoxBody::new(StreamBody::new(chunks))
            }))
        }
        .boxed()
    }
}
