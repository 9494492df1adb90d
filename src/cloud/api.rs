//! One call of an HTTP API: a request, its reply, and the faults that all APIs share. What a server writes into a body is never
//! repeated in a sentence.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde::de::DeserializeOwned;

use super::fault::{Fault, FaultKind};
use crate::net::{FailureKind, HttpClient, Request, RetryAfter, host};

/// The largest body that is read, in bytes.
const LARGEST: usize = 1 << 20;
/// How long no call is made after a server has limited calls without a `Retry-After`.
const LIMITED: SignedDuration = SignedDuration::from_mins(1);

/// An API.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    http: HttpClient,
    provider: &'static str,
    now: fn() -> Timestamp,
}

/// A request. It has no `Debug`: headers and body may contain credentials.
pub(crate) struct Call<'a> {
    /// The purpose: a word of a closed set, for logs.
    pub purpose: &'static str,
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: &'a Url,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Bytes>,
}

/// A reply with a status below 500 other than 429.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The provider and its host, for sentences.
    pub server: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Api {
    /// An API that is called by `http`. `provider` is its name, for sentences.
    pub(super) const fn new(http: HttpClient, provider: &'static str, now: fn() -> Timestamp) -> Self {
        Self { http, provider, now }
    }

    /// Sends one request.
    ///
    /// # Errors
    /// If there is no complete reply, if the server failed (status 500 and above), or if it limits calls (status 429).
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Reply, Fault> {
        let Call {
            purpose,
            method,
            url,
            headers,
            body,
        } = call;
        let server = format!("{} ({})", self.provider, host(url));
        let request = Request {
            purpose,
            method,
            url,
            headers,
            body,
            limit: LARGEST,
        };
        let response = self.http.send(request).await.map_err(|failure| {
            let kind = match &failure.kind {
                FailureKind::NoConnection(_) | FailureKind::NoAnswer(_) => FaultKind::Unreachable,
                FailureKind::Forbidden(_) | FailureKind::Untrusted(_) | FailureKind::TooLarge(_) => FaultKind::Other,
            };
            Fault::new(kind, format!("{server} {}", failure.kind))
        })?;
        let reply = Reply {
            server,
            status: response.status,
            headers: response.headers,
            body: response.body,
        };
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.limited(&reply));
        }
        if reply.status.is_server_error() {
            let sentence = format!("{} answered {}", reply.server, reply.status);
            return Err(Fault::new(FaultKind::Unreachable, sentence));
        }
        Ok(reply)
    }

    /// The server accepts no more calls for a while: as its `Retry-After` says, or for a minute.
    pub(crate) fn limited(&self, reply: &Reply) -> Fault {
        let now = (self.now)();
        let until = RetryAfter::from_headers(&reply.headers).map_or_else(
            || now.saturating_add(LIMITED).unwrap_or(Timestamp::MAX),
            |retry_after| retry_after.until(now),
        );
        let sentence = format!(
            "{} limits the number of calls; the next one is made at {until:.0}",
            reply.server
        );
        Fault::new(FaultKind::Limited(until), sentence)
    }
}

/// A URL with further segments of the path.
///
/// # Errors
/// If no path can be added to the URL, as to `data:…`.
pub(crate) fn below<'a>(base: &Url, path: impl IntoIterator<Item = &'a str>) -> Result<Url, Fault> {
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| Fault::new(FaultKind::Other, "the URL of the API cannot be extended"))?
        .pop_if_empty()
        .extend(path);
    Ok(url)
}

impl Reply {
    /// The body, parsed as JSON.
    ///
    /// # Errors
    /// If it is something else; the sentence gives its type.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(|_| self.not("the JSON that its API describes"))
    }

    /// Checks the answer to a write: its body is JSON, or there is none.
    ///
    /// # Errors
    /// If it is something else, as of a proxy that answers for the server.
    pub(crate) fn is_json_or_empty(&self) -> Result<(), Fault> {
        if self.body.is_empty() {
            return Ok(());
        }
        self.json::<serde::de::IgnoredAny>().map(drop)
    }

    /// How far this clock is ahead of the server's at `now`; `None` if the reply does not give the server's time.
    pub(crate) fn clock_ahead(&self, now: Timestamp) -> Option<SignedDuration> {
        let date = self.headers.get(header::DATE)?.to_str().ok()?;
        let date = Timestamp::try_from(httpdate::parse_http_date(date).ok()?).ok()?;
        Some(now.duration_since(date))
    }

    /// The body is not what was expected.
    pub(crate) fn not(&self, expected: &str) -> Fault {
        let kind = self
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map_or_else(|| "no content type".to_owned(), crate::text::excerpt);
        let sentence = format!(
            "{} answered {} with {kind}, which is not {expected}: is there a proxy between certlet and the server?",
            self.server, self.status
        );
        Fault::new(FaultKind::Other, sentence)
    }

    /// The status is not one that the API describes.
    pub(crate) fn unexpected(&self, call: &str) -> Fault {
        let sentence = format!("{} answered {} when it was asked to {call}", self.server, self.status);
        Fault::new(FaultKind::Other, sentence)
    }
}
