use jiff::SignedDuration;

use super::model::{Model, NAMESPACE};
use crate::{
    api::{CertificateStatus, IssuerRef},
    plan::{
        certificate::{CertificateObservation, IssuanceOutcome, IssuerState, issuance_outcome, issuer_asked},
        issuer::Reach,
        seen::{Meta, ObjectKey, RequestSeen},
    },
};

/// Plans and carries out until a status ends an issuance, as the controller does. The log has one line for it, so each end is one step only.
fn end(model: &mut Model) -> (CertificateObservation, CertificateStatus) {
    let mut ends = Vec::new();
    for _ in 0..20 {
        let plan = model.plan();
        if plan.effects.is_empty() && plan.status == model.certificate.status {
            break;
        }
        for effect in &plan.effects {
            model.apply(effect);
        }
        // what the controller has seen before the effects is what it reports about
        let seen = CertificateObservation {
            certificate: model.certificate.clone(),
            ..model.seen()
        };
        if issuance_outcome(model.now, &seen, &plan.status).is_some() {
            ends.push((seen, plan.status.clone()));
        }
        model.write_status(&plan.status);
    }
    assert_eq!(ends.len(), 1, "{:?}", model.log);
    ends.remove(0)
}

#[test]
fn the_first_issuance_took_since_the_certificate_was_created_and_a_renewal_since_its_request() {
    let mut model = Model::new();
    model.issuer = IssuerState::Ready(Reach::AtOnce);
    model.pass(SignedDuration::from_secs(40));
    for (is_renewal, took) in [
        (false, SignedDuration::from_secs(40)),
        (true, SignedDuration::from_secs(0)),
    ] {
        let (seen, after) = end(&mut model);
        let serial = model
            .secret
            .as_ref()
            .unwrap()
            .pair
            .certificate
            .valid()
            .unwrap()
            .serial_hex();
        match issuance_outcome(model.now, &seen, &after) {
            Some(IssuanceOutcome::Issued {
                is_renewal: found,
                took: found_took,
                certificate,
            }) => {
                assert_eq!((found, found_took), (is_renewal, took));
                assert_eq!(certificate.unwrap().serial_hex(), serial);
            }
            other => panic!("{other:?}"),
        }
        model.pass(SignedDuration::from_hours(24 * 70));
    }
}

#[test]
fn a_failed_issuance_has_the_reason_and_the_number_of_attempts() {
    let mut model = Model::new();
    model.settle();
    model.fail("web-1", "the CA said no");
    let (seen, after) = end(&mut model);
    match issuance_outcome(model.now, &seen, &after) {
        Some(IssuanceOutcome::Failed {
            reason,
            message,
            attempts,
        }) => {
            assert_eq!((reason.as_str(), attempts), ("Failed", 1));
            assert!(message.ends_with("the CA said no"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_issuer_of_the_newest_request_is_reported_while_that_of_another_issuer_is_being_deleted() {
    let mut model = Model::new();
    model.settle();
    let (earlier, request) = (model.now, model.requests["web-1"].clone());
    // its name comes first
    let of_another = RequestSeen {
        meta: Meta {
            key: ObjectKey::new(NAMESPACE, "web-0"),
            uid: "another".into(),
            deleting: Some(earlier),
            ..request.meta.clone()
        },
        issuer_ref: IssuerRef {
            name: "another".to_owned(),
            ..request.issuer_ref.clone()
        },
        ..request
    };
    model.requests.insert("web-0".to_owned(), of_another);
    let asked = |model: &Model| issuer_asked(&model.seen()).name.clone();
    assert_eq!(asked(&model), "ca");
    model.pass(SignedDuration::from_secs(1));
    let newest = model.requests.get_mut("web-1").unwrap();
    newest.meta.created = model.now;
    assert_eq!(asked(&model), "ca");
    model.requests.clear();
    assert_eq!(asked(&model), "ca");
}
