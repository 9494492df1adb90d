//! GWS-03..06, ANN-21: which listeners of a Gateway get a certificate, and what is said about the others.

use serde_json::json;

use super::gateway_scene::{GatewayScene, a_gateway, listener};
use crate::plan::shim::{ShimEffect, ShimPlan};

fn asking() -> GatewayScene {
    a_gateway().annotated("cert-manager.io/cluster-issuer", "ca")
}

#[test]
fn gws_06_the_certificate_is_named_after_the_secret_and_names_the_gateway_for_http_01() {
    let wanted = asking().listener(listener("a.example.com", "web-tls")).created();
    assert_eq!(wanted.name, "web-tls");
    assert_eq!(wanted.spec.dns_names, ["a.example.com"]);
    assert_eq!(wanted.spec.secret_name, "web-tls");
    let reference = &wanted.spec.issuer_ref;
    assert_eq!(
        (reference.kind_or_default(), reference.name.as_str()),
        ("ClusterIssuer", "ca")
    );
    let annotations: Vec<_> = wanted.annotations.iter().collect();
    assert_eq!(
        annotations,
        [
            ("acme.cert-manager.io/http01-parentrefkind", "Gateway"),
            ("acme.cert-manager.io/http01-parentrefname", "web"),
        ]
    );
}

#[test]
fn gws_03_only_listeners_that_terminate_tls_count() {
    for protocol in ["HTTP", "TCP", "UDP", "https", "DTLS"] {
        let scene = asking().listener(json!({"protocol": protocol, "hostname": ""}));
        assert_eq!(scene.plan(), ShimPlan::default(), "{protocol}");
    }
    let mut tls = listener("a.example.com", "t");
    tls["protocol"] = json!("TLS");
    assert_eq!(asking().listener(tls.clone()).created().name, "t");
    tls["protocol"] = json!("example.com/DTLS");
    let mut scene = asking().listener(tls);
    assert_eq!(scene.plan(), ShimPlan::default());
    scene.settings.gateway.extra_protocols = vec!["example.com/DTLS".into()];
    assert_eq!(scene.created().name, "t");
}

#[test]
fn gws_03_passthrough_is_skipped_without_a_word() {
    let mut tls = listener("a.example.com", "t");
    tls["tls"]["mode"] = json!("Passthrough");
    assert_eq!(asking().listener(tls).plan(), ShimPlan::default());
}

#[test]
fn ann_21_listeners_in_the_annotation_are_skipped() {
    let mut other = listener("b.example.com", "other");
    other["name"] = json!("other");
    let scene = asking()
        .listener(listener("a.example.com", "t"))
        .listener(other)
        .annotated("cert-manager.io/ignore-tls-listeners", "x , other,");
    assert_eq!(scene.created().name, "t");
    let scene = scene.annotated("cert-manager.io/ignore-tls-listeners", "oth");
    assert_eq!(scene.plan().effects.len(), 2);
}

#[test]
fn gws_05_listeners_with_one_secret_share_a_certificate_with_each_name_once() {
    let wanted = asking()
        .listener(listener("b.example.com", "t"))
        .listener(listener("a.example.com", "t"))
        .listener(listener("b.example.com", "t"))
        .created();
    assert_eq!(wanted.spec.dns_names, ["b.example.com", "a.example.com"]);
}

#[test]
fn a_listener_with_two_secrets_gets_two_certificates() {
    let mut both = listener("a.example.com", "rsa");
    both["tls"]["certificateRefs"] = json!([{"name": "rsa"}, {"name": "ecdsa", "group": "", "kind": "Secret"}]);
    let scene = asking().listener(both);
    let names: Vec<String> = scene
        .applied()
        .certificates
        .iter()
        .map(|it| it.meta.name().to_owned())
        .collect();
    assert_eq!(names, ["rsa", "ecdsa"]);
}

#[test]
fn gws_04_what_is_wrong_with_a_listener_is_said_and_the_others_are_served() {
    let ok = listener("a.example.com", "ok");
    let with = |edit: fn(&mut serde_json::Value)| {
        let mut wrong = listener("b.example.com", "wrong");
        edit(&mut wrong);
        wrong
    };
    let rows: &[(serde_json::Value, &str)] = &[
        (
            with(|it| it["hostname"] = json!(null)),
            "spec.listeners[0].hostname: Required value: the hostname cannot be empty",
        ),
        (
            with(|it| it["tls"] = json!(null)),
            "spec.listeners[0].tls: Required value: the TLS block cannot be empty",
        ),
        (
            with(|it| it["tls"]["certificateRefs"] = json!([])),
            "spec.listeners[0].tls.certificateRefs: Required value: listener has no certificateRefs",
        ),
        (
            with(|it| it["tls"]["certificateRefs"][0]["group"] = json!("example.com")),
            "spec.listeners[0].tls.certificateRefs[0].group: Unsupported value: \"example.com\": supported values: \"core\", \"\"",
        ),
        (
            with(|it| it["tls"]["certificateRefs"][0]["kind"] = json!("ConfigMap")),
            "spec.listeners[0].tls.certificateRefs[0].kind: Unsupported value: \"ConfigMap\": supported values: \"Secret\", \"\"",
        ),
        (
            with(|it| it["tls"]["mode"] = json!(null)),
            "spec.listeners[0].tls.mode: Required value: the mode field is required",
        ),
        (
            with(|it| it["tls"]["mode"] = json!("Reencrypt")),
            "spec.listeners[0].tls.mode: Unsupported value: \"Reencrypt\": supported values: \"Terminate\"",
        ),
    ];
    for (wrong, part) in rows {
        let plan = asking().listener(wrong.clone()).listener(ok.clone()).plan();
        assert!(
            matches!(&plan.effects[..], [ShimEffect::Create(wanted)] if wanted.name == "ok"),
            "{part}"
        );
        let [complaint] = &plan.complaints[..] else {
            panic!("{part}: {:?}", plan.complaints)
        };
        assert!(complaint.starts_with("Skipped a listener block: "), "{complaint}");
        assert!(complaint.contains(part), "{complaint}");
    }
    let mut all = with(|it| it["hostname"] = json!(null));
    all["tls"] = json!(null);
    let complaint = asking().listener(all).complaint();
    assert!(
        complaint.starts_with("Skipped a listener block: [spec.listeners[0].hostname: ") && complaint.ends_with(']'),
        "{complaint}"
    );
}

#[test]
fn gws_04_a_secret_of_another_namespace_is_refused_with_the_certificate_to_write() {
    let mut foreign = listener("a.example.com", "web-tls");
    foreign["tls"]["certificateRefs"][0]["namespace"] = json!("certificates");
    assert_eq!(
        asking().listener(foreign.clone()).complaint(),
        "Skipped a listener block: spec.listeners[0].tls.certificateRefs[0].namespace: Invalid value: \"certificates\": \
         cross-namespace secret references are not allowed in listeners. Write this Certificate yourself: \
         {apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {namespace: certificates, name: web-tls}, \
         spec: {secretName: web-tls, dnsNames: [\"a.example.com\"], issuerRef: {kind: ClusterIssuer, name: ca}}}. \
         The listener may read its Secret if a ReferenceGrant in namespace certificates allows Gateways of namespace shop"
    );
    let complaint = a_gateway()
        .annotated("cert-manager.io/issuer", "ca")
        .listener(foreign.clone())
        .complaint();
    assert!(
        complaint.contains("yourself, with an Issuer ca of that namespace: {"),
        "{complaint}"
    );
    // its own namespace may be written
    foreign["tls"]["certificateRefs"][0]["namespace"] = json!("shop");
    assert_eq!(asking().listener(foreign).created().name, "web-tls");
}

#[test]
fn shm_01_without_an_issuer_nothing_is_done_and_nothing_is_said() {
    let wrong = json!({"name": "x", "protocol": "HTTPS"});
    let scene = a_gateway()
        .listener(wrong)
        .annotated("cert-manager.io/issuer-kind", "X");
    assert_eq!(scene.plan(), ShimPlan::default());
    // the annotation for automatic TLS is one of Ingresses
    let mut scene = a_gateway()
        .listener(listener("a.example.com", "t"))
        .annotated("kubernetes.io/tls-acme", "true");
    scene.settings.default_issuer.name = "ca".into();
    assert_eq!(scene.plan(), ShimPlan::default());
}

#[test]
fn annotations_that_contradict_are_reported_for_the_gateway() {
    let scene = asking()
        .listener(listener("a.example.com", "t"))
        .annotated("cert-manager.io/issuer", "other");
    assert!(
        scene
            .complaint()
            .starts_with("Could not determine issuer for gateway due to bad annotations: both ")
    );
    let scene = asking()
        .listener(listener("a.example.com", "t"))
        .annotated("cert-manager.io/duration", "90d");
    assert!(
        scene
            .complaint()
            .starts_with("invalid gateway annotation \"cert-manager.io/duration\": ")
    );
}

#[test]
fn shm_07_a_certificate_goes_when_no_listener_names_its_secret_any_more() {
    let scene = asking()
        .listener(listener("a.example.com", "a"))
        .listener(listener("b.example.com", "b"))
        .applied();
    let edited = scene.clone().no_listeners().listener(listener("b.example.com", "b"));
    assert!(matches!(&edited.plan().effects[..], [ShimEffect::Delete(gone)] if gone.name() == "a"));
    // a listener that is skipped still names its Secret
    let mut plain = listener("a.example.com", "a");
    plain["protocol"] = json!("HTTP");
    let kept = scene
        .no_listeners()
        .listener(plain)
        .listener(listener("b.example.com", "b"));
    assert_eq!(kept.plan(), ShimPlan::default());
}

#[test]
fn an_edited_hostname_is_an_update() {
    let scene = asking().listener(listener("a.example.com", "t")).applied();
    let edited = scene.no_listeners().listener(listener("b.example.com", "t"));
    let [ShimEffect::Update { patch, .. }] = &edited.plan().effects[..] else {
        panic!("expected an update")
    };
    assert_eq!(*patch, json!({"spec": {"dnsNames": ["b.example.com"]}}));
    assert_eq!(edited.applied().plan(), ShimPlan::default());
}

#[test]
fn a_certificate_without_the_annotations_of_a_parent_keeps_none_until_it_changes_anyway() {
    let mut scene = asking().listener(listener("a.example.com", "t")).applied();
    scene.certificates[0].meta.annotations = crate::plan::seen::Pairs::default();
    assert_eq!(scene.plan(), ShimPlan::default());
    let edited = scene.annotated("cert-manager.io/duration", "48h").applied();
    let kind = "acme.cert-manager.io/http01-parentrefkind";
    assert_eq!(edited.certificates[0].meta.annotations.get(kind), Some("Gateway"));
}

#[test]
fn a_wildcard_that_the_issuer_cannot_prove_is_reported_with_the_cure() {
    let solvers = |solvers: serde_json::Value| Some(serde_json::from_value(solvers).unwrap());
    let mut scene = asking().listener(listener("*.example.com", "t"));
    scene.solvers = solvers(json!([{"http01": {"ingress": {}}}]));
    let plan = scene.plan();
    assert_eq!(
        plan.complaints,
        [
            "Secret \"t\": ClusterIssuer \"ca\" has no dns01 solver, and a server issues \"*.example.com\" only with DNS-01; \
          add one to the issuer, or take the names of the HTTPRoutes with the annotation certlet.io/hostnames-from-routes: \"true\""
        ]
    );
    assert_eq!(plan.effects.len(), 1, "the Certificate is created all the same");
    for provable in [json!([]), json!([{"http01": {"ingress": {}}}, {"dns01": {}}])] {
        scene.solvers = solvers(provable);
        assert_eq!(scene.plan().complaints, Vec::<String>::new());
    }
    let mut exact = asking().listener(listener("a.example.com", "t"));
    exact.solvers = solvers(json!([{"http01": {"ingress": {}}}]));
    assert_eq!(exact.plan().complaints, Vec::<String>::new());
}
