//! Private keys: made on threads of their own, bounded by the number of cores, and RSA apart from the others.
//!
//! An RSA key takes from a tenth of a second to minutes. No worker waits for one: the key is made in the background, kept until the
//! Certificate comes back for it, and the Certificate is told when it is there.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::{
    controller::{Context, ControllerError},
    pki::{
        Error,
        key::{KeyAlgorithm, KeySpec, PrivateKey},
    },
    plan::seen::{Meta, ObjectKey},
};

// The processors belong to the process, whoever uses them.
static LIGHT: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));
static HEAVY: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));

/// A key that nobody has fetched after this time is dropped: its Certificate is gone, or another replica leads.
const FORGET_AFTER: Duration = Duration::from_secs(600);

type Wanted = (Box<str>, KeySpec);

/// RSA keys that are being made, and those that wait to be fetched.
#[derive(Default)]
pub(super) struct Keys(Mutex<HashMap<Wanted, Made>>);

enum Made {
    Being,
    Done(Result<Arc<PrivateKey>, Error>),
}

impl Keys {
    /// The key, if it is made. Otherwise whether it has to be made: nobody makes it yet.
    fn take(&self, wanted: &Wanted) -> Result<Result<Arc<PrivateKey>, Error>, bool> {
        let mut keys = self.lock();
        match keys.remove(wanted) {
            Some(Made::Done(made)) => Ok(made),
            being => {
                keys.insert(wanted.clone(), Made::Being);
                Err(being.is_none())
            }
        }
    }

    /// A key was made. It is dropped if it is not wanted any more.
    fn put(&self, wanted: &Wanted, key: Result<Arc<PrivateKey>, Error>) -> bool {
        let mut keys = self.lock();
        let is_wanted = keys.contains_key(wanted);
        if is_wanted {
            keys.insert(wanted.clone(), Made::Done(key));
        }
        is_wanted
    }

    /// Drops a key that was made and not fetched.
    fn forget(&self, wanted: &Wanted) {
        let mut keys = self.lock();
        if matches!(keys.get(wanted), Some(Made::Done(_))) {
            keys.remove(wanted);
        }
    }

    /// Drops all of them: another replica leads.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Wanted, Made>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new key for a Certificate, or `None` where it is still being made: the Certificate is queued again when it is there.
pub(super) async fn generate(
    context: &Arc<Context>,
    meta: &Meta,
    spec: KeySpec,
) -> Result<Option<Arc<PrivateKey>>, ControllerError> {
    if spec.algorithm != KeyAlgorithm::Rsa {
        return blocking(move || PrivateKey::generate(spec))
            .await
            .map(|key| Some(Arc::new(key)));
    }
    let wanted: Wanted = (meta.uid.clone(), spec);
    match context.certificates.keys.take(&wanted) {
        Ok(Ok(key)) => Ok(Some(key)),
        Ok(Err(error)) => Err(ControllerError::Failed(error.to_string())),
        Err(false) => Ok(None),
        Err(true) => {
            tokio::spawn(make(Arc::clone(context), meta.key.clone(), wanted));
            Ok(None)
        }
    }
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

async fn make(context: Arc<Context>, key: ObjectKey, wanted: Wanted) {
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
    if !context.certificates.keys.put(&wanted, made.map(Arc::new)) {
        return;
    }
    context.queues.certificates.add(key);
    let context = {
        let weak = Arc::downgrade(&context);
        drop(context);
        weak
    };
    tokio::time::sleep(FORGET_AFTER).await;
    if let Some(context) = context.upgrade() {
        context.certificates.keys.forget(&wanted);
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_fetched_once_and_dropped_where_nobody_wants_it_any_more() {
        let keys = Keys::default();
        let wanted: Wanted = ("uid".into(), KeySpec::new(KeyAlgorithm::Rsa, None));
        let made = || {
            Ok(Arc::new(
                PrivateKey::generate(KeySpec::new(KeyAlgorithm::Ecdsa, None)).unwrap(),
            ))
        };
        assert_eq!(keys.take(&wanted).err(), Some(true), "it has to be made");
        assert_eq!(keys.take(&wanted).err(), Some(false), "it is being made");
        assert!(keys.put(&wanted, made()));
        assert!(keys.take(&wanted).is_ok());
        assert_eq!(keys.take(&wanted).err(), Some(true), "it was fetched");
        // nobody came for it
        assert!(keys.put(&wanted, made()));
        keys.forget(&wanted);
        assert!(keys.lock().is_empty());
        // this process stopped to lead while it was made
        assert_eq!(keys.take(&wanted).err(), Some(true));
        keys.clear();
        assert!(!keys.put(&wanted, made()), "a key that nobody wants is dropped");
        assert!(keys.lock().is_empty());
    }
}
