//! Why Vault did not do what it was asked for, sorted by who can cure it.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::{
    net::{Failure, FailureKind, OutageKind, Response, RetryAfter},
    text::excerpt,
};

/// The most messages of Vault that are repeated.
const MOST_ERRORS: usize = 3;
/// The shortest and the longest delay before a call that failed is repeated.
const SHORTEST: SignedDuration = SignedDuration::from_secs(5);
const LONGEST: SignedDuration = SignedDuration::from_mins(5);

/// Beginnings of errors with status 400 that an administrator cures: the role or the mount, not the request, is at fault.
const CURABLE: [&str; 6] = [
    "unknown role",
    "missing client token",
    "no default issuer",
    "unable to find PKI issuer",
    "could not fetch the CA certificate",
    "beyond the expiration of the CA",
];

/// A failed call. `sentence` names the hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Who can cure it.
    pub kind: FaultKind,
    /// What failed, where, and in Vault's words why.
    pub sentence: String,
}

/// Who can cure a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Status 400: the requester, with another request.
    Request,
    /// Status 403: the token, or its policy, does not allow it.
    Denied,
    /// Nothing is mounted there, a role is missing, or a setting cannot be used: an administrator.
    Settings,
    /// Vault is sealed, does not answer or fails: time.
    Unavailable,
    /// Not before this time.
    Limited(Timestamp),
}

impl FaultKind {
    /// The outage of Vault, if it is one.
    pub(crate) const fn outage(self) -> Option<OutageKind> {
        match self {
            Self::Unavailable => Some(OutageKind::Unreachable),
            Self::Limited(_) => Some(OutageKind::RateLimited),
            Self::Request | Self::Denied | Self::Settings => None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Errors {
    errors: Vec<String>,
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

    /// The answer is not a success.
    pub(super) fn answered(server: &str, call: &str, response: &Response, now: Timestamp) -> Self {
        let words: Vec<String> = serde_json::from_slice::<Errors>(&response.body)
            .unwrap_or_default()
            .errors
            .iter()
            .take(MOST_ERRORS)
            .map(|error| excerpt(error.trim()))
            .collect();
        let words = words.join("; ");
        let kind = match response.status {
            StatusCode::BAD_REQUEST if CURABLE.iter().any(|known| words.contains(known)) => FaultKind::Settings,
            StatusCode::BAD_REQUEST => FaultKind::Request,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => FaultKind::Denied,
            StatusCode::TOO_MANY_REQUESTS => FaultKind::Limited(
                RetryAfter::from_headers(&response.headers)
                    .map_or_else(|| now.saturating_add(SHORTEST).unwrap_or(now), |after| after.until(now)),
            ),
            status if status.is_client_error() => FaultKind::Settings,
            _ => FaultKind::Unavailable,
        };
        let hint = match kind {
            FaultKind::Settings if response.status == StatusCode::NOT_FOUND => {
                ": nothing is mounted there, or the path is not that of an endpoint"
            }
            FaultKind::Settings | FaultKind::Request | FaultKind::Denied | FaultKind::Unavailable => "",
            FaultKind::Limited(_) => ": it limits the number of calls",
        };
        let words = if words.is_empty() { words } else { format!(": {words}") };
        Self {
            kind,
            sentence: format!(
                "{server} answered {call} with {}{words}{hint}",
                response.status.as_u16()
            ),
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
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn answered(status: u16, words: &str) -> Fault {
        let body = serde_json::json!({ "errors": [words] }).to_string();
        let response = Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from(body),
        };
        Fault::answered(
            "Vault (v.example)",
            "POST pki/sign/web",
            &response,
            Timestamp::UNIX_EPOCH,
        )
    }

    /// The words and statuses are those of `OpenBao` 2.7.2.
    #[test]
    fn faults_are_sorted_by_who_can_cure_them() {
        for (status, words, kind) in [
            (
                400,
                "common name a.example not allowed by this role",
                FaultKind::Request,
            ),
            (400, "unknown role: zz", FaultKind::Settings),
            (404, "no handler for route \"nowhere/sign/x\"", FaultKind::Settings),
            (403, "permission denied", FaultKind::Denied),
            (503, "Vault is sealed", FaultKind::Unavailable),
            (500, "internal error", FaultKind::Unavailable),
        ] {
            let fault = answered(status, words);
            assert_eq!(fault.kind, kind, "{words}");
            assert!(
                fault.sentence.contains(words) && fault.sentence.contains("v.example"),
                "{}",
                fault.sentence
            );
        }
        assert!(matches!(answered(429, "").kind, FaultKind::Limited(_)));
    }

    #[test]
    fn the_ladder_follows_the_length_of_the_outage() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        for (now, wanted) in [(0, 5), (8, 13), (60, 90), (10_000, 10_300)] {
            assert_eq!(again(at(now), at(0), FaultKind::Unavailable), at(wanted));
        }
        assert_eq!(again(at(0), at(0), FaultKind::Limited(at(99))), at(99));
    }
}
