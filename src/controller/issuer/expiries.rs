//! Expiry of the certificates of CA issuers, for metrics.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::plan::{issuer::IssuerId, seen::ObjectKey};

/// The expiry of each CA, as the last reconcile of its issuer saw it. There are never more entries than issuers.
#[derive(Debug, Default)]
pub(crate) struct Expiries(Mutex<BTreeMap<ObjectKey, Timestamp>>);

impl Expiries {
    /// Records the expiry; `None` if the issuer has no CA certificate, or does not exist.
    pub(super) fn set(&self, issuer: &ObjectKey, not_after: Option<Timestamp>) {
        let mut expiries = self.lock();
        match not_after {
            Some(not_after) => drop(expiries.insert(issuer.clone(), not_after)),
            None => drop(expiries.remove(issuer)),
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(IssuerId, Timestamp)> {
        let expiries = self.lock();
        let all = expiries.iter();
        all.map(|(issuer, not_after)| (IssuerId(issuer.clone()), *not_after))
            .collect()
    }

    /// Forgets all of them.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
