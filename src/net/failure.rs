//! Failed requests: the hop at which they failed, and why.

use std::error::Error as _;

use super::address::RefusedAddress;
use super::names::refused;
use crate::pki::tls;
use crate::text::excerpt;

/// A request without a complete response. As text it names the server; it contains no URL and no part of a response.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{host} {kind}")]
pub struct Failure {
    /// Host and port of the server.
    pub host: String,
    /// The hop and the cause.
    pub kind: FailureKind,
}

/// The hop at which a request failed, and the cause.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FailureKind {
    /// Rejected by the address policy before anything was sent.
    #[error("is not contacted: {0}")]
    Forbidden(RefusedAddress),
    /// Name resolution, proxy, connection or TLS. The causes are on one line.
    #[error("cannot be connected to: {0}")]
    NoConnection(String),
    /// TLS: the certificate of the server is not trusted. The causes are on one line.
    #[error("is not trusted: {0}")]
    Untrusted(String),
    /// After the connection: no response, or an incomplete one.
    #[error("did not answer: {0}")]
    NoAnswer(String),
    /// The response is larger than the limit, in bytes.
    #[error("answered with more than {0} bytes")]
    TooLarge(usize),
}

impl FailureKind {
    /// Classifies an error of `reqwest`.
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

    /// The chain of causes on one line, without repetitions and without the URL.
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
