//! The HTTPS client for servers outside of the cluster: every request is bounded in time and size, and follows no redirect.
//!
//! One [`HttpClient`] has one set of trust settings. ACME uses it today; it knows nothing of ACME. What a caller brings is the
//! request ([`Request`]) with the limit of the response; what it gets is the whole [`Response`], of any status, or a [`Failure`]
//! that names the server and how far the request came.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Url, redirect};
use tokio::time::Instant;

use super::address::AddressPolicy;
use super::failure::{Failure, FailureKind};
use super::names::{JudgedNames, literal};
use super::observer::Observer;
use super::trust::{ExtraRoots, Trust, TrustError, client_config};
use crate::process::{USER_AGENT, metrics::RequestLabels};

/// Bytes that a server may send ahead of our reading, per request and per connection (HTTP/2).
const HTTP2_STREAM_WINDOW: u32 = 64 << 10;
const HTTP2_CONNECTION_WINDOW: u32 = 256 << 10;
/// The largest header section of a response in bytes (HTTP/2).
const HTTP2_HEADERS: u32 = 16 << 10;

/// Limits of every request, and what the network is like.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// For the connection with TLS: 10 s.
    pub connect_timeout: Duration,
    /// For the whole exchange, body included: 30 s.
    pub request_timeout: Duration,
    /// Where trust roots lie beside Mozilla's.
    pub extra_roots: ExtraRoots,
    /// Addresses that may be asked where somebody other than the administrator chooses the server.
    pub addresses: AddressPolicy,
    /// Hosts of the proxies of the environment, which the administrator chose.
    pub proxies: Vec<String>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            extra_roots: ExtraRoots::default(),
            // of a process outside of a pod
            addresses: AddressPolicy::new(Vec::new(), true),
            proxies: Vec::new(),
        }
    }
}

/// One request. `Debug` leaves out headers and body, which may hold credentials.
pub struct Request<'a> {
    /// What it is for: a word out of a closed set, for metrics and the log.
    pub purpose: &'static str,
    /// The method.
    pub method: Method,
    /// Where it goes.
    pub url: &'a Url,
    /// Headers beside those that the client itself sends.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Bytes>,
    /// The largest body of a response in bytes.
    pub limit: usize,
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("purpose", &self.purpose)
            .field("method", &self.method)
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

/// What a server answered, of any status.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body, at most [`Request::limit`] bytes.
    pub body: Bytes,
}

/// An HTTP client with one set of trust settings. Cheap to clone; keeps connections open between requests.
#[derive(Clone)]
pub struct HttpClient {
    http: reqwest::Client,
    observer: Arc<dyn Observer>,
    addresses: Arc<AddressPolicy>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client that trusts as `trust` says and obeys `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    ///
    /// # Errors
    /// When the trust settings cannot be used.
    pub fn new(trust: &Trust, settings: &ClientSettings, observer: Arc<dyn Observer>) -> Result<Self, TrustError> {
        let addresses = Arc::new(settings.addresses.clone());
        let resolver = JudgedNames::new(Arc::clone(&addresses), settings.proxies.clone());
        let http = reqwest::Client::builder()
            .dns_resolver(Arc::new(resolver))
            .user_agent(USER_AGENT)
            .tls_backend_preconfigured(client_config(trust, &settings.extra_roots)?)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout)
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(4)
            .pool_idle_timeout(Duration::from_secs(60))
            .referer(false)
            .http2_initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .http2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            .http2_max_header_list_size(HTTP2_HEADERS)
            .build()
            .map_err(|error| {
                let causes = FailureKind::causes(&error);
                TrustError::Setup(format!("the HTTP client cannot be set up: {causes}"))
            })?;
        Ok(Self {
            http,
            observer,
            addresses,
        })
    }

    /// Sends one request.
    ///
    /// # Errors
    /// When there is no whole response within the limits; every status is a response.
    pub async fn send(&self, request: Request<'_>) -> Result<Response, Failure> {
        let started = Instant::now();
        let (purpose, url, method) = (request.purpose, request.url, request.method.clone());
        let host = host(url);
        let outcome = self.exchange(request).await.map_err(|kind| Failure {
            host: host.clone(),
            kind,
        });
        let status = outcome.as_ref().ok().map(|response| response.status.as_u16());
        let duration = started.elapsed();
        let labels = RequestLabels {
            scheme: url.scheme(),
            host: &host,
            action: purpose,
            method: method.as_str(),
            status,
        };
        self.observer.exchanged(&labels, duration);
        let (millis, error) = (
            duration.as_millis(),
            outcome.as_ref().err().map(tracing::field::display),
        );
        tracing::debug!(purpose, %url, status, millis, error, "HTTP request");
        outcome
    }

    async fn exchange(&self, request: Request<'_>) -> Result<Response, FailureKind> {
        let Request {
            purpose: _,
            method,
            url,
            headers,
            body,
            limit,
        } = request;
        // a name is judged when it is resolved
        if let Some(address) = literal(url) {
            self.addresses.judge(address).map_err(FailureKind::Forbidden)?;
        }
        let mut request = self.http.request(method, url.clone()).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(|error| FailureKind::of(&error))?;
        let announced = response.content_length().unwrap_or_default();
        if usize::try_from(announced).is_ok_and(|announced| announced > limit) {
            return Err(FailureKind::TooLarge(limit));
        }
        let mut received = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| FailureKind::of(&error))? {
            if received.len() + chunk.len() > limit {
                return Err(FailureKind::TooLarge(limit));
            }
            received.extend_from_slice(&chunk);
        }
        Ok(Response {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: received.freeze(),
        })
    }
}

/// Host of a URL, with the port where it is not the scheme's.
pub fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
