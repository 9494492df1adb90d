//! Series of objects that cert-manager does not have.

use super::*;
use crate::plan::{issuer::IssuerId, kinds::OrderKind, order::persist, seen::ObjectKey};

#[test]
fn a_renewal_window_has_two_series_and_a_certificate_without_one_has_none() {
    let index = Arc::new(Index::default());
    let spec = json!({"secretName": "web", "dnsNames": ["a.example"], "issuerRef": {"name": "le"}});
    let window = json!({"start": "2026-01-01T00:01:00Z", "end": "2026-01-03T00:00:00Z"});
    let status = json!({"acme": {"ari": {"suggestedWindow": window}}});
    put::<Lean<CertificateKind>>(&index, &object(Some("shop"), &spec, &status));
    let without = json!({"acme": {"ari": {"lastError": "it is gone"}}});
    put::<Lean<CertificateKind>>(&index, &named("other", object(Some("shop"), &spec, &without)));
    let page = Page {
        text: certificates(&index).collect(),
    };
    let windows: Vec<_> = samples(&page)
        .into_iter()
        .filter(|line| line.contains("_window_"))
        .collect();
    let labels = "name=\"web\",namespace=\"shop\",issuer_name=\"le\",issuer_kind=\"\",issuer_group=\"\"";
    assert_eq!(
        windows,
        [
            format!("certlet_certificate_renewal_window_start_timestamp_seconds{{{labels}}} 1767225660"),
            format!("certlet_certificate_renewal_window_end_timestamp_seconds{{{labels}}} 1767398400"),
        ]
    );
}

fn named(name: &str, mut object: Value) -> Value {
    object["metadata"]["name"] = name.into();
    object["metadata"]["uid"] = name.into();
    object
}

#[test]
fn an_acme_issuer_says_whether_its_account_is_registered_and_a_ca_when_it_expires() {
    let index = Arc::new(Index::default());
    let spec =
        json!({"acme": {"server": "https://ca.example/dir", "privateKeySecretRef": {"name": "k"}, "solvers": []}});
    let registered = json!({"acme": {"uri": "https://ca.example/1"}});
    put::<Lean<ClusterIssuerKind>>(&index, &object(None, &spec, &registered));
    put::<Lean<IssuerKind>>(&index, &object(Some("shop"), &spec, &json!({})));
    let ca = object(Some("shop"), &json!({"ca": {"secretName": "acme"}}), &json!({}));
    put::<Lean<IssuerKind>>(&index, &named("ca", ca));
    let mut page = Page {
        text: issuers::accounts(&index).collect(),
    };
    let expires: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
    let keys = [ObjectKey::cluster("root"), ObjectKey::new("shop", "ca")];
    issuers::authorities(&keys.map(|key| (IssuerId(key), expires)), &mut page);
    assert_eq!(
        samples(&page),
        [
            r#"certlet_issuer_acme_account_registered{name="web",namespace="shop",kind="Issuer",host="ca.example"} 0"#,
            r#"certlet_issuer_acme_account_registered{name="web",namespace="",kind="ClusterIssuer",host="ca.example"} 1"#,
            r#"certlet_issuer_ca_not_after_timestamp_seconds{name="root",namespace="",kind="ClusterIssuer"} 1767225660"#,
            r#"certlet_issuer_ca_not_after_timestamp_seconds{name="ca",namespace="shop",kind="Issuer"} 1767225660"#,
        ]
    );
}

#[test]
fn a_certificate_that_a_record_with_an_end_has_proved_says_when_it_ends() {
    let index = Arc::new(Index::default());
    let issuer = |solver: &str| {
        let solver = json!({"dns01": {"webhook": {"groupName": "certlet.io", "solverName": solver}}});
        json!({"acme": {"server": "https://ca.example/dir", "privateKeySecretRef": {"name": "k"}, "solvers": [solver]}})
    };
    let le = object(Some("shop"), &issuer("dns-persist"), &json!({}));
    put::<Lean<IssuerKind>>(&index, &named("le", le));
    put::<Lean<ClusterIssuerKind>>(&index, &named("all", object(None, &issuer("dns-persist"), &json!({}))));
    put::<Lean<IssuerKind>>(
        &index,
        &named("other", object(Some("shop"), &issuer("pdns"), &json!({}))),
    );
    let until: Timestamp = "2027-12-31T00:00:00Z".parse().unwrap();
    // the issuer of the Order, which may stand in for that of the Certificate, and the revisions of both
    for (name, issuer_ref, revisions) in [
        ("web", json!({"name": "le"}), (2, 2)),
        ("instead", json!({"name": "all", "kind": "ClusterIssuer"}), (1, 1)),
        ("renewed", json!({"name": "le"}), (3, 2)),
        ("unproved", json!({"name": "other"}), (1, 1)),
    ] {
        let spec = json!({"secretName": name, "dnsNames": ["a.example"], "issuerRef": {"name": "le"}});
        let certificate = object(Some("shop"), &spec, &json!({"revision": revisions.0}));
        put::<Lean<CertificateKind>>(&index, &named(name, certificate));
        let reason = persist::note("_validation-persist.a.example", until);
        let reason = (name != "unproved").then_some(reason);
        let spec = json!({"request": "", "issuerRef": issuer_ref});
        let order = object(Some("shop"), &spec, &json!({"state": "valid", "reason": reason}));
        let mut order = named(&format!("{name}-order"), order);
        order["metadata"]["annotations"] = json!({
            "cert-manager.io/certificate-name": name, "cert-manager.io/certificate-revision": revisions.1.to_string(),
        });
        put::<Lean<OrderKind>>(&index, &order);
    }
    let page = Page {
        text: records::ends(&index).collect(),
    };
    let series = |name: &str| {
        format!(
            "certlet_certificate_persist_until_timestamp_seconds{{name=\"{name}\",namespace=\"shop\",issuer_name=\"le\",\
             issuer_kind=\"\",issuer_group=\"\"}} 1830211200"
        )
    };
    assert_eq!(samples(&page), [series("web"), series("instead")]);
}
