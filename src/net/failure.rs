//! Why there is no response, and how far the request came.

use std::error::Error as _;

use super::address::RefusedAddress;
use super::names::refused;
use crate::pki::tls;
use crate::text::excerpt;

/// A request without a whole response, as a sentence that names the server. It holds no URL and no text of a response.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{host} {kind}")]
pub struct Failure {
    /// Host and port of the server.
    pub host: String,
    /// What happened.
    pub kind: FailureKind,
}

/// What happened, by the hop at which the request ended.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FailureKind {
    /// Before anything was sent: an address that is not asked.
    #[error("is not asked: {0}")]
    Forbidden(RefusedAddress),
    /// Name resolution, proxy, connection or TLS; the causes in one line.
    #[error("cannot be connected to: {0}")]
    NoConnection(String),
    /// TLS: the server's certificate comes from a CA that is not trusted. The causes in one line.
    #[error("is not trusted: {0}")]
    Untrusted(String),
    /// After the connection: a response that did not come, or not to its end.
    #[error("did not answer: {0}")]
    NoAnswer(String),
    /// The response is larger than the request allows, in bytes.
    #[error("answered with more than {0} bytes")]
    TooLarge(usize),
}

impl FailureKind {
    /// What a failed request of `reqwest` means.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if let Some(refused) = refused(error) {
            return Self::Forbidden(refused);
        }
        let causes = Self::causes(error);
        match (error.is_timeout(), error.is_connect()) {
            (true, true) => Self::NoConnection("no connection within the time limit".to_owned()),
            (true, false) => Self::NoAnswer("no complete answer within the time limit".to_owned()),
            (false, _) if causes.contains(tls::UNKNOWN_ISSUER) => Self::Untrusted(causes),
            (false, true) => Self::NoConnection(causes),
            (false, false) => Self::NoAnswer(causes),
        }
    }

    /// The chain of causes in one line, without repetitions and without the URL.
    pub(super) fn causes(error: &reqwest::Error) -> String {
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
}
