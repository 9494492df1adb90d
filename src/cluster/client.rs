//! The HTTP stack under kube's client: one HTTP/2 connection instead of one socket per request and watch.

use std::{sync::Arc, task, time::Duration};

use futures::future::{Either, Ready, ready};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::{
    Client, Config,
    client::{Body, ConfigExt, retry::RetryPolicy},
};
use tower::{BoxError, Service, ServiceBuilder, retry::RetryLayer};

use super::calls::Counted;
use crate::process::{USER_AGENT, metrics::Metrics};

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
    client(config, Rights::All, None, None)
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
    client(config, Rights::All, pod, Some(metrics))
}

/// A read-only client: any other request fails before it is sent, whatever the credentials allow.
///
/// # Errors
/// As [`connect`].
pub(crate) fn connect_to_read(config: &Config) -> Result<Client, kube::Error> {
    client(config, Rights::Read, None, None)
}

fn client(
    config: &Config,
    rights: Rights,
    pod: Option<&str>,
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
        .map_err(BoxError::from)
        .service(client);
    let service = Counted { metrics, service };
    let service = Guard { rights, service };
    Ok(Client::new(service, config.default_namespace.clone()))
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
        if self.rights == Rights::All || request.method() == http::Method::GET {
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
