//! CAs that ask for what makes no sense: anybody who may create an Issuer can point it at one of their own.

use jiff::SignedDuration;

use super::{
    super::{OrderStep, memory::Memory, outcome, timing},
    model::World,
    model_objects::names,
    model_weather::Weather,
};
use crate::{api::order::State, plan::seen::Next};

#[test]
fn nothing_is_shown_for_a_name_that_was_not_ordered() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.take(world.plan().steps[0].clone());
    for one in world.authorizations.values_mut() {
        one.name = "victim.example".into();
    }
    world.run();
    assert_eq!(
        (world.state(), world.reason()),
        (Some(State::Errored), outcome::not_ordered("victim.example").as_str())
    );
    assert_eq!(world.writes, ["order status"], "no Challenge, no Ingress");
    assert!(world.order.status.authorizations.is_empty(), "and no answer");
}

#[test]
fn nor_when_the_order_was_taken_over_in_flight() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.step_while(|world| world.order.status.url.is_none());
    world.restart();
    for one in world.authorizations.values_mut() {
        one.name = "victim.example".into();
    }
    let shown_before = world.writes.iter().filter(|what| **what == "present").count();
    world.run();
    assert_eq!(world.state(), Some(State::Errored));
    assert_eq!(
        world.writes.iter().filter(|what| **what == "present").count(),
        shown_before
    );
}

#[test]
fn a_ca_may_ask_for_the_name_above() {
    let mut world = World::new(&["shop.a.example"], Weather::default());
    world.take(world.plan().steps[0].clone());
    for one in world.authorizations.values_mut() {
        one.name = "a.example".into();
    }
    world.run();
    assert_eq!(world.state(), Some(State::Valid), "{}", world.reason());
}

#[test]
fn an_order_with_more_proofs_than_names_explain_is_refused_before_any_is_read() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.take(world.plan().steps[0].clone());
    let order = world.memory.order.as_mut().expect("it was made");
    order.authorizations = (0..11)
        .map(|number| format!("https://ca.example/authz/{number}"))
        .collect();
    let plan = world.plan();
    let [OrderStep::WriteStatus(status)] = plan.steps.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(status.state, Some(State::Errored));
    assert_eq!(status.reason, Some(outcome::too_many_proofs(11, 1)));
    let order = world.memory.order.as_mut().expect("it was made");
    order.authorizations.pop();
    assert!(matches!(
        world.plan().steps.as_slice(),
        [OrderStep::ReadAuthorizations(_)]
    ));
}

#[test]
fn an_order_that_its_ca_never_calls_invalid_is_not_asked_about_for_ever() {
    let mut world = World::new(
        &["a.example"],
        Weather {
            refused: names(&["a.example"]),
            never_says_invalid: true,
            ..Weather::default()
        },
    );
    let started = world.now;
    world.run();
    assert_eq!(world.state(), Some(State::Invalid));
    assert!(world.reason().contains("could not connect"), "{}", world.reason());
    assert!(world.reads <= 20, "{} times", world.reads);
    assert!(world.now <= timing::add(started, SignedDuration::from_mins(5)));
    assert_eq!(world.slots.load(), (0, 0));
}

#[test]
fn a_status_that_the_api_server_refuses_ends_the_order_wherever_it_is() {
    let sentence = "What the CA says of the order cannot be stored: too long";
    for known in [false, true] {
        let mut world = World::new(&["a.example"], Weather::default());
        world.step_while(|world| world.memory.order.is_none() || (known && world.order.status.url.is_none()));
        world.memory.could_not_be_written(world.now, sentence.into());
        world.run();
        assert_eq!((world.state(), world.reason()), (Some(State::Errored), sentence));
        assert_eq!(world.plan().next, Next::OnChange);
    }
}

#[test]
fn what_is_remembered_of_a_finished_order_is_next_to_nothing() {
    let mut world = World::new(&["a.example"], Weather::default());
    world.run();
    assert!(world.memory.chain.is_some());
    world.memory.settle();
    let Memory {
        chain,
        order,
        authorizations,
        proofs,
        withdrawn,
        ..
    } = &world.memory;
    assert!(chain.is_none() && order.is_none() && authorizations.is_empty() && proofs.is_empty());
    assert!(withdrawn);
}
