//! Validations that failed and decided nothing (RFC 8555 section 8.2).

use jiff::SignedDuration;

use super::{
    super::{OrderStep, ca::AuthorizationState, facts::Choice, timing},
    model::World,
    model_objects::http01,
    model_weather::Weather,
};
use crate::{
    api::{challenge::ChallengeType, order::State},
    plan::challenge::waiting,
};

const FINDING: &str = "the CA's validation failed: the CA could not connect to a.example";

#[test]
fn a_validation_that_failed_and_decided_nothing_is_told_and_asked_for_again_after_longer_and_longer_times() {
    let expected = waiting(ChallengeType::Http01, FINDING);
    for wait in [None, Some(SignedDuration::from_mins(1))] {
        let mut world = World::new(
            &["a.example"],
            Weather {
                validations_failing: 4,
                ..Weather::default()
            },
        );
        world.choices = Box::new(move |_, one| with_wait(http01(one), wait));
        world.run_and_wait_while(|world| !world.reason().contains("failed"));
        let told = world.now;
        assert_eq!(world.reason(), expected);
        assert_eq!(world.challenges[0].status.reason, Some(expected.clone()));
        let writes = world.writes.len();
        world.run_and_wait_while(|world| world.memory.proofs.values().any(|one| one.failed_validations < 4));
        assert_eq!(world.writes.len(), writes, "one write for all failures");
        world.run();
        assert_eq!((world.state(), world.reason()), (Some(State::Valid), ""));
        assert!(
            world.now >= timing::add(told, SignedDuration::from_secs(30)),
            "{}",
            world.now
        );
    }
}

#[test]
fn what_a_ca_finds_while_it_goes_on_validating_is_told_and_nothing_is_accepted_twice() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            validation_looks: 9,
            ..Weather::default()
        },
    );
    world.run_and_wait_while(|world| world.memory.proofs.values().all(|one| one.accepted.is_none()));
    let url = "https://ca.example/authz/0/a.example";
    let mut looked_at = world.read_authorization(url).expect("it is known");
    looked_at.challenges[0].error = Some("the CA could not connect to a.example".into());
    world.now = timing::add(world.now, timing::PATIENCE);
    world.memory.saw_authorization(url, looked_at);
    let plan = world.plan();
    let [OrderStep::WriteStatus(order), OrderStep::WriteChallenge { .. }, ..] = plan.steps.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(order.reason, Some(waiting(ChallengeType::Http01, FINDING)));
    assert!(
        !plan.steps.iter().any(|step| matches!(step, OrderStep::Accept { .. })),
        "{plan:?}"
    );
    world.run();
    assert_eq!((world.state(), world.reason()), (Some(State::Valid), ""));
}

#[test]
fn a_failed_challenge_whose_authorization_stays_pending_ends_the_order_at_once() {
    let mut world = World::new(&["a.example", "b.example"], Weather::default());
    world.run_and_wait_while(|world| world.memory.proofs.values().all(|one| one.accepted.is_none()));
    let url = "https://ca.example/authz/0/a.example";
    let mut failed = world.read_authorization(url).expect("it is known");
    failed.state = AuthorizationState::Invalid;
    failed.left_pending = true;
    failed.challenges[0].error = Some("the CA got another answer".into());
    world.memory.saw_authorization(url, failed);
    world.run_until_quiet();
    assert_eq!(world.state(), Some(State::Invalid));
    assert_eq!(
        world.reason(),
        "The CA's validation failed: a.example: the CA got another answer"
    );
}

fn with_wait(choice: Choice, wait: Option<SignedDuration>) -> Choice {
    match choice {
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
            wait,
        },
        none @ Choice::None(_) => none,
    }
}
