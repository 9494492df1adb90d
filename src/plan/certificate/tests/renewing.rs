use jiff::{SignedDuration, Timestamp};

use super::model::Model;
use crate::{
    api::{
        Time,
        certificate_status::{RenewalInformation, SuggestedWindow},
        condition::{self, ISSUING},
        names::annotation,
    },
    plan::certificate::{CertificatePlan, plan},
};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn stated(start: Timestamp, end: Timestamp) -> RenewalInformation {
    let window = SuggestedWindow {
        start: Time(start),
        end: Time(end),
    };
    RenewalInformation {
        suggested_window: Some(window),
        ..RenewalInformation::default()
    }
}

fn plan_with(model: &Model, stated: &RenewalInformation) -> CertificatePlan {
    let mut seen = model.seen();
    seen.renewal_information = Some(stated.clone());
    plan(model.now, &seen, &model.settings)
}

fn issued() -> Model {
    let mut model = Model::new();
    model.issue();
    model
}

/// As if cert-manager had issued it: its next-key Secrets have random names.
fn foreign() -> Model {
    let mut model = issued();
    let request = model.requests.get_mut("web-1").unwrap();
    let pairs = request
        .meta
        .annotations
        .iter()
        .filter(|(key, _)| *key != annotation::PRIVATE_KEY_SECRET_NAME);
    request.meta.annotations = pairs
        .chain([(annotation::PRIVATE_KEY_SECRET_NAME, "web-x7k2p")])
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    model
}

#[test]
fn ari_06_why_the_server_gave_no_answer_stands_beside_what_is_known_until_it_answers() {
    let mut model = issued();
    let window = stated(model.now + HOUR * 100, model.now + HOUR * 200);
    let asked = model.now;
    let error = |window: &RenewalInformation| RenewalInformation {
        last_error: Some("connection refused".into()),
        last_checked: Some(Time(asked)),
        ..window.clone()
    };
    for known in [RenewalInformation::default(), window.clone()] {
        let mut expect = |polled: &RenewalInformation, wanted: &RenewalInformation| {
            let planned = plan_with(&model, polled).status;
            assert_eq!(planned.acme.clone().and_then(|acme| acme.ari).as_ref(), Some(wanted));
            model.certificate.status = planned;
            assert_eq!(
                plan_with(&model, polled).status,
                model.certificate.status,
                "written once"
            );
            let restarted = plan(model.now, &model.seen(), &model.settings).status;
            assert_eq!(restarted, model.certificate.status, "a restart changes nothing");
        };
        expect(&error(&known), &error(&known));
        let later = RenewalInformation {
            last_checked: Some(Time(asked + HOUR)),
            ..error(&known)
        };
        expect(&later, &error(&known));
        expect(&window, &window);
    }
    let unsupported = plan_with(&model, &RenewalInformation::default()).status;
    assert_eq!(unsupported.acme, None, "ARI-04");
}

#[test]
fn ari_03_a_suggested_window_becomes_the_renewal_time_and_is_written_once() {
    let mut model = issued();
    let ari = stated(model.now + HOUR * 100, model.now + HOUR * 200);
    let first = plan_with(&model, &ari);
    let renewal = first.status.renewal_time.clone().unwrap().0;
    assert!(renewal >= model.now + HOUR * 100 && renewal < model.now + HOUR * 200);
    assert_eq!(
        first.status.acme.as_ref().and_then(|acme| acme.ari.clone()),
        Some(ari.clone())
    );
    model.write_status(&first.status);
    let polled_again = RenewalInformation {
        last_checked: Some(Time(model.now + HOUR)),
        ..ari
    };
    assert_eq!(plan_with(&model, &polled_again).status, model.certificate.status);
    assert_eq!(
        model.plan().status,
        model.certificate.status,
        "what is in status outlives the process"
    );
    model.now = renewal;
    let plan = model.plan();
    assert_eq!(
        condition::get(&plan.status.conditions, ISSUING).unwrap().reason(),
        "Renewing"
    );
}

#[test]
fn ari_03_a_window_that_moves_into_the_past_renews_at_once_and_a_silly_first_one_does_not() {
    let mut model = issued();
    model.pass(HOUR);
    let past = stated(model.now - HOUR * 5, model.now - HOUR * 4);
    assert_eq!(
        plan_with(&model, &past).effects,
        [],
        "before the certificate itself, and nothing else known"
    );
    let sane = plan_with(&model, &stated(model.now + HOUR * 100, model.now + HOUR * 200));
    model.write_status(&sane.status);
    let moved = plan_with(&model, &past);
    assert!(condition::is_true(&moved.status.conditions, ISSUING));
}

#[test]
fn a_window_acts_on_a_foreign_certificate_only_when_it_is_past() {
    let mut model = foreign();
    let renewal = model.certificate.status.renewal_time.clone();
    model.pass(HOUR * 30);
    let later = plan_with(&model, &stated(model.now + HOUR, model.now + HOUR * 2));
    assert_eq!((later.effects, later.status.renewal_time), (vec![], renewal));
    let over = plan_with(&model, &stated(model.now - HOUR * 20, model.now - HOUR * 19));
    assert!(condition::is_true(&over.status.conditions, ISSUING));
}

#[test]
fn a_renewal_time_on_a_foreign_certificate_is_kept_until_its_spec_changes() {
    let mut model = foreign();
    let kept = model.now + HOUR * 700;
    model.certificate.status.renewal_time = Some(Time(kept));
    assert_eq!(model.plan().status, model.certificate.status);
    model.edit(|spec| spec.renew_before = Some(crate::api::GoDuration::from_hours(24)));
    assert_eq!(
        model.plan().status.renewal_time.unwrap().0,
        model.certificate.status.not_after.clone().unwrap().0 - HOUR * 24
    );
}

#[test]
fn ari_04_without_the_gate_nothing_of_it_is_kept() {
    let mut model = issued();
    let sane = plan_with(&model, &stated(model.now + HOUR * 100, model.now + HOUR * 200));
    model.write_status(&sane.status);
    model.settings.gates.ari = false;
    let plan = model.plan();
    assert_eq!(plan.status.acme, None);
    let due: Timestamp = "2027-01-20T12:00:00Z".parse().unwrap();
    let renewal = plan.status.renewal_time.unwrap().0;
    assert!(renewal <= due && renewal > due - HOUR * 22, "{renewal}");
}

#[test]
fn a_new_certificate_forgets_what_the_ca_said_about_the_former() {
    let mut model = issued();
    let sane = plan_with(&model, &stated(model.now + HOUR * 100, model.now + HOUR * 200));
    model.write_status(&sane.status);
    model.pass(HOUR * 210);
    model.issue();
    assert_eq!(
        (model.certificate.status.revision, &model.certificate.status.acme),
        (Some(2), &None)
    );
}
