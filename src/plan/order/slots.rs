//! Which challenges may be in flight at once (ACH-01, NB-20).
//!
//! A challenge holds a slot from the moment it is shown until the CA has judged it. There are only so many slots in
//! the cluster, and the same name is never given two of them at the same time. Namespaces share them: a free slot goes to the
//! namespace that uses the fewest, there to the oldest Order, so that one with a thousand challenges does not keep another from
//! its turn.
//!
//! A slot is lent, not given: a challenge that cannot be reached gives it back by itself, and whoever still has one after
//! [`LENT_FOR`] loses it to whoever waits, unless that namespace uses more of them. What was shown goes on being shown and probed
//! without a slot, and what the CA was told of goes on being asked for. So hopeless challenges, a CA that never judges and an
//! issuer that stopped working keep nobody waiting for ever.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::timing;
use crate::{api::challenge::ChallengeType, plan::seen::ObjectKey};

/// For how long a slot is kept when others wait for one; several times what a CA needs.
pub const LENT_FOR: SignedDuration = SignedDuration::from_mins(2);

/// A wish for a slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// False for a challenge that was in flight already before this process started: those come first.
    pub fresh: bool,
    /// Its place in the line: when the Order was created, or when a slot was taken from it.
    pub since: Timestamp,
    /// The Order.
    pub order: ObjectKey,
    /// The Order's uid.
    pub uid: Box<str>,
    /// URL of the authorization.
    pub authorization: String,
    /// What is proved, and how.
    pub subject: Subject,
}

/// All slots of the cluster, those in use and those waited for.
#[derive(Debug)]
pub struct Slots {
    limit: usize,
    lent: HashMap<Subject, Lent>,
    /// How many slots each namespace uses.
    used: HashMap<Arc<str>, usize>,
    /// By namespace, in the order of their turns.
    waiting: BTreeMap<Arc<str>, BTreeSet<Claim>>,
    orders: HashMap<Box<str>, BTreeMap<String, (Claim, Slot)>>,
}

/// What is proved, and how.
type Subject = (String, ChallengeType);

/// A slot in use.
#[derive(Debug)]
struct Lent {
    claim: Claim,
    since: Timestamp,
}

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
            lent: HashMap::new(),
            used: HashMap::new(),
            waiting: BTreeMap::new(),
            orders: HashMap::new(),
        }
    }

    /// Asks for slots; asking again for one that is held or waited for changes nothing.
    ///
    /// Returns the Orders that were given a slot by this, in the order of their turn.
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

    /// Gives back what the Order with `uid` holds or waits for, except for the authorizations in `keep`.
    ///
    /// Returns the Orders whose turn has come by this.
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

    /// Gives slots to those whose turn it is: free ones, and those that were lent for long enough. To be called now and then, since
    /// nothing else tells that such a time is over.
    ///
    /// Returns the Orders that were given one, in the order of their turn.
    pub fn give(&mut self, now: Timestamp) -> Vec<ObjectKey> {
        let mut given = Vec::new();
        // whoever loses a slot now stands in line again only afterwards, so that each slot changes hands once
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

    /// Whether this authorization has a slot.
    pub fn slot(&self, uid: &str, authorization: &str) -> Slot {
        self.orders
            .get(uid)
            .and_then(|order| order.get(authorization))
            .map_or(Slot::None, |(_, slot)| *slot)
    }

    /// How many slots are in use, and how many are waited for.
    pub fn load(&self) -> (usize, usize) {
        (self.lent.len(), self.waiting.values().map(BTreeSet::len).sum())
    }

    /// Whose turn it is: of the namespace that uses the fewest slots the first in line whose name nobody else proves, or has
    /// proved for too long.
    fn next(&self, now: Timestamp) -> Option<Claim> {
        let free = |claim: &&Claim| self.lent.get(&claim.subject).is_none_or(|lent| lent.is_over(now));
        let first = self.waiting.values().filter_map(|line| line.iter().find(free));
        first.min_by_key(|claim| (self.used_by(claim), *claim)).cloned()
    }

    /// The slot that is taken back for `next`: of those lent for long enough the one of the namespace that uses the most, unless
    /// those use fewer than its own.
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
