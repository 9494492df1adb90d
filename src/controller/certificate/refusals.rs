//! Certificates whose last step was refused, or failed: they wait a little, whatever happens around them.
//!
//! Half a step changes objects, each change queues the Certificate again, and the step would fail again at once.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::{controller::ControllerError, plan::seen::Meta};

/// After something that another try may cure.
const SHORT: SignedDuration = SignedDuration::from_secs(1);
/// After a refusal that only an edit can cure: of the Certificate, which is noticed, or of something else, which is not.
const LONG: SignedDuration = SignedDuration::from_secs(60);

/// By uid: which generation was refused, and when.
type Refused = HashMap<Box<str>, (i64, Timestamp)>;

/// By uid: for which generation, and until when.
static REFUSED: LazyLock<Mutex<Refused>> = LazyLock::new(Mutex::default);

/// Until when this Certificate, as it is now, has to wait.
pub(super) fn waits_until(meta: &Meta, now: Timestamp) -> Option<Timestamp> {
    let refused = refused();
    let (generation, until) = *refused.get(&meta.uid)?;
    (generation == meta.generation && now < until).then_some(until)
}

/// Remembers that a step failed; until when the next try has to wait.
pub(super) fn remember(meta: &Meta, error: &ControllerError, now: Timestamp) -> Timestamp {
    let wait = if is_refusal(error) { LONG } else { SHORT };
    let until = now.checked_add(wait).unwrap_or(now);
    let mut refused = refused();
    refused.retain(|_, (_, until)| now < *until);
    refused.insert(meta.uid.clone(), (meta.generation, until));
    until
}

/// Whether trying the same again is in vain: the API server understood, and said no.
pub(super) fn is_refusal(error: &ControllerError) -> bool {
    match error {
        ControllerError::Cluster(error) => error.is_invalid() || error.is_forbidden(),
        ControllerError::Wait { .. }
        | ControllerError::Failed(_)
        | ControllerError::Stale(_)
        | ControllerError::Panicked => false,
    }
}

fn refused() -> MutexGuard<'static, HashMap<Box<str>, (i64, Timestamp)>> {
    REFUSED.lock().unwrap_or_else(PoisonError::into_inner)
}
