//! Why the server of a signer did not do what it was asked for, sorted by who can cure it.

use jiff::{SignedDuration, Timestamp};

use crate::net::{Failure, FailureKind, OutageKind, Response, RetryAfter};

/// The shortest and the longest delay before a call that failed is repeated.
const SHORTEST: SignedDuration = SignedDuration::from_secs(5);
const LONGEST: SignedDuration = SignedDuration::from_mins(5);

/// A failed call. `sentence` names the hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Who can cure it.
    pub kind: FaultKind,
    /// What failed, where, and in the server's words why.
    pub sentence: String,
}

/// Who can cure a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// The server refuses the request: the requester, with another request.
    Request,
    /// The credential, or its rights, do not allow it.
    Denied,
    /// Something is missing at the server, or a setting cannot be used: an administrator.
    Settings,
    /// The server does not answer or fails: time.
    Unavailable,
    /// Not before this time.
    Limited(Timestamp),
}

impl FaultKind {
    /// The outage of the server, if it is one.
    pub(crate) const fn outage(self) -> Option<OutageKind> {
        match self {
            Self::Unavailable => Some(OutageKind::Unreachable),
            Self::Limited(_) => Some(OutageKind::RateLimited),
            Self::Request | Self::Denied | Self::Settings => None,
        }
    }

    /// The server limits calls (status 429): until the time of its `Retry-After`, or for 5 s.
    pub(super) fn limited(response: &Response, now: Timestamp) -> Self {
        let shortest = || now.saturating_add(SHORTEST).unwrap_or(now);
        Self::Limited(RetryAfter::from_headers(&response.headers).map_or_else(shortest, |after| after.until(now)))
    }
}

impl Fault {
    /// A fault of the settings.
    pub(crate) fn settings(sentence: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Settings,
            sentence: sentence.into(),
        }
    }

    /// There was no answer.
    pub(super) fn unanswered(server: &str, call: &str, failure: &Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::Forbidden(_) | FailureKind::Untrusted(_) | FailureKind::TooLarge(_) => FaultKind::Settings,
            FailureKind::NoConnection(_) | FailureKind::NoAnswer(_) => FaultKind::Unavailable,
        };
        Self {
            kind,
            sentence: format!("{server} {} ({call})", failure.kind),
        }
    }
}

/// When to repeat a call that has failed since `since`: after half of that time, so that an outage is never prolonged by more than
/// half. The server may ask for more.
pub(super) fn again(now: Timestamp, since: Timestamp, kind: FaultKind) -> Timestamp {
    let delay = (now.duration_since(since) / 2).clamp(SHORTEST, LONGEST);
    let again = now.saturating_add(delay).unwrap_or(Timestamp::MAX);
    match kind {
        FaultKind::Limited(until) => again.max(until),
        FaultKind::Request | FaultKind::Denied | FaultKind::Settings | FaultKind::Unavailable => again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_follows_the_length_of_the_outage() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        for (now, wanted) in [(0, 5), (8, 13), (60, 90), (10_000, 10_300)] {
            assert_eq!(again(at(now), at(0), FaultKind::Unavailable), at(wanted));
        }
        assert_eq!(again(at(0), at(0), FaultKind::Limited(at(99))), at(99));
    }
}
