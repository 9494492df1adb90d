//! One HTTP request to an ACME server: [`crate::net`] with ACME's errors.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::Url;
use serde::de::DeserializeOwned;

use super::limits::{MAX_OBJECT, answer_limit};
use super::problem::{DEFAULT_RATE_LIMIT_DELAY, Problem};
use super::{Action, Error};
use crate::api::AcmeIssuer;
use crate::net::{self, ClientSettings, Failure, FailureKind, HttpClient, Observer, RetryAfter, Trust, TrustError};
use crate::pki::chain::SizeLimits;
use crate::text::excerpt;

/// Limits of every request.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits of the HTTP client. cert-manager waits 90 s (ACC-11) and this client 30 s. An earlier time-out loses
    /// nothing, because every step continues from the server's state, and it frees the worker.
    pub client: ClientSettings,
    /// The largest object in bytes: 64 KiB, and more for orders of many names ([`super::limits`]).
    pub max_object: usize,
    /// The largest certificate chain in bytes: as much as a Secret holds (FLG-30).
    pub max_chain: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client: ClientSettings::default(),
            max_object: MAX_OBJECT,
            max_chain: SizeLimits::default().chain,
        }
    }
}

/// The trust settings of an issuer (ISS-19).
pub fn trust(issuer: &AcmeIssuer) -> Trust {
    Trust {
        ca_bundle: issuer
            .ca_bundle
            .as_ref()
            .map(|bundle| bundle.0.clone())
            .filter(|bundle| !bundle.is_empty()),
        skip_verify: issuer.skip_tls_verify == Some(true),
    }
}

/// A server's answer, of any status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The purpose of the request.
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
    /// Returns the answer, if it is a success (2xx).
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
        // Before its directory was read, the server may not be an ACME server. Its text is not quoted.
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

    /// The `Location` header, as it is.
    fn location(&self) -> Option<String> {
        let location = self.headers.get(header::LOCATION)?.to_str().ok()?;
        Some(excerpt(location))
    }

    /// Parses the body as JSON.
    ///
    /// # Errors
    /// [`Error::Unreadable`], without text of the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(json_fault(&error)))
    }

    /// The error for a success without a required value.
    pub fn unreadable(&self, reason: impl Into<String>) -> Error {
        Error::Unreadable {
            host: self.host.clone(),
            action: self.action,
            reason: reason.into(),
        }
    }

    /// `Retry-After` of the answer.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        RetryAfter::from_headers(&self.headers)
    }
}

/// A request to a server.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its purpose.
    pub action: Action,
    /// `GET`, `HEAD` or `POST`.
    pub method: Method,
    /// Where it goes.
    pub url: &'a Url,
    /// A JWS, for a POST (RFC 8555 section 6.2).
    pub body: Option<String>,
    /// The number of names in the order that it concerns. It raises the limit of the answer.
    pub names: usize,
}

/// Sends requests with one set of trust settings. Cheap to clone. Keeps connections open between requests.
#[derive(Clone)]
pub struct Transport {
    http: HttpClient,
    observer: Arc<dyn Observer>,
    max_object: usize,
    max_chain: usize,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}

impl Transport {
    /// A client with these trust settings.
    ///
    /// # Errors
    /// [`Error::Trust`] when the trust settings cannot be used.
    pub fn new(trust: &Trust, settings: &Settings, observer: Arc<dyn Observer>) -> Result<Self, Error> {
        Ok(Self {
            http: HttpClient::new(trust, &settings.client, Arc::clone(&observer)).map_err(untrusted)?,
            observer,
            max_object: settings.max_object,
            max_chain: settings.max_chain,
        })
    }

    /// The largest certificate chain in bytes.
    pub fn max_chain(&self) -> usize {
        self.max_chain
    }

    /// Sends one request, and returns the answer of any status.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Forbidden`], [`Error::TooLarge`].
    pub async fn send(&self, request: Request<'_>) -> Result<Answer, Error> {
        let Request {
            action,
            method,
            url,
            body,
            names,
        } = request;
        let mut headers = HeaderMap::new();
        if action == Action::Certificate {
            let accepted = HeaderValue::from_static("application/pem-certificate-chain");
            headers.insert(header::ACCEPT, accepted);
        }
        if body.is_some() {
            let type_ = HeaderValue::from_static("application/jose+json");
            headers.insert(header::CONTENT_TYPE, type_);
        }
        let request = net::Request {
            purpose: action.label(),
            method,
            url,
            headers,
            body: body.map(Bytes::from),
            limit: answer_limit(action, names, self.max_object, self.max_chain),
        };
        let response = self.http.send(request).await.map_err(|error| failed(action, error))?;
        let net::Response { status, headers, body } = response;
        let host = net::host(url);
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = RetryAfter::from_headers(&headers);
            let wait = wait.unwrap_or(RetryAfter::After(DEFAULT_RATE_LIMIT_DELAY));
            self.observer.rate_limited(&host, wait);
        }
        Ok(Answer {
            action,
            host,
            status,
            headers,
            body,
        })
    }
}

/// The error of a request without an answer, as a sentence for an issuer.
fn failed(action: Action, failure: Failure) -> Error {
    let Failure { host, kind } = failure;
    let reason = match kind {
        FailureKind::Forbidden(refused) => return Error::Forbidden { host, refused },
        FailureKind::TooLarge(limit) => return Error::TooLarge { host, action, limit },
        FailureKind::Untrusted(causes) => format!(
            "{causes}; if the server has a private CA, put its certificate into spec.acme.caBundle or name it in SSL_CERT_FILE"
        ),
        FailureKind::NoConnection(reason) | FailureKind::NoAnswer(reason) => reason,
    };
    Error::Unreachable { host, action, reason }
}

/// The error of unusable trust settings, with the issuer's fields.
fn untrusted(error: TrustError) -> Error {
    Error::Trust(match error {
        TrustError::Exclusive => {
            "spec.acme.caBundle and spec.acme.skipTLSVerify exclude each other; remove one".to_owned()
        }
        TrustError::Bundle(reason) => {
            format!("spec.acme.caBundle cannot be used: {reason}; it must hold PEM certificates")
        }
        TrustError::Setup(reason) => reason,
        proxied @ TrustError::Proxied(_) => proxied.to_string(),
    })
}

/// The fault of a text that is not JSON.
pub(super) const NOT_JSON: &str = "it is not JSON";

/// The fault of a JSON text, without its content: the text may come from another server.
fn json_fault(error: &serde_json::Error) -> &'static str {
    if error.is_data() {
        "its JSON is not of the form that RFC 8555 describes"
    } else {
        NOT_JSON
    }
}
