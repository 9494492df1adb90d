//! Whatever servers of issuers do: one certificate for each renewal.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{
    fallback::{MINUTE, SILENT, call, model, sign},
    model::Model,
};
use crate::{
    api::{
        ConditionStatus,
        condition::{self, READY},
        names::annotation,
    },
    plan::{certificate::ISSUER_UNAVAILABLE, outage::Contact},
};

/// Which servers answer (the one of the spec, then those of the fallback issuers), how many seconds pass before, and whether certlet
/// has been restarted.
type Weather = ([bool; 3], i64, bool);

fn weather() -> impl Strategy<Value = Vec<Weather>> {
    let seconds = prop_oneof![Just(5), Just(60), Just(20 * 60), Just(3 * 3600), Just(15 * 86400)];
    let answers = prop_oneof![
        2 => Just([false; 3]),
        1 => any::<[bool; 3]>(),
    ];
    proptest::collection::vec((answers, seconds, proptest::bool::weighted(0.1)), 1..60)
}

/// The certificates that were signed: revision and issuer.
#[derive(Default)]
struct Signed(BTreeSet<(String, String)>);

/// One step: time passes, servers are called, certlet plans.
fn step(model: &mut Model, signed: &mut Signed, (answers, seconds, restarted): Weather) {
    model.pass(SignedDuration::from_secs(seconds));
    if restarted {
        model.fallback.requests.clear();
    }
    model.settle();
    let Some(request) = model.requests.values().find(|request| !request.is_true(READY)).cloned() else {
        return;
    };
    let names = ["ca", "first", "second"];
    let place = names.iter().position(|name| *name == request.issuer_ref.name).unwrap();
    if answers[place] {
        let revision = request
            .meta
            .annotations
            .get(annotation::CERTIFICATE_REVISION)
            .unwrap()
            .to_owned();
        assert!(
            signed.0.iter().all(|(other, _)| *other != revision),
            "revision {revision} was signed by {:?} already",
            signed.0
        );
        signed.0.insert((revision, request.issuer_ref.name));
        call(model, Contact::Answered);
        sign(model);
    } else {
        call(model, SILENT);
        model.settle();
    }
}

/// When the outage began that a fallback issuer is asked for.
fn unavailable_since(model: &Model) -> Option<Timestamp> {
    let found = condition::get(&model.certificate.status.conditions, ISSUER_UNAVAILABLE)?;
    found.last_transition_time.as_ref().map(|time| time.0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_outages_leads_to_two_certificates_for_one_renewal(weather in weather()) {
        let mut model = model();
        let mut signed = Signed::default();
        for weather in weather {
            let before = model.requests.values().find(|request| !request.is_true(READY)).map(|request| request.issuer_ref.name.clone());
            step(&mut model, &mut signed, weather);
            let after = model.requests.values().find(|request| !request.is_true(READY)).map(|request| request.issuer_ref.name.clone());
            if before.as_deref() == Some("ca") && after.as_deref() == Some("first") {
                let since = unavailable_since(&model).expect("the outage is in the status");
                let left = model.secret.as_ref().and_then(|secret| secret.pair.certificate.valid()).map(|leaf| since.duration_until(leaf.not_after) / 2);
                let patience = left.map_or(MINUTE * 30, |left| left.min(MINUTE * 30)).max(SignedDuration::from_secs(10));
                prop_assert!(since.duration_until(model.now) >= patience);
            }
        }
        // as many certificates were stored as were signed: none is lost, and none replaced without need
        prop_assert_eq!(model.stored.len(), signed.0.len());
        // when all answer again, it is well
        for _ in 0..10 {
            step(&mut model, &mut signed, ([true; 3], 60, false));
        }
        prop_assert_eq!(model.ready().0, ConditionStatus::True);
        prop_assert!(model.requests.values().all(|request| request.is_true(READY)));
    }
}
