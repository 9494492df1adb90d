use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{CertificateSpec, IssuerRef, KeystoreKind, names::annotation},
    pki::{
        csr::{CsrInfo, CsrTemplate},
        hidden::Hidden,
        key::{KeyAlgorithm, KeySpec, PrivateKey},
        keystore::Seed,
        pem,
        sign::{self, Extras, Validity},
    },
    plan::{
        certificate::{
            keystores::KeystorePasswords,
            request,
            secret::{Attribution, Circumstances, Material, RenderedSecret, render},
        },
        seen::Pairs,
        settings::Settings,
    },
};

fn rendered(spec: &str, ca: Option<&[u8]>) -> RenderedSecret {
    let spec: CertificateSpec = serde_json::from_str(spec).expect("a spec");
    let key = PrivateKey::generate(KeySpec::new(KeyAlgorithm::Ecdsa, None)).unwrap();
    let template: CsrTemplate = request::template(&spec, &Settings::default()).unwrap();
    let request = CsrInfo::from_template(&template, key.public_key()).unwrap();
    let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    let validity = Validity {
        not_before: now,
        not_after: now + SignedDuration::from_hours(1),
    };
    let leaf = sign::self_sign(&request, &key, validity, [1; 16], &Extras::default()).unwrap();
    let chain = pem::encode("CERTIFICATE", &leaf);
    let issuer = IssuerRef {
        name: "ca".into(),
        kind: None,
        group: None,
    };
    let attribution = Attribution {
        certificate: Some("web".into()),
        issuer: Some(issuer),
        fallback_for: None,
    };
    let material = Material {
        chain_pem: &chain,
        ca_pem: ca.map(|_| chain.as_slice()),
        key: &key,
        key_pem: None,
    };
    let mut passwords = KeystorePasswords::default();
    for kind in [KeystoreKind::Jks, KeystoreKind::Pkcs12] {
        passwords.insert(kind, Hidden::new("changeit".to_owned()));
    }
    let circumstances = Circumstances {
        now,
        seeds: [[Seed([1; 32]), Seed([2; 32])], [Seed([3; 32]), Seed([4; 32])]],
    };
    render(&spec, &attribution, &material, &passwords, &circumstances).unwrap()
}

const SPEC: &str = r#""secretName":"s","issuerRef":{"name":"ca"},"privateKey":{"algorithm":"ECDSA"}"#;

#[test]
fn anw_01_and_nb_05_the_annotations_are_those_of_the_issued_certificate_and_four_are_always_there() {
    let secret = rendered(&format!(r#"{{{SPEC},"dnsNames":["a.example","*.b.example"]}}"#), None);
    let pairs: Vec<(&str, &str)> = secret
        .annotations
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            (annotation::ALT_NAMES, "a.example,*.b.example"),
            (annotation::CERTIFICATE_NAME, "web"),
            (annotation::COMMON_NAME, ""),
            (annotation::IP_SANS, ""),
            (annotation::ISSUER_GROUP, ""),
            (annotation::ISSUER_KIND, ""),
            (annotation::ISSUER_NAME, "ca"),
            (annotation::URI_SANS, ""),
        ]
    );
    assert_eq!(secret.data.keys().collect::<Vec<_>>(), ["tls.crt", "tls.key"], "NB-23");
}

/// As Go's `encoding/csv` writes them, which is what cert-manager uses for all lists: a take-over must not find a difference.
#[test]
fn anw_01_every_list_is_written_as_csv() {
    let names = r#""uris":["https://a.example/x,y","spiffe://plain"],"emailAddresses":["a@example.com"],"ipAddresses":["::ffff:10.0.0.1","2001:db8::1"]"#;
    let secret = rendered(&format!("{{{SPEC},{names}}}"), None);
    let value = |key: &str| secret.annotations[key].as_str();
    assert_eq!(value(annotation::URI_SANS), "\"https://a.example/x,y\",spiffe://plain");
    assert_eq!(value(annotation::IP_SANS), "10.0.0.1,2001:db8::1");
    assert_eq!(value(annotation::EMAIL_SANS), "a@example.com");
}

/// NB-08: otherwise a repair of a Secret whose annotation `certificate-name` somebody has removed would take away the issuer too, and a
/// certificate of a ClusterIssuer would be issued again.
#[test]
fn anw_01_what_is_applied_again_keeps_each_part_of_what_was_found() {
    let pairs = |pairs: &[(&'static str, &'static str)]| pairs.iter().copied().collect::<Pairs>();
    let issuer = [
        (annotation::ISSUER_NAME, "ca"),
        (annotation::ISSUER_KIND, "ClusterIssuer"),
        (annotation::ISSUER_GROUP, ""),
    ];
    let found = Attribution::found(&pairs(&issuer));
    assert_eq!(found.certificate, None);
    assert_eq!(
        found.issuer.map(|issuer| issuer.to_string()).as_deref(),
        Some("ClusterIssuer.cert-manager.io/ca")
    );
    let found = Attribution::found(&pairs(&[(annotation::CERTIFICATE_NAME, "web")]));
    assert_eq!((found.certificate.as_deref(), found.issuer), (Some("web"), None));
    assert_eq!(Attribution::found(&pairs(&[("other", "x")])), Attribution::default());
}

#[test]
fn anw_02_subject_parts_are_written_as_csv() {
    let subject = r#""subject":{"organizations":["Example, Inc.","Two \"quoted\""],"serialNumber":"7"},"commonName":"a","emailAddresses":["o@example.com"]"#;
    let secret = rendered(&format!("{{{SPEC},{subject}}}"), None);
    let value = |key: &str| secret.annotations.get(key).map(String::as_str);
    // Several values of one kind are a DER SET: the certificate has its own order.
    assert_eq!(
        value(annotation::SUBJECT_ORGANIZATIONS),
        Some(r#""Two ""quoted""","Example, Inc.""#)
    );
    assert_eq!(value(annotation::SUBJECT_SERIAL_NUMBER), Some("7"));
    assert_eq!(value(annotation::EMAIL_SANS), Some("o@example.com"));
    assert_eq!(value(annotation::SUBJECT_COUNTRIES), None);
}

#[test]
fn anw_03_truststores_are_there_only_if_the_ca_is_known() {
    let spec = format!(
        r#"{{{SPEC},"dnsNames":["a"],"additionalOutputFormats":[{{"type":"DER"}},{{"type":"CombinedPEM"}}],
        "keystores":{{"jks":{{"create":true,"password":"p"}},"pkcs12":{{"create":true,"password":"p","profile":"Modern2023"}}}}}}"#
    );
    let without = rendered(&spec, None);
    let common = [
        "key.der",
        "keystore.jks",
        "keystore.p12",
        "tls-combined.pem",
        "tls.crt",
        "tls.key",
    ];
    assert_eq!(without.data.keys().collect::<Vec<_>>(), common);
    let with = rendered(&spec, Some(b"ca"));
    for key in ["ca.crt", "truststore.jks", "truststore.p12"] {
        assert!(with.data.contains_key(key), "{key}");
    }
}

#[test]
fn crt_25_the_other_formats_hold_exactly_key_and_chain() {
    let spec =
        format!(r#"{{{SPEC},"dnsNames":["a"],"additionalOutputFormats":[{{"type":"DER"}},{{"type":"CombinedPEM"}}]}}"#);
    let secret = rendered(&spec, None);
    let value = |key: &str| secret.data[key].expose().clone();
    let combined = [value("tls.key").as_slice(), b"\n", value("tls.crt").as_slice()].concat();
    assert_eq!(value("tls-combined.pem"), combined);
    assert_eq!(
        pem::encode("EC PRIVATE KEY", &value("key.der")),
        value("tls.key"),
        "CRT-19"
    );
}

#[test]
fn crt_13_template_keys_are_there_and_cannot_replace_our_own() {
    let template = r#""secretTemplate":{"annotations":{"a":"b","cert-manager.io/alt-names":"x"},"labels":{"l":"m"}}"#;
    let secret = rendered(&format!(r#"{{{SPEC},"dnsNames":["a.example"],{template}}}"#), None);
    assert_eq!(secret.annotations.get("a").map(String::as_str), Some("b"));
    assert_eq!(
        secret.annotations.get(annotation::ALT_NAMES).map(String::as_str),
        Some("a.example")
    );
    assert_eq!(secret.labels.get("l").map(String::as_str), Some("m"));
}

#[test]
fn the_key_is_in_no_debug_output() {
    let secret = rendered(&format!(r#"{{{SPEC},"dnsNames":["a"]}}"#), None);
    assert!(!format!("{secret:?}").contains("PRIVATE"));
}
