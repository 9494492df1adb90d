//! The faults: what a server does that is not there, busy, broken or hostile.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::response::Parts;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;

use super::serve::Body;

/// What is done to a request instead of, or beside, forwarding it.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// This answer, without asking the server.
    Answer {
        /// HTTP status code.
        status: u16,
        /// The `Retry-After` header: seconds or an HTTP date.
        retry_after: Option<String>,
        /// The `Content-Type` header.
        content_type: &'static str,
        /// The body.
        body: String,
    },
    /// No answer, ever; the connection stays open.
    Hang,
    /// No answer; the connection is cut. The server is not asked.
    Cut,
    /// The server does what it was asked to; the connection is cut instead of its answer.
    CutReply,
    /// The server's answer begins, and the connection is cut in the middle of its body.
    CutBody,
    /// Status 200 and a body of this many bytes, without asking the server.
    Oversized(usize),
    /// The server's answer, in pieces of this many bytes with a pause before each.
    SlowBody(usize, Duration),
    /// The server's answer under another content type.
    ContentType(&'static str),
    /// The server's answer as this makes it.
    Reshape(fn(&mut Parts, Bytes) -> Bytes),
    /// A redirect with this status to this place, without asking the server.
    Redirect(u16, &'static str),
}

/// How often a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    /// This often.
    Count(u32),
    /// Until [`heal`](super::FaultProxy::heal).
    Always,
}

impl Fault {
    /// 429 with the ACME problem `rateLimited`.
    pub(crate) fn rate_limited(retry_after: &str) -> Self {
        Self::problem(
            429,
            "rateLimited",
            "too many certificates already issued",
            Some(retry_after),
        )
    }

    /// 503 with a `Retry-After` header and no ACME problem.
    pub(crate) fn unavailable(retry_after: &str) -> Self {
        Self::Answer {
            status: 503,
            retry_after: Some(retry_after.to_owned()),
            content_type: "text/plain",
            body: "back soon".to_owned(),
        }
    }

    /// An ACME problem (RFC 8555 section 6.7) by the last part of its type.
    pub(crate) fn problem(status: u16, kind: &str, detail: &str, retry_after: Option<&str>) -> Self {
        let body = serde_json::json!({
            "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail, "status": status,
        });
        Self::Answer {
            status,
            retry_after: retry_after.map(str::to_owned),
            content_type: "application/problem+json",
            body: body.to_string(),
        }
    }

    /// A redirect.
    pub(crate) fn redirect(status: u16, to: &'static str) -> Self {
        Self::Redirect(status, to)
    }

    /// The error page of a web server that stands in front of the real one.
    pub(crate) fn html(status: u16) -> Self {
        let body = "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Something broke</h1></body></html>";
        Self::Answer {
            status,
            retry_after: None,
            content_type: "text/html; charset=utf-8",
            body: body.to_owned(),
        }
    }

    /// The answer to be given without asking the server, if this fault has one.
    pub(super) fn answer(&self) -> Option<Response<Body>> {
        match self {
            Self::Answer {
                status,
                retry_after,
                content_type,
                body,
            } => {
                let mut answer = Response::new(full(body.clone().into()));
                *answer.status_mut() = StatusCode::from_u16(*status).expect("a status between 100 and 999");
                answer
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                if let Some(text) = retry_after {
                    answer
                        .headers_mut()
                        .insert(RETRY_AFTER, text.parse().expect("a header value"));
                }
                Some(answer)
            }
            Self::Oversized(size) => {
                let mut answer = Response::new(full(vec![b' '; *size].into()));
                answer
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Some(answer)
            }
            Self::Redirect(status, to) => {
                let mut answer = Response::new(full(Bytes::new()));
                *answer.status_mut() = StatusCode::from_u16(*status).expect("a status between 100 and 999");
                answer.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
                Some(answer)
            }
            Self::Hang
            | Self::Cut
            | Self::CutReply
            | Self::CutBody
            | Self::SlowBody(..)
            | Self::ContentType(_)
            | Self::Reshape(_) => None,
        }
    }
}

impl Times {
    /// Whether it happens once more; counts down if so.
    pub(super) fn take(&mut self) -> bool {
        match self {
            Self::Always => true,
            Self::Count(0) => false,
            Self::Count(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// A body that is there at once.
pub(super) fn full(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// A body that comes in pieces of `size` bytes with a pause before each.
pub(super) fn slow(bytes: Bytes, size: usize, pause: Duration) -> Body {
    let pieces = stream::unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = rest.split_to(size.clamp(1, rest.len()));
        Some((Ok(Frame::data(piece)), rest))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// The first half of a body, and then an error: the connection breaks.
pub(super) fn broken(mut bytes: Bytes) -> Body {
    let half = bytes.split_to(bytes.len() / 2);
    let pieces = stream::iter([Ok(Frame::data(half)), Err("the fault proxy cuts the body here".into())]);
    StreamBody::new(pieces).boxed_unsync()
}
