//! What is promised, row by row.

use jiff::SignedDuration;

use super::{
    super::{
        OrderStep,
        facts::*,
        memory::Probe,
        proof::{Batch, Placed},
        timing,
    },
    model::World,
    model_objects::{http01, issuer_ref, meta, names},
    model_weather::Weather,
};
use crate::{
    api::{
        GoDuration,
        challenge::ChallengeType,
        names::CHALLENGE_FINALIZER,
        order::{Authorization, OfferedChallenge, State},
    },
    plan::challenge::waiting,
};

#[test]
fn one_host_takes_seven_writes_and_no_more() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            validation_looks: 1,
            issuing_looks: 2,
            ..Weather::default()
        },
    );
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
    assert_eq!(
        world.writes,
        [
            "order status",
            "challenge",
            "present",
            "challenge status",
            "order status",
            "withdraw",
            "delete challenge"
        ]
    );
    assert!(world.challenges.is_empty() && world.shown.is_empty());
}

#[test]
fn the_url_is_written_before_anything_is_asked_for_that_changes_something() {
    let mut world = World::new(&["a.example"], Weather::default());
    let first = world.plan();
    assert!(matches!(first.steps.as_slice(), [OrderStep::CreateOrder(_)]));
    world.take(first.steps[0].clone());
    let second = world.plan();
    assert!(matches!(second.steps.as_slice(), [OrderStep::ReadAuthorizations(_)]));
    world.take(second.steps[0].clone());
    let third = world.plan();
    let [OrderStep::WriteStatus(status)] = third.steps.as_slice() else {
        panic!("{third:?}")
    };
    assert_eq!(status.url.as_deref(), Some("https://ca.example/order/0"));
    assert_eq!(status.state, Some(State::Pending));
    let [
        Authorization {
            identifier,
            initial_state,
            wildcard,
            challenges,
            ..
        },
    ] = status.authorizations.as_slice()
    else {
        panic!()
    };
    assert_eq!(
        (identifier.as_deref(), *initial_state, *wildcard),
        (Some("a.example"), Some(State::Pending), Some(false))
    );
    assert_eq!(
        challenges,
        &[OfferedChallenge {
            token: "token-a.example".into(),
            type_: "http-01".into(),
            url: "https://ca.example/challenge/a.example".into()
        }]
    );
}

#[test]
fn the_url_is_written_even_if_the_authorizations_cannot_be_read() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            answers_lost: [2].into(),
            ..Weather::default()
        },
    );
    for _ in 0..2 {
        world.take(world.plan().steps[0].clone());
    }
    let [OrderStep::WriteStatus(status)] = &world.plan().steps[..] else {
        panic!("{:?}", world.plan())
    };
    assert_eq!(status.url.as_deref(), Some("https://ca.example/order/0"));
    world.run();
    assert_eq!((world.state(), world.orders_made()), (Some(State::Valid), 1));
}

#[test]
fn a_valid_authorization_needs_no_challenge() {
    let mut world = World::new(
        &["a.example", "b.example"],
        Weather {
            proved: names(&["a.example", "b.example"]),
            ..Weather::default()
        },
    );
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
    assert_eq!(world.writes, ["order status", "order status"]);
    assert_eq!(world.order.status.authorizations[0].initial_state, Some(State::Valid));
}

#[test]
fn a_challenge_says_what_the_ca_wants_and_who_it_is_for() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.step_while(|world| world.challenges.is_empty());
    let spec = &world.challenges[0].spec;
    assert_eq!(spec.key, "token-a.example.thumbprint");
    assert_eq!((spec.dns_name.as_str(), spec.wildcard), ("a.example", Some(false)));
    assert_eq!(spec.authorization_url, "https://ca.example/authz/0/a.example");
    assert_eq!(spec.issuer_ref, issuer_ref());
    assert!(world.challenges[0].meta.name().starts_with("shop-1-123-"));
}

#[test]
fn names_are_proved_at_once_and_those_that_are_done_say_so() {
    let mut world = World::new(&["a.example", "b.example"], Weather::default());
    let accepted = |world: &World| {
        let proofs = world.memory.proofs.values();
        proofs.filter(|proof| proof.accepted.is_some()).count()
    };
    world.run_and_wait_while(|world| accepted(world) < 2);
    let url = "https://ca.example/authz/0/a.example".to_owned();
    world.take(OrderStep::ReadAuthorizations(vec![url]));
    let plan = world.plan();
    let proved = plan.steps.iter().find_map(|step| {
        let OrderStep::WriteChallenge { status, .. } = step else {
            return None;
        };
        (status.state == Some(State::Valid)).then_some(status)
    });
    let expected = Some("Successfully authorized domain");
    assert_eq!(proved.and_then(|status| status.reason.as_deref()), expected, "{plan:?}");
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
}

#[test]
fn a_challenge_that_cannot_be_reached_says_why_after_some_patience_and_is_not_accepted() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            probes_failing: 3,
            ..Weather::default()
        },
    );
    world.run_while(|world| world.memory.proofs.values().all(|proof| proof.finding.is_none()));
    assert_eq!(world.reason(), "", "an ingress controller needs a moment");
    world.now = timing::add(world.now, timing::PATIENCE);
    let plan = world.plan();
    let [
        OrderStep::WriteStatus(order),
        OrderStep::WriteChallenge { status, .. },
        OrderStep::Probe { .. },
    ] = plan.steps.as_slice()
    else {
        panic!("{plan:?}")
    };
    let expected = waiting(ChallengeType::Http01, "nothing listens there");
    assert_eq!(order.reason.as_deref(), Some(expected.as_str()));
    assert_eq!(status.reason.as_deref(), Some(expected.as_str()));
    assert_eq!(
        (status.presented, status.processing, status.state),
        (Some(true), Some(true), Some(State::Pending))
    );
    world.run();
    assert_eq!((world.state(), world.reason()), (Some(State::Valid), ""));
}

#[test]
fn a_finding_is_written_once_as_long_as_it_stays_the_same() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            probes_failing: 300,
            ..Weather::default()
        },
    );
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
    let statuses = world.writes.iter().filter(|what| **what == "challenge status").count();
    // shown, not reached, reached
    assert!(statuses <= 3, "{:?}", world.writes);
}

#[test]
fn a_fixed_wait_replaces_the_probe_where_the_solver_says_so() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            probes_failing: u32::MAX,
            ..Weather::default()
        },
    );
    world.choices = Box::new(|_, one| match http01(one) {
        Choice::Prove {
            url,
            token,
            proof,
            solver,
            ..
        } => Choice::Prove {
            url,
            token,
            proof,
            solver,
            wait: Some(SignedDuration::from_mins(2)),
        },
        Choice::None(none) => Choice::None(none),
    });
    let started = world.now;
    world.step_while(|world| world.memory.presented(&Batch::Order).is_none());
    let plan = world.plan();
    let written = plan.steps.iter().find_map(|step| {
        let OrderStep::WriteChallenge { status, .. } = step else {
            return None;
        };
        status.reason.as_deref()
    });
    let expected = "Waiting 2m0s before accepting HTTP-01 challenge without self-check";
    assert_eq!(written, Some(expected), "ORD-09, as Go writes durations: {plan:?}");
    world.run();
    assert_eq!(world.state(), Some(State::Valid));
    assert!(world.now >= timing::add(started, SignedDuration::from_mins(2)));
}

#[test]
fn a_challenge_of_cert_manager_goes_with_its_finalizer_when_the_order_is_done() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.step_while(|world| world.challenges.is_empty());
    world.challenges[0].meta.finalizers = [CHALLENGE_FINALIZER].map(Into::into).into();
    world.restart();
    world.run();
    assert_eq!((world.state(), world.challenges.len()), (Some(State::Valid), 0));
}

#[test]
fn a_deleted_order_takes_away_what_it_shows_and_does_nothing_else() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            probes_failing: u32::MAX,
            ..Weather::default()
        },
    );
    world.step_while(|world| world.memory.presented(&Batch::Order).is_none());
    world.order.meta.deleting = Some(world.now);
    assert_eq!(world.plan().steps, [OrderStep::Withdraw(Placed::InCluster)]);
    world.run();
    assert!(world.shown.is_empty());
    assert!(world.plan().steps.is_empty());
}

#[test]
fn the_lifetime_profile_and_predecessor_are_asked_for() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.order.spec.duration = Some(GoDuration::from_hours(48));
    world.order.spec.profile = Some("shortlived".into());
    world.order.spec.replaces = Some("aki.serial".into());
    let [OrderStep::CreateOrder(request)] = &world.plan().steps[..] else {
        panic!()
    };
    assert_eq!(
        request.not_after,
        Some(timing::add(world.now, SignedDuration::from_hours(48)))
    );
    assert_eq!(
        (request.profile.as_deref(), request.replaces.as_deref()),
        (Some("shortlived"), Some("aki.serial"))
    );
}

#[test]
fn an_order_of_cert_manager_in_mid_issuance_is_continued() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.step_while(|world| world.memory.proofs.values().all(|proof| proof.probe == Probe::Idle));
    // what cert-manager leaves: other challenge types are listed too, presented is set, and its finalizer
    world.order.status.authorizations[0].challenges.push(OfferedChallenge {
        token: String::new(),
        type_: "dns-persist-01".into(),
        url: "https://ca.example/x".into(),
    });
    world.challenges[0].meta = meta("shop-1-123-1", "by-cert-manager", &["order-uid"]);
    world.challenges[0].meta.finalizers = [CHALLENGE_FINALIZER].map(Into::into).into();
    let written = world.order.status.clone();
    world.restart();
    world.run();
    assert_eq!((world.state(), world.orders_made()), (Some(State::Valid), 1));
    assert_eq!(world.order.status.authorizations, written.authorizations);
    assert_eq!(
        world.writes.iter().filter(|what| **what == "challenge").count(),
        1,
        "the Challenge was taken over"
    );
}
