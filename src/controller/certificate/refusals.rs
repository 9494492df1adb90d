//! Certificates whose last step was refused, failed, or was undone by somebody else.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::patience::{Patience, Remembered};
use crate::{controller::ControllerError, plan::seen::Meta};

/// After something that another try may cure.
const SHORT: SignedDuration = SignedDuration::from_secs(1);
/// After a refusal that only an edit can cure: of the Certificate, which is noticed, or of something else, which is not.
const LONG: SignedDuration = SignedDuration::from_secs(60);
/// What goes wrong this often is told, whatever it is.
const LASTING: u32 = 4;
/// How often a Secret is put right at once; whoever changes it again and again has to wait from then on.
const REPAIRS: u32 = 4;
/// Who has changed a Secret this often will go on doing so.
const CONTESTED: u32 = 10;

/// Certificates in trouble. It belongs to whoever leads, and is forgotten when that ends.
pub(super) struct Refusals {
    refused: Mutex<Patience>,
    repaired: Mutex<Patience>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            refused: Mutex::new(Patience::new(0, SHORT, LONG)),
            repaired: Mutex::new(Patience::new(REPAIRS, SHORT, LONG)),
        }
    }
}

/// What follows from a step that failed.
pub(super) struct Consequence {
    /// Until when the next try has to wait.
    pub(super) until: Timestamp,
    /// Whether the Certificate's user should read of it.
    pub(super) told: bool,
    /// Whether the step before had worked.
    pub(super) first: bool,
}

impl Refusals {
    /// Until when this Certificate, as it is now, has to wait.
    pub(super) fn waits_until(&self, meta: &Meta, now: Timestamp) -> Option<Timestamp> {
        lock(&self.refused).waits_until(meta, now)
    }

    /// Until when the Secret of this Certificate is left as others want it.
    pub(super) fn repair_waits_until(&self, meta: &Meta, now: Timestamp) -> Option<Timestamp> {
        lock(&self.repaired).waits_until(meta, now)
    }

    /// Remembers that a step failed.
    pub(super) fn remember(&self, meta: &Meta, error: &ControllerError, now: Timestamp) -> Consequence {
        let in_vain = is_in_vain(error);
        let asked = error.until().map(|until| now.duration_until(until));
        let at_least = asked.unwrap_or(if in_vain { LONG } else { SHORT });
        let Remembered { times, until } = lock(&self.refused).remember(meta, at_least, now);
        Consequence {
            until,
            told: in_vain || times >= LASTING,
            first: times == 1,
        }
    }

    /// The last step has worked.
    pub(super) fn forget(&self, meta: &Meta) {
        lock(&self.refused).forget(meta);
    }

    /// Remembers that the Secret was put right; whether somebody plainly fights over it.
    pub(super) fn remember_repair(&self, meta: &Meta, now: Timestamp) -> bool {
        lock(&self.repaired).remember(meta, SignedDuration::ZERO, now).times == CONTESTED
    }

    /// Forgets all of them.
    pub(super) fn clear(&self) {
        lock(&self.refused).clear();
        lock(&self.repaired).clear();
    }
}

/// Whether trying the same again will most likely fail again: the API server understood, and said no, or what is asked for cannot be
/// made.
fn is_in_vain(error: &ControllerError) -> bool {
    match error {
        ControllerError::Cluster(error) => error.is_invalid() || error.is_forbidden(),
        ControllerError::Failed(_) => true,
        ControllerError::Wait { .. } | ControllerError::Stale(_) | ControllerError::Panicked => false,
    }
}

fn lock(patience: &Mutex<Patience>) -> MutexGuard<'_, Patience> {
    patience.lock().unwrap_or_else(PoisonError::into_inner)
}
