//! Which challenges may be in flight at once (ACH-01, NB-20).
//!
//! A challenge holds a slot from the moment it is shown until the CA has judged it. There are only so many slots in
//! the cluster, the oldest Order is served first, and the same name is never proved twice at the same time in the
//! same way. A challenge that cannot be reached gives its slot back and goes on being probed without one, so that
//! hopeless ones never keep others from their turn.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use crate::{api::challenge::ChallengeType, plan::seen::ObjectKey};

/// A wish for a slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// False for a challenge that was in flight already before this process started: those come first.
    pub fresh: bool,
    /// When the Order was created.
    pub created: Timestamp,
    /// The Order.
    pub order: ObjectKey,
    /// The Order's uid.
    pub uid: Box<str>,
    /// URL of the authorization.
    pub authorization: String,
    /// What is proved, and how.
    pub proof: Proof,
}

/// All slots of the cluster, those in use and those waited for.
#[derive(Debug)]
pub struct Slots {
    limit: usize,
    held: HashSet<Proof>,
    waiting: BTreeSet<Claim>,
    orders: HashMap<Box<str>, BTreeMap<String, (Claim, Slot)>>,
}

/// What is proved, and how.
type Proof = (String, ChallengeType);

/// Whether an authorization may be worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slot {
    /// Nobody asked for a slot.
    #[default]
    None,
    /// Asked for, not given yet.
    Waiting,
    /// Given.
    Held,
}

impl Slots {
    /// `limit` slots, none in use (FLG-26).
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            held: HashSet::new(),
            waiting: BTreeSet::new(),
            orders: HashMap::new(),
        }
    }

    /// Asks for slots; asking again for one that is held or waited for changes nothing.
    ///
    /// Returns the Orders that were given a slot by this, in the order of their turn.
    pub fn claim(&mut self, claims: impl IntoIterator<Item = Claim>) -> Vec<ObjectKey> {
        for claim in claims {
            let order = self.orders.entry(claim.uid.clone()).or_default();
            if !order.contains_key(&claim.authorization) {
                order.insert(claim.authorization.clone(), (claim.clone(), Slot::Waiting));
                self.waiting.insert(claim);
            }
        }
        self.grant()
    }

    /// Gives back what the Order with `uid` holds or waits for, except for the authorizations in `keep`.
    ///
    /// Returns the Orders whose turn has come by this.
    pub fn release(&mut self, uid: &str, keep: &BTreeSet<&str>) -> Vec<ObjectKey> {
        let Some(order) = self.orders.get_mut(uid) else {
            return Vec::new();
        };
        let (held, waiting) = (&mut self.held, &mut self.waiting);
        order.retain(|authorization, (claim, slot)| {
            let stays = keep.contains(authorization.as_str());
            match slot {
                _ if stays => {}
                Slot::Held => drop(held.remove(&claim.proof)),
                Slot::Waiting | Slot::None => drop(waiting.remove(claim)),
            }
            stays
        });
        if order.is_empty() {
            self.orders.remove(uid);
        }
        self.grant()
    }

    /// Whether this authorization has a slot.
    pub fn slot(&self, uid: &str, authorization: &str) -> Slot {
        self.orders
            .get(uid)
            .and_then(|order| order.get(authorization))
            .map_or(Slot::None, |(_, slot)| *slot)
    }

    /// How many slots are in use, and how many are waited for.
    pub fn load(&self) -> (usize, usize) {
        (self.held.len(), self.waiting.len())
    }

    fn grant(&mut self) -> Vec<ObjectKey> {
        let mut given = Vec::new();
        while self.held.len() < self.limit {
            let Some(next) = self
                .waiting
                .iter()
                .find(|claim| !self.held.contains(&claim.proof))
                .cloned()
            else {
                break;
            };
            self.waiting.remove(&next);
            if let Some((_, slot)) = self
                .orders
                .get_mut(&next.uid)
                .and_then(|order| order.get_mut(&next.authorization))
            {
                *slot = Slot::Held;
            }
            self.held.insert(next.proof);
            if given.last() != Some(&next.order) {
                given.push(next.order);
            }
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(order: &str, age: i64, name: &str) -> Claim {
        Claim {
            fresh: true,
            created: Timestamp::from_second(1_000_000 - age).expect("in range"),
            order: ObjectKey::new("ns", order),
            uid: order.into(),
            authorization: format!("https://ca/authz/{order}/{name}"),
            proof: (name.to_owned(), ChallengeType::Http01),
        }
    }

    fn slot(slots: &Slots, claim: &Claim) -> Slot {
        slots.slot(&claim.uid, &claim.authorization)
    }

    #[test]
    fn the_oldest_order_is_served_first() {
        let mut slots = Slots::new(1);
        let (busy, young, old) = (claim("busy", 0, "a"), claim("young", 1, "b"), claim("old", 9, "c"));
        slots.claim([busy]);
        assert!(slots.claim([young.clone(), old.clone()]).is_empty());
        assert_eq!(slots.release("busy", &BTreeSet::new()), vec![old.order.clone()]);
        assert_eq!((slot(&slots, &old), slot(&slots, &young)), (Slot::Held, Slot::Waiting));
    }

    #[test]
    fn a_challenge_that_was_in_flight_before_comes_before_older_ones_that_were_not() {
        let mut slots = Slots::new(1);
        slots.claim([claim("busy", 0, "a")]);
        let resumed = Claim {
            fresh: false,
            ..claim("resumed", 1, "b")
        };
        slots.claim([claim("old", 9, "c"), resumed.clone()]);
        assert_eq!(slots.release("busy", &BTreeSet::new()), vec![resumed.order]);
    }

    #[test]
    fn the_same_name_is_never_proved_twice_at_once_even_across_namespaces() {
        let mut slots = Slots::new(60);
        let (first, second) = (claim("first", 2, "a"), claim("second", 1, "a"));
        slots.claim([first.clone(), second.clone()]);
        assert_eq!(
            (slot(&slots, &first), slot(&slots, &second)),
            (Slot::Held, Slot::Waiting)
        );
        assert_eq!(slots.release("first", &BTreeSet::new()), vec![second.order.clone()]);
        assert_eq!(slot(&slots, &second), Slot::Held);
    }

    #[test]
    fn a_name_that_waits_for_itself_does_not_hold_up_those_behind_it() {
        let mut slots = Slots::new(2);
        let (first, blocked, free) = (claim("first", 9, "a"), claim("blocked", 8, "a"), claim("free", 1, "b"));
        slots.claim([first, blocked.clone(), free.clone()]);
        assert_eq!(
            (slot(&slots, &blocked), slot(&slots, &free)),
            (Slot::Waiting, Slot::Held)
        );
    }

    #[test]
    fn there_are_never_more_in_flight_than_the_limit() {
        let mut slots = Slots::new(3);
        slots.claim((0..50).map(|n| claim(&format!("o{n}"), n, &format!("name{n}"))));
        assert_eq!(slots.load(), (3, 47));
    }

    #[test]
    fn giving_back_keeps_what_is_still_needed() {
        let mut slots = Slots::new(60);
        let (a, b) = (claim("order", 1, "a"), claim("order", 1, "b"));
        slots.claim([a.clone(), b.clone()]);
        slots.release("order", &BTreeSet::from([b.authorization.as_str()]));
        assert_eq!((slot(&slots, &a), slot(&slots, &b)), (Slot::None, Slot::Held));
        assert_eq!(slots.load(), (1, 0));
    }

    #[test]
    fn asking_twice_takes_one_slot() {
        let mut slots = Slots::new(60);
        let a = claim("order", 1, "a");
        assert_eq!(slots.claim([a.clone()]).len(), 1);
        assert!(slots.claim([a]).is_empty());
        assert_eq!(slots.load(), (1, 0));
    }
}
