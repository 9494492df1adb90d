//! CRQ-02, CRQ-07, NB-26, NB-27: who approves, and what denial and `InvalidRequest` mean.

use serde_json::json;

use super::{RequestPlan, RequestStep, RequestVerdict, ca, fixture, status_write, with_issuer};
use crate::{
    api::{ConditionStatus, condition},
    plan::issuer::IssuerType,
};

#[test]
fn nb_26_approval_has_exactly_these_words() {
    let write = status_write(fixture::noon(), &fixture::request(), true, None).unwrap();
    let approved = json!([{
        "type": "Approved", "status": "True", "reason": "cert-manager.io", "lastTransitionTime": "2026-11-21T12:00:00Z",
        "message": "Certificate request has been approved by cert-manager.io",
    }]);
    assert_eq!(write.patch, json!({"conditions": approved}));
    assert_eq!(
        (&*write.notices[0].reason, write.notices[0].is_warning()),
        ("cert-manager.io", false)
    );
}

#[test]
fn nb_26_requests_for_external_issuers_are_approved_and_otherwise_left_alone() {
    let scene = with_issuer(ca()).request(|it| {
        it.issued_by("pca.example.com", "Pca", "x")
            .asking(b"not for us to judge")
    });
    let plan = scene.plan();
    assert!(plan.approve);
    assert_eq!(plan.step, RequestStep::Nothing);
    assert!(scene.settled().plan().is_nothing());
}

#[test]
fn ctl_08_without_our_approver_a_request_waits_and_says_so() {
    let plan = with_issuer(ca()).without_approver().plan();
    assert!(plan.is_nothing());
    assert_eq!(plan.notices[0].reason, "WaitingForApproval");
    assert_eq!(
        plan.notices[0].message,
        "Not signing CertificateRequest until it is Approved"
    );
    let external = with_issuer(ca())
        .without_approver()
        .request(|it| it.issued_by("pca.example.com", "Pca", "x"))
        .plan();
    assert_eq!(external, RequestPlan::nothing());
}

#[test]
fn ctl_08_anothers_approval_is_enough() {
    let plan = with_issuer(ca())
        .without_approver()
        .request(super::RequestSeen::approved)
        .plan();
    assert_eq!((plan.approve, plan.step), (false, RequestStep::Sign(IssuerType::Ca)));
}

#[test]
fn crq_07_denial_is_final_with_a_failure_time() {
    let scene = with_issuer(ca()).request(|it| it.with_condition(condition::DENIED, ConditionStatus::True, "no"));
    let plan = scene.plan();
    assert_eq!(
        (plan.approve, &plan.step),
        (false, &RequestStep::Settle(RequestVerdict::Denied))
    );
    let write = status_write(scene.now, &scene.request, false, Some(&RequestVerdict::Denied)).unwrap();
    assert_eq!(write.patch["failureTime"], "2026-11-21T12:00:00Z");
    let ready = &write.patch["conditions"][1];
    assert_eq!(ready["reason"], "Denied");
    assert_eq!(
        ready["message"],
        "The CertificateRequest was denied by an approval controller"
    );
    assert_eq!(scene.settled().plan(), RequestPlan::nothing());
}

#[test]
fn nb_27_an_invalid_request_is_not_signed() {
    let plan = with_issuer(ca())
        .request(|it| it.with_condition(condition::INVALID_REQUEST, ConditionStatus::True, "x"))
        .plan();
    assert_eq!(plan, RequestPlan::nothing());
}

#[test]
fn what_is_finished_is_left_alone_even_unapproved() {
    for (status, reason) in [
        (ConditionStatus::True, "Issued"),
        (ConditionStatus::False, "Failed"),
        (ConditionStatus::False, "Denied"),
    ] {
        let plan = with_issuer(ca())
            .request(|it| it.with_condition(condition::READY, status, reason))
            .plan();
        assert_eq!(plan, RequestPlan::nothing(), "{reason}");
    }
}

#[test]
fn approval_and_certificate_are_one_write_without_observed_generation() {
    let issued = RequestVerdict::Issued {
        certificate: b"chain".to_vec(),
        ca: Some(b"root".to_vec()),
        remark: None,
    };
    let write = status_write(fixture::noon(), &fixture::request(), true, Some(&issued)).unwrap();
    assert_eq!(write.patch["certificate"], "Y2hhaW4=");
    assert_eq!(write.patch["ca"], "cm9vdA==");
    let conditions = write.patch["conditions"].as_array().unwrap();
    let types: Vec<_> = conditions
        .iter()
        .map(|condition| condition["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["Approved", "Ready"]);
    assert_eq!(conditions[1]["message"], "Certificate fetched from issuer successfully");
    assert!(
        conditions
            .iter()
            .all(|condition| condition.get("observedGeneration").is_none()),
        "NB-40"
    );
    assert_eq!(
        write.notices.iter().map(|notice| &*notice.reason).collect::<Vec<_>>(),
        ["cert-manager.io", "CertificateIssued"]
    );
}

#[test]
fn conditions_of_others_stay_where_they_are() {
    let request = fixture::request().with_condition("Audited", ConditionStatus::True, "yes");
    let write = status_write(fixture::noon(), &request, true, None).unwrap();
    assert_eq!(write.patch["conditions"][0]["type"], "Audited");
}
