//! RSA keys that were generated in the background and wait for their Certificates.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::pki::{
    Error,
    key::{KeySpec, PrivateKey},
};

/// The uid of a Certificate, and the key that it needs.
pub(super) type Wanted = (Box<str>, KeySpec);

/// RSA keys that are being generated, and those that are ready.
#[derive(Default)]
pub(super) struct Keys(Mutex<HashMap<Wanted, Made>>);

enum Made {
    Being,
    Done(Result<Arc<PrivateKey>, Error>),
}

impl Keys {
    /// The key, if it is ready. Otherwise, whether the caller must generate it.
    pub(super) fn take(&self, wanted: &Wanted) -> Result<Result<Arc<PrivateKey>, Error>, bool> {
        let mut keys = self.lock();
        match keys.remove(wanted) {
            Some(Made::Done(made)) => Ok(made),
            being => {
                keys.insert(wanted.clone(), Made::Being);
                Err(being.is_none())
            }
        }
    }

    /// Stores a generated key. Returns false if it is no longer wanted.
    pub(super) fn put(&self, wanted: &Wanted, key: Result<Arc<PrivateKey>, Error>) -> bool {
        let mut keys = self.lock();
        let is_wanted = keys.contains_key(wanted);
        if is_wanted {
            keys.insert(wanted.clone(), Made::Done(key));
        }
        is_wanted
    }

    /// Drops a key that was not fetched.
    pub(super) fn forget(&self, wanted: &Wanted) {
        let mut keys = self.lock();
        if matches!(keys.get(wanted), Some(Made::Done(_))) {
            keys.remove(wanted);
        }
    }

    /// Drops all keys, because another replica leads.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Wanted, Made>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::key::KeyAlgorithm;

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
