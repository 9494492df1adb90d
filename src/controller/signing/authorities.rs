//! Key pairs of CAs that are in use: read from their Secret once, wiped when nobody signs with them for a while.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use crate::{
    api::names::data_key,
    cluster::secret::LiveSecret,
    controller::Ports,
    pki::chain::SizeLimits,
    plan::seen::ObjectKey,
    signer::{
        Refusal,
        ca::{self, CertificateAuthority, SecretData, UnusablePair},
    },
};

/// A pair that was not used for this long is dropped.
const IDLE: SignedDuration = SignedDuration::from_mins(5);
/// A pair is read again after this long, should word of a change have been lost.
const FRESH: SignedDuration = SignedDuration::from_mins(15);
/// Pairs kept at once; the one that was not used for longest makes room.
const KEPT: usize = 64;
/// Refusals kept at once.
const REFUSED: usize = 1024;

/// Reading a pair checks up to [`chain::order`]'s limit of signatures: two at a time, on threads of their own.
///
/// [`chain::order`]: crate::pki::chain::order
static READERS: Semaphore = Semaphore::const_new(2);

/// See the module. Keys wipe themselves when they are dropped.
#[derive(Debug, Default)]
pub struct Authorities {
    kept: Mutex<HashMap<ObjectKey, Kept>>,
    /// Counts changes of Secrets: what was read before a change is not kept after it.
    changes: AtomicU64,
    /// Contents that could not be used, and why: whoever touches his Secret does not have it judged again.
    refused: Mutex<BTreeMap<ObjectKey, ([u8; 32], Refusal)>>,
    reading: Mutex<HashMap<ObjectKey, Arc<tokio::sync::Mutex<()>>>>,
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
    pub async fn get(&self, ports: &Ports, secret: &ObjectKey) -> Result<Arc<CertificateAuthority>, Refusal> {
        if let Some(authority) = self.recall_of(ports, secret) {
            return Ok(authority);
        }
        let (namespace, name) = (&*secret.namespace, &*secret.name);
        let unanswered = |why: &str| ca::secret_not_read(namespace, name, why);
        // one Secret is read by one at a time: the others find what it found
        let reading = self.reading(secret);
        let _alone = reading.lock().await;
        if let Some(authority) = self.recall_of(ports, secret) {
            return Ok(authority);
        }
        let changes = self.changes.load(Ordering::Acquire);
        let live = match ports.reader.secret(secret).await {
            Ok(live) => live.ok_or_else(|| ca::missing_secret(namespace, name))?,
            Err(error) => return Err(unanswered(&error.to_string())),
        };
        let (digest, resource_version) = (live.seen.digest, live.seen.meta.resource_version.clone());
        if let Some(refusal) = self.refused(secret, &digest) {
            return Err(refusal);
        }
        let (now, limits) = (ports.now(), ports.settings.size_limits);
        let permit = READERS.acquire().await.map_err(|_| unanswered("the process ends"))?;
        let (of, at) = (secret.clone(), now);
        let read = tokio::task::spawn_blocking(move || read(&live, &of, at, &limits)).await;
        drop(permit);
        let authority = match read.map_err(|_| unanswered("reading it failed unexpectedly; this is a bug"))? {
            Ok(authority) => Arc::new(authority),
            Err((refusal, forgettable)) => {
                if !forgettable {
                    self.remember_refusal(secret, digest, &refusal);
                }
                return Err(refusal);
            }
        };
        let mut kept = self.lock();
        if changes == self.changes.load(Ordering::Acquire) {
            make_room(&mut kept);
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

    /// Drops all of them. Keys wipe themselves.
    pub(super) fn clear(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.lock().clear();
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn recall_of(&self, ports: &Ports, secret: &ObjectKey) -> Option<Arc<CertificateAuthority>> {
        let watched = ports.index.secrets.get(secret);
        let version = watched.as_ref().map(|seen| &*seen.meta.resource_version);
        self.recall(secret, version, ports.now())
    }

    /// What keeps a Secret from being read twice at the same time.
    fn reading(&self, secret: &ObjectKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(reading.entry(secret.clone()).or_default())
    }

    /// Why these very contents could not be used; the object may have changed otherwise.
    fn refused(&self, secret: &ObjectKey, digest: &[u8; 32]) -> Option<Refusal> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, refusal) = refused.get(secret)?;
        (of == digest).then(|| refusal.clone())
    }

    fn remember_refusal(&self, secret: &ObjectKey, digest: [u8; 32], refusal: &Refusal) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= REFUSED && !refused.contains_key(secret) {
            refused.pop_first();
        }
        refused.insert(secret.clone(), (digest, refusal.clone()));
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

/// The pair, or why not, and whether that may change while the Secret does not.
fn read(
    live: &LiveSecret,
    secret: &ObjectKey,
    now: Timestamp,
    limits: &SizeLimits,
) -> Result<CertificateAuthority, (Refusal, bool)> {
    let data = SecretData {
        namespace: &secret.namespace,
        name: &secret.name,
        tls_key: live.data(data_key::TLS_KEY),
        tls_crt: live.data(data_key::TLS_CRT),
        ca_crt: live.data(data_key::CA_CRT),
    };
    CertificateAuthority::read(&data, now, limits).map_err(|unusable| {
        let forgettable = matches!(unusable, UnusablePair::NotNow(_));
        (unusable.refusal(&data), forgettable)
    })
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
