//! Records of dns-persist-01 that end soon.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::{at, certificate, condition, object, seen, valid};
use crate::plan::{
    order::persist,
    overview::{Entry, Seen, Urgency},
};

/// An Order of the Certificate `web`, which was proved by a record that ends in so many hours.
fn proved(issuer: &str, revision: &str, hours: i64) -> Seen {
    let until: Timestamp = at(hours).parse().unwrap();
    let reason = persist::note("_validation-persist.a.example", until);
    let object = json!({
        "metadata": { "name": format!("web-{revision}"), "namespace": "shop", "uid": "o", "creationTimestamp": at(-100),
            "annotations": { "cert-manager.io/certificate-name": "web", "cert-manager.io/certificate-revision": revision } },
        "spec": { "request": "", "issuerRef": { "name": issuer } },
        "status": { "state": "valid", "reason": reason },
    });
    Seen::Order(Arc::new(serde_json::from_str(&object.to_string()).unwrap()))
}

/// An issuer whose records are reported so many hours before their end, if the solver has such records.
fn reporting(name: &str, solver: &str, hours: i64) -> Seen {
    let config = json!({ "warnBefore": format!("{hours}h") });
    let solver =
        json!({ "dns01": { "webhook": { "groupName": "certlet.io", "solverName": solver, "config": config } } });
    let acme =
        json!({ "server": "https://acme.example/dir", "privateKeySecretRef": { "name": "k" }, "solvers": [solver] });
    let status = json!({ "conditions": [condition("Ready", "True", "", -1)] });
    Seen::Issuer(object(name, None, &json!({ "acme": acme }), &status))
}

fn problems_of_web(others: impl IntoIterator<Item = Seen>) -> Vec<Entry> {
    let web = certificate("web", &valid(100, &json!({})));
    seen([web].into_iter().chain(others).collect()).problems
}

#[test]
fn a_record_that_ends_soon_is_a_problem_of_the_certificate_whose_current_revision_it_proved() {
    let found = problems_of_web([proved("le", "1", 47), reporting("le", "dns-persist", 48)]);
    assert_eq!(
        (found[0].urgency, found[0].reason.as_str()),
        (Urgency::Failing, "PersistUntil")
    );
    assert!(
        found[0]
            .sentence
            .contains("the TXT record _validation-persist.a.example"),
        "{}",
        found[0].sentence
    );
    assert_eq!(found[0].kind, "Certificate");
    for (order, issuer) in [
        (proved("le", "1", 49), reporting("le", "dns-persist", 48)),
        (proved("le", "2", 47), reporting("le", "dns-persist", 48)),
        (proved("le", "1", 47), reporting("le", "pdns", 48)),
    ] {
        assert_eq!(problems_of_web([order, issuer]), []);
    }
}

#[test]
fn the_issuer_of_the_order_says_how_long_before_its_end_a_record_is_reported_and_not_that_of_the_spec() {
    let with = |primary: i64, fallback: i64| {
        problems_of_web([
            proved("other", "1", 47),
            reporting("le", "dns-persist", primary),
            reporting("other", "dns-persist", fallback),
        ])
    };
    assert_eq!(with(24, 48)[0].reason, "PersistUntil");
    assert_eq!(with(48, 24), []);
}
