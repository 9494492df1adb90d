//! Why a server did not do what it was asked for: the three products word it differently.

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    net::Response,
    signer::fault::{Fault, FaultKind},
    text::excerpt,
};

/// The most messages of a server that are repeated.
const MOST_ERRORS: usize = 3;

/// The bodies of refusals: `Error` of Self-Hosted, `errors` of `SaaS`, and the fields of RFC 6749 section 5.2.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    #[serde(rename = "Error")]
    self_hosted: Option<String>,
    errors: Option<Vec<Numbered>>,
    error: Option<String>,
    error_description: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Numbered {
    code: Option<i64>,
    message: Option<String>,
}

/// The answer is not a success. Status 401 and 403 are of the credential, other ones below 500 of the request.
pub(super) fn answered(server: &str, call: &str, response: &Response, now: Timestamp) -> Fault {
    let status = response.status;
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => FaultKind::Denied,
        StatusCode::TOO_MANY_REQUESTS => FaultKind::limited(response, now),
        status if status.is_client_error() => FaultKind::Request,
        _ => FaultKind::Unavailable,
    };
    let words = words(&response.body);
    let words = if words.is_empty() { words } else { format!(": {words}") };
    Fault {
        kind,
        sentence: format!("{server} answered {call} with {}{words}", status.as_u16()),
    }
}

/// The words of a refusal, on one line; empty for a body that no product sends.
pub(super) fn words(body: &[u8]) -> String {
    let Refusal {
        self_hosted,
        errors,
        error,
        error_description,
    } = serde_json::from_slice(body).unwrap_or_default();
    let numbered = errors.unwrap_or_default().into_iter().take(MOST_ERRORS).map(|one| {
        let message = one.message.unwrap_or_default();
        one.code
            .map_or_else(|| message.clone(), |code| format!("{message} ({code})"))
    });
    let all: Vec<String> = [self_hosted, error, error_description]
        .into_iter()
        .flatten()
        .chain(numbered)
        .map(|text| excerpt(text.trim()))
        .filter(|text| !text.is_empty())
        .collect();
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn of(status: u16, body: &str) -> Fault {
        let response = Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        answered("TPP (tpp.example)", "POST a/b", &response, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_words_of_each_product_are_repeated_and_the_status_sorts_them() {
        for (status, body, kind, words) in [
            (
                400,
                r#"{"Error":"no such policy"}"#,
                FaultKind::Request,
                ": no such policy",
            ),
            (
                400,
                r#"{"errors":[{"code":1,"message":"one"},{"message":"two","args":[1]}]}"#,
                FaultKind::Request,
                ": one (1); two",
            ),
            (
                401,
                r#"{"error":"invalid_client","error_description":"unknown"}"#,
                FaultKind::Denied,
                ": invalid_client; unknown",
            ),
            (403, "<html>secret</html>", FaultKind::Denied, "with 403"),
            (502, "", FaultKind::Unavailable, "with 502"),
            (302, "", FaultKind::Unavailable, "with 302"),
        ] {
            let fault = of(status, body);
            assert_eq!(fault.kind, kind, "{body}");
            assert!(fault.sentence.ends_with(words), "{}", fault.sentence);
        }
        assert!(matches!(of(429, "{}").kind, FaultKind::Limited(_)));
    }
}
