//! Key pairs of CAs in use: read from their Secret once, and wiped when they are idle.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::{SignedDuration, Timestamp};

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
    work::{Interrupted, Threads},
};

/// Idle time after which a pair is dropped.
const IDLE: SignedDuration = SignedDuration::from_mins(5);
/// Age at which a pair is read again, in case a change was missed.
const FRESH: SignedDuration = SignedDuration::from_mins(15);
/// Maximum number of pairs. The least recently used one is dropped.
const MAX_PAIRS: usize = 64;
/// Maximum number of stored refusals.
const REFUSED: usize = 1024;

/// Reading a pair verifies up to [`chain::order`]'s limit of signatures: two pairs at a time, on threads of their own.
///
/// [`chain::order`]: crate::pki::chain::order
static READERS: Threads = Threads::new(|| 2);

/// Key pairs by Secret. Keys are wiped on drop.
#[derive(Debug, Default)]
pub(crate) struct Authorities {
    cached: Mutex<HashMap<ObjectKey, CachedPair>>,
    /// Number of changes of Secrets. A pair that was read before a change is not stored after it.
    changes: AtomicU64,
    /// Contents that cannot be used, and why, so that other changes of the Secret do not repeat the verification.
    refused: Mutex<BTreeMap<ObjectKey, ([u8; 32], Refusal)>>,
    reading: Mutex<HashMap<ObjectKey, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug)]
struct CachedPair {
    authority: Arc<CertificateAuthority>,
    resource_version: Box<str>,
    read: Timestamp,
    used: Timestamp,
}

impl Authorities {
    /// The pair in this Secret, from memory if it is current.
    ///
    /// # Errors
    /// The request must wait (SGN-02): the Secret does not exist, its pair cannot be used, or the API server does not answer.
    pub(crate) async fn get(&self, ports: &Ports, secret: &ObjectKey) -> Result<Arc<CertificateAuthority>, Refusal> {
        if let Some(authority) = self.recall_of(ports, secret) {
            return Ok(authority);
        }
        let (namespace, name) = (&*secret.namespace, &*secret.name);
        let unanswered = |why: &str| ca::secret_not_read(namespace, name, why);
        // one task reads a Secret; others wait for its result
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
        let (of, at) = (secret.clone(), now);
        let read = READERS.run(move || read(&live, &of, at, &limits)).await;
        let interrupted = |why| match why {
            Interrupted::Ending => unanswered("the process is shutting down"),
            Interrupted::Panicked => unanswered("reading it panicked; this is a bug"),
        };
        let authority = match read.map_err(interrupted)? {
            Ok(authority) => Arc::new(authority),
            Err((refusal, forgettable)) => {
                if !forgettable {
                    self.remember_refusal(secret, digest, &refusal);
                }
                return Err(refusal);
            }
        };
        let mut cached = self.lock();
        if changes == self.changes.load(Ordering::Acquire) {
            make_room(&mut cached);
            let entry = CachedPair {
                authority: Arc::clone(&authority),
                resource_version,
                read: now,
                used: now,
            };
            cached.insert(secret.clone(), entry);
        }
        Ok(authority)
    }

    /// Drops all pairs. Keys are wiped on drop.
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

    /// Keeps a Secret from being read twice at the same time.
    fn reading(&self, secret: &ObjectKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(reading.entry(secret.clone()).or_default())
    }

    /// Why exactly these contents cannot be used. Other fields of the object may differ.
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
        let mut cached = self.lock();
        let entry = cached.get_mut(secret)?;
        let changed = watched.is_some_and(|version| *version != *entry.resource_version);
        let old = now.duration_since(entry.read) > FRESH || now > entry.authority.info().not_after;
        if changed || old {
            cached.remove(secret);
            return None;
        }
        entry.used = now;
        Some(Arc::clone(&entry.authority))
    }

    /// Invalidates the pair of a changed Secret.
    pub(crate) fn forget(&self, secret: &ObjectKey) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.lock().remove(secret);
    }

    /// Drops idle pairs. It is called periodically.
    pub(crate) fn drop_idle(&self, now: Timestamp) {
        self.lock().retain(|_, entry| now.duration_since(entry.used) <= IDLE);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, CachedPair>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pair, or the refusal, and whether it may change without a change of the Secret.
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

fn make_room(cached: &mut HashMap<ObjectKey, CachedPair>) {
    while cached.len() >= MAX_PAIRS {
        let oldest = cached
            .iter()
            .min_by_key(|(_, entry)| entry.used)
            .map(|(key, _)| key.clone());
        match oldest {
            Some(key) => cached.remove(&key),
            None => return,
        };
    }
}
