//! What is remembered about Orders between two reconciles. All of it may be lost at any time, and is then read again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use super::account::Accounts;
use crate::plan::{
    kinds::OrderKind,
    order::{
        Claimed,
        facts::Gate,
        memory::Memory,
        slots::{Claim, Slot, Slots},
        timing,
    },
    seen::{Meta, Object, ObjectKey},
};

/// The most concurrent probes.
const PROBES: usize = 256;
/// The longest time that a rate limit of one Order delays new orders of its account. The limit may concern only that
/// Order.
const LONGEST_GATE: SignedDuration = SignedDuration::from_mins(15);

/// What is remembered about all Orders.
#[derive(Debug)]
pub(crate) struct State {
    memories: Mutex<HashMap<ObjectKey, Remembered>>,
    slots: Mutex<Slots>,
    gates: Mutex<HashMap<String, Gate>>,
    pub(super) accounts: Accounts,
    pub(super) probes: Arc<Semaphore>,
}

#[derive(Debug)]
struct Remembered {
    uid: Box<str>,
    memory: Memory,
}

impl State {
    /// An empty state. At most `most_challenges` are in flight at once (FLG-26).
    pub(crate) fn new(most_challenges: usize) -> Self {
        Self {
            memories: Mutex::default(),
            slots: Mutex::new(Slots::new(most_challenges)),
            gates: Mutex::default(),
            accounts: Accounts::default(),
            probes: Arc::new(Semaphore::new(PROBES)),
        }
    }

    /// Forgets everything, at the beginning or end of a term.
    pub(crate) fn clear(&self, most_challenges: usize) {
        lock(&self.memories).clear();
        lock(&self.gates).clear();
        *lock(&self.slots) = Slots::new(most_challenges);
    }

    /// What is remembered about this Order.
    pub(super) fn memory(&self, order: &Meta) -> Memory {
        let memories = lock(&self.memories);
        let found = memories
            .get(&order.key)
            .filter(|remembered| remembered.uid == order.uid);
        found.map(|remembered| remembered.memory.clone()).unwrap_or_default()
    }

    /// Changes what is remembered about this Order. Returns the result of `change`.
    pub(super) fn remember<T>(&self, order: &Meta, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memories = lock(&self.memories);
        let fresh = || Remembered {
            uid: order.uid.clone(),
            memory: Memory::default(),
        };
        let remembered = memories.entry(order.key.clone()).or_insert_with(fresh);
        if remembered.uid != order.uid {
            *remembered = fresh();
        }
        change(&mut remembered.memory)
    }

    /// Changes what is remembered about the Order with this uid, if anything is remembered.
    pub(super) fn recall(&self, key: &ObjectKey, uid: &str, change: impl FnOnce(&mut Memory)) {
        if let Some(remembered) = lock(&self.memories)
            .get_mut(key)
            .filter(|remembered| &*remembered.uid == uid)
        {
            change(&mut remembered.memory);
        }
    }

    /// Something has changed on which the self-checks of the Order of this name depend ([`Memory::reconsider`]).
    pub(crate) fn reconsider(&self, key: &ObjectKey, now: Timestamp) {
        if let Some(remembered) = lock(&self.memories).get_mut(key) {
            remembered.memory.reconsider(now);
        }
    }

    /// The uid of the Order of this name, if anything is remembered about it.
    pub(super) fn remembered(&self, key: &ObjectKey) -> Option<Box<str>> {
        lock(&self.memories).get(key).map(|remembered| remembered.uid.clone())
    }

    /// Forgets the Order of this name.
    pub(super) fn forget(&self, key: &ObjectKey) {
        lock(&self.memories).remove(key);
    }

    /// Requests slots. Returns the Orders that got one.
    pub(super) fn claim(&self, now: Timestamp, order: &Object<OrderKind>, claims: Vec<Claimed>) -> Vec<ObjectKey> {
        let claims = claims.into_iter().map(|one| Claim {
            // an Order with the URL of an ACME order was in flight before
            fresh: order.status.url.is_none(),
            since: order.meta.created,
            order: order.meta.key.clone(),
            uid: order.meta.uid.clone(),
            authorization: one.authorization,
            subject: (one.subject.to_ascii_lowercase(), one.challenge_type),
        });
        lock(&self.slots).claim(now, claims)
    }

    /// Releases slots, except those of the authorizations in `keeps`. Returns the Orders that got one.
    pub(super) fn release(&self, now: Timestamp, uid: &str, keeps: &BTreeSet<&str>) -> Vec<ObjectKey> {
        lock(&self.slots).release(now, uid, keeps)
    }

    /// Transfers slots that were held for too long to waiting Orders. Returns the Orders that got one.
    pub(super) fn give(&self, now: Timestamp) -> Vec<ObjectKey> {
        lock(&self.slots).give(now)
    }

    /// The number of slots in use, and of waiting claims.
    pub(super) fn load(&self) -> (usize, usize) {
        lock(&self.slots).load()
    }

    /// The slots of these authorizations, by URL.
    pub(super) fn slots<'a>(&self, uid: &str, urls: impl Iterator<Item = &'a String>) -> BTreeMap<String, Slot> {
        let slots = lock(&self.slots);
        urls.map(|url| (url.clone(), slots.slot(uid, url))).collect()
    }

    /// The rate limit that delays new orders of the account, if there is one.
    pub(super) fn gate(&self, account: &str, now: Timestamp) -> Option<Gate> {
        let mut gates = lock(&self.gates);
        gates.retain(|_, gate| gate.until > now);
        gates.get(account).cloned()
    }

    /// Delays new orders of the account.
    pub(super) fn close_gate(&self, account: &str, now: Timestamp, gate: Gate) {
        let until = gate.until.min(timing::add(now, LONGEST_GATE));
        lock(&self.gates).insert(account.to_owned(), Gate { until, ..gate });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
