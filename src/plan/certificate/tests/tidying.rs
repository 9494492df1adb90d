use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;

use super::model::Model;
use crate::{
    api::{
        ConditionStatus,
        certificate::{AdditionalOutputFormat, OutputFormat, SecretTemplate},
        condition,
        names::{annotation, label},
    },
    plan::{
        certificate::{CertificateEffect, KeystoresSeen, Passwords},
        seen::{ManagedKeys, Pairs},
    },
};

fn issued() -> Model {
    let mut model = Model::new();
    model.issue();
    model
}

fn template(annotations: &[(&str, &str)], labels: &[(&str, &str)]) -> SecretTemplate {
    let map = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    SecretTemplate {
        annotations: map(annotations),
        labels: map(labels),
    }
}

#[test]
fn pol_13_a_secret_that_is_as_it_should_be_is_not_touched() {
    let mut model = issued();
    model.settle();
    assert_eq!(model.log, [""; 0]);
}

#[test]
fn crt_13_template_keys_are_added_changed_and_removed_without_issuing() {
    let mut model = issued();
    model.edit(|spec| spec.secret_template = Some(template(&[("a", "1")], &[("l", "1")])));
    model.settle();
    model.edit(|spec| spec.secret_template = Some(template(&[("a", "2")], &[])));
    model.settle();
    assert_eq!(model.log.iter().filter(|word| **word == "repair").count(), 2);
    let secret = model.secret.as_ref().unwrap();
    assert_eq!(
        (secret.meta.annotations.get("a"), secret.meta.labels.get("l")),
        (Some("2"), None)
    );
    assert!(!model.log.contains(&"request"));
}

#[test]
fn sec_04_keys_that_others_add_to_the_secret_are_left_alone() {
    let mut model = issued();
    model.edit_secret(|secret| {
        let annotations: Vec<(Box<str>, Box<str>)> = secret.meta.annotations.0.to_vec();
        secret.meta.annotations = annotations
            .into_iter()
            .chain([("other.example.com/x".into(), "y".into())])
            .collect();
        secret.data_keys = ["extra".into(), "tls.crt".into(), "tls.key".into()].into();
        secret.type_ = "Opaque".into();
    });
    assert_eq!(model.plan().effects, [], "NB-15");
}

#[test]
fn nb_06_a_label_that_was_removed_by_hand_comes_back() {
    let mut model = issued();
    model.edit_secret(|secret| {
        secret.meta.labels = Pairs::default();
        secret.managed = Arc::new(ManagedKeys {
            labels: Box::default(),
            ..(*secret.managed).clone()
        });
    });
    assert_eq!(model.plan().effects, [CertificateEffect::RepairSecret]);
    model.settle();
    assert_eq!(
        model.secret.as_ref().unwrap().meta.labels.get(label::FOR_ATTENTION_OF),
        Some("true")
    );
}

#[test]
fn nb_05_annotations_of_the_certificate_are_put_right_also_when_empty() {
    let mut model = issued();
    assert_eq!(
        model
            .secret
            .as_ref()
            .unwrap()
            .meta
            .annotations
            .get(annotation::URI_SANS),
        Some("")
    );
    model.edit_secret(|secret| {
        let without = secret
            .meta
            .annotations
            .iter()
            .filter(|(key, _)| *key != annotation::URI_SANS);
        secret.meta.annotations = without.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let managed = secret
            .managed
            .annotations
            .iter()
            .filter(|key| ***key != *annotation::URI_SANS)
            .cloned()
            .collect();
        secret.managed = Arc::new(ManagedKeys {
            annotations: managed,
            ..(*secret.managed).clone()
        });
    });
    assert_eq!(model.plan().effects, [CertificateEffect::RepairSecret]);
}

#[test]
fn crt_25_output_formats_follow_the_spec_in_both_directions() {
    let mut model = issued();
    let formats = [OutputFormat::Der, OutputFormat::CombinedPem].map(|type_| AdditionalOutputFormat { type_ });
    model.edit(|spec| spec.additional_output_formats = formats.to_vec());
    model.settle();
    let keys = |model: &Model| {
        model
            .secret
            .as_ref()
            .unwrap()
            .data_keys
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&model), ["key.der", "tls-combined.pem", "tls.crt", "tls.key"]);
    model.edit(|spec| spec.additional_output_formats.clear());
    model.settle();
    assert_eq!(keys(&model), ["tls.crt", "tls.key"]);
    assert!(!model.log.contains(&"request"), "NB-09");
}

#[test]
fn sec_02_the_owner_reference_follows_the_flag_in_both_directions() {
    let mut model = issued();
    for enabled in [true, false] {
        model.settings.enable_certificate_owner_ref = enabled;
        assert_eq!(model.plan().effects, [CertificateEffect::RepairSecret]);
        model.settle();
        assert_eq!(
            model.secret.as_ref().unwrap().meta.owners.len(),
            usize::from(enabled),
            "NB-14"
        );
    }
}

#[test]
fn pol_13_managed_fields_that_cannot_be_read_do_not_make_a_loop() {
    let mut model = issued();
    model.edit_secret(|secret| {
        secret.managed = Arc::new(ManagedKeys {
            error: Some("?".into()),
            ..ManagedKeys::default()
        });
    });
    assert_eq!(model.plan().effects, []);
}

#[test]
fn sec_07_a_missing_keystore_password_is_told_and_waited_for() {
    let mut model = issued();
    model.edit(|spec| {
        let keystores = r#"{"pkcs12":{"create":true,"passwordSecretRef":{"name":"p","key":"k"}}}"#;
        spec.keystores = serde_json::from_str(keystores).ok();
    });
    model.passwords = Passwords::Missing("Secret \"p\" with the password does not exist".into());
    let plan = model.plan();
    assert_eq!(plan.effects, []);
    assert_eq!(
        plan.events.iter().map(|event| &*event.reason).collect::<Vec<_>>(),
        ["KeystorePasswordSecretNotFound"]
    );
    model.settle();
    assert!(model.ready().2.contains("Secret \"p\""), "{}", model.ready().2);
    assert_eq!(model.plan().events, [], "reported once");
    model.passwords = Passwords::Available;
    assert_eq!(model.plan().effects, [CertificateEffect::RepairSecret]);
}

#[test]
fn lif_06_the_history_keeps_the_newest_requests() {
    let mut model = Model::new();
    model.edit(|spec| spec.revision_history_limit = Some(2));
    for revision in 1..=4 {
        model.edit(|spec| spec.dns_names = vec![format!("r{revision}.example.com")]);
        model.issue();
    }
    assert_eq!(model.requests.keys().collect::<Vec<_>>(), ["web-3", "web-4"]);
}

#[test]
fn pol_12_an_expired_certificate_is_not_ready_and_the_plan_wakes_up_for_it() {
    let mut model = Model::new();
    model.edit(|spec| {
        let disabled = r#"{"policy":"Disabled"}"#;
        spec.renewal = serde_json::from_str(disabled).ok();
    });
    model.issue();
    let not_after = model.certificate.status.not_after.clone().unwrap().0;
    assert_eq!(model.certificate.status.renewal_time, None, "CRT-09");
    assert_eq!(
        model.plan().next,
        super::super::Next::At(not_after + SignedDuration::from_secs(1))
    );
    model.now = not_after + SignedDuration::from_secs(1);
    model.settle();
    assert_eq!(
        model.ready(),
        (
            ConditionStatus::False,
            "Expired",
            "Certificate expired on Fri, 19 Feb 2027 12:00:00 UTC"
        )
    );
    assert_eq!(model.issuing(), None);
}

#[test]
fn crt_10_a_renewal_without_a_window_says_so_and_is_made_nevertheless() {
    let mut model = Model::new();
    model.issue();
    model.edit(|spec| {
        let never = r#"{"windows":[{"cron":"0 0 30 2 *","windowDuration":"1h"}]}"#;
        spec.renewal = serde_json::from_str(never).ok();
    });
    model.settle();
    let (status, reason, message) = model.ready();
    assert_eq!((status, reason), (ConditionStatus::False, "WindowError"));
    assert!(
        message.starts_with("Could not calculate renewal time: no renewal window begins"),
        "{message}"
    );
    model.now = model.certificate.status.renewal_time.clone().unwrap().0;
    let plan = model.plan();
    assert_eq!(plan.events.first().map(|event| &*event.reason), Some("WindowError"));
    let issuing = condition::get(&plan.status.conditions, condition::ISSUING).unwrap();
    assert!(
        issuing
            .message()
            .starts_with("Renewing certificate without satisfying renewal windows at: 2027-01-20"),
        "{}",
        issuing.message()
    );
}

#[test]
fn pol_11_the_renewal_names_the_time_it_was_scheduled_at() {
    let mut model = issued();
    let renewal = model.certificate.status.renewal_time.clone().unwrap().0;
    model.now = renewal - SignedDuration::from_secs(1);
    let plan = model.plan();
    assert_eq!(
        (plan.effects.len(), plan.next),
        (0, super::super::Next::At(renewal)),
        "NB-10"
    );
    model.now = renewal;
    let plan = model.plan();
    let issuing = condition::get(&plan.status.conditions, condition::ISSUING).unwrap();
    assert_eq!(issuing.reason(), "Renewing");
    assert_eq!(
        issuing.message(),
        format!(
            "Renewing certificate as renewal was scheduled at {}",
            renewal.strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
        )
    );
    let due = "2027-01-20T12:00:00Z".parse().unwrap();
    assert!(
        renewal < due && renewal.duration_until(due) < SignedDuration::from_hours(22),
        "{renewal}"
    );
}

#[test]
fn a_keystore_that_is_not_right_is_written_again_and_nothing_is_issued() {
    let mut model = Model::new();
    model.edit(|spec| {
        let keystores = r#"{"pkcs12":{"create":true,"password":"p","profile":"Modern2023"}}"#;
        spec.keystores = serde_json::from_str(keystores).ok();
    });
    model.issue();
    assert_eq!(
        model.keystores,
        KeystoresSeen::Opened(None),
        "it was looked into before it came to rest"
    );
    model.keystores = KeystoresSeen::Opened(Some("keystore.p12: it does not open with the password".into()));
    assert_eq!(model.plan().effects, [CertificateEffect::RepairSecret]);
    model.settle();
    assert_eq!(model.log, ["repair"]);
    assert_eq!(
        model.keystores,
        KeystoresSeen::Opened(None),
        "what was written is looked into"
    );
    model.edit(|spec| spec.keystores = None);
    model.settle();
    assert!(
        !model
            .secret
            .as_ref()
            .unwrap()
            .data_keys
            .iter()
            .any(|key| &**key == "keystore.p12"),
        "SEC-05"
    );
}
