//! ANO-16, ANO-17 and POL-17: fallback issuers.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::model::Model;
use crate::{
    api::{
        ConditionStatus,
        condition::{self, READY},
        names::annotation,
    },
    net::OutageKind,
    plan::{
        certificate::{FallbackSeen, ISSUED_BY_FALLBACK, ISSUER_UNAVAILABLE, IssuerState},
        issuer::Reach,
        notice::Notice,
        outage::{Availability, Contact},
        seen::{Next, Pairs, RequestSeen},
    },
};

pub(super) const MINUTE: SignedDuration = SignedDuration::from_mins(1);
pub(super) const SILENT: Contact = Contact::Outage(OutageKind::Unreachable);

/// A Certificate of the issuer `ca` with the fallback issuers `first` and `second`, which are asked after half an hour.
pub(super) fn model() -> Model {
    let mut model = Model::new();
    annotate(&mut model, Some("first, second"));
    model.fallback = FallbackSeen {
        states: vec![IssuerState::Ready(Reach::Later), IssuerState::Ready(Reach::Later)],
        servers: vec![Availability::Unknown; 3],
        requests: BTreeMap::new(),
    };
    model
}

fn annotate(model: &mut Model, issuers: Option<&str>) {
    let list = issuers.map(|issuers| (annotation::FALLBACK_ISSUERS, issuers));
    let annotations = list.into_iter().chain([(annotation::FALLBACK_AFTER, "30m")]);
    model.certificate.meta.annotations = annotations.collect();
}

/// The one unfinished request.
fn pending(model: &Model) -> &RequestSeen {
    let mut pending = model.requests.values().filter(|request| !request.is_true(READY));
    let found = pending.next().expect("a request");
    assert!(pending.next().is_none(), "one request at a time");
    found
}

/// The server of the issuer that is asked was called.
pub(super) fn call(model: &mut Model, contact: Contact) {
    let uid = pending(model).meta.uid.clone();
    let known = model.fallback.requests.entry(uid).or_default();
    *known = known.after(model.now, contact);
}

pub(super) fn sign(model: &mut Model) {
    let name = pending(model).meta.name().to_owned();
    model.sign(&name);
    model.settle();
}

fn issuer_of_secret(model: &Model) -> (&str, Option<&str>) {
    let annotations = &model.secret.as_ref().expect("issued").meta.annotations;
    let name = annotations.get(annotation::ISSUER_NAME).expect("named");
    (name, annotations.get(annotation::FALLBACK_FOR))
}

fn condition<'a>(model: &'a Model, type_: &str) -> Option<(ConditionStatus, &'a str, &'a str)> {
    condition::get(&model.certificate.status.conditions, type_)
        .map(|found| (found.status, found.reason(), found.message()))
}

/// Until the first fallback issuer is asked.
fn fallen_back() -> Model {
    let mut model = model();
    model.settle();
    call(&mut model, SILENT);
    model.settle();
    model.pass(MINUTE * 30);
    model.settle();
    model
}

/// Until the first fallback issuer has issued.
fn issued_by_fallback() -> Model {
    let mut model = fallen_back();
    sign(&mut model);
    model
}

fn events(model: &Model) -> Vec<Notice> {
    model.plan().events
}

#[test]
fn the_outage_is_reported_and_after_its_time_the_first_fallback_issuer_is_asked_with_the_same_key() {
    let mut model = model();
    model.settle();
    assert_eq!(condition(&model, ISSUER_UNAVAILABLE), None);
    let key = pending(&model).csr.as_ref().unwrap().key_hash();
    call(&mut model, SILENT);
    assert!(events(&model).iter().any(|event| event.reason == ISSUER_UNAVAILABLE));
    model.settle();
    let sentence = "Issuer \"ca\" has been unreachable since 2026-11-21 12:00:00 +0000 UTC; \
                    Issuer \"first\" is asked from 2026-11-21 12:30:00 +0000 UTC on";
    assert_eq!(
        condition(&model, ISSUER_UNAVAILABLE),
        Some((ConditionStatus::True, "Unreachable", sentence))
    );
    assert!(model.ready().2.contains(sentence), "{}", model.ready().2);
    let due = model.now + MINUTE * 30;
    model.pass(SignedDuration::from_secs(10));
    model.settle();
    assert_eq!(model.plan().next, Next::At(due));
    model.pass(MINUTE * 29);
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "ca");
    model.pass(MINUTE);
    let asking = events(&model);
    let asking = asking.iter().find(|event| event.reason == "FallbackRequested").unwrap();
    assert_eq!(
        asking.message,
        "Asking Issuer \"first\" because Issuer \"ca\" has been unreachable since 2026-11-21 12:00:00 +0000 UTC"
    );
    model.settle();
    let request = pending(&model);
    assert_eq!(request.issuer_ref.name, "first");
    assert_eq!(request.csr.as_ref().unwrap().key_hash(), key);
    assert_eq!(
        request.meta.annotations.get(annotation::FALLBACK_FOR),
        Some("Issuer/ca")
    );
}

#[test]
fn the_secret_has_both_issuers_nothing_is_issued_again_and_the_renewal_asks_the_issuer_of_the_spec() {
    let mut model = issued_by_fallback();
    assert_eq!(issuer_of_secret(&model), ("first", Some("Issuer/ca")));
    assert_eq!(model.ready().0, ConditionStatus::True);
    assert_eq!(condition(&model, ISSUER_UNAVAILABLE), None);
    let sentence = "Issued by Issuer \"first\" because Issuer \"ca\" has been unreachable since 2026-11-21 12:00:00 +0000 UTC; \
                    the next renewal asks Issuer \"ca\" first";
    assert_eq!(
        condition(&model, ISSUED_BY_FALLBACK),
        Some((ConditionStatus::True, "Issued", sentence))
    );
    for days in [1, 30, 28] {
        model.pass(SignedDuration::from_hours(24 * days));
        assert_eq!(model.settle(), 0, "nothing is left to do");
    }
    // a restore without requests
    model.requests.clear();
    assert_eq!(model.settle(), 0);
    model.pass(SignedDuration::from_hours(24 * 2));
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "ca");
    sign(&mut model);
    assert_eq!(issuer_of_secret(&model), ("ca", None));
    assert_eq!(condition(&model, ISSUED_BY_FALLBACK), None);
    assert_eq!(model.stored.len(), 2);
}

#[test]
fn a_certificate_of_a_fallback_issuer_that_is_no_longer_listed_is_issued_again() {
    for list in [None, Some("second"), Some("not a name")] {
        let mut model = issued_by_fallback();
        annotate(&mut model, list);
        // a change of the Secret soon after its certificate would wait
        model.pass(MINUTE);
        model.settle();
        let issuing = model.issuing().unwrap();
        assert_eq!(
            issuing.message(),
            "Issuing certificate as Secret was previously issued by \"Issuer.cert-manager.io/first\""
        );
        assert_eq!(pending(&model).issuer_ref.name, "ca");
    }
}

#[test]
fn a_certificate_of_a_former_primary_is_issued_again_although_the_new_one_lists_it() {
    let mut model = model();
    model.issue();
    model.edit(|spec| spec.issuer_ref.name = "first".to_owned());
    annotate(&mut model, Some("ca"));
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "first");
    let mut model = issued_by_fallback();
    model.edit(|spec| spec.issuer_ref.name = "third".to_owned());
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "third");
}

#[test]
fn a_refusal_is_a_failure_and_never_a_reason_for_a_fallback() {
    let mut model = model();
    model.settle();
    call(&mut model, SILENT);
    model.settle();
    model.fail("web-1", "the CA said no");
    call(&mut model, Contact::Answered);
    model.settle();
    assert_eq!(model.issuing().unwrap().reason(), "Failed");
    for _ in 0..10 {
        model.pass(MINUTE * 5);
        model.settle();
        assert_eq!(model.requests["web-1"].issuer_ref.name, "ca");
    }
    // the same with a fallback issuer: the back-off is kept, then the issuer of the spec is asked first
    let mut model = fallen_back();
    model.fail("web-1", "no");
    model.settle();
    assert_eq!(model.issuing().unwrap().reason(), "Failed");
    model.pass(MINUTE * 30);
    assert_eq!(model.settle(), 0);
    model.pass(MINUTE * 31);
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "ca");
    model.pass(MINUTE);
    call(&mut model, SILENT);
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "first", "the outage is the same one");
}

#[test]
fn an_answer_ends_the_outage_and_a_restart_does_not() {
    let mut model = model();
    model.settle();
    call(&mut model, SILENT);
    model.settle();
    model.fallback.requests.clear();
    model.pass(MINUTE * 40);
    model.settle();
    assert_eq!(
        pending(&model).issuer_ref.name,
        "ca",
        "not before the server was called again"
    );
    assert!(condition(&model, ISSUER_UNAVAILABLE).is_some());
    call(&mut model, SILENT);
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "first");

    let mut model = self::model();
    model.settle();
    call(&mut model, SILENT);
    model.settle();
    model.pass(MINUTE * 29);
    call(&mut model, Contact::Answered);
    model.settle();
    assert_eq!(condition(&model, ISSUER_UNAVAILABLE), None);
    model.pass(MINUTE * 2);
    call(&mut model, SILENT);
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "ca");
}

#[test]
fn the_next_fallback_issuer_is_asked_if_the_first_is_unreachable_too_and_after_the_last_the_issuer_of_the_spec() {
    let mut model = fallen_back();
    call(&mut model, SILENT);
    model.settle();
    model.pass(MINUTE * 10);
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "second");
    call(&mut model, SILENT);
    model.settle();
    model.pass(MINUTE * 60);
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "ca");
    sign(&mut model);
    assert_eq!(issuer_of_secret(&model), ("ca", None));
}

#[test]
fn an_issuer_that_is_not_ready_because_of_an_outage_counts_and_one_that_is_misconfigured_does_not() {
    for (contact, wanted) in [(SILENT, "first"), (Contact::Answered, "ca"), (Contact::Unknown, "ca")] {
        let mut model = model();
        model.issuer = IssuerState::NotReady("it cannot be reached".to_owned());
        let known = Availability::default().after(model.now, contact);
        model.fallback.servers[0] = known;
        model.settle();
        model.pass(MINUTE * 31);
        model.settle();
        assert_eq!(pending(&model).issuer_ref.name, wanted, "{contact:?}");
    }
}

#[test]
fn a_fallback_issuer_that_cannot_issue_the_certificate_is_passed_over_and_named() {
    let mut model = model();
    model.fallback.states[0] = IssuerState::Unfit("no solver is for a.example".to_owned());
    model.settle();
    call(&mut model, SILENT);
    model.settle();
    let (_, _, message) = condition(&model, ISSUER_UNAVAILABLE).unwrap();
    assert!(message.contains("Issuer \"second\" is asked from"), "{message}");
    model.fallback.states[1] = IssuerState::Missing;
    model.settle();
    let (_, _, message) = condition(&model, ISSUER_UNAVAILABLE).unwrap();
    assert!(
        message.ends_with(
            "none of its fallback issuers can be asked: Issuer \"first\" cannot issue this certificate: no solver is for a.example; \
             Issuer \"second\" does not exist in namespace \"shop\""
        ),
        "{message}"
    );
    model.pass(MINUTE * 31);
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "ca");
    model.fallback.states[1] = IssuerState::Ready(Reach::Later);
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "second");
}

#[test]
fn annotations_that_cannot_be_used_are_one_event_and_one_condition_and_change_nothing_else() {
    let mut model = model();
    annotate(&mut model, Some("first,first"));
    let mut times = 0;
    for _ in 0..5 {
        let plan = model.plan();
        times += plan
            .events
            .iter()
            .filter(|event| event.reason == "InvalidFallback")
            .count();
        model.carry_out(&plan);
    }
    assert_eq!(times, 1);
    let sentence = "certlet.io/fallback-issuers cannot be used: \"first\" is listed twice";
    assert_eq!(
        condition(&model, ISSUED_BY_FALLBACK),
        Some((ConditionStatus::False, "InvalidAnnotation", sentence))
    );
    call(&mut model, SILENT);
    model.pass(MINUTE * 60);
    model.settle();
    assert_eq!(pending(&model).issuer_ref.name, "ca");
    sign(&mut model);
    assert_eq!(model.ready().0, ConditionStatus::True);
}

#[test]
fn the_mark_of_a_fallback_is_not_copied_from_a_certificate_or_a_template() {
    let mut model = model();
    model.edit(|spec| {
        let template = spec.secret_template.get_or_insert_default();
        template
            .annotations
            .insert(annotation::FALLBACK_FOR.to_owned(), "Issuer/other".to_owned());
    });
    let forged = [(annotation::FALLBACK_FOR, "Issuer/other")];
    let before = model.certificate.meta.annotations.clone();
    model.certificate.meta.annotations = before.iter().chain(forged).collect::<Pairs>();
    model.settle();
    assert!(!pending(&model).meta.annotations.contains(annotation::FALLBACK_FOR));
    sign(&mut model);
    assert_eq!(issuer_of_secret(&model), ("ca", None));
    assert_eq!(model.settle(), 0, "nothing is repaired for ever");
}
