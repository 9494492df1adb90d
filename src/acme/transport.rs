//! One HTTP request to an ACME server, with everything bounded: time, size, connections; no redirects.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use reqwest::{Url, redirect};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::headers::RetryAfter;
use super::limits::{MAX_OBJECT, answer_limit};
use super::problem::Problem;
use super::tls::{ExtraRoots, Trust, client_config};
use super::{Action, Error};
use crate::net::{AddressPolicy, JudgedNames, RefusedAddress, literal, refused};
use crate::pki::chain::SizeLimits;
use crate::pki::tls;
use crate::text::excerpt;

/// What a server may send ahead of our reading, per request and per connection, where it speaks HTTP/2.
const HTTP2_STREAM_WINDOW: u32 = 64 << 10;
const HTTP2_CONNECTION_WINDOW: u32 = 256 << 10;
/// The largest head of an answer, where it speaks HTTP/2.
const HTTP2_HEADERS: u32 = 16 << 10;

/// Limits of every request.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For the connection with TLS: 10 s.
    pub connect_timeout: Duration,
    /// For the whole exchange, body included: 30 s. cert-manager waits 90 s (ACC-11); nothing is lost by giving up
    /// earlier, because every step is taken up again from the server's state, and a worker is not held so long.
    pub request_timeout: Duration,
    /// For one object in bytes: 64 KiB, and more for orders of many names ([`super::limits`]).
    pub max_object: usize,
    /// For the certificate chain in bytes: what a Secret may hold (FLG-30).
    pub max_chain: usize,
    /// Where trust roots lie beside Mozilla's.
    pub extra_roots: ExtraRoots,
    /// Which addresses may be asked: whoever makes an issuer chooses its server.
    pub addresses: AddressPolicy,
    /// Hosts of the proxies of the environment, which the administrator chose.
    pub proxies: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            max_object: MAX_OBJECT,
            max_chain: SizeLimits::default().chain,
            extra_roots: ExtraRoots::default(),
            // of a process outside of a pod
            addresses: AddressPolicy::new(Vec::new(), true),
            proxies: Vec::new(),
        }
    }
}

/// One request as metrics see it (MET-05).
#[derive(Clone, Debug)]
pub struct Exchange<'a> {
    /// What it was for.
    pub action: Action,
    /// `https` or `http`.
    pub scheme: &'a str,
    /// Host, with the port where it is not the scheme's.
    pub host: &'a str,
    /// `GET`, `HEAD` or `POST`.
    pub method: &'a Method,
    /// `None` when there was no answer.
    pub status: Option<u16>,
    /// From the first byte sent to the last received.
    pub duration: Duration,
}

/// Who wants to know of every request; called after it, on an async thread: it must not block.
pub trait Observer: Send + Sync {
    /// A request has ended.
    fn exchanged(&self, exchange: &Exchange<'_>);
}

/// Wants to know nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn exchanged(&self, _: &Exchange<'_>) {}
}

/// What a server answered, of any status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked.
    pub action: Action,
    /// Host and port of the server.
    pub host: String,
    /// HTTP status.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The answer if it is a success (2xx).
    ///
    /// # Errors
    /// [`Error::Problem`] for a problem document, [`Error::Status`] for everything else, redirects included.
    pub fn into_success(self) -> Result<Self, Error> {
        let Self {
            action,
            ref host,
            status,
            ref headers,
            ref body,
        } = self;
        if status.is_success() {
            return Ok(self);
        }
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let retry_after = RetryAfter::from_headers(headers);
        let redirect = status.is_redirection().then(|| self.location()).flatten();
        let (host, status) = (host.clone(), status.as_u16());
        // before its directory was read nobody knows that it is an ACME server: its words are not repeated
        let problem = (action != Action::Directory).then(|| Problem::from_answer(content_type, body));
        Err(match problem.flatten() {
            Some(problem) => Problem {
                status: Some(status),
                retry_after,
                ..problem
            }
            .into(),
            None => Error::Status {
                host,
                action,
                status,
                retry_after,
                redirect,
            },
        })
    }

    /// Where the answer says that something is, as it is written there.
    fn location(&self) -> Option<String> {
        let location = self.headers.get(header::LOCATION)?.to_str().ok()?;
        Some(excerpt(location))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Error::Unreadable`], without the body's text.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(json_fault(&error)))
    }

    /// The error for a success that lacks what it must have.
    pub fn unreadable(&self, reason: impl Into<String>) -> Error {
        Error::Unreadable {
            host: self.host.clone(),
            action: self.action,
            reason: reason.into(),
        }
    }

    /// The wait that the answer asks for.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        RetryAfter::from_headers(&self.headers)
    }
}

/// A request to a server.
#[derive(Debug)]
pub struct Request<'a> {
    /// What it is for.
    pub action: Action,
    /// `GET`, `HEAD` or `POST`.
    pub method: Method,
    /// Where it goes.
    pub url: &'a Url,
    /// A JWS, for a POST (RFC 8555 section 6.2).
    pub body: Option<String>,
    /// How many names the order has that it is about: the answer may be larger for each.
    pub names: usize,
}

/// An HTTP client with one set of trust settings. Cheap to clone; keeps connections open between requests.
#[derive(Clone)]
pub struct Transport {
    http: reqwest::Client,
    observer: Arc<dyn Observer>,
    addresses: Arc<AddressPolicy>,
    max_object: usize,
    max_chain: usize,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("max_object", &self.max_object)
            .finish_non_exhaustive()
    }
}

impl Transport {
    /// A client that trusts as `trust` says and obeys `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    ///
    /// # Errors
    /// [`Error::Trust`] when the trust settings cannot be used.
    pub fn new(trust: &Trust, settings: &Settings, observer: Arc<dyn Observer>) -> Result<Self, Error> {
        let addresses = Arc::new(settings.addresses.clone());
        let resolver = JudgedNames::new(Arc::clone(&addresses), settings.proxies.clone());
        let http = reqwest::Client::builder()
            .dns_resolver(Arc::new(resolver))
            .user_agent(concat!("certlet/", env!("CARGO_PKG_VERSION")))
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
            .map_err(|error| Error::Trust(format!("the HTTP client cannot be set up: {}", causes(&error))))?;
        Ok(Self {
            http,
            observer,
            addresses,
            max_object: settings.max_object,
            max_chain: settings.max_chain,
        })
    }

    /// The largest certificate chain in bytes.
    pub fn max_chain(&self) -> usize {
        self.max_chain
    }

    /// Sends one request.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::TooLarge`]; every status is an answer.
    pub async fn send(&self, request: Request<'_>) -> Result<Answer, Error> {
        let started = Instant::now();
        let Request {
            action, url, method, ..
        } = &request;
        let (action, url, method) = (*action, *url, method.clone());
        let host = host(url);
        let outcome = self.exchange(request, &host).await;
        let status = outcome.as_ref().ok().map(|answer| answer.status.as_u16());
        let duration = started.elapsed();
        self.observer.exchanged(&Exchange {
            action,
            scheme: url.scheme(),
            host: &host,
            method: &method,
            status,
            duration,
        });
        let (millis, error) = (
            duration.as_millis(),
            outcome.as_ref().err().map(tracing::field::display),
        );
        tracing::debug!(action = action.label(), %url, status, millis, error, "ACME request");
        outcome
    }

    async fn exchange(&self, request: Request<'_>, host: &str) -> Result<Answer, Error> {
        let Request {
            action,
            method,
            url,
            body,
            names,
        } = request;
        let forbidden = |refused: RefusedAddress| Error::Forbidden {
            host: host.to_owned(),
            refused,
        };
        // a name is judged when it is resolved
        if let Some(address) = literal(url) {
            self.addresses.judge(address).map_err(forbidden)?;
        }
        let limit = answer_limit(action, names, self.max_object, self.max_chain);
        let too_large = || Error::TooLarge {
            host: host.to_owned(),
            action,
            limit,
        };
        let unreachable = |error: &reqwest::Error| match refused(error) {
            Some(refused) => forbidden(refused),
            None => Error::Unreachable {
                host: host.to_owned(),
                action,
                reason: reason(error),
            },
        };
        let mut request = self.http.request(method, url.clone());
        if action == Action::Certificate {
            request = request.header(header::ACCEPT, "application/pem-certificate-chain");
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/jose+json").body(body);
        }
        let mut response = request.send().await.map_err(|error| unreachable(&error))?;
        let announced = response.content_length().unwrap_or_default();
        if usize::try_from(announced).is_ok_and(|announced| announced > limit) {
            return Err(too_large());
        }
        let mut received = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            if received.len() + chunk.len() > limit {
                return Err(too_large());
            }
            received.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer {
            action,
            host: host.to_owned(),
            status: response.status(),
            headers,
            body: received.freeze(),
        })
    }
}

/// Host with the port where it is not the scheme's.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What is said of a text that is not JSON at all.
pub(super) const NOT_JSON: &str = "it is not JSON";

/// What is wrong with a JSON text, without a word of it: it may not be the server's at all.
fn json_fault(error: &serde_json::Error) -> &'static str {
    if error.is_data() {
        "its JSON is not of the form that RFC 8555 describes"
    } else {
        NOT_JSON
    }
}

/// What a user can do something about, from the chain of causes of a failed request.
fn reason(error: &reqwest::Error) -> String {
    let causes = causes(error);
    if error.is_timeout() {
        let stage = if error.is_connect() {
            "no connection"
        } else {
            "no complete answer"
        };
        return format!("{stage} within the time limit");
    }
    if causes.contains(tls::UNKNOWN_ISSUER) {
        return format!(
            "{causes}; if the server has a private CA, put its certificate into spec.acme.caBundle or name it in SSL_CERT_FILE"
        );
    }
    causes
}

/// The chain of causes in one line, without repetitions and without the URL.
fn causes(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = excerpt(&tls::cause(error));
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    if texts.is_empty() {
        "the request failed".to_owned()
    } else {
        texts.join(": ")
    }
}
