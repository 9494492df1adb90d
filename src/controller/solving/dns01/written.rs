//! What this process knows of the records that Challenges may have at providers.
//!
//! A Challenge is guarded by its finalizer before the first call for its record. If the provider refuses that call and every
//! later one, nothing has to be withdrawn: without this knowledge, a Challenge whose provider refuses everything would hold up the
//! deletion of its namespace until the withdrawal is given up.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Provider;

/// The most records that are remembered, of each sort. Beyond that they are withdrawn with what their issuer says then.
const MOST: usize = 10_000;

/// Records by the uid of their Challenge. It may be lost at any time.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    /// Values that this process has located for a Challenge that did not exist before. No call was made for them yet.
    planned: HashSet<Box<str>>,
    asked: HashMap<Box<str>, Asked>,
}

/// The calls for the record of one Challenge.
#[derive(Debug)]
struct Asked {
    /// The provider of the last call: its Secret may be deleted before the record.
    provider: Provider,
    /// Whether the provider may hold the record.
    may_exist: bool,
}

impl Written {
    /// A Challenge for this value is about to be created: no record of it is at a provider.
    pub(super) fn plan(&self, value: &str) {
        let mut memory = self.lock();
        if memory.planned.len() < MOST {
            memory.planned.insert(value.into());
        }
    }

    /// A call for the record begins. Returns whether the provider holds no record before it, for certain.
    pub(super) fn begin(&self, challenge: &str, value: &str, provider: &Provider) -> bool {
        let mut memory = self.lock();
        let is_planned = memory.planned.remove(value);
        let was_absent = memory.asked.get(challenge).map_or(is_planned, |asked| !asked.may_exist);
        if memory.asked.len() < MOST || memory.asked.contains_key(challenge) {
            let asked = Asked {
                provider: provider.clone(),
                may_exist: true,
            };
            memory.asked.insert(challenge.into(), asked);
        }
        was_absent
    }

    /// The provider has refused a call, before which it held no record.
    pub(super) fn refused(&self, challenge: &str) {
        if let Some(asked) = self.lock().asked.get_mut(challenge) {
            asked.may_exist = false;
        }
    }

    /// Whether the provider holds no record of this Challenge, for certain.
    pub(super) fn is_absent(&self, challenge: &str, value: &str) -> bool {
        let memory = self.lock();
        match memory.asked.get(challenge) {
            Some(asked) => !asked.may_exist,
            None => memory.planned.contains(value),
        }
    }

    /// The provider of the last call for this Challenge.
    pub(super) fn provider(&self, challenge: &str) -> Option<Provider> {
        self.lock().asked.get(challenge).map(|asked| asked.provider.clone())
    }

    /// The record of this Challenge is withdrawn.
    pub(super) fn forget(&self, challenge: &str, value: &str) {
        let mut memory = self.lock();
        memory.asked.remove(challenge);
        memory.planned.remove(value);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.lock() = Memory::default();
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
