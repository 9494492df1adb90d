//! Orders whose names are proved in different ways: one solver never disturbs another, and nothing stays placed.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::{collection::btree_set, prelude::*, sample::subsequence};

use super::{
    super::{
        OrderStep,
        ca::AuthorizationState,
        memory::{Memory, NotYet},
        outside::record,
        persist,
        proof::{Batch, Placed},
        timing,
    },
    model::World,
    model_objects::{dns_persist, names, record_of, set_guard},
    model_weather::Weather,
    properties::{NAMES, weather},
};
use crate::{
    api::{challenge::ChallengeType, names::CHALLENGE_FINALIZER, order::State},
    plan::seen::{Meta, Next, Pairs},
};

/// `a.example` by HTTP-01, `b.example` by DNS-01.
fn mixed(weather: Weather) -> World {
    let by_dns = names(&["b.example"]);
    World::new(&["a.example", "b.example"], Weather { by_dns, ..weather })
}

fn accepted(world: &World, name: &str) -> bool {
    world
        .memory
        .proofs
        .iter()
        .any(|(url, proof)| url.ends_with(name) && proof.accepted.is_some())
}

fn is_valid(world: &World, name: &str) -> bool {
    let url = format!("https://ca.example/authz/0/{name}");
    world.authorizations.contains_key(&url) && world.state_of(&url) == AuthorizationState::Valid
}

/// The metadata of the Challenge that is proved by DNS-01.
fn dns_challenge(world: &mut World) -> &mut Meta {
    let mut challenges = world.challenges.iter_mut();
    let dns = challenges.find(|one| one.spec.type_ == ChallengeType::Dns01);
    &mut dns.expect("it was created").meta
}

#[test]
fn both_ways_lead_to_one_certificate_and_leave_nothing() {
    let mut world = mixed(Weather::default());
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
    assert!(world.outside.zone.is_empty() && world.shown.is_empty() && world.challenges.is_empty());
    assert_eq!(world.outside.count, 2, "one record is written, and removed");
}

#[test]
fn a_record_that_somebody_else_writes_is_waited_for_and_never_touched_and_its_end_is_noted() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.choices = Box::new(|_, one| dns_persist(one));
    world.step_while(|world| world.memory.proofs.values().all(|proof| proof.finding.is_none()));
    let challenge = &world.challenges[0];
    assert_eq!(challenge.spec.type_, ChallengeType::Dns01);
    assert_eq!(challenge.spec.key, "ca.example; accounturi=https://ca.example/acct/1");
    assert!(challenge.spec.token.is_empty() && challenge.meta.finalizers.is_empty());
    assert!(!accepted(&world, "a.example"));
    let record = (record_of("a.example"), "written by hand".to_owned());
    world.outside.zone.insert(record.clone());
    let end = (
        timing::add(world.now, SignedDuration::from_hours(1)),
        "_validation-persist.a.example".to_owned(),
    );
    let note = persist::note(&end.1, end.0);
    let proof = world.memory.proofs.values_mut().next();
    proof.expect("it is proved").end = Some(end);
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
    assert_eq!(world.order.status.reason, Some(note));
    assert!(world.challenges.is_empty() && world.outside.zone.contains(&record));
    assert_eq!(world.outside.count, 0, "no provider is called");
}

#[test]
fn a_challenge_names_what_is_outside_before_it_is_written_and_one_of_http_names_nothing() {
    let mut world = mixed(Weather::default());
    world.step_while(|world| world.challenges.len() < 2);
    assert_eq!(world.outside.count, 0);
    let of = |type_| {
        let found = world.challenges.iter().find(|one| one.spec.type_ == type_);
        &found.expect("it was created").meta
    };
    let dns = of(ChallengeType::Dns01);
    assert_eq!(record(dns), Some(record_of("b.example").as_str()));
    assert_eq!(dns.finalizers, [CHALLENGE_FINALIZER].map(Into::into).into());
    let http = of(ChallengeType::Http01);
    assert!(http.finalizers.is_empty() && http.annotations.0.is_empty());
}

#[test]
fn a_zone_that_is_not_found_is_named_on_the_challenge_and_nothing_is_written_outside() {
    let mut world = mixed(Weather {
        locations_failing: u32::MAX,
        ..Weather::default()
    });
    let end = timing::add(world.now, SignedDuration::from_hours(1));
    world.run_and_wait_while(|world| world.now < end);
    assert_eq!((world.outside.count, world.reason()), (0, "no zone is found"));
    assert!(is_valid(&world, "a.example"));
    assert!(u32::MAX - world.weather.locations_failing < 80);
    let dns = world
        .challenges
        .iter()
        .find(|one| one.spec.type_ == ChallengeType::Dns01);
    let dns = dns.expect("it tells the user what is in the way");
    assert_eq!(dns.status.reason.as_deref(), Some("no zone is found"));
    assert!(dns.meta.finalizers.is_empty());
    world.weather.locations_failing = 0;
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
    assert!(world.outside.zone.is_empty() && world.challenges.is_empty());
}

#[test]
fn a_record_that_moved_is_located_again_withdrawn_and_written_at_its_new_place() {
    let mut world = mixed(Weather {
        probes_failing: 3,
        ..Weather::default()
    });
    world.run_and_wait_while(|world| world.outside.zone.is_empty());
    let dns = dns_challenge(&mut world);
    let finalizers = dns.finalizers.iter().map(ToString::to_string).collect();
    set_guard(dns, finalizers, "target.of.a.former.cname.example");
    let url = world
        .memory
        .proofs
        .keys()
        .find(|url| url.ends_with("b.example"))
        .cloned();
    world.memory.moved(&url.expect("it is being proved"));
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
    assert!(world.challenges.is_empty());
}

#[test]
fn a_challenge_that_was_taken_over_is_guarded_before_anything_is_written() {
    let mut world = mixed(Weather::default());
    world.step_while(|world| world.challenges.len() < 2);
    let dns = dns_challenge(&mut world);
    dns.finalizers = ["somebody.example/else"].map(Into::into).into();
    dns.annotations = Pairs::default();
    let guards = |step: &OrderStep| matches!(step, OrderStep::GuardChallenge { finalizers, .. } if *finalizers == ["somebody.example/else", CHALLENGE_FINALIZER]);
    assert!(world.plan().steps.iter().any(guards), "{:?}", world.plan());
}

#[test]
fn a_record_that_is_to_be_another_is_withdrawn_before_the_challenge_names_the_other() {
    let mut world = mixed(Weather {
        probes_failing: u32::MAX,
        ..Weather::default()
    });
    world.run_and_wait_while(|world| world.outside.zone.is_empty());
    let dns = dns_challenge(&mut world);
    let finalizers = dns.finalizers.iter().map(ToString::to_string).collect();
    set_guard(dns, finalizers, "target.of.a.former.cname.example");
    let key = dns.key.clone();
    assert_eq!(world.plan().steps[..1], [OrderStep::Withdraw(Placed::Outside(key))]);
}

#[test]
fn a_provider_that_is_down_holds_up_nothing_else_and_is_named() {
    let mut world = mixed(Weather {
        dns_down: true,
        ..Weather::default()
    });
    let started = world.now;
    world.run_and_wait_while(|world| !is_valid(world, "a.example"));
    assert!(
        world.now <= timing::add(started, SignedDuration::from_secs(5)),
        "{}",
        world.now
    );
    let end = timing::add(started, SignedDuration::from_hours(1));
    world.run_and_wait_while(|world| world.now < end);
    assert_eq!(world.writes.iter().filter(|what| **what == "present").count(), 1);
    assert!(world.outside.count < 80, "{} calls in an hour", world.outside.count);
    assert_eq!(world.reason(), "the provider is away");
    let http = world
        .challenges
        .iter()
        .find(|one| one.spec.type_ == ChallengeType::Http01);
    assert_eq!(http.expect("it stays").status.state, Some(State::Valid));
    world.weather.dns_down = false;
    world.run();
    assert_eq!((world.state(), world.reason()), (Some(State::Valid), ""));
    assert!(world.outside.zone.is_empty() && world.challenges.is_empty());
}

#[test]
fn a_slow_provider_is_waited_for_by_its_own_name_alone() {
    let mut world = mixed(Weather {
        dns_takes: 600,
        ..Weather::default()
    });
    let started = world.now;
    world.run_and_wait_while(|world| !is_valid(world, "a.example"));
    assert!(world.now <= timing::add(started, SignedDuration::from_secs(5)));
    assert!(!accepted(&world, "b.example"));
    world.run();
    assert_eq!((world.state(), world.outside.count), (Some(State::Valid), 2));
    assert!(world.outside.zone.is_empty());
}

#[test]
fn an_obstacle_in_the_cluster_holds_up_no_record() {
    let mut world = mixed(Weather::default());
    world.run_while(|world| !matches!(world.plan().steps.first(), Some(OrderStep::Present { .. })));
    for _ in 0..20 {
        let not_yet = NotYet {
            reason: "the quota forbids Ingresses".into(),
            again: timing::add(world.now, SignedDuration::from_hours(1)),
        };
        world.memory.not_presented(world.now, Batch::Order, not_yet);
    }
    world.run_and_wait_while(|world| !is_valid(world, "b.example"));
    assert!(world.shown.is_empty() && !accepted(&world, "a.example"));
    assert_eq!(world.reason(), "the quota forbids Ingresses");
}

#[test]
fn a_withdrawal_that_fails_is_repeated_and_given_up_after_half_an_hour() {
    let mut world = mixed(Weather::default());
    world.run_and_wait_while(|world| world.state() != Some(State::Valid));
    world.weather.dns_down = true;
    let done = world.now;
    world.run();
    assert!(world.challenges.is_empty(), "nothing hangs");
    assert_eq!((world.outside.given_up, world.outside.zone.len()), (1, 1));
    assert_eq!(world.now, timing::add(done, SignedDuration::from_mins(30)));
    assert!(world.outside.count < 20, "{} calls", world.outside.count);
}

#[test]
fn what_a_failed_order_placed_outside_goes_and_its_challenges_stay_without_finalizer() {
    let mut world = mixed(Weather {
        refused: names(&["a.example"]),
        ..Weather::default()
    });
    world.run();
    assert_eq!(world.state(), Some(State::Invalid));
    assert!(world.outside.zone.is_empty());
    assert_eq!(world.challenges.len(), 2);
    assert!(world.challenges.iter().all(|one| one.meta.finalizers.is_empty()));
    // nobody asks again, neither later nor after a restart
    let calls = world.outside.count;
    world.restart();
    world.memory = Memory {
        withdrawn: true,
        ..Memory::default()
    };
    assert_eq!(
        (world.plan().steps.as_slice(), world.plan().next),
        (&[][..], Next::OnChange)
    );
    assert_eq!(world.outside.count, calls);
}

#[test]
fn a_challenge_that_is_deleted_takes_its_record_along_and_is_made_again() {
    let mut world = mixed(Weather {
        probes_failing: 30,
        dns_takes: 3,
        ..Weather::default()
    });
    world.run_and_wait_while(|world| world.outside.zone.is_empty());
    let now = world.now;
    dns_challenge(&mut world).deleting = Some(now);
    world.run_and_wait_while(|world| !world.outside.zone.is_empty());
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
    assert!(world.outside.zone.is_empty() && world.challenges.is_empty());
}

fn mixed_weather() -> impl Strategy<Value = Weather> {
    let troubles = (btree_set(1..30_u32, 0..8), 0..90_i64, any::<bool>());
    let by_dns = btree_set(0..4_usize, 0..4);
    (weather(), by_dns, troubles).prop_map(|(weather, by_dns, (dns_failing, dns_takes, at_once))| Weather {
        by_dns: by_dns.into_iter().map(|index| NAMES[index].to_owned()).collect(),
        dns_failing,
        dns_takes: if at_once { 0 } else { dns_takes },
        ..weather
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_mixed_order_ends_and_nothing_stays_placed(names in subsequence(NAMES.to_vec(), 1..=4), weather in mixed_weather()) {
        let refused = names.iter().any(|name| weather.refused.contains(*name) && !weather.proved.contains(*name));
        let mut world = World::new(&names, weather);
        world.run();
        prop_assert_eq!(world.state(), Some(if refused { State::Invalid } else { State::Valid }), "{}", world.reason());
        prop_assert!(world.shown.is_empty());
        prop_assert!(world.outside.zone.is_empty() || world.outside.given_up > 0, "{:?}", world.outside);
        prop_assert!(world.challenges.iter().all(|one| one.meta.finalizers.is_empty()));
        prop_assert_eq!(world.slots.load(), (0, 0));
    }

    #[test]
    fn an_order_that_is_deleted_at_any_step_leaves_nothing(step in 1..60_u32, names in subsequence(NAMES.to_vec(), 1..=4), weather in mixed_weather()) {
        let mut world = World::new(&names, Weather { deleted_after: Some(step), ..weather });
        world.run();
        prop_assert!(world.shown.is_empty());
        prop_assert!(world.outside.zone.is_empty() || world.outside.given_up > 0, "{:?}", world.outside);
        prop_assert!(world.challenges.iter().all(|one| one.meta.finalizers.is_empty()));
    }

    #[test]
    fn a_kill_after_any_one_step_leaves_nothing(step in 1..50_u32, by_dns in subsequence(NAMES.to_vec(), 1..=3), takes in 0..20_i64) {
        let killed_after = BTreeSet::from([step]);
        let by_dns = by_dns.into_iter().map(str::to_owned).collect();
        let mut world = World::new(&NAMES, Weather { killed_after, by_dns, dns_takes: takes, validation_looks: 1, ..Weather::default() });
        world.run();
        prop_assert_eq!(world.state(), Some(State::Valid));
        prop_assert!(world.outside.zone.is_empty() && world.shown.is_empty() && world.challenges.is_empty());
    }
}
