//! Errors of requests to an ACME server.

use jiff::{SignedDuration, Timestamp};

use super::Action;
use super::jws::KeyError;
use super::problem::{DEFAULT_RATE_LIMIT_DELAY, DEFAULT_UNAVAILABLE_DELAY, Next, Problem};
use crate::net::{OutageKind, RefusedAddress, RetryAfter};

/// A failed request, as a sentence for the user. [`Error::next`] classifies it.
///
/// It never contains key material, nor text of a page that is not a problem document.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// The server refused with a problem document.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// Neither a success nor a problem document: the error page of a proxy or load balancer, or another kind of server.
    #[error(
        "the ACME server {host} answered {action} with status {status}{}",
        redirect.as_ref().map_or_else(
            || " and no explanation".to_owned(),
            |to| format!(", a redirect to {to}, and only the directory may redirect")
        )
    )]
    Status {
        /// Host and port of the server.
        host: String,
        /// The purpose of the request.
        action: Action,
        /// HTTP status.
        status: u16,
        /// `Retry-After` of the answer.
        retry_after: Option<RetryAfter>,
        /// The target, if it is a redirect.
        redirect: Option<String>,
    },
    /// The address policy rejects the server's address.
    #[error("the ACME server {host} is not asked: {refused}")]
    Forbidden {
        /// Host and port of the server.
        host: String,
        /// The address, and the class it belongs to.
        refused: RefusedAddress,
    },
    /// No answer: a failed connection, failed TLS, a time-out, or a truncated answer.
    #[error("the ACME server {host} did not answer {action}: {reason}")]
    Unreachable {
        /// Host and port of the server.
        host: String,
        /// The purpose of the request.
        action: Action,
        /// The cause.
        reason: String,
    },
    /// The answer is larger than the limit.
    #[error("the ACME server {host} answered {action} with more than {limit} bytes")]
    TooLarge {
        /// Host and port of the server.
        host: String,
        /// The purpose of the request.
        action: Action,
        /// The limit in bytes.
        limit: usize,
    },
    /// A value in the answer exceeds its limit in size or number.
    #[error("the ACME server {host} answered {action} with {what}")]
    Excessive {
        /// Host and port of the server.
        host: String,
        /// The purpose of the request.
        action: Action,
        /// What is too large, with its limit.
        what: String,
    },
    /// A success whose content does not follow the protocol.
    #[error("the ACME server {host} answered {action} with something that cannot be read: {reason}")]
    Unreadable {
        /// Host and port of the server.
        host: String,
        /// The purpose of the request.
        action: Action,
        /// The fault: positions and field names, no content.
        reason: String,
    },
    /// The directory's URL does not lead to an ACME server.
    #[error("{url} is not the directory of an ACME server: {reason}; check spec.acme.server of the issuer")]
    NotAcme {
        /// The directory's URL.
        url: String,
        /// What is there instead.
        reason: String,
    },
    /// A URL whose origin is neither that of the directory nor one that the directory names. No request is sent there.
    #[error(
        "{url} does not belong to the ACME server {server}, whose directory names {named}; it is not used{}",
        hint.as_ref().map_or_else(String::new, |hint| format!(
            ". If it is the server that is meant, spec.acme.server of the issuer should be {hint}"
        ))
    )]
    ForeignUrl {
        /// The URL.
        url: String,
        /// The directory's URL.
        server: String,
        /// The origins that the directory names.
        named: String,
        /// The likely URL of the directory on that other server.
        hint: Option<String>,
    },
    /// A text that cannot be a URL of an ACME server.
    #[error("{url:?} is not a URL of an ACME server: {reason}")]
    InvalidUrl {
        /// The text.
        url: String,
        /// The fault.
        reason: String,
    },
    /// The trust settings cannot be used.
    #[error("{0}")]
    Trust(String),
    /// The account key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The server's list of profiles lacks this one.
    #[error(
        "acme: certificate authority does not advertise a profile with name {profile}; the ACME server {host} offers {offered}"
    )]
    UnknownProfile {
        /// Host and port of the server.
        host: String,
        /// The requested profile.
        profile: String,
        /// The offered profiles.
        offered: String,
    },
    /// The account exists but cannot be used any more (RFC 8555 section 7.1.2).
    #[error("the ACME account {uri} is {status}; delete the account key's Secret to make a new account")]
    AccountClosed {
        /// The account's URL.
        uri: String,
        /// `deactivated` or `revoked`.
        status: String,
    },
    /// The server does not offer a requested function.
    #[error("the ACME server {host} does not offer {what}")]
    Unsupported {
        /// Host and port of the server.
        host: String,
        /// What is missing.
        what: &'static str,
    },
}

impl Error {
    /// The next action. `now` is the time when the error was received.
    pub fn next(&self, now: Timestamp) -> Next {
        let wait = |retry_after: Option<RetryAfter>, default: SignedDuration| {
            Next::Wait(retry_after.unwrap_or(RetryAfter::After(default)).until(now))
        };
        match self {
            Self::Problem(problem) => problem.next(now),
            Self::Status {
                status: 429,
                retry_after,
                ..
            } => wait(*retry_after, DEFAULT_RATE_LIMIT_DELAY),
            Self::Status {
                status: 503,
                retry_after,
                ..
            } => wait(*retry_after, DEFAULT_UNAVAILABLE_DELAY),
            Self::Status {
                retry_after: Some(retry_after),
                ..
            } => Next::Wait(retry_after.until(now)),
            // A 4xx without a problem document, such as a proxy's, has no information about the order.
            Self::Status { .. }
            | Self::Unreachable { .. }
            | Self::TooLarge { .. }
            | Self::Excessive { .. }
            | Self::Unreadable { .. }
            // The right server may return to this address. An edit of the issuer causes a reconcile in any case.
            | Self::NotAcme { .. }
            | Self::Forbidden { .. } => Next::Retry,
            Self::ForeignUrl { .. } => Next::NewOrder,
            Self::InvalidUrl { .. }
            | Self::Trust(_)
            | Self::Key(_)
            | Self::UnknownProfile { .. }
            | Self::AccountClosed { .. }
            | Self::Unsupported { .. } => Next::UserMustAct,
        }
    }

    /// The outage of the server, if the failure is one.
    pub fn outage(&self) -> Option<OutageKind> {
        match self {
            Self::Problem(problem) => problem.outage(),
            Self::Status { status: 429, .. } => Some(OutageKind::RateLimited),
            Self::Status { status: 500.., .. } | Self::Unreachable { .. } => Some(OutageKind::Unreachable),
            Self::Status { .. }
            | Self::Forbidden { .. }
            | Self::TooLarge { .. }
            | Self::Excessive { .. }
            | Self::Unreadable { .. }
            | Self::NotAcme { .. }
            | Self::ForeignUrl { .. }
            | Self::InvalidUrl { .. }
            | Self::Trust(_)
            | Self::Key(_)
            | Self::UnknownProfile { .. }
            | Self::AccountClosed { .. }
            | Self::Unsupported { .. } => None,
        }
    }

    /// The server's problem document, if it sent one.
    pub fn problem(&self) -> Option<&Problem> {
        if let Self::Problem(problem) = self {
            Some(problem)
        } else {
            None
        }
    }

    /// Whether a limit was exceeded. The next answer may be smaller, so the request is retried, but only a few times.
    pub fn is_excess(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::Excessive { .. })
    }

    /// Whether the server reports that it does not know the account.
    pub fn says_account_is_unknown(&self) -> bool {
        self.problem().is_some_and(Problem::says_account_is_unknown)
    }

    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        if let Self::Status { status, .. } = self {
            Some(*status)
        } else {
            self.problem()?.status
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}
