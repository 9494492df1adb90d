//! Whatever the weather: it comes to an end, makes no order too many, and leaves nothing behind.

use std::collections::BTreeSet;

use proptest::{collection::btree_set, prelude::*, sample::subsequence};

use super::{model::World, model_weather::Weather};
use crate::{api::order::State, plan::seen::Next};

pub(super) const NAMES: [&str; 4] = ["a.example", "b.example", "c.example", "d.example"];

pub(super) fn weather() -> impl Strategy<Value = Weather> {
    let numbers = || btree_set(1..40_u32, 0..6);
    (
        numbers(),
        numbers(),
        numbers(),
        0..8_u32,
        0..4_u32,
        0..4_u32,
        0..3_u32,
        btree_set(0..4_usize, 0..2),
        btree_set(0..4_usize, 0..3),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(
                answers_lost,
                limited,
                killed_after,
                probes_failing,
                validation_looks,
                issuing_looks,
                validations_failing,
                refused,
                proved,
                validates_while_away,
                never_says_invalid,
            )| Weather {
                answers_lost,
                limited,
                killed_after,
                probes_failing,
                validation_looks,
                validations_failing,
                refused: refused.into_iter().map(|index| NAMES[index].to_owned()).collect(),
                proved: proved.into_iter().map(|index| NAMES[index].to_owned()).collect(),
                issuing_looks,
                validates_while_away,
                never_says_invalid,
                ..Weather::default()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_order_ends_with_one_certificate_or_a_reason(names in subsequence(NAMES.to_vec(), 1..=4), weather in weather()) {
        let refused = names.iter().any(|name| weather.refused.contains(*name) && !weather.proved.contains(*name));
        let mut world = World::new(&names, weather);
        world.run();
        if refused {
            prop_assert_eq!(world.state(), Some(State::Invalid));
            prop_assert!(world.reason().contains("could not connect"), "{}", world.reason());
        } else {
            prop_assert_eq!(world.state(), Some(State::Valid), "{}", world.reason());
            prop_assert_eq!(world.orders_finalized(), 1);
            prop_assert!(world.challenges.is_empty());
            prop_assert_eq!(world.order.status.certificate.as_ref().map(|chain| chain.0.as_slice()), Some(&b"chain"[..]));
        }
        prop_assert!(world.shown.is_empty());
        prop_assert_eq!(world.slots.load(), (0, 0));
        // an answer to newOrder that never came is an order that nobody knows of, as is one made just before a kill
        let most = 1 + usize::try_from(world.restarts).unwrap_or(usize::MAX) + world.orders_lost;
        prop_assert!(world.orders_made() <= most, "{} orders", world.orders_made());
    }

    #[test]
    fn a_finished_order_is_left_alone_for_ever(names in subsequence(NAMES.to_vec(), 1..=4), weather in weather()) {
        let mut world = World::new(&names, weather);
        world.run();
        for _ in 0..2 {
            for _ in 0..2 {
                let plan = world.plan();
                prop_assert_eq!(&plan.steps, &[]);
                prop_assert_eq!(plan.next, Next::OnChange);
                // nothing but this is remembered of it from here on
                world.memory.settle();
            }
            world.restart();
            world.run();
        }
    }

    #[test]
    fn a_kill_after_any_one_step_costs_at_most_one_order_that_is_never_finalized(step in 1..30_u32, names in subsequence(NAMES.to_vec(), 1..=3)) {
        let mut world = World::new(&names, Weather { killed_after: BTreeSet::from([step]), validation_looks: 1, validates_while_away: true, issuing_looks: 1, ..Weather::default() });
        world.run();
        prop_assert_eq!(world.state(), Some(State::Valid));
        prop_assert!(world.orders_made() <= 2);
        prop_assert_eq!(world.orders_finalized(), 1);
    }
}
