use jiff::SignedDuration;

use super::model::Model;
use crate::{
    api::{
        CertificateSpec, ConditionStatus, GoDuration,
        certificate::SecretTemplate,
        condition::{DENIED, INVALID_REQUEST},
        key::{KeyEncoding, RotationPolicy},
    },
    plan::{certificate::IssuerState, issuer::Reach, seen::Next},
};

fn failed() -> Model {
    let mut model = Model::new();
    model.settle();
    model.fail("web-1", "the CA said no");
    model.settle();
    model
}

#[test]
fn cst_02_and_03_a_failed_request_ends_the_issuance_and_is_counted_once() {
    let model = failed();
    let issuing = model.issuing().unwrap();
    assert_eq!((issuing.status, issuing.reason()), (ConditionStatus::False, "Failed"));
    assert_eq!(
        issuing.message(),
        "The certificate request has failed to complete and will be retried: the CA said no"
    );
    assert_eq!(model.certificate.status.failed_issuance_attempts, Some(1));
    assert!(
        model.next_keys.is_empty() && model.requests.contains_key("web-1"),
        "NB-12, NB-13"
    );
    assert!(
        model
            .ready()
            .2
            .contains("the CA said no. Next attempt at 2026-11-21 13:00:00 +0000 UTC"),
        "{}",
        model.ready().2
    );
}

#[test]
fn gat_07_without_stable_names_a_retry_has_another_name() {
    let only = |model: &Model| {
        assert_eq!(model.requests.len(), 1, "NB-12");
        model.requests.keys().next().unwrap().clone()
    };
    let mut model = Model::new();
    model.settings.gates.stable_request_name = false;
    model.settle();
    let first = only(&model);
    model.fail(&first, "the CA said no");
    model.settle();
    model.pass(SignedDuration::from_hours(2));
    model.settle();
    assert_ne!(only(&model), first);
    model.issue();
    assert_eq!(model.certificate.status.revision, Some(1));
}

#[test]
fn bko_03_denied_and_invalid_requests_fail_at_once_with_their_own_reasons() {
    for kind in [DENIED, INVALID_REQUEST] {
        let mut model = Model::new();
        model.settle();
        model.say(
            "web-1",
            kind,
            ConditionStatus::True,
            "policy.example.com",
            "not allowed",
        );
        model.settle();
        assert_eq!(model.issuing().unwrap().reason(), "policy.example.com");
        assert_eq!(model.certificate.status.failed_issuance_attempts, Some(1), "{kind}");
    }
}

/// cert-manager#9287: a request whose issuer gave up without a condition is no request that waits.
#[test]
fn bko_03_a_failure_time_alone_is_a_failure() {
    let mut model = Model::new();
    model.settle();
    model.requests.get_mut("web-1").unwrap().failure_time = Some(model.now);
    model.settle();
    let issuing = model.issuing().unwrap();
    assert_eq!((issuing.status, issuing.reason()), (ConditionStatus::False, "Failed"));
    assert!(
        issuing
            .message()
            .ends_with("the issuer has set status.failureTime and gives no reason")
    );
    assert_eq!(model.certificate.status.failed_issuance_attempts, Some(1));
    assert_eq!(model.plan().next, Next::At(model.now + SignedDuration::from_hours(1)));
}

#[test]
fn bko_01_and_04_after_the_wait_the_request_is_made_again_under_the_same_name() {
    let mut model = failed();
    let uid = model.requests["web-1"].meta.uid.clone();
    let failed_at = model.now;
    assert_eq!(model.plan().next, Next::At(failed_at + SignedDuration::from_hours(1)));
    model.pass(SignedDuration::from_mins(59));
    assert_eq!(model.plan().effects, []);
    model.pass(SignedDuration::from_mins(1));
    model.settle();
    assert_ne!(model.requests["web-1"].meta.uid, uid);
    model.fail("web-1", "again");
    model.settle();
    assert_eq!(model.certificate.status.failed_issuance_attempts, Some(2));
    assert_eq!(model.plan().next, Next::At(model.now + SignedDuration::from_hours(2)));
    model.pass(SignedDuration::from_hours(2));
    model.issue();
    assert_eq!(
        (
            model.certificate.status.failed_issuance_attempts,
            model.certificate.status.revision
        ),
        (None, Some(1)),
        "CST-03"
    );
}

#[test]
fn bko_02_an_edit_of_the_spec_ends_the_wait() {
    let mut model = failed();
    model.edit(|spec| spec.dns_names = vec!["right.example.com".into()]);
    model.issue();
    assert_eq!(model.ready().0, ConditionStatus::True);
}

#[test]
fn bko_02_an_edit_ends_the_wait_only_if_something_else_would_be_asked_for() {
    type Edit = fn(&mut CertificateSpec);
    let edits: [(&str, bool, Edit); 11] = [
        ("issuer", true, |spec| spec.issuer_ref.name = "other".into()),
        ("usages", true, |spec| {
            spec.usages = vec!["client auth".parse().unwrap()];
        }),
        ("encoded usages", true, |spec| {
            spec.encode_usages_in_request = Some(false);
        }),
        ("duration", true, |spec| {
            spec.duration = Some(GoDuration::from_hours(24));
        }),
        ("size of the key", true, |spec| {
            spec.private_key.as_mut().unwrap().size = Some(384);
        }),
        ("signature", true, |spec| {
            spec.signature_algorithm = Some("ECDSAWithSHA512".parse().unwrap());
        }),
        ("template", false, |spec| {
            let labels = [("a".to_owned(), "b".to_owned())].into();
            spec.secret_template = Some(SecretTemplate {
                labels,
                ..SecretTemplate::default()
            });
        }),
        ("history", false, |spec| spec.revision_history_limit = Some(7)),
        ("renewal", false, |spec| {
            spec.renew_before = Some(GoDuration::from_hours(2));
        }),
        ("encoding of the key", false, |spec| {
            spec.private_key.as_mut().unwrap().encoding = Some(KeyEncoding::Pkcs8);
        }),
        ("nothing", false, |_| {}),
    ];
    for (what, ends, edit) in edits {
        let mut model = failed();
        let failed_one = model.requests["web-1"].meta.uid.clone();
        model.edit(edit);
        model.settle();
        let asked_again = model.requests["web-1"].meta.uid != failed_one;
        assert_eq!(asked_again, ends, "{what}");
    }
}

#[test]
fn bko_02_a_key_that_is_not_kept_any_more_ends_the_wait_too() {
    let mut model = Model::new();
    model.edit(|spec| spec.private_key.as_mut().unwrap().rotation_policy = Some(RotationPolicy::Never));
    model.issue();
    model.edit(|spec| spec.dns_names.push("b.example.com".into()));
    model.settle();
    model.fail("web-2", "this key was used before");
    model.settle();
    let failed_one = model.requests["web-2"].meta.uid.clone();
    model.edit(|spec| spec.revision_history_limit = Some(7));
    model.settle();
    assert_eq!(model.requests["web-2"].meta.uid, failed_one);
    model.edit(|spec| spec.private_key.as_mut().unwrap().rotation_policy = Some(RotationPolicy::Always));
    model.settle();
    assert_ne!(model.requests["web-2"].meta.uid, failed_one);
}

#[test]
fn a_failure_by_a_clock_ahead_of_ours_is_counted_once() {
    let mut model = Model::new();
    model.settle();
    model.pass(SignedDuration::from_mins(3));
    model.fail("web-1", "no");
    model.pass(-SignedDuration::from_mins(3));
    model.settle();
    model.settle();
    assert_eq!(model.certificate.status.failed_issuance_attempts, Some(1));
}

#[test]
fn a_failure_by_a_clock_behind_ours_is_counted_too() {
    let mut model = Model::new();
    model.settle();
    model.pass(-SignedDuration::from_hours(3));
    model.say("web-1", INVALID_REQUEST, ConditionStatus::True, "NotAllowed", "no");
    model.pass(SignedDuration::from_hours(3));
    model.settle();
    assert_eq!(model.certificate.status.failed_issuance_attempts, Some(1));
}

#[test]
fn lif_04_a_certificate_for_another_key_or_past_its_end_is_not_stored() {
    let mut model = Model::new();
    model.settle();
    model.sign_for("web-1", SignedDuration::from_secs(1));
    model.pass(SignedDuration::from_secs(2));
    model.settle();
    assert_eq!(model.issuing().unwrap().reason(), "InvalidCertificate");
    assert!(model.secret.is_none());
}

/// BKO-04, SEC-01: the key stays, so the useless request would fit for ever.
#[test]
fn bko_04_a_request_whose_certificate_cannot_be_used_is_made_again_also_for_a_key_that_is_kept() {
    let mut model = Model::new();
    model.edit(|spec| spec.private_key.as_mut().unwrap().rotation_policy = Some(RotationPolicy::Never));
    model.issue();
    model.edit(|spec| spec.dns_names.push("b.example.com".into()));
    model.settle();
    model.sign_for("web-2", SignedDuration::from_secs(1));
    model.pass(SignedDuration::from_secs(2));
    model.settle();
    assert_eq!(model.issuing().unwrap().reason(), "InvalidCertificate");
    let useless = model.requests["web-2"].meta.uid.clone();
    model.pass(SignedDuration::from_hours(1));
    model.issue();
    assert_ne!(model.requests["web-2"].meta.uid, useless);
    assert_eq!(
        (model.ready().0, model.certificate.status.revision),
        (ConditionStatus::True, Some(2))
    );
}

#[test]
fn a_failed_renewal_leaves_the_certificate_ready() {
    let mut model = Model::new();
    model.issue();
    model.pass(SignedDuration::from_hours(24 * 70));
    model.settle();
    model.fail("web-2", "no");
    model.settle();
    assert_eq!(model.ready().0, ConditionStatus::True);
    assert_eq!(model.ready().1, "Ready");
    assert!(
        model.requests.contains_key("web-1"),
        "LIF-06: the failed request does not push out the present one"
    );
}

#[test]
fn bko_05_a_pending_request_never_times_out() {
    let mut model = Model::new();
    model.settle();
    model.pass(SignedDuration::from_hours(24 * 365));
    assert_eq!(model.plan().effects, []);
}

#[test]
fn a_failure_of_an_issuer_in_this_process_backs_off_as_well() {
    let mut model = Model::new();
    model.issuer = IssuerState::Ready(Reach::AtOnce);
    let plan = model.plan();
    // The process dies after the request; when it is back the signer has refused it.
    if let Some(super::super::CertificateEffect::IssueAtOnce { request, .. }) = plan.effects.first() {
        let name = request.name.clone();
        model.settle();
        model.secret = None;
        model.certificate.status = crate::api::CertificateStatus::default();
        let request = model.requests.get_mut(&name).unwrap();
        (request.certificate, request.conditions) = (None, Box::default());
        model.fail(&name, "the CA cannot sign");
    }
    model.settle();
    assert_eq!(model.issuing().unwrap().reason(), "Failed");
    assert_eq!(model.plan().effects, []);
}
