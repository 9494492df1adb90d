//! What is remembered about Orders between two reconciles. All of it may be lost at any time: it is asked for again.

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

/// How many probes are on their way at once.
const PROBES: usize = 256;
/// The longest time that one Order's limit holds back the new orders of its account: it may concern that Order alone.
const LONGEST_GATE: SignedDuration = SignedDuration::from_mins(15);

/// See the module.
#[derive(Debug)]
pub struct State {
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
    /// Nothing is remembered; at most `most_challenges` are in flight at once (FLG-26).
    pub fn new(most_challenges: usize) -> Self {
        Self {
            memories: Mutex::default(),
            slots: Mutex::new(Slots::new(most_challenges)),
            gates: Mutex::default(),
            accounts: Accounts::default(),
            probes: Arc::new(Semaphore::new(PROBES)),
        }
    }

    /// Forgets everything: another replica led in between, or will.
    pub fn clear(&self, most_challenges: usize) {
        lock(&self.memories).clear();
        lock(&self.gates).clear();
        *lock(&self.slots) = Slots::new(most_challenges);
    }

    /// How many challenges are in flight, and how many wait for their turn.
    pub fn load(&self) -> (usize, usize) {
        lock(&self.slots).load()
    }

    /// What is remembered about this Order.
    pub(super) fn memory(&self, order: &Meta) -> Memory {
        let memories = lock(&self.memories);
        let found = memories
            .get(&order.key)
            .filter(|remembered| remembered.uid == order.uid);
        found.map(|remembered| remembered.memory.clone()).unwrap_or_default()
    }

    /// Changes what is remembered about this Order.
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

    /// Changes what is remembered about the Order with this uid, if anything is.
    pub(super) fn recall(&self, key: &ObjectKey, uid: &str, change: impl FnOnce(&mut Memory)) {
        if let Some(remembered) = lock(&self.memories)
            .get_mut(key)
            .filter(|remembered| &*remembered.uid == uid)
        {
            change(&mut remembered.memory);
        }
    }

    /// Forgets the Order of this name; returns its uid if anything was remembered.
    pub(super) fn forget(&self, key: &ObjectKey) -> Option<Box<str>> {
        lock(&self.memories).remove(key).map(|remembered| remembered.uid)
    }

    /// Asks for slots. Returns the Orders whose turn has come.
    pub(super) fn claim(&self, now: Timestamp, order: &Object<OrderKind>, claims: Vec<Claimed>) -> Vec<ObjectKey> {
        let claims = claims.into_iter().map(|one| Claim {
            // an Order whose ACME order is written down was in flight before
            fresh: order.status.url.is_none(),
            since: order.meta.created,
            order: order.meta.key.clone(),
            uid: order.meta.uid.clone(),
            authorization: one.authorization,
            subject: (one.subject.to_ascii_lowercase(), one.challenge_type),
        });
        lock(&self.slots).claim(now, claims)
    }

    /// Gives slots back, except for those of the authorizations in `keeps`. Returns the Orders whose turn has come.
    pub(super) fn release(&self, now: Timestamp, uid: &str, keeps: &BTreeSet<&str>) -> Vec<ObjectKey> {
        lock(&self.slots).release(now, uid, keeps)
    }

    /// Gives slots that were lent for long enough to whoever waits. Returns the Orders whose turn has come.
    pub(super) fn give(&self, now: Timestamp) -> Vec<ObjectKey> {
        lock(&self.slots).give(now)
    }

    /// The slots of these authorizations.
    pub(super) fn slots<'a>(&self, uid: &str, urls: impl Iterator<Item = &'a String>) -> BTreeMap<String, Slot> {
        let slots = lock(&self.slots);
        urls.map(|url| (url.clone(), slots.slot(uid, url))).collect()
    }

    /// What holds back new orders of the account, if anything does.
    pub(super) fn gate(&self, account: &str, now: Timestamp) -> Option<Gate> {
        let mut gates = lock(&self.gates);
        gates.retain(|_, gate| gate.until > now);
        gates.get(account).cloned()
    }

    /// Holds back new orders of the account.
    pub(super) fn close_gate(&self, account: &str, now: Timestamp, gate: Gate) {
        let until = gate.until.min(timing::add(now, LONGEST_GATE));
        lock(&self.gates).insert(account.to_owned(), Gate { until, ..gate });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
