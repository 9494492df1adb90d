//! Private keys: made on threads of their own, bounded by the number of cores, and RSA apart from the others.
//!
//! An RSA key takes from a tenth of a second to minutes. No worker waits for one: the key is made in the background, kept until the
//! Certificate comes back for it, and the Certificate is told when it is there.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{made_keys::Wanted, state::Certificates};
use crate::{
    controller::{ControllerError, FollowUp},
    pki::{
        Error,
        key::{KeySpec, PrivateKey},
    },
    plan::seen::{Meta, ObjectKey},
};

// The processors belong to the process, whoever uses them.
static LIGHT: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));
static HEAVY: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));

/// A key that nobody has fetched after this time is dropped: its Certificate is gone, or another replica leads.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// A new key for a Certificate, or `None` where it is still being made: the Certificate is queued again when it is there.
pub(super) fn generate(
    controller: &Arc<Certificates>,
    meta: &Meta,
    spec: KeySpec,
) -> Result<Option<Arc<PrivateKey>>, ControllerError> {
    if !spec.is_slow() {
        return here(|| PrivateKey::generate(spec)).map(|key| Some(Arc::new(key)));
    }
    let wanted: Wanted = (meta.uid.clone(), spec);
    match controller.state.keys.take(&wanted) {
        Ok(Ok(key)) => Ok(Some(key)),
        Ok(Err(error)) => Err(ControllerError::Failed(error.to_string())),
        Err(false) => Ok(None),
        Err(true) => {
            tokio::spawn(make(Arc::clone(controller), meta.key.clone(), wanted));
            Ok(None)
        }
    }
}

/// Runs work here that takes microseconds: a thread of its own would cost more than the work.
fn here<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, ControllerError> {
    work().map_err(|error| ControllerError::Failed(error.to_string()))
}

/// Runs work for the processor here, or, if it is slow, as [`blocking`] does.
pub(super) async fn here_unless<T: Send + 'static>(
    slow: bool,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, ControllerError> {
    if slow { blocking(work).await } else { here(work) }
}

/// Runs work for the processor on a thread of its own, a few at a time.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, ControllerError> {
    blocking_within(&LIGHT, work).await
}

/// As [`blocking`], for work that must not hold up the others: with places of its own.
pub(super) async fn blocking_within<T: Send + 'static>(
    places: &'static Semaphore,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, ControllerError> {
    let closed = |_| ControllerError::Failed("the process is shutting down".to_owned());
    let permit = places.acquire().await.map_err(closed)?;
    let done = tokio::task::spawn_blocking(work).await;
    drop(permit);
    done.map_err(|_| ControllerError::Panicked)?
        .map_err(|error| ControllerError::Failed(error.to_string()))
}

async fn make(controller: Arc<Certificates>, key: ObjectKey, wanted: Wanted) {
    let spec = wanted.1;
    let made = match HEAVY.acquire().await {
        Ok(permit) => {
            let made = tokio::task::spawn_blocking(move || PrivateKey::generate(spec)).await;
            drop(permit);
            made.unwrap_or_else(|_| {
                Err(Error::Key(format!(
                    "making the {spec} key failed unexpectedly; this is a bug"
                )))
            })
        }
        Err(_) => return,
    };
    if !controller.state.keys.put(&wanted, made.map(Arc::new)) {
        return;
    }
    controller.ports.queues.follow_up(FollowUp::KeyMade(key));
    let controller = {
        let weak = Arc::downgrade(&controller);
        drop(controller);
        weak
    };
    tokio::time::sleep(FORGET_AFTER).await;
    if let Some(controller) = controller.upgrade() {
        controller.state.keys.forget(&wanted);
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}
