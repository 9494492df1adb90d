//! ANN rows: what each annotation makes of the Certificate.

use serde_json::json;

use super::{Scene, an_ingress};
use crate::api::IssuerRef;

fn asking() -> Scene {
    an_ingress()
        .annotated("cert-manager.io/issuer", "le")
        .tls("web-tls", &["a.example.com"])
}

fn issuer(kind: &str, name: &str, group: &str) -> IssuerRef {
    IssuerRef {
        group: Some(group.into()),
        kind: Some(kind.into()),
        name: name.into(),
    }
}

/// The spec of the Certificate made with one more annotation, as JSON.
fn spec_with(key: &str, value: &str) -> serde_json::Value {
    serde_json::to_value(asking().annotated(key, value).created().spec).unwrap()
}

#[test]
fn ann_01_issuer_names_an_issuer_of_the_namespace() {
    assert_eq!(
        asking().created().spec.issuer_ref,
        issuer("Issuer", "le", "cert-manager.io")
    );
}

#[test]
fn ann_02_cluster_issuer_names_a_cluster_issuer() {
    let scene = an_ingress()
        .annotated("cert-manager.io/cluster-issuer", "le")
        .tls("t", &["a.example.com"]);
    assert_eq!(
        scene.created().spec.issuer_ref,
        issuer("ClusterIssuer", "le", "cert-manager.io")
    );
}

#[test]
fn ann_02_cluster_issuer_excludes_the_three_others() {
    let scene = asking()
        .annotated("cert-manager.io/cluster-issuer", "le")
        .annotated("cert-manager.io/issuer-kind", "K")
        .annotated("cert-manager.io/issuer-group", "g.example.com");
    let complaint = scene.complaint();
    assert!(
        complaint.starts_with("Could not determine issuer for ingress due to bad annotations: "),
        "{complaint}"
    );
    for key in ["issuer", "issuer-kind", "issuer-group"] {
        assert!(complaint.contains(&format!("\"cert-manager.io/{key}\"")), "{complaint}");
    }
}

#[test]
fn ann_03_kind_and_group_name_an_external_issuer() {
    let scene = asking()
        .annotated("cert-manager.io/issuer-kind", "Pca")
        .annotated("cert-manager.io/issuer-group", "pca.example.com");
    assert_eq!(scene.created().spec.issuer_ref, issuer("Pca", "le", "pca.example.com"));
}

#[test]
fn ann_04_tls_acme_uses_the_default_issuer() {
    let mut scene = an_ingress()
        .annotated("kubernetes.io/tls-acme", "1")
        .tls("t", &["a.example.com"]);
    assert!(
        scene
            .complaint()
            .contains("failed to determine issuer name to be used for ingress resource")
    );
    scene.settings.default_issuer.name = "house".into();
    scene.settings.default_issuer.kind = "ClusterIssuer".into();
    assert_eq!(
        scene.created().spec.issuer_ref,
        issuer("ClusterIssuer", "house", "cert-manager.io")
    );
}

#[test]
fn ann_04_tls_acme_that_is_not_true_asks_for_nothing() {
    for value in ["false", "yes", "", "tRUE"] {
        let scene = an_ingress()
            .annotated("kubernetes.io/tls-acme", value)
            .tls("t", &["a.example.com"]);
        assert_eq!(scene.plan(), super::ShimPlan::default(), "{value:?}");
    }
}

#[test]
fn ann_05_to_16_become_fields_of_the_spec() {
    let rows = [
        ("common-name", "a.example.com", "/commonName", json!("a.example.com")),
        (
            "alt-names",
            "b.example.com, c.example.com,",
            "/dnsNames",
            json!(["a.example.com", "b.example.com", "c.example.com"]),
        ),
        (
            "ip-sans",
            "10.0.0.1, fd00::1",
            "/ipAddresses",
            json!(["10.0.0.1", "fd00::1"]),
        ),
        (
            "email-sans",
            "a@example.com, b@example.com",
            "/emailAddresses",
            json!(["a@example.com", "b@example.com"]),
        ),
        (
            "subject-organizations",
            "\"Acme, Inc.\",B",
            "/subject/organizations",
            json!(["Acme, Inc.", "B"]),
        ),
        (
            "subject-organizationalunits",
            "ou",
            "/subject/organizationalUnits",
            json!(["ou"]),
        ),
        ("subject-countries", "DE,FR", "/subject/countries", json!(["DE", "FR"])),
        ("subject-provinces", "p", "/subject/provinces", json!(["p"])),
        ("subject-localities", "l", "/subject/localities", json!(["l"])),
        ("subject-postalcodes", "1", "/subject/postalCodes", json!(["1"])),
        (
            "subject-streetaddresses",
            "\"1, High St\"",
            "/subject/streetAddresses",
            json!(["1, High St"]),
        ),
        ("subject-serialnumber", "0,1", "/subject/serialNumber", json!("0,1")),
        ("duration", "48h", "/duration", json!("48h0m0s")),
        ("renew-before", "90m", "/renewBefore", json!("1h30m0s")),
        ("renew-before-percentage", "40", "/renewBeforePercentage", json!(40)),
        ("renew-before-percentage", "100", "/renewBeforePercentage", json!(100)),
        ("renew-before-percentage", "+7", "/renewBeforePercentage", json!(7)),
        (
            "usages",
            "server auth, client auth",
            "/usages",
            json!(["server auth", "client auth"]),
        ),
        ("revision-history-limit", "7", "/revisionHistoryLimit", json!(7)),
        (
            "private-key-algorithm",
            "ECDSA",
            "/privateKey/algorithm",
            json!("ECDSA"),
        ),
        ("private-key-encoding", "PKCS8", "/privateKey/encoding", json!("PKCS8")),
        ("private-key-size", "3072", "/privateKey/size", json!(3072)),
        (
            "private-key-rotation-policy",
            "Never",
            "/privateKey/rotationPolicy",
            json!("Never"),
        ),
        (
            "secret-template",
            r#"{"Labels":{"a":"b"},"annotations":null}"#,
            "/secretTemplate/labels/a",
            json!("b"),
        ),
    ];
    for (key, value, pointer, wanted) in rows {
        let spec = spec_with(&format!("cert-manager.io/{key}"), value);
        assert_eq!(spec.pointer(pointer), Some(&wanted), "{key}: {spec}");
    }
}

#[test]
fn an_empty_annotation_is_no_annotation() {
    let without = asking().created();
    for key in [
        "cert-manager.io/cluster-issuer",
        "cert-manager.io/issuer-kind",
        "cert-manager.io/issuer-group",
        "cert-manager.io/common-name",
        "cert-manager.io/alt-names",
        "cert-manager.io/ip-sans",
        "cert-manager.io/email-sans",
        "cert-manager.io/subject-organizations",
        "cert-manager.io/subject-organizationalunits",
        "cert-manager.io/subject-countries",
        "cert-manager.io/subject-provinces",
        "cert-manager.io/subject-localities",
        "cert-manager.io/subject-postalcodes",
        "cert-manager.io/subject-streetaddresses",
        "cert-manager.io/subject-serialnumber",
        "cert-manager.io/duration",
        "cert-manager.io/renew-before",
        "cert-manager.io/renew-before-percentage",
        "cert-manager.io/usages",
        "cert-manager.io/revision-history-limit",
        "cert-manager.io/private-key-algorithm",
        "cert-manager.io/private-key-encoding",
        "cert-manager.io/private-key-size",
        "cert-manager.io/private-key-rotation-policy",
        "cert-manager.io/secret-template",
        "acme.cert-manager.io/http01-edit-in-place",
        "acme.cert-manager.io/http01-ingress-class",
        "acme.cert-manager.io/http01-ingress-ingressclassname",
    ] {
        assert_eq!(asking().annotated(key, "").created(), without, "{key}");
    }
}

#[test]
fn of_two_issuer_annotations_the_one_with_a_value_counts() {
    let scene = an_ingress()
        .annotated("cert-manager.io/issuer", "")
        .annotated("cert-manager.io/cluster-issuer", "le")
        .tls("t", &["a.example.com"]);
    assert_eq!(
        scene.created().spec.issuer_ref,
        issuer("ClusterIssuer", "le", "cert-manager.io")
    );
    let complaint = scene.annotated("cert-manager.io/cluster-issuer", "").complaint();
    assert!(complaint.contains("failed to determine issuer name"), "{complaint}");
}

#[test]
fn lists_of_names_and_addresses_are_trimmed_and_have_no_empty_members() {
    let scene = asking()
        .annotated("cert-manager.io/alt-names", " b.example.com ,, c.example.com, ")
        .annotated("cert-manager.io/ip-sans", "10.1.1.1, ,10.1.1.2,")
        .annotated("cert-manager.io/email-sans", ", ops@example.com");
    let spec = scene.created().spec;
    assert_eq!(spec.dns_names, ["a.example.com", "b.example.com", "c.example.com"]);
    assert_eq!(spec.ip_addresses, ["10.1.1.1", "10.1.1.2"]);
    assert_eq!(spec.email_addresses, ["ops@example.com"]);
}

#[test]
fn ann_09_uri_sans_is_not_read() {
    assert_eq!(spec_with("cert-manager.io/uri-sans", "spiffe://a")["uris"], json!(null));
}

#[test]
fn ann_15_the_size_is_judged_by_the_algorithm() {
    let scene = asking().annotated("cert-manager.io/private-key-size", "384");
    assert!(scene.complaint().contains("RSA"));
    let scene = scene.annotated("cert-manager.io/private-key-algorithm", "ECDSA");
    assert_eq!(scene.created().spec.private_key.unwrap().size, Some(384));
}

#[test]
fn ann_17_edit_in_place_names_this_ingress_and_wants_a_temporary_certificate() {
    let wanted = asking()
        .annotated("acme.cert-manager.io/http01-edit-in-place", "true")
        .created();
    assert_eq!(
        wanted
            .annotations
            .get("acme.cert-manager.io/http01-override-ingress-name"),
        Some("web")
    );
    assert_eq!(
        wanted.annotations.get("cert-manager.io/issue-temporary-certificate"),
        Some("true")
    );
    let not = asking()
        .annotated("acme.cert-manager.io/http01-edit-in-place", "TRUE")
        .created();
    assert_eq!(not.annotations.0.len(), 0);
}

#[test]
fn ann_18_and_19_choose_the_class_of_the_temporary_ingress() {
    let wanted = asking()
        .annotated("acme.cert-manager.io/http01-ingress-class", "traefik")
        .annotated("acme.cert-manager.io/http01-ingress-ingressclassname", "")
        .created();
    assert_eq!(
        wanted
            .annotations
            .get("acme.cert-manager.io/http01-override-ingress-class"),
        Some("traefik")
    );
    assert_eq!(wanted.annotations.0.len(), 1);
    let wanted = asking()
        .annotated("acme.cert-manager.io/http01-ingress-ingressclassname", "nginx")
        .created();
    assert_eq!(
        wanted
            .annotations
            .get("acme.cert-manager.io/http01-override-ingress-ingressclassname"),
        Some("nginx")
    );
}

#[test]
fn ann_22_named_annotations_are_copied_and_no_others() {
    let mut scene = asking().annotated("team", "blue").annotated("other", "x");
    scene.settings.extra_certificate_annotations = vec!["team".into(), "absent".into()];
    assert_eq!(
        scene.created().annotations.iter().collect::<Vec<_>>(),
        [("team", "blue")]
    );
}

#[test]
fn ann_23_labels_are_copied_but_for_apply_sets() {
    let wanted = asking()
        .labelled("app", "shop")
        .labelled("applyset.kubernetes.io/part-of", "set")
        .created();
    assert_eq!(wanted.labels.iter().collect::<Vec<_>>(), [("app", "shop")]);
}

#[test]
fn a_value_that_cannot_be_used_is_named_with_its_annotation_and_nothing_is_written() {
    let rows = [
        ("common-name", "x".repeat(65)),
        ("ip-sans", "10.0.0.256".into()),
        ("email-sans", "Ops <ops@example.com>".into()),
        ("subject-organizations", "\"open".into()),
        ("duration", "90d".into()),
        ("duration", "10m".into()),
        ("renew-before", "1s".into()),
        ("renew-before-percentage", "40%".into()),
        ("renew-before-percentage", "2147483648".into()),
        ("usages", "server auth,tea".into()),
        ("revision-history-limit", "0".into()),
        ("private-key-algorithm", "DSA".into()),
        ("private-key-encoding", "DER".into()),
        ("private-key-size", "1024".into()),
        ("private-key-rotation-policy", "Sometimes".into()),
        ("secret-template", r#"{"lables":{}}"#.into()),
        ("secret-template", r#"{"annotations":{"cert-manager.io/x":"y"}}"#.into()),
    ];
    for (key, value) in rows {
        let key = format!("cert-manager.io/{key}");
        let complaint = asking().annotated(&key, &value).complaint();
        assert!(
            complaint.starts_with(&format!("invalid ingress annotation {key:?}: ")),
            "{complaint}"
        );
    }
}
