//! Whose turn it is.

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).expect("in range")
}

fn in_namespace(namespace: &str, order: &str, age: i64, name: &str) -> Claim {
    Claim {
        fresh: true,
        since: at(-age),
        order: ObjectKey::new(namespace, order),
        uid: format!("{namespace}-{order}").into(),
        authorization: format!("https://ca/authz/{order}/{name}"),
        subject: (name.to_owned(), ChallengeType::Http01),
    }
}

fn claim(order: &str, age: i64, name: &str) -> Claim {
    in_namespace("ns", order, age, name)
}

fn many(namespace: &'static str, count: i64) -> impl Iterator<Item = Claim> {
    (0..count).map(move |n| in_namespace(namespace, &format!("o{n}"), 1000 + n, &format!("{namespace}{n}")))
}

fn slot(slots: &Slots, claim: &Claim) -> Slot {
    slots.slot(&claim.uid, &claim.authorization)
}

fn release(slots: &mut Slots, claim: &Claim) -> Vec<ObjectKey> {
    slots.release(at(0), &claim.uid, &BTreeSet::new())
}

#[test]
fn the_oldest_order_is_served_first() {
    let mut slots = Slots::new(1);
    let (busy, young, old) = (claim("busy", 0, "a"), claim("young", 1, "b"), claim("old", 9, "c"));
    slots.claim(at(0), [busy.clone()]);
    assert!(slots.claim(at(0), [young.clone(), old.clone()]).is_empty());
    assert_eq!(release(&mut slots, &busy), vec![old.order.clone()]);
    assert_eq!((slot(&slots, &old), slot(&slots, &young)), (Slot::Held, Slot::Waiting));
}

#[test]
fn a_challenge_that_was_in_flight_before_comes_before_older_ones_that_were_not() {
    let mut slots = Slots::new(1);
    let busy = claim("busy", 0, "a");
    slots.claim(at(0), [busy.clone()]);
    let resumed = Claim {
        fresh: false,
        ..claim("resumed", 1, "b")
    };
    slots.claim(at(0), [claim("old", 9, "c"), resumed.clone()]);
    assert_eq!(release(&mut slots, &busy), vec![resumed.order]);
}

#[test]
fn the_same_name_is_never_proved_twice_at_once_even_across_namespaces() {
    let mut slots = Slots::new(60);
    let (first, second) = (claim("first", 2, "a"), in_namespace("other", "second", 1, "a"));
    slots.claim(at(0), [first.clone(), second.clone()]);
    assert_eq!(
        (slot(&slots, &first), slot(&slots, &second)),
        (Slot::Held, Slot::Waiting)
    );
    assert_eq!(release(&mut slots, &first), vec![second.order.clone()]);
    assert_eq!(slot(&slots, &second), Slot::Held);
}

#[test]
fn a_name_that_waits_for_itself_does_not_hold_up_those_behind_it() {
    let mut slots = Slots::new(2);
    let (first, blocked, free) = (claim("first", 9, "a"), claim("blocked", 8, "a"), claim("free", 1, "b"));
    slots.claim(at(0), [first, blocked.clone(), free.clone()]);
    assert_eq!(
        (slot(&slots, &blocked), slot(&slots, &free)),
        (Slot::Waiting, Slot::Held)
    );
}

#[test]
fn there_are_never_more_in_flight_than_the_limit() {
    let mut slots = Slots::new(3);
    slots.claim(at(0), many("ns", 50));
    assert_eq!(slots.load(), (3, 47));
    slots.claim(at(0), many("other", 50));
    assert_eq!(slots.load(), (3, 97));
    slots.give(at(1000));
    assert_eq!(slots.load(), (3, 97));
}

#[test]
fn giving_back_keeps_what_is_still_needed() {
    let mut slots = Slots::new(60);
    let (a, b) = (claim("order", 1, "a"), claim("order", 1, "b"));
    slots.claim(at(0), [a.clone(), b.clone()]);
    slots.release(at(0), &a.uid, &BTreeSet::from([b.authorization.as_str()]));
    assert_eq!((slot(&slots, &a), slot(&slots, &b)), (Slot::None, Slot::Held));
    assert_eq!(slots.load(), (1, 0));
}

#[test]
fn asking_twice_takes_one_slot() {
    let mut slots = Slots::new(60);
    let a = claim("order", 1, "a");
    assert_eq!(slots.claim(at(0), [a.clone()]).len(), 1);
    assert!(slots.claim(at(0), [a]).is_empty());
    assert_eq!(slots.load(), (1, 0));
}

#[test]
fn a_free_slot_goes_to_the_namespace_that_uses_the_fewest_however_old_the_orders_of_others_are() {
    let mut slots = Slots::new(4);
    let crowd: Vec<Claim> = many("crowd", 100).collect();
    slots.claim(at(0), crowd.clone());
    let (first, second) = (
        in_namespace("shop", "first", 0, "a"),
        in_namespace("shop", "second", 0, "b"),
    );
    slots.claim(at(0), [first.clone(), second.clone()]);
    let held = crowd.iter().filter(|claim| slot(&slots, claim) == Slot::Held);
    let held: Vec<Claim> = held.cloned().collect();
    assert_eq!(release(&mut slots, &held[0]), vec![first.order]);
    assert_eq!(release(&mut slots, &held[1]), vec![second.order]);
    // two each: the third of the crowd that ends leaves it one
    let next = release(&mut slots, &held[2]);
    assert_eq!(next.len(), 1);
    assert_eq!(&*next[0].namespace, "crowd");
}

#[test]
fn a_slot_that_was_lent_for_long_goes_to_whoever_waits_and_its_loser_stands_in_line_again() {
    let mut slots = Slots::new(2);
    let (old, older, shop) = (
        in_namespace("stuck", "old", 8, "a"),
        in_namespace("stuck", "older", 9, "b"),
        in_namespace("shop", "web", 1, "c"),
    );
    slots.claim(at(0), [old.clone(), older.clone()]);
    slots.claim(at(5), [shop.clone()]);
    let over = LENT_FOR.as_secs();
    assert!(slots.give(at(over - 1)).is_empty(), "too early");
    assert_eq!(slots.give(at(over)), vec![shop.order.clone()]);
    assert_eq!((slot(&slots, &older), slot(&slots, &old)), (Slot::Waiting, Slot::Held));
    // two of two namespaces: they take turns from here on, none is forgotten
    assert_eq!(slots.give(at(over + 1)), vec![older.order]);
    assert_eq!(slot(&slots, &old), Slot::Waiting);
    assert_eq!(release(&mut slots, &shop), vec![old.order]);
}

#[test]
fn slots_stay_where_they_are_while_nobody_waits() {
    let mut slots = Slots::new(60);
    slots.claim(at(0), many("ns", 60));
    assert!(slots.give(at(1_000_000)).is_empty());
    assert_eq!(slots.load(), (60, 0));
}

#[test]
fn who_uses_more_takes_nothing_from_who_uses_fewer() {
    let mut slots = Slots::new(3);
    let stuck = in_namespace("stuck", "old", 8, "a");
    slots.claim(at(0), [stuck.clone()]);
    slots.claim(at(LENT_FOR.as_secs()), many("crowd", 100));
    assert_eq!(slots.load(), (3, 98));
    assert!(slots.give(at(LENT_FOR.as_secs() + 1)).is_empty());
    assert_eq!(slot(&slots, &stuck), Slot::Held);
}

#[test]
fn nobody_keeps_a_name_from_others_for_ever() {
    let mut slots = Slots::new(60);
    let (stuck, shop) = (
        in_namespace("stuck", "old", 8, "shop.example"),
        in_namespace("shop", "web", 1, "shop.example"),
    );
    slots.claim(at(0), [stuck.clone(), shop.clone()]);
    assert_eq!(slots.give(at(LENT_FOR.as_secs())), vec![shop.order.clone()]);
    assert_eq!((slot(&slots, &stuck), slot(&slots, &shop)), (Slot::Waiting, Slot::Held));
}

#[test]
fn whoever_waits_has_a_turn_even_where_all_others_are_hopeless() {
    let mut slots = Slots::new(4);
    for namespace in ["a", "b", "c"] {
        slots.claim(at(0), many(namespace, 20));
    }
    let last = in_namespace("a", "last", 0, "last.example");
    slots.claim(at(1), [last.clone()]);
    let mut rounds = 0;
    while slot(&slots, &last) != Slot::Held {
        rounds += 1;
        assert!(rounds < 16, "61 wait for 4 slots");
        slots.give(at(LENT_FOR.as_secs() * rounds));
    }
}
