//! Results of opening keystores.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Maximum number of stored results.
const MAX_VERDICTS: usize = 16_384;

/// Results by the Certificate's uid, so that a change of other fields does not open the same file again.
#[derive(Default)]
pub(super) struct Opened(Mutex<HashMap<Box<str>, KeystoreResult>>);

/// The result for the keystores of one Certificate.
#[derive(Clone)]
pub(super) struct KeystoreResult {
    /// Digest of the Secret's data, the passwords, and the keystores in the spec.
    pub(super) of: [u8; 32],
    /// What is wrong, as a sentence.
    pub(super) fault: Option<String>,
}

impl Opened {
    /// The result for the Certificate with this uid, if it is for exactly this content.
    pub(super) fn verdict(&self, uid: &str, of: &[u8; 32]) -> Option<KeystoreResult> {
        self.lock().get(uid).filter(|known| known.of == *of).cloned()
    }

    /// Stores a result.
    pub(super) fn remember(&self, uid: &str, verdict: KeystoreResult) {
        let mut opened = self.lock();
        if opened.len() >= MAX_VERDICTS && !opened.contains_key(uid) {
            opened.clear();
        }
        opened.insert(uid.into(), verdict);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, KeystoreResult>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
