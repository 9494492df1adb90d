use http::{HeaderMap, StatusCode};

use serde_json::json;

use super::*;
use crate::acme::Action;

fn answer(body: &'static str) -> Answer {
    Answer {
        action: Action::Order,
        host: "ca".into(),
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: body.into(),
    }
}

#[test]
fn the_order_of_rfc_8555_is_read() {
    let order = Order::read(&answer(
        r#"{"status": "invalid", "expires": "2016-01-05T14:09:07.99Z", "notBefore": "2016-01-01T00:00:00Z",
        "identifiers": [{"type": "dns", "value": "www.example.org"}], "authorizations": ["https://ca/authz/1"],
        "finalize": "https://ca/order/1/finalize", "error": {"type": "urn:ietf:params:acme:error:caa", "status": 403}}"#,
    ))
    .unwrap();
    assert_eq!(order.status, OrderStatus::Invalid);
    assert_eq!(order.expires, Some("2016-01-05T14:09:07.99Z".parse().unwrap()));
    assert_eq!(order.authorizations, ["https://ca/authz/1"]);
    assert_eq!(
        order.error.map(|problem| problem.kind),
        Some(crate::acme::problem::Kind::Caa)
    );
}

#[test]
fn challenges_that_nobody_here_knows_are_left_out() {
    let authorization = Authorization::read(&answer(
        r#"{"status": "pending", "identifier": {"type": "ip", "value": "10.0.0.1"}, "challenges": [
        {"type": "dns-account-01", "url": "https://ca/c/1", "status": "pending"},
        {"type": "http-01", "url": "https://ca/c/2", "status": "pending", "token": "t"}]}"#,
    ))
    .unwrap();
    assert_eq!(authorization.challenges.len(), 1);
    assert_eq!(
        authorization
            .challenge("http-01")
            .map(|challenge| challenge.token.as_str()),
        Some("t")
    );
    assert_eq!(authorization.identifier, Identifier::Ip("10.0.0.1".parse().unwrap()));
    assert!(!authorization.wildcard && authorization.expires.is_none());
}

/// Whatever a CA leaves out, sends as null, empty, or as something else: Go's clients, that CAs are tried with, take it as missing.
#[test]
fn fields_that_nothing_depends_on_may_be_anything() {
    let odd = [
        "null",
        r#""""#,
        "0",
        "-1.5",
        "false",
        "[]",
        "[1, null]",
        "{}",
        r#"{"a": [{}]}"#,
    ];
    for odd in odd {
        for field in [
            "authorizations",
            "certificate",
            "error",
            "expires",
            "profile",
            "identifiers",
            "notBefore",
        ] {
            let text = format!(r#"{{"status": "ready", "finalize": "https://ca/f", "{field}": {odd}}}"#);
            let order = Order::read(&answer(Box::leak(text.into_boxed_str()))).unwrap();
            assert!(
                order.authorizations.is_empty() && order.certificate.is_none(),
                "{field}: {odd}"
            );
        }
        let text = format!(r#"{{"status": "valid", "certificate": "https://ca/c", "finalize": {odd}}}"#);
        let order = Order::read(&answer(Box::leak(text.into_boxed_str()))).unwrap();
        assert_eq!(
            (order.finalize.as_str(), order.certificate.as_deref()),
            ("", Some("https://ca/c"))
        );
        for field in ["expires", "wildcard", "challenges"] {
            let text = format!(
                r#"{{"status": "valid", "identifier": {{"type": "dns", "value": "a.example"}}, "{field}": {odd}}}"#
            );
            let authorization = Authorization::read(&answer(Box::leak(text.into_boxed_str()))).unwrap();
            assert_eq!(authorization.identifier, Identifier::Dns("a.example".into()));
            assert!(
                authorization.challenges.is_empty() && !authorization.wildcard,
                "{field}: {odd}"
            );
        }
        for field in ["error", "validated", "token"] {
            let text =
                format!(r#"{{"type": "http-01", "url": "https://ca/c", "status": "pending", "{field}": {odd}}}"#);
            let challenge = Challenge::read(&answer(Box::leak(text.into_boxed_str()))).unwrap();
            assert_eq!(
                (challenge.status, challenge.token.as_str()),
                (ChallengeStatus::Pending, ""),
                "{field}: {odd}"
            );
        }
    }
}

#[test]
fn what_is_larger_than_makes_sense_is_refused_and_of_kinds_that_nobody_knows_nothing_is_kept() {
    let read = |challenges: Vec<serde_json::Value>| {
        let identifier = json!({"type": "dns", "value": "a.example"});
        let text = json!({"status": "pending", "identifier": identifier, "challenges": challenges}).to_string();
        Authorization::read(&answer(Box::leak(text.into_boxed_str())))
    };
    let http01 = |url: &str, token: &str| json!({"type": "http-01", "url": url, "token": token});
    assert_eq!(
        read(vec![http01("https://ca/c", &"t".repeat(255)); 100])
            .unwrap()
            .challenges
            .len(),
        100
    );
    assert_eq!(
        read(vec![json!({"type": "x".repeat(9), "url": "u".repeat(9000)}); 500])
            .unwrap()
            .challenges,
        []
    );
    // a final authorization needs no proof
    let over = json!({"type": "http-01", "url": "https://ca/c", "status": "valid"});
    assert_eq!(read(vec![over]).unwrap().challenges[0].token, "");
    for (refused, words) in [
        (vec![http01("https://ca/c", "t"); 101], "more than 100 challenges"),
        (
            vec![http01(&"u".repeat(2049), "t")],
            "a URL of more than 2048 characters",
        ),
        (vec![http01("https://ca/c", &"t".repeat(256))], "a token"),
        (vec![http01("https://ca/c", "a\n\u{202e}")], "a token"),
        (vec![http01("https://ca/c", "")], "a token"),
        (
            vec![json!({"type": "http-01", "url": "https://ca/c", "status": "pending"})],
            "a token",
        ),
    ] {
        let error = read(refused).unwrap_err();
        assert!(error.is_excess() && error.to_string().contains(words), "{error}");
    }
}

#[test]
fn what_is_not_an_order_is_an_error_without_its_text() {
    for body in [r#"{"status":"secret"}"#, r#""secret""#, "<html>secret</html>", "[]", ""] {
        let error = Order::read(&answer(body)).unwrap_err();
        assert!(
            matches!(error, Error::Unreadable { .. }) && !error.to_string().contains("secret"),
            "{error}"
        );
    }
    let error = Order::read(&answer(r#"{"status":"ready","authorizations":[]}"#))
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("missing field `finalize`"), "{error}");
}

/// The example of the draft, as Pebble and Boulder send it; and what a hostile server sends.
#[test]
fn dns_persist_01_has_names_of_the_ca_instead_of_a_token_and_few_of_them() {
    let persist = |fields: &str| {
        let text = format!(
            r#"{{"status": "pending", "identifier": {{"type": "dns", "value": "a.example"}}, "challenges": [
            {{"type": "dns-persist-01", "url": "https://ca/c/1", "status": "pending"{fields}}}]}}"#
        );
        let authorization = Authorization::read(&answer(Box::leak(text.into_boxed_str()))).unwrap();
        authorization
            .challenge("dns-persist-01")
            .unwrap()
            .persist
            .clone()
            .unwrap()
    };
    let names = r#", "issuer-domain-names": ["authority.example", "ca.example.net"]"#;
    let issuers = vec!["authority.example".to_owned(), "ca.example.net".to_owned()];
    let account = Some("https://ca/acct/1".to_owned());
    assert_eq!(
        persist(names),
        Persist {
            issuers: issuers.clone(),
            account: None
        }
    );
    assert_eq!(
        persist(&format!(r#"{names}, "accounturi": "https://ca/acct/1""#)),
        Persist { issuers, account }
    );
    let eleven = format!(r#", "issuer-domain-names": [{}"a"]"#, r#""a", "#.repeat(10));
    let long = format!(r#", "issuer-domain-names": ["{}"]"#, "a".repeat(256));
    let account = format!(r#"{names}, "accounturi": "https://ca/{}""#, "a".repeat(MAX_URL));
    for broken in [
        "",
        r#", "issuer-domain-names": []"#,
        r#", "issuer-domain-names": "a""#,
        &eleven,
        &long,
        &account,
    ] {
        assert_eq!(persist(broken), Persist::default(), "{broken}");
    }
}
