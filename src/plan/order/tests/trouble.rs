//! What goes wrong, at the CA and in the cluster, row by row.

use jiff::SignedDuration;

use super::{
    super::{
        OrderStep,
        facts::*,
        memory::{Memory, NotYet},
        outcome,
        proof::Batch,
        timing,
    },
    model::{SERVER, World},
    model_objects::{challenge_of, http01, names},
    model_weather::Weather,
};
use crate::{
    api::{
        challenge::ChallengeStatus,
        names::{CHALLENGE_FINALIZER, LEGACY_CHALLENGE_FINALIZER},
        order::{OrderStatus, State},
    },
    plan::seen::Next,
};

#[test]
fn a_refused_name_fails_the_order_with_what_the_ca_says_and_leaves_its_challenge() {
    let mut world = World::new(
        &["a.example", "b.example"],
        Weather {
            refused: names(&["b.example"]),
            ..Weather::default()
        },
    );
    world.run();
    assert_eq!(world.state(), Some(State::Invalid));
    assert_eq!(
        world.reason(),
        "The CA declared the order invalid: b.example: the CA could not connect to b.example"
    );
    assert!(world.order.status.failure_time.is_some());
    assert!(world.shown.is_empty());
    let failed = world
        .challenges
        .iter()
        .find(|one| one.spec.dns_name == "b.example")
        .expect("it stays");
    let ChallengeStatus {
        presented,
        processing,
        reason,
        state,
        ..
    } = &failed.status;
    assert_eq!(
        (*state, *presented, *processing),
        (Some(State::Invalid), Some(false), Some(false))
    );
    assert_eq!(
        reason.as_deref(),
        Some("Error accepting authorization: the CA could not connect to b.example")
    );
}

#[test]
fn without_a_solver_the_order_says_so_and_waits_for_an_edit() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.choices = Box::new(|_, _| Choice::None("no solver of the issuer is for a.example".into()));
    world.run_until_quiet();
    assert_eq!(
        world.reason(),
        format!("{}no solver of the issuer is for a.example", outcome::NO_SOLVER)
    );
    assert_eq!(world.state(), Some(State::Pending));
    assert!(world.challenges.is_empty());
    world.choices = Box::new(|_, one| http01(one));
    world.run();
    assert_eq!((world.state(), world.orders_made()), (Some(State::Valid), 1));
}

#[test]
fn what_stands_in_the_way_of_showing_a_challenge_is_told_and_tried_again() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.run_while(|world| !matches!(world.plan().steps.first(), Some(OrderStep::Present { .. })));
    let not_yet = NotYet {
        reason: "the quota forbids Ingresses".into(),
        again: world.now,
    };
    world.memory.not_presented(world.now, Batch::Order, not_yet);
    let plan = world.plan();
    let [OrderStep::WriteStatus(order), OrderStep::WriteChallenge { status, .. }] = plan.steps.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(order.reason.as_deref(), Some("the quota forbids Ingresses"));
    assert_eq!(
        (status.reason.as_deref(), status.presented),
        (Some("the quota forbids Ingresses"), Some(false))
    );
    assert!(
        matches!(plan.next, Next::At(at) if at > world.now && at < timing::add(world.now, SignedDuration::from_mins(1)))
    );
    world.run();
    assert_eq!((world.state(), world.reason()), (Some(State::Valid), ""));
}

#[test]
fn a_limit_of_the_account_holds_back_a_new_order_and_is_told() {
    let mut world = World::new(&["a.example"], Weather::default());
    let until = timing::add(world.now, SignedDuration::from_hours(1));
    world.gate = Some(Gate {
        until,
        sentence: "too many new orders".into(),
    });
    let plan = world.plan();
    let [OrderStep::WriteStatus(status)] = plan.steps.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(
        status.reason.as_deref(),
        Some("Waiting until 2026-11-21T07:00:00Z before the CA is asked for another order: too many new orders")
    );
    assert_eq!((status.state, plan.next), (None, Next::At(until)));
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
    assert!(world.now >= until);
}

#[test]
fn a_limit_at_any_call_is_a_delay_and_never_a_failure() {
    // newOrder, authorization, accept, authorization, finalize, certificate
    for call in 1..=6 {
        let mut world = World::new(
            &["a.example"],
            Weather {
                limited: [call].into(),
                ..Weather::default()
            },
        );
        let started = world.now;
        world.run();
        assert_eq!(
            (world.state(), world.orders_made()),
            (Some(State::Valid), 1),
            "call {call}"
        );
        assert!(
            world.now >= timing::add(started, SignedDuration::from_mins(1)),
            "call {call} was not waited for"
        );
    }
}

#[test]
fn an_order_that_the_ca_forgot_is_made_again_once() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            forgets: Some(0),
            ..Weather::default()
        },
    );
    world.step_while(|world| world.order.status.url.is_none());
    world.restart();
    world.run();
    assert_eq!(
        (world.state(), world.orders_made(), world.orders_finalized()),
        (Some(State::Valid), 2, 1)
    );

    let mut world = World::new(&["a.example"], Weather::default());
    for round in 0..2 {
        while world.order.status.url.as_deref() != Some(&*format!("https://ca.example/order/{round}")) {
            world.take(world.plan().steps[0].clone());
        }
        world.forget_order(round);
        world.memory = Memory::default();
    }
    world.run();
    assert_eq!((world.state(), world.orders_made()), (Some(State::Errored), 2));
}

/// Killed between accepting the CA of a name and the CA's look at it.
fn killed_while_the_ca_looks() -> World {
    let mut world = World::new(
        &["a.example"],
        Weather {
            validation_looks: 1,
            validates_while_away: true,
            ..Weather::default()
        },
    );
    world.run_while(|world| world.authorizations.values().all(|one| one.accepted.is_none()));
    world.restart();
    world
}

#[test]
fn a_name_that_nobody_answered_for_because_the_process_was_killed_is_ordered_again_at_once() {
    let mut world = killed_while_the_ca_looks();
    let killed = world.now;
    world.run();
    assert_eq!(
        (world.state(), world.orders_made(), world.orders_finalized()),
        (Some(State::Valid), 2, 1)
    );
    assert!(
        world.now <= timing::add(killed, SignedDuration::from_secs(10)),
        "it waited"
    );
    assert!(world.shown.is_empty());
}

#[test]
fn each_kill_costs_one_order_and_a_request_of_yesterday_is_not_ordered_for_again() {
    let mut world = killed_while_the_ca_looks();
    for _ in 0..3 {
        let before = world.orders_made();
        world.run_while(|world| {
            world.orders_made() == before
                || world
                    .authorizations
                    .values()
                    .all(|one| one.accepted.is_none() || one.unanswered)
        });
        world.restart();
        assert_eq!(world.orders_made(), before + 1);
    }
    world.requested = timing::add(world.now, -timing::STARTED_OVER_FOR);
    world.run();
    assert_eq!(world.state(), Some(State::Invalid));
    assert_eq!(world.orders_made(), 4);
}

#[test]
fn a_name_that_is_refused_although_this_process_answered_is_not_ordered_again() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            refused: names(&["a.example"]),
            ..Weather::default()
        },
    );
    world.run();
    assert_eq!((world.state(), world.orders_made()), (Some(State::Invalid), 1));

    // nor is one that was lost for another reason than a missing answer, whichever process accepted it
    let mut world = killed_while_the_ca_looks();
    world.run_while(|world| world.memory.authorizations.values().all(|one| !one.is_lost()));
    for one in world.memory.authorizations.values_mut() {
        one.challenges[0].unanswered = false;
    }
    world.run();
    assert_eq!((world.state(), world.orders_made()), (Some(State::Invalid), 1));
}

#[test]
fn an_order_of_another_server_is_not_asked_for_and_ends() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.order.status = OrderStatus {
        url: Some("https://internal.example/order/1".into()),
        state: Some(State::Pending),
        ..OrderStatus::default()
    };
    let plan = world.plan();
    let [OrderStep::WriteStatus(status)] = plan.steps.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(status.state, Some(State::Errored));
    assert!(
        status
            .reason
            .as_deref()
            .is_some_and(|reason| reason.contains("https://internal.example/order/1") && reason.contains(SERVER))
    );
}

#[test]
fn an_order_waits_for_its_issuer_and_says_so() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.issuer = IssuerSeen::NotReady("the Issuer shop/ca is not ready".into());
    world.run();
    assert_eq!(
        (world.reason(), world.orders_made()),
        ("the Issuer shop/ca is not ready", 0)
    );
    world.issuer = IssuerSeen::Ready {
        server: SERVER.into(),
        account: SERVER.into(),
    };
    world.run();
    assert_eq!((world.state(), world.reason()), (Some(State::Valid), ""));
}

#[test]
fn a_strangers_challenge_is_left_alone_and_ours_gets_another_name() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.step_while(|world| !matches!(world.plan().steps.first(), Some(OrderStep::CreateChallenge { .. })));
    let Some(OrderStep::CreateChallenge { name, spec, .. }) = world.plan().steps.into_iter().next() else {
        panic!()
    };
    world.memory.taken = names(&[&name]);
    let [OrderStep::CreateChallenge { name: other, .. }] = &world.plan().steps[..] else {
        panic!()
    };
    assert_eq!(*other, format!("{name}-orderuid"));

    // one that pretends to be ours under our name goes, because nothing else may be shown under it
    world.memory.taken.clear();
    let mut forged = *spec;
    forged.key = "token-a.example.thumbprint-of-somebody-else".into();
    world.challenges.push(challenge_of(&name, forged));
    assert!(matches!(
        &world.plan().steps[..],
        [OrderStep::DeleteChallenge { .. }, OrderStep::CreateChallenge { .. }]
    ));
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
}

#[test]
fn a_forged_challenge_never_decides_what_is_shown() {
    let mut world = World::new(&["a.example"], Weather::default());
    let mut forged = challenge_of("forged", crate::api::ChallengeSpec::default());
    forged.spec.dns_name = "victim.example".into();
    forged.spec.authorization_url = "https://ca.example/authz/0/a.example".into();
    forged.status = ChallengeStatus {
        presented: Some(true),
        processing: Some(true),
        state: Some(State::Valid),
        ..ChallengeStatus::default()
    };
    world.challenges.push(forged);
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
    assert_eq!(
        world.writes.iter().filter(|what| **what == "challenge").count(),
        1,
        "ours was made beside it"
    );
}

#[test]
fn a_challenge_that_is_deleted_is_let_go_of_and_made_again() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            probes_failing: 10,
            ..Weather::default()
        },
    );
    world.step_while(|world| world.memory.presented(&Batch::Order).is_none());
    world.challenges[0].meta.deleting = Some(world.now);
    world.challenges[0].meta.finalizers = [LEGACY_CHALLENGE_FINALIZER, CHALLENGE_FINALIZER].map(Into::into).into();
    let plan = world.plan();
    assert!(
        matches!(&plan.steps[0], OrderStep::ReleaseChallenge { finalizers, .. } if finalizers.is_empty()),
        "{plan:?}"
    );
    world.take(plan.steps[0].clone());
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
}
