//! Slots: when one is taken, given back, and lost.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{
    super::{
        facts::*,
        memory::Probe,
        proof::Batch,
        slots::{Claim, LENT_FOR, Slot, Slots},
        timing,
    },
    model::World,
    model_objects::{http01, slots_of},
    model_weather::Weather,
};
use crate::{
    api::{challenge::ChallengeType, order::State},
    plan::{
        challenge::is_waiting,
        seen::{Next, ObjectKey},
    },
};

#[test]
fn an_unreachable_challenge_gives_its_slot_back_and_takes_one_again_when_it_is_reached() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            probes_failing: 100,
            ..Weather::default()
        },
    );
    let started = world.now;
    let end = timing::add(started, timing::PARKED_AFTER + SignedDuration::from_secs(5));
    world.run_and_wait_while(|world| end > world.now);
    assert_eq!(slots_of(&world), [Slot::None]);
    assert!(
        world
            .memory
            .proofs
            .values()
            .all(|proof| matches!(proof.probe, Probe::Failed { .. } | Probe::Running))
    );
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
}

#[test]
fn after_a_restart_what_was_hopeless_is_shown_and_probed_and_takes_nobodys_slot() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            probes_failing: 100,
            ..Weather::default()
        },
    );
    world.run_while(|world| world.memory.proofs.values().all(|proof| proof.finding.is_none()));
    world.now = timing::add(world.now, timing::PARKED_AFTER);
    world.run_until_quiet();
    assert!(world.challenges[0].status.reason.as_deref().is_some_and(is_waiting));
    world.restart();
    world.run_until_quiet();
    assert_eq!(slots_of(&world), [Slot::None]);
    assert!(world.memory.presented(&Batch::Order).is_some());
    assert!(
        world
            .memory
            .proofs
            .values()
            .all(|proof| matches!(proof.probe, Probe::Failed { .. }))
    );
    world.run();
    assert_eq!((world.state(), world.slots.load()), (Some(State::Valid), (0, 0)));
}

#[test]
fn an_order_that_lost_its_slot_while_it_waited_tells_the_ca_when_its_turn_comes_again() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.slots = Slots::new(1);
    world.choices = Box::new(|_, one| match http01(one) {
        Choice::Prove {
            url,
            token,
            proof,
            solver,
            wait: _,
        } => Choice::Prove {
            url,
            token,
            proof,
            solver,
            wait: Some(SignedDuration::from_mins(10)),
        },
        none @ Choice::None(_) => none,
    });
    world.run_until_quiet();
    assert_eq!(slots_of(&world), [Slot::Held]);
    let other = Claim {
        fresh: true,
        since: world.now,
        order: ObjectKey::new("other", "order"),
        uid: "other".into(),
        authorization: "https://ca/authz/other".into(),
        subject: ("b.example".into(), ChallengeType::Http01),
    };
    world.slots.claim(timing::add(world.now, LENT_FOR), [other]);
    assert_eq!(slots_of(&world), [Slot::Waiting]);
    world.now = timing::add(world.now, SignedDuration::from_mins(11));
    world.run_until_quiet();
    assert!(world.memory.proofs.values().all(|proof| proof.accepted.is_none()));
    let plan = world.plan();
    assert!(matches!(plan.next, Next::At(at) if at > world.now), "{:?}", plan.next);
    world.slots.release(world.now, "other", &BTreeSet::new());
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
}
