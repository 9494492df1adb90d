//! Back-off of Certificates whose last step was rejected, failed, or was undone by another client.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::backoff::{Attempts, BackOff};
use crate::{controller::ControllerError, plan::seen::Meta};

/// Delay after a failure that a retry may solve.
const SHORT: SignedDuration = SignedDuration::from_secs(1);
/// Delay after a rejection that only an edit can solve. An edit of the Certificate ends it at once; edits of other objects are
/// not noticed.
const LONG: SignedDuration = SignedDuration::from_secs(60);
/// Number of failures after which any failure is reported.
const LASTING: u32 = 4;
/// Number of repairs of a Secret without a delay.
const REPAIRS: u32 = 4;
/// Number of repairs after which the conflict with another client is reported.
const CONTESTED: u32 = 10;

/// Back-off of Certificates, for the term of leadership.
pub(super) struct Refusals {
    refused: Mutex<BackOff>,
    repaired: Mutex<BackOff>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            refused: Mutex::new(BackOff::new(0, SHORT, LONG)),
            repaired: Mutex::new(BackOff::new(REPAIRS, SHORT, LONG)),
        }
    }
}

/// The consequence of a failed step.
pub(super) struct Consequence {
    /// When to retry.
    pub(super) until: Timestamp,
    /// Whether to report the failure in the Certificate's condition.
    pub(super) reported: bool,
    /// Whether it is the first failure.
    pub(super) first: bool,
}

impl Refusals {
    /// When this generation of the Certificate may be retried.
    pub(super) fn waits_until(&self, meta: &Meta, now: Timestamp) -> Option<Timestamp> {
        lock(&self.refused).waits_until(meta, now)
    }

    /// When the Secret of this Certificate may be repaired.
    pub(super) fn repair_waits_until(&self, meta: &Meta, now: Timestamp) -> Option<Timestamp> {
        lock(&self.repaired).waits_until(meta, now)
    }

    /// Records a failed step.
    pub(super) fn remember(&self, meta: &Meta, error: &ControllerError, now: Timestamp) -> Consequence {
        let will_fail_again = will_fail_again(error);
        let asked = error.until().map(|until| now.duration_until(until));
        let at_least = asked.unwrap_or(if will_fail_again { LONG } else { SHORT });
        let Attempts { times, until } = lock(&self.refused).remember(meta, at_least, now);
        Consequence {
            until,
            reported: will_fail_again || times >= LASTING,
            first: times == 1,
        }
    }

    /// Records a successful step.
    pub(super) fn forget(&self, meta: &Meta) {
        lock(&self.refused).forget(meta);
    }

    /// Records a repair of the Secret. Returns whether to report a conflict.
    pub(super) fn remember_repair(&self, meta: &Meta, now: Timestamp) -> bool {
        lock(&self.repaired).remember(meta, SignedDuration::ZERO, now).times == CONTESTED
    }

    /// Forgets everything, for the end of a term.
    pub(super) fn clear(&self) {
        lock(&self.refused).clear();
        lock(&self.repaired).clear();
    }
}

/// Whether a retry will most likely fail again: the API server rejected the object, or the requested object cannot be made.
fn will_fail_again(error: &ControllerError) -> bool {
    match error {
        ControllerError::Cluster(error) => error.is_invalid() || error.is_forbidden(),
        ControllerError::Failed(_) => true,
        ControllerError::Wait { .. } | ControllerError::Stale(_) | ControllerError::Panicked => false,
    }
}

fn lock(backoff: &Mutex<BackOff>) -> MutexGuard<'_, BackOff> {
    backoff.lock().unwrap_or_else(PoisonError::into_inner)
}
