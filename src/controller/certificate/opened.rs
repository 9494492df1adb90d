//! Keystores that were opened, and what was wrong with them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Keystores that are remembered at once.
const MAX_VERDICTS: usize = 16_384;

/// What was found, by the Certificate's uid: an object that is touched does not have the same file opened again.
#[derive(Default)]
pub(super) struct Opened(Mutex<HashMap<Box<str>, Verdict>>);

/// What was found in the keystores of one Certificate.
#[derive(Clone)]
pub(super) struct Verdict {
    /// Digest of the Secret's data, the passwords, and what the spec says of keystores.
    pub(super) of: [u8; 32],
    /// What is wrong, as a sentence.
    pub(super) fault: Option<String>,
}

impl Opened {
    /// What was found in the keystores of the Certificate with this uid, if it was found in these very files.
    pub(super) fn verdict(&self, uid: &str, of: &[u8; 32]) -> Option<Verdict> {
        self.lock().get(uid).filter(|known| known.of == *of).cloned()
    }

    /// Remembers what was found.
    pub(super) fn remember(&self, uid: &str, verdict: Verdict) {
        let mut opened = self.lock();
        if opened.len() >= MAX_VERDICTS && !opened.contains_key(uid) {
            opened.clear();
        }
        opened.insert(uid.into(), verdict);
    }

    /// Forgets all of it.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Verdict>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
