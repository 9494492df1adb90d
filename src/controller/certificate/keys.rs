//! Generation of private keys on threads of their own, bounded by the number of cores. RSA keys have separate threads.
//!
//! An RSA key takes from a tenth of a second to minutes. No worker waits for one: it is generated in the background, stored until
//! the Certificate fetches it, and the Certificate is requeued when it is ready.

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

// static, because the cores belong to the process
static LIGHT: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));
static HEAVY: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));

/// A key that was not fetched after this time is dropped: its Certificate was deleted, or another replica leads.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// A new key for a Certificate, or `None` while it is being generated. The Certificate is requeued when it is ready.
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

/// Runs CPU-bound work on a blocking thread. The number of concurrent calls is limited.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, ControllerError> {
    blocking_within(&LIGHT, work).await
}

/// Like [`blocking`], with separate threads for long work.
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
            made.unwrap_or_else(|_| Err(Error::Key(format!("generating the {spec} key panicked; this is a bug"))))
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
