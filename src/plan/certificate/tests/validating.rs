use super::{
    super::{CertificateEffect, KeySource, Notice, names_to_look_up, plan_unreadable, refused_later},
    model::Model,
};
use crate::{
    api::{CertificateSpec, ConditionStatus, InvalidField, condition},
    pki::{
        key::{KeyAlgorithm, KeySpec},
        summary::Part,
    },
    plan::{kinds::CertificateKind, seen::Object},
};

/// A spec with these fields on top of a valid one, the field that is named, and a part of the sentence.
const CASES: &[(&str, &str, &str)] = &[
    (r#"{"secretName":""}"#, "spec.secretName", "must be specified"),
    (
        r#"{"issuerRef":{"name":""}}"#,
        "spec.issuerRef.name",
        "must be specified",
    ),
    (
        r#"{"issuerRef":{"name":"a","kind":"Isuer"}}"#,
        "spec.issuerRef.kind",
        "must be one of Issuer or ClusterIssuer",
    ),
    (r#"{"literalSubject":"CN=a,O="}"#, "", ""),
    (r#"{"literalSubject":"CN=a,O=The \"Best\" Ltd"}"#, "", ""),
    (r#"{"literalSubject":"CN=a","subject":{"serialNumber":""}}"#, "", ""),
    (r#"{"isCA":true,"nameConstraints":{"permitted":{}}}"#, "", ""),
    (
        r#"{"emailAddresses":["a@example.com","\"a b\"@example.com"]}"#,
        "spec.emailAddresses[1]",
        "only contains the email address",
    ),
    (r#"{"literalSubject":"CN=a;;O"}"#, "spec.literalSubject", ""),
    (
        r#"{"literalSubject":"CN=a","commonName":"a"}"#,
        "spec.commonName",
        "no `commonName` may be provided",
    ),
    (r#"{"dnsNames":[]}"#, "spec", "at least one of commonName"),
    (
        r#"{"dnsNames":[],"literalSubject":"O=a"}"#,
        "spec",
        "at least one of commonName",
    ),
    (
        r#"{"literalSubject":"CN=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,O=a"}"#,
        "spec.literalSubject",
        "65 bytes",
    ),
    (
        r#"{"commonName":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#,
        "spec.commonName",
        "65 bytes",
    ),
    (
        r#"{"ipAddresses":["10.0.0.1","x"]}"#,
        "spec.ipAddresses[1]",
        "invalid IP address",
    ),
    (
        r#"{"emailAddresses":["Ops <ops@example.com>"]}"#,
        "spec.emailAddresses[0]",
        "only contains the email address",
    ),
    (
        r#"{"otherNames":[{"oid":"1.x","utf8Value":"a"}]}"#,
        "spec.otherNames[0].oid",
        "invalid oid syntax",
    ),
    (
        r#"{"privateKey":{"algorithm":"RSA","size":1024}}"#,
        "spec.privateKey.size",
        "between 2048 and 8192",
    ),
    (
        r#"{"privateKey":{"algorithm":"RSA","size":2500}}"#,
        "spec.privateKey.size",
        "2048, 3072, 4096 or 8192 bits",
    ),
    (
        r#"{"privateKey":{"algorithm":"ECDSA","size":999}}"#,
        "spec.privateKey.size",
        "256, 384 or 521",
    ),
    (
        r#"{"signatureAlgorithm":"SHA256WithRSA"}"#,
        "spec.signatureAlgorithm",
        "for key algorithm ECDSA",
    ),
    (r#"{"duration":"10m"}"#, "spec.duration", "must be greater than 1h0m0s"),
    (
        r#"{"renewBefore":"1m"}"#,
        "spec.renewBefore",
        "must be greater than 5m0s",
    ),
    (
        r#"{"renewBefore":"48h","duration":"24h"}"#,
        "spec.renewBefore",
        "must be greater than renewBefore",
    ),
    (
        r#"{"renewBefore":"48h","renewBeforePercentage":3}"#,
        "spec.renewBefore",
        "mutually exclusive",
    ),
    (r#"{"renewBeforePercentage":200}"#, "", ""),
    (
        r#"{"renewBeforePercentage":100,"duration":"24h"}"#,
        "spec.renewBeforePercentage",
        "greater than 5m0s",
    ),
    (
        r#"{"revisionHistoryLimit":0}"#,
        "spec.revisionHistoryLimit",
        "less than 1",
    ),
    (
        r#"{"secretTemplate":{"annotations":{"cert-manager.io/x":"y"}}}"#,
        "spec.secretTemplate.annotations",
        "not allowed",
    ),
    (
        r#"{"secretTemplate":{"annotations":{"cert-manager.io/allow-direct-injection":"true"}}}"#,
        "",
        "",
    ),
    (
        r#"{"nameConstraints":{"permitted":{"dnsDomains":["a"]}}}"#,
        "spec.nameConstraints",
        "isCa should be true",
    ),
    (
        r#"{"isCA":true,"nameConstraints":{"permitted":{"ipRanges":["10.0.0.0"]}}}"#,
        "spec.nameConstraints",
        "10.0.0.0",
    ),
    (
        r#"{"additionalOutputFormats":[{"type":"DER"},{"type":"DER"}]}"#,
        "spec.additionalOutputFormats[1].type",
        "Duplicate",
    ),
    (
        r#"{"keystores":{"jks":{"create":false}}}"#,
        "spec.keystores.jks",
        "exactly one of passwordSecretRef and password",
    ),
    (
        r#"{"keystores":{"pkcs12":{"create":true,"password":"s","passwordSecretRef":{"name":""}}}}"#,
        "",
        "",
    ),
    (
        r#"{"keystores":{"jks":{"create":true,"passwordSecretRef":{"name":""}}}}"#,
        "spec.keystores.jks",
        "exactly one of passwordSecretRef and password",
    ),
    (
        r#"{"isCA":true,"nameConstraints":{"permitted":{"ipRanges":["::ffff:10.0.0.0/104","10.0.0.0/08"]}}}"#,
        "",
        "",
    ),
    (
        r#"{"keystores":{"pkcs12":{"create":true,"password":""}}}"#,
        "spec.keystores.pkcs12.password",
        "cannot be empty",
    ),
    (
        r#"{"renewal":{"windows":[{"cron":"x","windowDuration":"1h"}]}}"#,
        "spec.renewal.windows[0].cron",
        "five",
    ),
];

fn with(fields: &str) -> CertificateSpec {
    let mut spec = serde_json::to_value(Model::new().certificate.spec).unwrap();
    let fields: serde_json::Value = serde_json::from_str(fields).unwrap();
    for (key, value) in fields.as_object().unwrap() {
        spec[key] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

#[test]
fn val_01_to_20_a_spec_that_breaks_a_rule_is_told_so_and_issues_nothing_until_it_is_corrected() {
    for (fields, path, part) in CASES {
        let mut model = Model::new();
        let right = model.certificate.spec.clone();
        model.edit(|spec| *spec = with(fields));
        let reported = model.plan().events;
        model.settle();
        let (status, reason, message) = model.ready();
        if path.is_empty() {
            assert_ne!(reason, "InvalidSpec", "{fields}: {message}");
            continue;
        }
        assert_eq!(
            (status, reason),
            (ConditionStatus::False, "InvalidSpec"),
            "{fields}: {message}"
        );
        assert!(
            message.starts_with(&format!("{path}: ")) && message.contains(part),
            "{fields}: {message}"
        );
        assert_eq!(model.log, ["status"], "{fields}");
        let warning = Notice::warning("InvalidSpec", message);
        assert_eq!((reported, model.plan().events), (vec![warning], Vec::new()), "{fields}");
        model.edit(|spec| *spec = right);
        model.issue();
        assert_eq!(model.ready().0, ConditionStatus::True, "{fields}");
    }
}

/// A key of 2500 bits, which cert-manager makes, and certlet can only keep.
#[test]
fn crt_21_a_key_of_a_size_that_no_new_one_can_have_is_kept_and_otherwise_told_beforehand() {
    let mut model = Model::new();
    model.issue();
    model.edit_secret(|secret| {
        let Part::Valid(key) = &mut secret.pair.key else {
            panic!("it was issued")
        };
        key.spec = KeySpec::new(KeyAlgorithm::Rsa, Some(2500));
    });
    model.edit(|spec| *spec = with(r#"{"privateKey":{"algorithm":"RSA","size":2500}}"#));
    let later = refused_later(&model.seen()).expect("it cannot be renewed");
    assert_eq!(later.path, "spec.privateKey.size");
    let keeping =
        r#"{"privateKey":{"algorithm":"RSA","size":2500,"rotationPolicy":"Never"},"dnsNames":["other.example"]}"#;
    model.edit(|spec| *spec = with(keeping));
    assert_eq!(refused_later(&model.seen()), None);
    let kept = CertificateEffect::StoreKey {
        name: names_to_look_up(&model.certificate, &model.settings).next_keys[0].clone(),
        source: KeySource::Target,
    };
    assert_eq!(model.plan().effects, [kept]);
}

#[test]
fn nb_29_what_is_issued_already_stays_ready_although_a_rule_says_no() {
    let mut model = Model::new();
    model.issue();
    model.edit(|spec| {
        let template = r#"{"annotations":{"cert-manager.io/x":"y"}}"#;
        spec.secret_template = serde_json::from_str(template).ok();
    });
    model.settle();
    assert_eq!(model.ready().0, ConditionStatus::True);
}

#[test]
fn a_spec_that_cannot_be_read_is_told_once_and_again_when_an_edit_leaves_it_so() {
    let Model {
        now, mut certificate, ..
    } = Model::new();
    let invalid = InvalidField {
        path: "spec.duration".to_owned(),
        message: "\"90d\" is not a duration".to_owned(),
    };
    let plan = plan_unreadable(now, &certificate.meta, &certificate.status, &invalid);
    let sentence = "spec.duration: \"90d\" is not a duration";
    assert_eq!(plan.events, [Notice::warning("InvalidSpec", sentence)]);
    let ready = condition::get(&plan.status.conditions, condition::READY).unwrap();
    assert_eq!((ready.reason(), ready.message()), ("InvalidSpec", sentence));
    let again =
        |certificate: &Object<CertificateKind>| plan_unreadable(now, &certificate.meta, &plan.status, &invalid).events;
    assert_eq!(again(&certificate), []);
    certificate.meta.generation += 1;
    assert_eq!(again(&certificate).len(), 1);
}

/// GAT-06, GAT-11, GAT-12: what is switched off is refused with the gate's name, not issued without it.
#[test]
fn crt_12_what_a_gate_switches_off_is_refused_by_the_name_of_the_gate() {
    use crate::plan::settings::Gates;
    type Off = fn(&mut Gates);
    let cases: [(&str, Off, &str, &str); 3] = [
        (
            r#""literalSubject":"CN=a,O=b""#,
            |gates| gates.literal_subject = false,
            "spec.literalSubject",
            "LiteralCertificateSubject",
        ),
        (
            r#""dnsNames":["a.example.com"],"otherNames":[{"oid":"1.3.6.1.4.1.311.20.2.3","utf8Value":"u"}]"#,
            |gates| gates.other_names = false,
            "spec.otherNames",
            "OtherNames",
        ),
        (
            r#""isCA":true,"commonName":"a","nameConstraints":{"permitted":{"dnsDomains":["example.com"]}}"#,
            |gates| gates.name_constraints = false,
            "spec.nameConstraints",
            "NameConstraints",
        ),
    ];
    for (fields, switch_off, path, gate) in cases {
        let text = format!(r#"{{"secretName":"s","issuerRef":{{"name":"ca"}},{fields}}}"#);
        let spec: CertificateSpec = serde_json::from_str(&text).unwrap();
        let mut settings = crate::plan::settings::Settings::default();
        assert_eq!(
            super::super::validation::check(&spec, &settings),
            None,
            "{path} with the gate on"
        );
        switch_off(&mut settings.gates);
        let refused = super::super::validation::check(&spec, &settings).unwrap();
        assert_eq!(refused.path, path);
        assert!(refused.message.contains(gate), "{}", refused.message);
    }
}

/// FLG-30, SEC-08: cert-manager's numbers, and each part of a Secret has its own.
#[test]
fn sec_08_each_part_of_a_secret_has_its_own_limit() {
    use crate::pki::{chain::SizeLimits, summary::PairSummary};
    let SizeLimits {
        certificate,
        key,
        chain,
        bundle,
    } = SizeLimits::default();
    assert_eq!((certificate, key, chain, bundle), (36_500, 13_000, 95_000, 330_000));
    let long = |size: usize| vec![b'x'; size];
    let reported = |limits: &SizeLimits, key: usize, chain: usize| {
        let pair = PairSummary::new(Some(&long(key)), Some(&long(chain)), None, limits);
        let too_long = |text: String| text.contains("more than the limit of");
        (
            too_long(format!("{:?}", pair.key)),
            too_long(format!("{:?}", pair.certificate)),
        )
    };
    let limits = SizeLimits::default();
    assert_eq!(reported(&limits, 13_000, 95_000), (false, false));
    assert_eq!(reported(&limits, 13_001, 95_000), (true, false));
    assert_eq!(reported(&limits, 13_000, 95_001), (false, true));
}
