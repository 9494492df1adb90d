//! What is asked for: the request of an issuance, and what is reported about it.

use std::sync::Arc;

use super::model::Model;
use crate::{
    api::{ConditionStatus, condition, names::annotation, usage::KeyUsage},
    plan::{
        certificate::{
            CertificateEffect, IssuerState,
            request::{is_copied, temporary_template},
        },
        issuer::Reach,
        notice::Notice,
        seen::Pairs,
    },
};

/// Prefixes, and of annotations whether they are copied.
type Case = (&'static [&'static str], &'static [(&'static str, bool)]);

/// FLG-23: what cert-manager's `BuildAnnotationsToCopy` makes of the same lists.
#[test]
fn flg_23_prefixes_are_gone_through_in_order_and_the_last_one_decides() {
    let cases: [Case; 8] = [
        (&["*"], &[("a/x", true)]),
        (&[], &[("a/x", false)]),
        (&["*", "-foo/"], &[("foo/x", false), ("a/x", true)]),
        (&["-foo/", "*"], &[("foo/x", true)]),
        (&["*", "-foo/", "foo/bar"], &[("foo/x", true), ("foo/bar", true)]),
        (
            &["foo/", "-foo/secret"],
            &[("foo/x", true), ("foo/secret-1", false), ("a/x", false)],
        ),
        (&["-foo/", "foo/"], &[("foo/x", true), ("a/x", false)]),
        (&["*", "-"], &[("a/x", false)]),
    ];
    for (prefixes, wanted) in cases {
        let prefixes: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        for (key, copied) in wanted {
            assert_eq!(is_copied(key, &prefixes), *copied, "{prefixes:?} {key}");
        }
    }
}

#[test]
fn ano_01_only_true_asks_for_a_temporary_certificate() {
    for (value, wanted) in [
        ("true", true),
        ("false", false),
        ("", false),
        ("True", false),
        ("yes", false),
    ] {
        let mut model = Model::new();
        model.certificate.meta.annotations = Pairs::from_iter([(annotation::ISSUE_TEMPORARY_CERTIFICATE, value)]);
        for _ in 0..2 {
            let plan = model.plan();
            model.carry_out(&plan);
        }
        let stores = |effect: &CertificateEffect| matches!(effect, CertificateEffect::StoreTemporary { .. });
        let plan = model.plan();
        assert_eq!(plan.effects.iter().any(stores), wanted, "{value}");
        let stated = plan
            .events
            .iter()
            .any(|event| event.message == "Issued temporary certificate");
        assert_eq!(stated, wanted, "{value}");
    }
}

/// SEC-06: cert-manager makes it with the default options of its CSRs, which are none of these.
#[test]
fn sec_06_a_temporary_certificate_has_no_literal_subject_other_name_or_name_constraint() {
    let mut model = Model::new();
    model.edit(|spec| {
        spec.literal_subject = Some("CN=literal,DC=example".into());
        spec.other_names =
            serde_json::from_str(r#"[{"oid":"1.3.6.1.4.1.311.20.2.3","utf8Value":"u@example.com"}]"#).unwrap();
        spec.name_constraints = serde_json::from_str(r#"{"permitted":{"dnsDomains":["example.com"]}}"#).unwrap();
    });
    let spec = &model.certificate.spec;
    let template = temporary_template(spec, &model.settings).unwrap();
    assert_eq!(template.subject.to_string(), "");
    assert_eq!(
        (template.sans.dns.as_slice(), template.sans.others.len()),
        (&*spec.dns_names, 0)
    );
    assert_eq!(template.name_constraints, None);
    model.edit(|spec| spec.dns_names.clear());
    let template = temporary_template(&model.certificate.spec, &model.settings).unwrap();
    assert_eq!(
        template.subject.to_string(),
        "CN=literal,DC=example",
        "without it there would be no name at all"
    );
}

#[test]
fn lif_03_what_is_asked_for_is_told_and_requests_without_a_revision_go() {
    let mut model = Model::new();
    model.settle();
    let mut stray = model.requests["web-1"].clone();
    (stray.meta.uid, stray.meta.key.name) = ("stray".into(), "stray".into());
    for (name, revision) in [("stray", None), ("scribbled", Some("one"))] {
        let kept = stray
            .meta
            .annotations
            .iter()
            .filter(|(key, _)| *key != annotation::CERTIFICATE_REVISION);
        let annotations = kept.chain(revision.map(|revision| (annotation::CERTIFICATE_REVISION, revision)));
        let mut copy = stray.clone();
        copy.meta.annotations = annotations
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        (copy.meta.uid, copy.meta.key.name) = (name.into(), Arc::from(name));
        model.requests.insert(name.to_owned(), copy);
    }
    model.requests.remove("web-1");
    let plan = model.plan();
    let event = &plan.events[0];
    assert_eq!(
        (event.is_warning(), &*event.reason, event.message.as_str()),
        (false, "Requested", "Created new CertificateRequest resource \"web-1\"")
    );
    model.carry_out(&plan);
    assert_eq!(model.requests.keys().collect::<Vec<_>>(), ["web-1"]);
    model.sign("web-1");
    let events = [model.plan(), {
        let plan = model.plan();
        model.carry_out(&plan);
        model.plan()
    }]
    .map(|plan| plan.events);
    let issued = events.iter().flatten().find(|event| event.reason == "Issuing").unwrap();
    assert_eq!(
        (issued.is_warning(), issued.message.as_str()),
        (false, "The certificate has been successfully issued"),
        "LIF-04"
    );
}

#[test]
fn lif_02_a_key_that_is_kept_and_one_that_cannot_be_read_are_told() {
    use crate::{api::key::RotationPolicy, pki::summary::Part};
    let mut model = Model::new();
    model.issuer = IssuerState::Missing;
    model.edit(|spec| spec.private_key.as_mut().unwrap().rotation_policy = Some(RotationPolicy::Never));
    model.issue();
    model.edit(|spec| spec.dns_names.push("more.example.com".into()));
    let reported = |model: &Model| {
        let plan = model.plan();
        let reported = plan
            .events
            .iter()
            .map(|event| format!("{}: {}", event.reason, event.message));
        reported.collect::<Vec<_>>()
    };
    let reused = "Reused: Reusing private key stored in existing Secret resource \"web-tls\"";
    assert!(reported(&model).contains(&reused.to_owned()), "{:?}", reported(&model));
    model.edit_secret(|secret| secret.pair.key = Part::Invalid("garbage".into()));
    let failed = "DecodeFailed: Failed to decode private key stored in Secret \"web-tls\" - generating new key";
    assert!(reported(&model).contains(&failed.to_owned()), "{:?}", reported(&model));
}

/// POL-09, NB-09: cert-manager compares the raw lists; going back to it must find them equal.
#[test]
fn nb_09_what_is_stored_is_what_the_spec_says_so_that_cert_managers_own_comparison_finds_no_difference() {
    for usages in [
        vec![],
        vec![KeyUsage::Signing, KeyUsage::ServerAuth],
        vec![KeyUsage::ServerAuth, KeyUsage::ServerAuth],
    ] {
        let mut model = Model::new();
        model.edit(|spec| spec.usages.clone_from(&usages));
        model.issue();
        let wanted: Vec<&str> = usages.iter().map(|usage| usage.as_str()).collect();
        let request = &model.requests["web-1"];
        assert_eq!(request.usages.iter().map(|usage| &**usage).collect::<Vec<_>>(), wanted);
        assert!(!request.is_ca);
        assert_eq!(request.issuer_ref, model.certificate.spec.issuer_ref);
        assert_eq!(request.duration, model.certificate.spec.duration);
    }
}

#[test]
fn pol_09_other_names_that_are_taken_out_and_post_codes_are_noticed_by_cert_managers_words() {
    let mut model = Model::new();
    model.edit(|spec| {
        spec.other_names =
            serde_json::from_str(r#"[{"oid":"1.3.6.1.4.1.311.20.2.3","utf8Value":"u@example.com"}]"#).unwrap();
        spec.subject = serde_json::from_str(r#"{"postalCodes":["10115"]}"#).unwrap();
    });
    model.issue();
    assert_eq!(model.ready().0, ConditionStatus::True);
    model.edit(|spec| {
        spec.other_names.clear();
        spec.subject = None;
    });
    model.settle();
    let issuing = model.issuing().unwrap();
    assert_eq!(
        (issuing.reason(), issuing.message()),
        (
            "RequestChanged",
            "Fields on existing CertificateRequest resource not up to date: [spec.otherNames spec.subject.postCodes]"
        )
    );
}

/// MST-03: Go refuses the same names (`x509: "..." cannot be encoded as an IA5String`), and cert-manager tells it in these words.
#[test]
fn mst_03_a_name_that_no_csr_can_hold_is_told_once_in_an_event_and_asked_for_by_no_request() {
    for issuer in [IssuerState::Ready(Reach::Later), IssuerState::Ready(Reach::AtOnce)] {
        let mut model = Model::new();
        model.issuer = issuer;
        model.edit(|spec| spec.dns_names = vec!["m\u{fc}nchen.example".to_owned()]);
        let mut reported = Vec::new();
        for _ in 0..6 {
            let plan = model.plan();
            reported.extend(plan.events.clone().into_iter().filter(Notice::is_warning));
            model.carry_out(&plan);
        }
        let [event] = reported.as_slice() else {
            panic!("{reported:?}")
        };
        assert_eq!(event.reason, "RequestFailed");
        let why = "the DNS name \"m\u{fc}nchen.example\" has characters outside of ASCII; write host names in their xn-- form";
        assert_eq!(event.message, format!("Failed to generate CSR: {why} - will not retry"));
        let ready = condition::get(&model.certificate.status.conditions, condition::READY).unwrap();
        assert_eq!(ready.status, ConditionStatus::False);
        assert!(
            ready.message().contains(&format!("The CSR cannot be created: {why}")),
            "{}",
            ready.message()
        );
        assert!(model.requests.is_empty(), "{:?}", model.log);

        model.edit(|spec| spec.dns_names = vec!["xn--mnchen-3ya.example".to_owned()]);
        for _ in 0..3 {
            let plan = model.plan();
            model.carry_out(&plan);
        }
        assert!(
            !model.requests.is_empty() || model.secret.is_some(),
            "cured by correction: {:?}",
            model.log
        );
    }
}
