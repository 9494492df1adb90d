//! Why Vault did not do what it was asked for.

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    net::Response,
    signer::fault::{Fault, FaultKind},
    text::excerpt,
};

/// The most messages of Vault that are repeated.
const MOST_ERRORS: usize = 3;

/// Beginnings of errors with status 400 that an administrator cures: the role or the mount, not the request, is at fault.
const CURABLE: [&str; 6] = [
    "unknown role",
    "missing client token",
    "no default issuer",
    "unable to find PKI issuer",
    "could not fetch the CA certificate",
    "beyond the expiration of the CA",
];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Errors {
    errors: Vec<String>,
}

/// The answer is not a success.
pub(super) fn answered(server: &str, call: &str, response: &Response, now: Timestamp) -> Fault {
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
        StatusCode::TOO_MANY_REQUESTS => FaultKind::limited(response, now),
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
    Fault {
        kind,
        sentence: format!(
            "{server} answered {call} with {}{words}{hint}",
            response.status.as_u16()
        ),
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
        super::answered(
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
}
