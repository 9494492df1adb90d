//! Key pairs of CAs that are in use: read from their Secret once, wiped when nobody signs with them for a while.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::names::data_key,
    controller::Context,
    plan::seen::ObjectKey,
    signer::{
        Refusal,
        ca::{self, CertificateAuthority, SecretData},
    },
};

/// A pair that was not used for this long is dropped.
const IDLE: SignedDuration = SignedDuration::from_mins(5);
/// A pair is read again after this long, should word of a change have been lost.
const FRESH: SignedDuration = SignedDuration::from_mins(15);
/// Pairs kept at once; the one that was not used for longest makes room.
const KEPT: usize = 64;

/// See the module. Keys wipe themselves when they are dropped.
#[derive(Debug, Default)]
pub struct Authorities {
    kept: Mutex<HashMap<ObjectKey, Kept>>,
    /// Counts changes of Secrets: what was read before a change is not kept after it.
    changes: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    authority: Arc<CertificateAuthority>,
    resource_version: Box<str>,
    read: Timestamp,
    used: Timestamp,
}

impl Authorities {
    /// The pair in this Secret, from memory if it is still what the Secret holds.
    ///
    /// # Errors
    /// The request has to wait (SGN-02): no Secret, no usable pair in it, or no answer.
    pub async fn get(&self, context: &Context, secret: &ObjectKey) -> Result<Arc<CertificateAuthority>, Refusal> {
        let now = context.now();
        let watched = context
            .index
            .secrets
            .get(secret)
            .map(|seen| seen.meta.resource_version.clone());
        if let Some(authority) = self.recall(secret, watched.as_deref(), now) {
            return Ok(authority);
        }
        let changes = self.changes.load(Ordering::Acquire);
        let (namespace, name) = (&*secret.namespace, &*secret.name);
        let live = match context.reader.secret(secret).await {
            Ok(live) => live.ok_or_else(|| ca::missing_secret(namespace, name))?,
            Err(error) => return Err(ca::secret_not_read(namespace, name, &error.to_string())),
        };
        let data = SecretData {
            namespace,
            name,
            tls_key: live.data(data_key::TLS_KEY),
            tls_crt: live.data(data_key::TLS_CRT),
            ca_crt: live.data(data_key::CA_CRT),
        };
        let limits = &context.settings.size_limits;
        let authority = CertificateAuthority::read(&data, now, limits).map_err(|unusable| unusable.refusal(&data))?;
        let authority = Arc::new(authority);
        let mut kept = self.lock();
        if changes == self.changes.load(Ordering::Acquire) {
            make_room(&mut kept);
            let resource_version = live.seen.meta.resource_version.clone();
            let entry = Kept {
                authority: Arc::clone(&authority),
                resource_version,
                read: now,
                used: now,
            };
            kept.insert(secret.clone(), entry);
        }
        Ok(authority)
    }

    fn recall(&self, secret: &ObjectKey, watched: Option<&str>, now: Timestamp) -> Option<Arc<CertificateAuthority>> {
        let mut kept = self.lock();
        let entry = kept.get_mut(secret)?;
        let changed = watched.is_some_and(|version| *version != *entry.resource_version);
        let old = now.duration_since(entry.read) > FRESH || now > entry.authority.info().not_after;
        if changed || old {
            kept.remove(secret);
            return None;
        }
        entry.used = now;
        Some(Arc::clone(&entry.authority))
    }

    /// The Secret changed: its pair has to be read again.
    pub fn forget(&self, secret: &ObjectKey) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.lock().remove(secret);
    }

    /// Drops what nobody signed with for a while; called from time to time.
    pub fn drop_idle(&self, now: Timestamp) {
        self.lock().retain(|_, entry| now.duration_since(entry.used) <= IDLE);
    }

    /// How many pairs are held.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(kept: &mut HashMap<ObjectKey, Kept>) {
    while kept.len() >= KEPT {
        let oldest = kept
            .iter()
            .min_by_key(|(_, entry)| entry.used)
            .map(|(key, _)| key.clone());
        match oldest {
            Some(key) => kept.remove(&key),
            None => return,
        };
    }
}
