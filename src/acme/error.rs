//! What can go wrong in a conversation with an ACME server.

use jiff::{SignedDuration, Timestamp};

use super::Action;
use super::jws::KeyError;
use super::problem::{DEFAULT_RATE_LIMIT_DELAY, DEFAULT_UNAVAILABLE_DELAY, Next, Problem};
use crate::net::RefusedAddress;
use crate::net::RetryAfter;

/// A failure, as a sentence for the user; [`Error::next`] says what to do about it.
///
/// It never contains text of a page that is not a problem document, nor key material.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// The server refused, and says why.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// Neither success nor a problem document: a proxy's error page, a load balancer, another kind of server.
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
        /// What was asked.
        action: Action,
        /// HTTP status.
        status: u16,
        /// The wait that the answer asks for.
        retry_after: Option<RetryAfter>,
        /// Where it redirects to.
        redirect: Option<String>,
    },
    /// An address that is not asked, whoever wants it.
    #[error("the ACME server {host} is not asked: {refused}")]
    Forbidden {
        /// Host and port of the server.
        host: String,
        /// The address, and why.
        refused: RefusedAddress,
    },
    /// No answer: connection, TLS, time-out, an answer cut off.
    #[error("the ACME server {host} did not answer {action}: {reason}")]
    Unreachable {
        /// Host and port of the server.
        host: String,
        /// What was asked.
        action: Action,
        /// What happened.
        reason: String,
    },
    /// The answer is larger than any that this client asks for.
    #[error("the ACME server {host} answered {action} with more than {limit} bytes")]
    TooLarge {
        /// Host and port of the server.
        host: String,
        /// What was asked.
        action: Action,
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer holds something that is larger, or there more often, than makes sense.
    #[error("the ACME server {host} answered {action} with {what}")]
    Excessive {
        /// Host and port of the server.
        host: String,
        /// What was asked.
        action: Action,
        /// What is too large, with its limit.
        what: String,
    },
    /// A success whose content is not what the protocol says.
    #[error("the ACME server {host} answered {action} with something that cannot be read: {reason}")]
    Unreadable {
        /// Host and port of the server.
        host: String,
        /// What was asked.
        action: Action,
        /// What is wrong with it; positions and field names, no content.
        reason: String,
    },
    /// What answers at the directory's URL does not speak ACME.
    #[error("{url} is not the directory of an ACME server: {reason}; check spec.acme.server of the issuer")]
    NotAcme {
        /// The directory's URL.
        url: String,
        /// What was found there.
        reason: String,
    },
    /// A URL on another server than the directory's and those that it names, which nothing is ever sent to.
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
        /// What the directory names.
        named: String,
        /// The directory's URL on that other server, most likely.
        hint: Option<String>,
    },
    /// Not a URL that an ACME server can have.
    #[error("{url:?} is not a URL of an ACME server: {reason}")]
    InvalidUrl {
        /// The text.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The trust settings cannot be used.
    #[error("{0}")]
    Trust(String),
    /// The account key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The server has a profile list, and this is not on it.
    #[error(
        "acme: certificate authority does not advertise a profile with name {profile}; the ACME server {host} offers {offered}"
    )]
    UnknownProfile {
        /// Host and port of the server.
        host: String,
        /// The profile asked for.
        profile: String,
        /// Those that there are.
        offered: String,
    },
    /// The account exists but can no longer be used (RFC 8555 section 7.1.2).
    #[error("the ACME account {uri} is {status}; delete the account key's Secret to make a new account")]
    AccountClosed {
        /// The account's URL.
        uri: String,
        /// `deactivated` or `revoked`.
        status: String,
    },
    /// The directory lacks what is asked for.
    #[error("the ACME server {host} does not offer {what}")]
    Unsupported {
        /// Host and port of the server.
        host: String,
        /// What is missing.
        what: &'static str,
    },
}

impl Error {
    /// What to do about it; `now` is when it was received.
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
            // A proxy's 4xx without an explanation says nothing about the order.
            Self::Status { .. }
            | Self::Unreachable { .. }
            | Self::TooLarge { .. }
            | Self::Excessive { .. }
            | Self::Unreadable { .. }
            // The right server may come back at this address; the edit that is needed triggers anyway.
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

    /// The refusal, when the server explained one.
    pub fn problem(&self) -> Option<&Problem> {
        if let Self::Problem(problem) = self {
            Some(problem)
        } else {
            None
        }
    }

    /// True when the server said more than makes sense. It may say less the next time, but not for ever is it asked again.
    pub fn is_excess(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::Excessive { .. })
    }

    /// True when the server says that it does not know the account.
    pub fn says_account_is_unknown(&self) -> bool {
        self.problem().is_some_and(Problem::says_account_is_unknown)
    }

    /// The HTTP status that came with it.
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
