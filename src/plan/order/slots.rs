//! Slots: which challenges may be in flight at once (ACH-01, NB-20).
//!
//! A challenge holds a slot from its presenting to the end of its validation. The number of slots in the cluster is
//! limited, and two challenges for the same name never hold one at the same time. Namespaces share the slots: a free
//! one goes to the namespace that uses the fewest, and there to the oldest Order. So a namespace with a thousand
//! challenges does not delay others.
//!
//! A slot is temporary. An unreachable challenge releases it by itself. After [`LENT_FOR`] it is transferred to a
//! waiting challenge, unless that one's namespace uses more slots. Without a slot, presented proofs are still presented
//! and probed, and accepted challenges are still polled. So unreachable challenges, a slow CA and a broken issuer delay
//! others only for a bounded time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::timing;
use crate::{api::challenge::ChallengeType, plan::seen::ObjectKey};

/// How long a slot is kept while others wait for one: several times what a CA needs.
pub const LENT_FOR: SignedDuration = SignedDuration::from_mins(2);

/// A request for a slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// False for a challenge that was in flight before this process started. Such challenges come first.
    pub fresh: bool,
    /// Its position in the queue: the creation of the Order, or the time when its slot was transferred.
    pub since: Timestamp,
    /// The Order.
    pub order: ObjectKey,
    /// The Order's uid.
    pub uid: Box<str>,
    /// URL of the authorization.
    pub authorization: String,
    /// The subject of the proof.
    pub subject: Subject,
}

/// All slots of the cluster, and the claims that wait for one.
#[derive(Debug)]
pub struct Slots {
    limit: usize,
    lent: HashMap<Subject, Lent>,
    /// How many slots each namespace uses.
    used: HashMap<Arc<str>, usize>,
    /// Claims by namespace, in the order of the queue.
    waiting: BTreeMap<Arc<str>, BTreeSet<Claim>>,
    orders: HashMap<Box<str>, BTreeMap<String, (Claim, Slot)>>,
}

/// The subject of a proof: identifier and type of challenge.
type Subject = (String, ChallengeType);

/// A slot in use.
#[derive(Debug)]
struct Lent {
    claim: Claim,
    since: Timestamp,
}

/// The slot of an authorization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slot {
    /// Not claimed.
    #[default]
    None,
    /// Claimed, and waiting.
    Waiting,
    /// Held.
    Held,
}

impl Slots {
    /// `limit` free slots (FLG-26).
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            lent: HashMap::new(),
            used: HashMap::new(),
            waiting: BTreeMap::new(),
            orders: HashMap::new(),
        }
    }

    /// Claims slots. A repeated claim has no effect.
    ///
    /// Returns the Orders that got a slot by this call, in the order of the queue.
    pub fn claim(&mut self, now: Timestamp, claims: impl IntoIterator<Item = Claim>) -> Vec<ObjectKey> {
        for claim in claims {
            let order = self.orders.entry(claim.uid.clone()).or_default();
            if !order.contains_key(&claim.authorization) {
                order.insert(claim.authorization.clone(), (claim.clone(), Slot::Waiting));
                self.line_up(claim);
            }
        }
        self.give(now)
    }

    /// Releases the slots and claims of the Order with `uid`, except for the authorizations in `keep`.
    ///
    /// Returns the Orders that got a slot by this call.
    pub fn release(&mut self, now: Timestamp, uid: &str, keep: &BTreeSet<&str>) -> Vec<ObjectKey> {
        let Some(order) = self.orders.get_mut(uid) else {
            return Vec::new();
        };
        let mut gone = Vec::new();
        order.retain(|authorization, entry| {
            let stays = keep.contains(authorization.as_str());
            if !stays {
                gone.push(entry.clone());
            }
            stays
        });
        if order.is_empty() {
            self.orders.remove(uid);
        }
        for (claim, slot) in gone {
            match slot {
                Slot::Held => drop(self.take_back(&claim.subject)),
                Slot::Waiting | Slot::None => self.leave_line(&claim),
            }
        }
        self.give(now)
    }

    /// Assigns free slots, and transfers those that were held for too long. Must be called periodically, because no
    /// event marks that time.
    ///
    /// Returns the Orders that got a slot, in the order of the queue.
    pub fn give(&mut self, now: Timestamp) -> Vec<ObjectKey> {
        let mut given = Vec::new();
        // an Order that loses a slot is queued again only afterwards, so that each slot is transferred once
        let mut losers = Vec::new();
        while self.lent.len() < self.limit || self.lent.values().any(|lent| lent.is_over(now)) {
            let Some(next) = self.next(now) else { break };
            if self.lent.contains_key(&next.subject) {
                losers.extend(self.take_back(&next.subject));
            } else if self.lent.len() >= self.limit {
                let Some(loser) = self.lent_too_long(now, &next) else {
                    break;
                };
                losers.extend(self.take_back(&loser));
            }
            self.lend(now, &next);
            if given.last() != Some(&next.order) {
                given.push(next.order);
            }
        }
        for mut claim in losers {
            (claim.fresh, claim.since) = (true, now);
            if let Some(entry) = self.entry(&claim) {
                *entry = (claim.clone(), Slot::Waiting);
                self.line_up(claim);
            }
        }
        given
    }

    /// The slot of this authorization.
    pub fn slot(&self, uid: &str, authorization: &str) -> Slot {
        self.orders
            .get(uid)
            .and_then(|order| order.get(authorization))
            .map_or(Slot::None, |(_, slot)| *slot)
    }

    /// The number of slots in use, and of waiting claims.
    pub fn load(&self) -> (usize, usize) {
        (self.lent.len(), self.waiting.values().map(BTreeSet::len).sum())
    }

    /// The next claim: of the namespace that uses the fewest slots, the first one whose subject is free or held for
    /// too long.
    fn next(&self, now: Timestamp) -> Option<Claim> {
        let free = |claim: &&Claim| self.lent.get(&claim.subject).is_none_or(|lent| lent.is_over(now));
        let first = self.waiting.values().filter_map(|line| line.iter().find(free));
        first.min_by_key(|claim| (self.used_by(claim), *claim)).cloned()
    }

    /// The slot to transfer to `next`: among those held for too long, one of the namespace that uses the most.
    /// `None` if that namespace uses fewer than the one of `next`.
    fn lent_too_long(&self, now: Timestamp, next: &Claim) -> Option<Subject> {
        let over = self.lent.values().filter(|lent| lent.is_over(now));
        let loser = over.max_by_key(|lent| (self.used_by(&lent.claim), Reverse((lent.since, &lent.claim))))?;
        (self.used_by(&loser.claim) >= self.used_by(next)).then(|| loser.claim.subject.clone())
    }

    fn used_by(&self, claim: &Claim) -> usize {
        self.used.get(&claim.order.namespace).copied().unwrap_or_default()
    }

    fn lend(&mut self, now: Timestamp, claim: &Claim) {
        self.leave_line(claim);
        if let Some((_, slot)) = self.entry(claim) {
            *slot = Slot::Held;
        }
        *self.used.entry(Arc::clone(&claim.order.namespace)).or_default() += 1;
        let lent = Lent {
            claim: claim.clone(),
            since: now,
        };
        self.lent.insert(claim.subject.clone(), lent);
    }

    fn take_back(&mut self, subject: &Subject) -> Option<Claim> {
        let claim = self.lent.remove(subject)?.claim;
        if let Some(used) = self.used.get_mut(&claim.order.namespace) {
            *used -= 1;
            if *used == 0 {
                self.used.remove(&claim.order.namespace);
            }
        }
        Some(claim)
    }

    fn line_up(&mut self, claim: Claim) {
        let namespace = Arc::clone(&claim.order.namespace);
        self.waiting.entry(namespace).or_default().insert(claim);
    }

    fn leave_line(&mut self, claim: &Claim) {
        if let Some(line) = self.waiting.get_mut(&claim.order.namespace) {
            line.remove(claim);
            if line.is_empty() {
                self.waiting.remove(&claim.order.namespace);
            }
        }
    }

    fn entry(&mut self, claim: &Claim) -> Option<&mut (Claim, Slot)> {
        self.orders.get_mut(&claim.uid)?.get_mut(&claim.authorization)
    }
}

impl Lent {
    fn is_over(&self, now: Timestamp) -> bool {
        timing::add(self.since, LENT_FOR) <= now
    }
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
