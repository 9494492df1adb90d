//! The HTTPS client for servers outside of the cluster. Every request has limits for time and size, and redirects are not
//! followed.
//!
//! One [`HttpClient`] has one set of trust settings. It knows nothing of ACME. The caller passes a [`Request`] with the size
//! limit of the response, and receives the complete [`Response`], whatever its status, or a [`Failure`] that names the server and
//! the hop.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Url, redirect};
use tokio::time::Instant;

use super::address::AddressPolicy;
use super::failure::{Failure, FailureKind};
use super::names::{CheckedNames, literal};
use super::observer::Observer;
use super::trust::{ExtraRoots, Presented, Trust, TrustError, presenting_config};
use crate::process::{USER_AGENT, metrics::RequestLabels};

/// Bytes that a server may send ahead, per stream and per connection (HTTP/2 windows).
const HTTP2_STREAM_WINDOW: u32 = 64 << 10;
const HTTP2_CONNECTION_WINDOW: u32 = 256 << 10;
/// The largest header section of a response in bytes (HTTP/2).
const HTTP2_HEADERS: u32 = 16 << 10;

/// Limits of every request, and the network settings.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Time limit for the connection, TLS included: 10 s.
    pub connect_timeout: Duration,
    /// Time limit for the whole exchange, body included: 30 s.
    pub request_timeout: Duration,
    /// Trust roots in addition to Mozilla's.
    pub extra_roots: ExtraRoots,
    /// How many idle connections to a host stay open for the next requests: 4.
    pub idle_connections: usize,
    /// The policy for addresses that users choose.
    pub addresses: AddressPolicy,
    /// Hosts of the proxies in the environment, which the administrator chose.
    pub proxies: Vec<String>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            extra_roots: ExtraRoots::default(),
            idle_connections: 4,
            // defaults for a process outside of a pod
            addresses: AddressPolicy::new(Vec::new(), true),
            proxies: Vec::new(),
        }
    }
}

/// A request. `Debug` omits headers and body, which may contain credentials.
pub struct Request<'a> {
    /// The purpose: a word of a closed set, for metrics and logs.
    pub purpose: &'static str,
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: &'a Url,
    /// Headers in addition to those of the client.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Bytes>,
    /// Size limit of the response body, in bytes.
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

/// A response of any status.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The complete body, at most [`Request::limit`] bytes.
    pub body: Bytes,
}

/// An HTTP client with one set of trust settings. Cheap to clone; reuses connections.
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
    /// A client with the trust settings `trust`. It uses `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    ///
    /// # Errors
    /// If the trust settings cannot be used.
    pub fn new(trust: &Trust, settings: &ClientSettings, observer: Arc<dyn Observer>) -> Result<Self, TrustError> {
        Self::presenting(trust, &Presented::default(), settings, observer)
    }

    /// As [`HttpClient::new`], with a client certificate, and with another name of the server. The URLs of requests have that
    /// name as their host. Such a server is called directly: a proxy would look for that name.
    ///
    /// # Errors
    /// If the settings cannot be used, or if the environment has a proxy for a server with another name.
    pub fn presenting(
        trust: &Trust,
        presented: &Presented,
        settings: &ClientSettings,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, TrustError> {
        let addresses = Arc::new(settings.addresses.clone());
        let resolver = CheckedNames::new(Arc::clone(&addresses), settings.proxies.clone());
        let resolver = resolver.with_alias(presented.server_name.clone());
        let mut builder = reqwest::Client::builder();
        if let Some((_, real)) = &presented.server_name {
            if is_proxied(real, &Matcher::from_env()) {
                return Err(TrustError::Proxied(real.clone()));
            }
            builder = builder.no_proxy();
        }
        let http = builder
            .dns_resolver(Arc::new(resolver))
            .user_agent(USER_AGENT)
            .tls_backend_preconfigured(presenting_config(trust, presented, &settings.extra_roots)?)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout)
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(settings.idle_connections)
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
    /// If there is no complete response within the limits. A response of any status is not an error.
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
        // an address in the URL is checked here, a name when it is resolved
        if let Some(address) = literal(url) {
            self.addresses.check(address).map_err(FailureKind::Forbidden)?;
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

/// Whether HTTPS requests to this host, which may be an address, are sent through a proxy.
fn is_proxied(host: &str, proxies: &Matcher) -> bool {
    let authority = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let uri = Uri::builder()
        .scheme("https")
        .authority(authority)
        .path_and_query("/")
        .build();
    uri.is_ok_and(|uri| proxies.intercept(&uri).is_some())
}

/// The host of a URL, with the port if it is not the default.
pub fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_host_decides_about_a_proxy() {
        let proxies = Matcher::builder()
            .all("http://proxy.example:3128")
            .no("direct.example,10.0.0.0/8,fd00::/8")
            .build();
        for (host, proxied) in [
            ("vault.example", true),
            ("direct.example", false),
            ("10.1.2.3", false),
            ("192.0.2.1", true),
            ("fd00::1", false),
            ("2001:db8::1", true),
        ] {
            assert_eq!(is_proxied(host, &proxies), proxied, "{host}");
        }
        assert!(!is_proxied("vault.example", &Matcher::builder().build()));
    }
}
