//! What is remembered of Certificates.

use super::{made_keys::Keys, refusals::Refusals};

/// What is remembered of Certificates while this process leads.
#[derive(Default)]
pub struct State {
    pub(super) keys: Keys,
    pub(super) refusals: Refusals,
}

impl State {
    /// Forgets all of it, keys included.
    pub fn clear(&self) {
        self.keys.clear();
        self.refusals.clear();
    }
}
