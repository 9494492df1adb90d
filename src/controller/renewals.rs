//! Renewal information of ACME servers, in memory for the term of leadership, by Certificate.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::certificate_status::RenewalInformation;
use crate::plan::ari::AriRecord;
use crate::plan::seen::ObjectKey;

/// Renewal information by Certificate. There are never more entries than Certificates.
#[derive(Debug, Default)]
pub(crate) struct Renewals(Mutex<HashMap<ObjectKey, AriRecord>>);

impl Renewals {
    /// The last renewal information for the certificate with this fingerprint.
    pub(crate) fn information(&self, key: &ObjectKey, fingerprint: &[u8; 32]) -> Option<RenewalInformation> {
        let record = self.lock();
        record
            .get(key)
            .filter(|record| record.fingerprint == *fingerprint)?
            .information
            .clone()
    }

    pub(super) fn record(&self, key: &ObjectKey) -> Option<AriRecord> {
        self.lock().get(key).cloned()
    }

    pub(super) fn keep(&self, key: ObjectKey, record: AriRecord) {
        self.lock().insert(key, record);
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    pub(super) fn forget(&self, key: &ObjectKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, AriRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "renewals_tests.rs"]
mod tests;
