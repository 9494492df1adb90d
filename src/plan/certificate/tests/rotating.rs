use std::sync::Arc;

use jiff::SignedDuration;

use super::model::Model;
use crate::plan::{
    certificate::{CertificateEffect, IssuerState},
    issuer::Reach,
    rotation::{Share, Trust},
};

fn issued() -> Model {
    let mut model = Model::new();
    model.issuer = IssuerState::Ready(Reach::AtOnce);
    model.issue();
    model
}

fn due() -> Share {
    Share { due: true, trust: None }
}

#[test]
fn a_leaf_whose_turn_it_is_is_issued_again_although_nothing_else_is_wrong_with_it() {
    let mut model = issued();
    assert!(model.plan().effects.is_empty());
    model.rotation = due();
    let plan = model.plan();
    assert!(
        plan.effects
            .iter()
            .any(|effect| matches!(effect, CertificateEffect::IssueAtOnce { .. })),
        "{:?}",
        plan.effects
    );
    assert_eq!(model.ready().1, "Ready", "it is still good");
}

#[test]
fn one_that_waits_for_approval_goes_on_after_its_turn_was_forgotten() {
    let mut model = issued();
    model.settings.controllers.disabled = vec!["certificaterequests-approver".into()];
    model.rotation = due();
    let plan = model.plan();
    model.carry_out(&plan);
    assert_eq!(
        model.issuing().map(|issuing| issuing.reason().to_owned()).as_deref(),
        Some("CARotated")
    );
    model.rotation = Share::default();
    model.settle();
    assert_eq!(model.next_keys.len(), 1, "{:?}", model.log);
    assert!(model.requests.contains_key("web-2"));
}

#[test]
fn one_that_failed_waits_for_its_time() {
    let mut model = issued();
    model.settings.controllers.disabled = vec!["certificaterequests-approver".into()];
    model.rotation = due();
    let plan = model.plan();
    model.carry_out(&plan);
    model.settle();
    model.fail("web-2", "no");
    model.settle();
    assert!(model.plan().effects.is_empty(), "it backs off");
    model.now += SignedDuration::from_mins(61);
    assert!(!model.plan().effects.is_empty(), "and is tried again");
}

#[test]
fn a_bundle_that_is_not_in_ca_crt_is_written_without_issuing() {
    let mut model = issued();
    let trusted = vec![[7; 32]];
    Arc::make_mut(model.secret.as_mut().unwrap()).pair.trusted = trusted.clone().into();
    let trust = |bundle, only| Share {
        due: false,
        trust: Some(Trust { bundle, only }),
    };
    model.rotation = trust(trusted, true);
    assert!(model.plan().effects.is_empty());
    model.rotation = trust(vec![[9; 32], [7; 32]], false);
    assert_eq!(model.plan().effects, [CertificateEffect::RepairSecret]);
}
