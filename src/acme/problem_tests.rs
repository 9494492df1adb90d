use proptest::prelude::*;

use super::*;
use crate::text::{EXCERPT, is_hidden};

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn problem(name: &str, status: u16) -> Problem {
    let body = format!(r#"{{"type":"urn:ietf:params:acme:error:{name}","detail":"why","status":{status}}}"#);
    Problem::from_answer("application/problem+json", body.as_bytes()).unwrap()
}

/// The list of RFC 8555 section 6.7, in its order, and what each means here.
const RFC: &[(&str, Next)] = &[
    ("accountDoesNotExist", Next::Retry),
    ("alreadyRevoked", Next::UserMustAct),
    ("badCSR", Next::UserMustAct),
    ("badNonce", Next::Retry),
    ("badPublicKey", Next::UserMustAct),
    ("badRevocationReason", Next::UserMustAct),
    ("badSignatureAlgorithm", Next::UserMustAct),
    ("caa", Next::NewOrder),
    ("compound", Next::NewOrder),
    ("connection", Next::NewOrder),
    ("dns", Next::NewOrder),
    ("externalAccountRequired", Next::UserMustAct),
    ("incorrectResponse", Next::NewOrder),
    ("invalidContact", Next::UserMustAct),
    ("malformed", Next::NewOrder),
    ("orderNotReady", Next::Retry),
    ("rejectedIdentifier", Next::UserMustAct),
    ("serverInternal", Next::Retry),
    ("tls", Next::NewOrder),
    ("unauthorized", Next::NewOrder),
    ("unsupportedContact", Next::UserMustAct),
    ("unsupportedIdentifier", Next::UserMustAct),
    ("userActionRequired", Next::UserMustAct),
];

#[test]
fn every_type_of_the_rfc_is_known_and_has_a_sentence() {
    for (name, next) in RFC {
        let problem = problem(name, 400);
        assert_ne!(problem.kind, Kind::Other, "{name}");
        assert_eq!(problem.next(now()), *next, "{name}");
        assert!(
            problem
                .to_string()
                .starts_with(&format!("400 urn:ietf:params:acme:error:{name}: why; ")),
            "{problem}"
        );
    }
}

#[test]
fn too_many_requests_and_unavailable_are_a_delay_whatever_their_type() {
    let minute = |minutes| Next::Wait(now() + SignedDuration::from_mins(minutes));
    assert_eq!(problem("rateLimited", 429).next(now()), minute(5));
    assert_eq!(problem("rateLimited", 403).next(now()), minute(5));
    assert_eq!(problem("badCSR", 429).next(now()), minute(5));
    assert_eq!(problem("rejectedIdentifier", 503).next(now()), minute(1));
    let asked = Problem {
        retry_after: Some(RetryAfter::After(SignedDuration::from_secs(7))),
        ..problem("rateLimited", 429)
    };
    assert_eq!(asked.next(now()), Next::Wait(now() + SignedDuration::from_secs(7)));
}

#[test]
fn unknown_types_are_classified_by_their_status() {
    assert_eq!(problem("tomorrow", 400).next(now()), Next::NewOrder);
    assert_eq!(problem("tomorrow", 500).next(now()), Next::Retry);
    assert_eq!(problem("tomorrow", 400).kind, Kind::Other);
}

#[test]
fn a_compound_problem_is_as_bad_as_its_worst_part() {
    let body = |inner: &str| {
        format!(
            r#"{{"type":"urn:ietf:params:acme:error:compound","status":403,"subproblems":[
            {{"type":"urn:ietf:params:acme:error:dns","identifier":{{"type":"dns","value":"a.example"}}}},
            {{"type":"urn:ietf:params:acme:error:{inner}","detail":"no\nway","identifier":{{"type":"dns","value":"b.example"}}}}]}}"#
        )
    };
    let read = |inner| Problem::from_answer("application/json", body(inner).as_bytes()).unwrap();
    assert_eq!(read("caa").next(now()), Next::NewOrder);
    assert_eq!(read("rejectedIdentifier").next(now()), Next::UserMustAct);
    assert!(read("rejectedIdentifier").to_string().contains(
        "b.example: urn:ietf:params:acme:error:rejectedIdentifier: no\\nway; the CA does not issue for this name"
    ));
}

#[test]
fn a_page_that_is_not_a_problem_document_is_never_quoted() {
    for (content_type, body) in [
        ("text/html", "<html>secret</html>"),
        ("application/json", r#"{"detail":"secret","status":500}"#),
        (
            "application/json",
            r#"{"type":"https://internal/secret","detail":"secret"}"#,
        ),
        ("application/problem+json", "secret"),
        ("application/problem+json", r#"{"detail":"secret","status":500}"#),
        (
            "application/problem+json",
            r#"{"type":"about:blank","title":"secret","detail":"secret","status":404}"#,
        ),
        (
            "application/problem+json",
            r#"{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.5","title":"secret"}"#,
        ),
        ("application/json", r#"{"type":"malformed","detail":"secret"}"#),
        ("application/problem+json", "[]"),
    ] {
        assert_eq!(Problem::from_answer(content_type, body.as_bytes()), None, "{body}");
    }
    // some CAs leave the prefix of the type out
    let bare = br#"{"type":"badNonce","detail":"stale"}"#;
    let problem = Problem::from_answer("Application/Problem+JSON; charset=utf-8", bare).unwrap();
    assert_eq!((problem.kind, problem.detail.as_str()), (Kind::BadNonce, "stale"));
}

#[test]
fn the_user_is_sent_where_the_server_sends_them() {
    let body =
        br#"{"type":"urn:ietf:params:acme:error:userActionRequired","detail":"new terms","instance":"https://ca/tos"}"#;
    let text = Problem::from_answer("application/problem+json", body)
        .unwrap()
        .to_string();
    assert!(
        text.contains("new terms") && text.ends_with("; see https://ca/tos"),
        "{text}"
    );
}

/// Vault and `OpenBao` write `"subproblems": null` into every problem, Go's clients take no offence at it, nor at any other field that
/// is null, empty or of another type.
#[test]
fn a_field_that_is_not_as_it_should_be_hides_nothing_else() {
    for odd in [
        "null",
        r#""""#,
        "1",
        "-1.5",
        "true",
        "[]",
        "[null]",
        "{}",
        r#"{"a": []}"#,
    ] {
        let document = |field: &str| {
            let text =
                format!(r#"{{"type":"urn:ietf:params:acme:error:accountDoesNotExist","{field}":{odd},"x":{odd}}}"#);
            Problem::from_answer("application/problem+json", text.as_bytes())
        };
        for field in ["subproblems", "detail", "status", "instance", "title", "identifier"] {
            let problem = document(field).unwrap_or_else(|| panic!("{field}: {odd}"));
            assert!(problem.says_account_is_unknown(), "{field}: {odd}");
            assert!(
                problem.detail.is_empty() && problem.subproblems.len() <= 1,
                "{field}: {odd}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_document_is_read_without_panic_and_shown_in_bounds(kind in ".{0,40}", detail in "(?s).{0,2000}", status in any::<u16>()) {
        let kind = format!("urn:ietf:params:acme:error:{kind}");
        let body = serde_json::json!({"type": kind, "detail": detail, "status": status}).to_string();
        let problem = Problem::from_answer("application/problem+json", body.as_bytes()).unwrap();
        problem.next(now());
        prop_assert!(problem.to_string().chars().count() < 20 * EXCERPT + 200);
        prop_assert!(!problem.to_string().contains(is_hidden));
    }
}
