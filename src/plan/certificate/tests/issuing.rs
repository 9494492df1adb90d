use jiff::SignedDuration;

use super::model::{Model, UID, issuer};
use crate::{
    api::{
        ConditionStatus, GoDuration,
        condition::{self, APPROVED, READY},
        key::{PrivateKey, RotationPolicy},
        names::annotation,
    },
    plan::{
        certificate::{CertificateEffect, CertificatePlan, IssuerState, KeySource, names, plan},
        issuer::Reach,
        seen::Pairs,
    },
};

fn next_key(revision: i64) -> String {
    let [name, _] = names::next_key_names("web", UID, revision);
    name
}

fn policy(policy: RotationPolicy) -> PrivateKey {
    let algorithm = Some(crate::api::key::KeyAlgorithm::Ecdsa);
    PrivateKey {
        rotation_policy: Some(policy),
        algorithm,
        ..PrivateKey::default()
    }
}

fn events(plan: &CertificatePlan) -> Vec<String> {
    plan.events
        .iter()
        .map(|event| format!("{}: {}", event.reason, event.message))
        .collect()
}

#[test]
fn lif_01_to_04_an_issuance_that_has_to_wait_takes_six_writes_and_a_delete() {
    let mut model = Model::new();
    let first = model.plan();
    assert_eq!(
        first.effects,
        [CertificateEffect::StoreKey {
            name: next_key(1),
            source: KeySource::New
        }]
    );
    assert_eq!(first.status.next_private_key_secret_name, Some(next_key(1)));
    assert_eq!(
        events(&first),
        [
            "Issuing: Issuing certificate as Secret does not exist".to_owned(),
            format!(
                "Generated: Stored new private key in temporary Secret resource {:?}",
                next_key(1)
            ),
        ]
    );
    model.settle();
    assert_eq!(model.log, ["key", "status", "request"]);
    assert_eq!(
        model.ready(),
        (
            ConditionStatus::False,
            "DoesNotExist",
            "Issuing certificate as Secret does not exist"
        )
    );
    model.sign("web-1");
    model.settle();
    assert_eq!(
        model.log,
        ["key", "status", "request", "secret", "status", "delete key"]
    );
    assert_eq!(
        model.ready(),
        (
            ConditionStatus::True,
            "Ready",
            "Certificate is up to date and has not expired"
        )
    );
    assert_eq!(model.issuing(), None, "NB-01");
    assert_eq!(model.certificate.status.revision, Some(1));
    assert_eq!(model.certificate.status.next_private_key_secret_name, None);
}

#[test]
fn anw_05_the_request_says_which_revision_and_key_it_is_for() {
    let mut model = Model::new();
    model.certificate.meta.annotations = Pairs::from_iter([("example.com/note", "a"), ("fluxcd.io/sync", "b")]);
    model.settle();
    let request = &model.requests["web-1"];
    let key = next_key(1);
    let annotations: Vec<_> = request.meta.annotations.iter().collect();
    assert_eq!(
        annotations,
        [
            (annotation::CERTIFICATE_NAME, "web"),
            (annotation::CERTIFICATE_REVISION, "1"),
            (annotation::PRIVATE_KEY_SECRET_NAME, key.as_str()),
            ("example.com/note", "a"),
        ]
    );
}

#[test]
fn an_issuer_in_this_process_issues_with_a_key_that_only_memory_held() {
    let mut model = Model::new();
    model.issuer = IssuerState::Ready(Reach::AtOnce);
    model.settle();
    assert_eq!(model.log, ["request", "secret", "status"]);
    assert_eq!(
        model.requests["web-1"]
            .meta
            .annotations
            .get(annotation::PRIVATE_KEY_SECRET_NAME),
        Some(next_key(1).as_str())
    );
    model.pass(SignedDuration::from_hours(24 * 70));
    model.log.clear();
    model.settle();
    assert_eq!(model.log, ["request", "secret", "status", "delete request"]);
    assert_eq!(model.requests.keys().collect::<Vec<_>>(), ["web-2"], "LIF-06");
}

#[test]
fn nothing_is_issued_at_once_where_somebody_else_approves() {
    let mut model = Model::new();
    model.issuer = IssuerState::Ready(Reach::AtOnce);
    model.settings.controllers.disabled = vec!["certificaterequests-approver".into()];
    model.settle();
    assert_eq!(model.log, ["key", "status", "request", "status"]);
    let (_, reason, message) = model.ready();
    assert_eq!(reason, "DoesNotExist");
    assert!(
        message.ends_with("CertificateRequest \"web-1\" is waiting for approval"),
        "{message}"
    );
    model.say("web-1", APPROVED, ConditionStatus::True, "somebody", "yes");
    model.settle();
    assert_eq!(model.ready().2, "Issuing certificate as Secret does not exist");
}

/// NB-26: approving may be ours and yet not be allowed to us; and others may take their time.
#[test]
fn an_approval_that_does_not_come_is_told_when_it_lasts() {
    let mut model = Model::new();
    model.settle();
    let told_at = model.now + SignedDuration::from_secs(5);
    assert_eq!(model.plan().next, super::super::Next::At(told_at));
    assert!(!model.ready().2.contains("approval"), "{}", model.ready().2);
    model.now = told_at;
    model.settle();
    assert!(
        model
            .ready()
            .2
            .ends_with("CertificateRequest \"web-1\" is waiting for approval"),
        "{}",
        model.ready().2
    );
    model.issue();
    assert_eq!(model.ready().2, "Certificate is up to date and has not expired");
}

#[test]
fn a_missing_issuer_and_one_that_is_not_ready_are_named_in_the_condition() {
    let mut model = Model::new();
    model.issuer = IssuerState::Missing;
    model.settle();
    let expected = "Issuing certificate as Secret does not exist. Issuer \"ca\" does not exist in namespace \"shop\"";
    assert_eq!(model.ready(), (ConditionStatus::False, "DoesNotExist", expected));
    model.issuer = IssuerState::NotReady("the account is not registered".into());
    model.settle();
    assert!(
        model
            .ready()
            .2
            .ends_with("Issuer \"ca\" is not ready: the account is not registered")
    );
    assert_eq!(model.log, ["key", "status", "request", "status"]);
}

#[test]
fn what_holds_the_request_up_is_told_when_it_lasts() {
    let mut model = Model::new();
    model.settle();
    let since = model.now;
    let mut seen = model.seen();
    seen.obstacle = Some(super::super::Obstacle {
        text: "web.example.com: it does not resolve".into(),
        since,
    });
    let quiet = plan(model.now, &seen, &model.settings);
    assert_eq!(quiet.status, model.certificate.status);
    assert_eq!(quiet.next, super::super::Next::At(since + SignedDuration::from_secs(5)));
    let reported = plan(since + SignedDuration::from_secs(5), &seen, &model.settings);
    let ready = condition::get(&reported.status.conditions, READY).unwrap();
    assert_eq!(
        ready.message(),
        "Issuing certificate as Secret does not exist. web.example.com: it does not resolve"
    );
}

#[test]
fn nb_02_an_issuing_condition_that_somebody_else_sets_starts_an_issuance() {
    let mut model = Model::new();
    model.issue();
    let manual = condition::Condition::new(
        "Issuing",
        ConditionStatus::True,
        "ManuallyTriggered",
        "Certificate re-issuance manually triggered",
    );
    let now = model.now;
    condition::set(&mut model.certificate.status.conditions, manual, now);
    model.settle();
    assert_eq!(model.log, ["key", "status", "request"]);
    assert_eq!(model.issuing().unwrap().reason(), "ManuallyTriggered");
    model.sign("web-2");
    model.settle();
    assert_eq!((model.certificate.status.revision, model.issuing()), (Some(2), None));
}

#[test]
fn sec_01_with_rotation_never_the_key_is_reused_and_one_that_does_not_fit_is_not_replaced() {
    let mut model = Model::new();
    model.edit(|spec| spec.private_key = Some(policy(RotationPolicy::Never)));
    model.issue();
    let before = model.secret.as_ref().unwrap().pair.key.clone();
    model.edit(|spec| spec.dns_names.push("new.example.com".into()));
    model.issue();
    assert_eq!(model.secret.as_ref().unwrap().pair.key, before);
    model.edit(|spec| spec.private_key.as_mut().unwrap().size = Some(384));
    let refused = model.plan();
    assert_eq!(refused.effects, []);
    assert!(
        events(&refused)
            .iter()
            .any(|event| event.starts_with("CannotRegenerateKey: User intervention required"))
    );
    model.settle();
    assert_eq!(
        model.issuing().map(condition::Condition::is_true),
        Some(true),
        "Issuing stays True, no progress"
    );
    assert_eq!(model.plan().events, [], "reported once");
}

#[test]
fn sec_03_a_deleted_secret_is_issued_again_at_once() {
    let mut model = Model::new();
    model.issue();
    model.secret = None;
    let plan = model.plan();
    assert_eq!(
        plan.effects,
        [CertificateEffect::StoreKey {
            name: next_key(2),
            source: KeySource::New
        }]
    );
}

#[test]
fn an_edit_of_the_key_in_mid_issuance_makes_a_new_one() {
    let mut model = Model::new();
    model.settle();
    model.edit(|spec| spec.private_key.as_mut().unwrap().size = Some(384));
    let plan = model.plan();
    assert!(
        events(&plan)
            .contains(&"Deleted: Regenerating private key due to change in fields: [spec.privateKey.size]".to_owned())
    );
    model.issue();
    assert_eq!(model.ready().0, ConditionStatus::True);
    assert_eq!(model.secret.as_ref().unwrap().pair.key.valid().unwrap().spec.size, 384);
}

#[test]
fn pol_08_and_09_a_changed_spec_and_a_foreign_key_are_issued_again_with_their_reasons() {
    type Change = fn(&mut Model);
    let cases: [(&str, Change, &str); 4] = [
        (
            "RequestChanged",
            |model| model.edit(|spec| spec.dns_names.push("b.example.com".into())),
            "[spec.dnsNames]",
        ),
        (
            "IncorrectIssuer",
            |model| model.edit(|spec| spec.issuer_ref = issuer("ClusterIssuer", "ca")),
            "Issuer.cert-manager.io/ca",
        ),
        (
            "RequestChanged",
            |model| model.edit(|spec| spec.duration = Some(GoDuration::from_hours(10))),
            "[spec.duration]",
        ),
        (
            "SecretMismatch",
            |model| model.edit(|spec| spec.private_key.as_mut().unwrap().size = Some(384)),
            "[spec.privateKey.size]",
        ),
    ];
    for (reason, change, part) in cases {
        let mut model = Model::new();
        model.edit(|spec| spec.duration = Some(GoDuration::from_hours(2160)));
        model.issue();
        model.pass(SignedDuration::from_mins(1));
        change(&mut model);
        model.settle();
        let (_, found, message) = model.ready();
        assert!(
            found == reason && message.contains(part),
            "{reason}: {found}: {message}"
        );
        assert_eq!(model.log, ["key", "status", "request"]);
    }
}

#[test]
fn nb_09_fields_that_are_not_compared_do_not_issue_again() {
    let mut model = Model::new();
    model.issue();
    model.edit(|spec| {
        spec.encode_usages_in_request = Some(false);
        spec.duration = Some(GoDuration::from_hours(10));
        spec.issuer_ref.kind = Some("Issuer".into());
        spec.usages = crate::api::usage::DEFAULT_USAGES.to_vec();
    });
    model.settle();
    assert_eq!(model.log, ["status"], "only observedGeneration");
}

#[test]
fn nb_16_of_two_certificates_with_one_secret_the_annotated_owner_else_the_older_is_served() {
    let mut model = Model::new();
    let older = super::super::Rival {
        name: "older".into(),
        created: model.now - SignedDuration::from_secs(1),
    };
    model.rivals = vec![older];
    let plan = model.plan();
    assert_eq!(plan.effects, []);
    let ready = condition::get(&plan.status.conditions, READY).unwrap();
    assert!(
        ready.reason() == "IncorrectCertificate" && ready.message().contains("\"older\""),
        "{ready:?}"
    );
    let [event] = &plan.events[..] else {
        panic!("one event: {:?}", plan.events)
    };
    assert!(event.is_warning() && event.reason == "DuplicateSecretName", "{event:?}");
    model.carry_out(&plan);
    assert_eq!(model.plan().events, [], "it is reported once");
    model.rivals.clear();
    model.issue();
    model.rivals = vec![super::super::Rival {
        name: "older".into(),
        created: model.now - SignedDuration::from_hours(9999),
    }];
    model.settle();
    assert_eq!(model.log, [""; 0], "the Secret is annotated with our name");
}

#[test]
fn nb_46_a_certificate_that_is_being_deleted_is_left_alone() {
    let mut model = Model::new();
    model.certificate.meta.deleting = Some(model.now);
    assert_eq!(model.plan(), CertificatePlan::nothing(&model.certificate.status));
}

#[test]
fn what_a_cache_says_is_confirmed_before_anything_is_made() {
    let model = Model::new();
    let mut seen = model.seen();
    seen.live = false;
    let plan = plan(model.now, &seen, &model.settings);
    assert_eq!(
        (plan.effects, &plan.status),
        (vec![CertificateEffect::Confirm], &model.certificate.status)
    );
}

#[test]
fn two_programs_that_write_the_same_secret_do_not_become_a_loop() {
    let mut model = Model::new();
    model.issue();
    model.edit_secret(|secret| secret.meta.annotations = Pairs::from_iter([(annotation::ISSUER_NAME, "other")]));
    model.pass(SignedDuration::from_secs(1));
    assert_eq!(model.plan().effects, []);
    assert_eq!(
        model.plan().next,
        super::super::Next::At(model.requests["web-1"].meta.created + SignedDuration::from_secs(10))
    );
    model.pass(SignedDuration::from_secs(10));
    assert_ne!(model.plan().effects, []);
}
