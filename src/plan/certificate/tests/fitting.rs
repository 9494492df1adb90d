//! What is written is judged before it is written, by the checks that judge it when it is read (case 44).

use std::collections::BTreeMap;

use super::model::Model;
use crate::{
    api::{ConditionStatus, GoDuration},
    pki::{chain::SizeLimits, hidden::Hidden},
    plan::certificate::{Candidate, Made, Violation, request_fault, secret::RenderedSecret},
};

/// A Secret as it was stored, rendered again.
fn rendered(model: &Model, edit: impl FnOnce(&mut RenderedSecret)) -> RenderedSecret {
    let mut rendered = model.rendered();
    edit(&mut rendered);
    rendered
}

fn fault(model: &Model, rendered: &RenderedSecret, limits: SizeLimits) -> Option<Violation> {
    let candidate = Candidate {
        name: "web",
        spec: &model.certificate.spec,
        fallback: None,
        rendered,
        limits: &limits,
    };
    candidate.fault(&model.requests["web-1"])
}

fn ready() -> Model {
    let mut model = Model::new();
    model.issue();
    model
}

#[test]
fn what_is_good_when_it_is_read_is_good_before_it_is_written() {
    let model = ready();
    assert_eq!(fault(&model, &rendered(&model, |_| ()), SizeLimits::default()), None);
}

#[test]
fn what_would_be_unfit_when_it_is_read_is_told_with_size_limit_and_flag() {
    let model = ready();
    let good = rendered(&model, |_| ());
    let reported = |limits: SizeLimits| {
        let Violation { reason, message } = fault(&model, &good, limits).unwrap();
        format!("{reason}: {message}")
    };
    let size = |key: &str| good.data[key].expose().len();
    let chain = SizeLimits {
        chain: 100,
        ..SizeLimits::default()
    };
    assert_eq!(
        reported(chain),
        format!(
            "InvalidCertificate: Secret contains an invalid certificate: the certificate chain has {} bytes, more than the limit of 100; \
             shorten it or raise the limit with the flag --max-certificate-chain-length",
            size("tls.crt")
        )
    );
    let key = SizeLimits {
        key: 100,
        ..SizeLimits::default()
    };
    assert_eq!(
        reported(key),
        format!(
            "InvalidKeyPair: Secret contains invalid private key data: the private key has {} bytes, more than the limit of 100; \
             shorten it or raise the limit with the flag --max-private-key-size",
            size("tls.key")
        )
    );
}

#[test]
fn what_the_api_server_would_refuse_is_refused_before() {
    let model = ready();
    let heavy = rendered(&model, |secret| {
        secret
            .data
            .insert("keystore.p12".into(), Hidden::new(vec![0; 1024 * 1024]));
    });
    let violation = fault(&model, &heavy, SizeLimits::default()).unwrap();
    assert_eq!(violation.reason, "SecretTooLarge");
    assert!(
        violation
            .message
            .contains("more than the 1048576 that Kubernetes allows"),
        "{}",
        violation.message
    );
    let many_names = rendered(&model, |secret| {
        secret.annotations = BTreeMap::from([("cert-manager.io/alt-names".into(), "n,".repeat(140_000))]);
    });
    let violation = fault(&model, &many_names, SizeLimits::default()).unwrap();
    assert!(
        violation.message.contains("the annotations of"),
        "{}",
        violation.message
    );
}

#[test]
fn a_request_that_was_changed_on_its_way_fails_once_and_waits() {
    let mut model = Model::new();
    model.settle();
    let request = model.requests.get_mut("web-1").unwrap();
    request.duration = Some(GoDuration::from_hours(24));
    model.certificate.spec.duration = Some(GoDuration::from_hours(48));
    let request = &model.requests["web-1"];
    let spec = &model.certificate.spec;
    let violation = request_fault(request, spec, &spec.issuer_ref).unwrap();
    assert!(violation.message.contains("admission webhook") && violation.message.contains("spec.duration"));
    model.made = Made::Unfit("web-1".into(), violation);
    let plan = model.plan();
    model.carry_out(&plan);
    model.settle();
    let issuing = model.issuing().unwrap();
    assert_eq!(
        (issuing.status, issuing.reason()),
        (ConditionStatus::False, "RequestChanged")
    );
    assert_eq!(model.certificate.status.failed_issuance_attempts, Some(1));
    assert!(
        model.requests.is_empty(),
        "one that asks for something else would look like an edit"
    );
    assert_eq!(model.plan().effects, []);
}

#[test]
fn a_certificate_that_is_unfit_ends_the_issuance_and_waits() {
    let mut model = Model::new();
    model.settle();
    model.sign("web-1");
    model.made = Made::Unfit(
        "web-1".into(),
        Violation::new("InvalidCertificate", "the chain is too long"),
    );
    let plan = model.plan();
    model.carry_out(&plan);
    model.settle();
    let issuing = model.issuing().unwrap();
    assert_eq!(
        (issuing.status, issuing.reason()),
        (ConditionStatus::False, "InvalidCertificate")
    );
    assert!(issuing.message().ends_with("the chain is too long"));
    assert!(model.secret.is_none() && model.plan().effects.is_empty());
    assert!(
        model.ready().2.contains("Next attempt at 2026-11-21 13:00:00"),
        "{}",
        model.ready().2
    );
}
