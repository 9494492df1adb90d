//! The store of the records of one kind, by name and by link.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque, hash_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use tokio::sync::watch;

use super::{packed::Packed, wire::Record};
pub(crate) use crate::plan::link::Link;
use crate::plan::seen::{Meta, ObjectKey};

/// How many deleted objects are remembered: more than can be deleted while the answer to a write is in transit.
const REMEMBERED: usize = 512;

/// The names behind one link: usually one, sometimes all 10,000 of an issuer.
enum Names {
    One(ObjectKey),
    Many(HashSet<ObjectKey>),
}

struct Inner<R> {
    records: BTreeMap<ObjectKey, Stored<R>>,
    links: HashMap<u64, Names>,
    /// Names seen since the current list began; `None` if no list is in progress.
    listing: Option<HashSet<ObjectKey>>,
    /// The last deleted objects: uid and last resourceVersion. The answer to a write may arrive after the watch has reported the
    /// deletion, and must not restore the record.
    gone: VecDeque<(Box<str>, Box<str>)>,
}

/// A record and the number of its version, 0 where its version is no number.
struct Stored<R> {
    version: u64,
    form: Form<R>,
}

/// A record as it is kept; the whole one only if it cannot be packed.
enum Form<R> {
    Packed(Packed<R>),
    Whole(Arc<R>),
}

impl<R: Record> Stored<R> {
    fn new(record: &Arc<R>) -> Self {
        let form = Packed::new(&**record).map_or_else(
            |error| {
                tracing::error!(kind = R::KIND, object = %record.meta().key, %error, "a record cannot be packed");
                Form::Whole(Arc::clone(record))
            },
            Form::Packed,
        );
        Self {
            version: number(&record.meta().resource_version).unwrap_or(0),
            form,
        }
    }

    /// The record. `None` only for a bug in packing; callers then read from the API server.
    fn open(&self) -> Option<Arc<R>> {
        match &self.form {
            Form::Whole(record) => Some(Arc::clone(record)),
            Form::Packed(packed) => packed
                .open()
                .inspect_err(|error| tracing::error!(kind = R::KIND, %error, "a packed record cannot be decoded"))
                .ok(),
        }
    }
}

/// All records of one kind, packed. Cheap to read from many tasks; readers never wait for a list.
pub(crate) struct Store<R> {
    inner: RwLock<Inner<R>>,
    ready: watch::Sender<bool>,
}

impl<R: Record> Default for Store<R> {
    fn default() -> Self {
        let inner = Inner {
            records: BTreeMap::new(),
            links: HashMap::new(),
            listing: None,
            gone: VecDeque::new(),
        };
        Self {
            inner: RwLock::new(inner),
            ready: watch::Sender::new(false),
        }
    }
}

impl<R: Record> Store<R> {
    /// The record of this name.
    pub(crate) fn get(&self, key: &ObjectKey) -> Option<Arc<R>> {
        self.read().records.get(key)?.open()
    }

    /// All records with this link, in the order of their names.
    pub(crate) fn linked(&self, link: &Link) -> Vec<Arc<R>> {
        self.linked_besides(link, |_| false)
    }

    /// Like [`Store::linked`], without decoding the records that `skip` rejects.
    pub(crate) fn linked_besides(&self, link: &Link, passes_over: impl Fn(&ObjectKey) -> bool) -> Vec<Arc<R>> {
        let inner = self.read();
        let open = |key: &ObjectKey| (!passes_over(key)).then(|| inner.open(key)).flatten();
        let mut found: Vec<_> = match inner.links.get(&digest(link)) {
            None => return Vec::new(),
            Some(Names::One(key)) => open(key).into_iter().collect(),
            Some(Names::Many(keys)) => keys.iter().filter_map(open).collect(),
        };
        found.retain(|record| record.links().contains(link));
        found.sort_by(|a, b| a.meta().key.cmp(&b.meta().key));
        found
    }

    /// Whether a record may have this link: cheap, and true for a few others, because links are stored as hashes.
    pub(crate) fn may_have(&self, link: &Link) -> bool {
        self.read().links.contains_key(&digest(link))
    }

    /// Every record, in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<R>> {
        self.read().records.values().filter_map(Stored::open).collect()
    }

    /// The keys of all records.
    pub(crate) fn keys(&self) -> Vec<ObjectKey> {
        self.read().records.keys().cloned().collect()
    }

    /// All records of a namespace.
    pub(crate) fn in_namespace(&self, namespace: &str) -> Vec<Arc<R>> {
        let inner = self.read();
        let from = ObjectKey::new(namespace, "");
        inner
            .records
            .range(from..)
            .take_while(|(key, _)| &*key.namespace == namespace)
            .filter_map(|(_, stored)| stored.open())
            .collect()
    }

    /// Whether the store is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.read().records.is_empty()
    }

    /// Whether a complete list has been received.
    pub(crate) fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Returns when a complete list has been received.
    pub(crate) async fn until_ready(&self) {
        // an error would mean that the sender is dropped, but the store owns it
        drop(self.ready.subscribe().wait_for(|ready| *ready).await);
    }

    /// Marks a store as complete whose kind is not watched.
    pub(crate) fn set_ready(&self) {
        self.ready.send_replace(true);
    }

    /// Whether this version of an object tells nothing new: it, or a newer one, is stored, or the object was deleted. Never during a list,
    /// which has to name every object.
    pub(crate) fn is_known(&self, key: &ObjectKey, uid: &str, version: &str) -> bool {
        let inner = self.read();
        let is_as_new = |stored: &Stored<R>| number(version).is_some_and(|version| version <= stored.version);
        inner.listing.is_none() && (inner.is_gone(uid, version) || inner.records.get(key).is_some_and(is_as_new))
    }

    /// Stores a record. Returns `None` if the stored record is as new or newer, or the object was deleted; otherwise the previous
    /// record, if any.
    #[expect(clippy::option_option, reason = "whether it was stored, and what was stored before")]
    pub(crate) fn apply(&self, record: &Arc<R>) -> Option<Option<Arc<R>>> {
        let Meta {
            uid,
            resource_version: version,
            ..
        } = record.meta();
        let mut inner = self.write();
        let key = inner.key_of(record);
        if inner.is_gone(uid, version) {
            return None;
        }
        let listed = match &mut inner.listing {
            Some(listing) => {
                listing.insert(key.clone());
                true
            }
            None => false,
        };
        let old = inner.open(&key);
        if let Some(old) = old.as_ref().map(|old| old.meta()) {
            // a list decides which object has the name, even after a restore of the server from a backup
            let replaced = listed && old.uid != *uid;
            if !replaced && !is_newer(version, &old.resource_version) {
                return None;
            }
        }
        let links = record.links();
        let old_links = old.as_ref().map(|old| old.links());
        if old_links.as_ref() != Some(&links) {
            inner.unlink(&key, &old_links.unwrap_or_default());
            inner.link(&key, &links);
        }
        inner.records.insert(key, Stored::new(record));
        Some(old)
    }

    /// An object was deleted; this is its last version. Removes its record, if that is what is stored under the name, and rejects
    /// older versions from then on. Returns the record.
    pub(crate) fn remove(&self, key: &ObjectKey, uid: &str, version: &str) -> Option<Arc<R>> {
        let mut inner = self.write();
        inner.bury(uid, version);
        let old = inner.open(key)?;
        if *old.meta().uid != *uid {
            return None;
        }
        inner.records.remove(key);
        inner.unlink(key, &old.links());
        Some(old)
    }

    /// An object does not concern certlet in this version. Removes its record, if there is one, and returns it.
    pub(crate) fn leave(&self, key: &ObjectKey, uid: &str, version: &str) -> Option<Arc<R>> {
        // most objects never had a record, and must not displace deleted ones that are remembered
        let is_stored = self.read().records.contains_key(key);
        is_stored.then(|| self.remove(key, uid, version)).flatten()
    }

    /// Begins a list. Records that it does not contain are removed at its end; readers see them until then.
    pub(crate) fn begin_list(&self) {
        self.write().listing = Some(HashSet::new());
    }

    /// Ends a list and returns the records that it did not contain.
    pub(crate) fn end_list(&self) -> Vec<Arc<R>> {
        let mut inner = self.write();
        let Some(listed) = inner.listing.take() else {
            return Vec::new();
        };
        let gone: Vec<ObjectKey> = inner
            .records
            .keys()
            .filter(|key| !listed.contains(*key))
            .cloned()
            .collect();
        let removed = gone.iter().filter_map(|key| {
            let old = inner.records.remove(key)?.open()?;
            inner.unlink(key, &old.links());
            inner.bury(&old.meta().uid, &old.meta().resource_version);
            Some(old)
        });
        let removed = removed.collect();
        drop(inner);
        self.ready.send_replace(true);
        removed
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner<R>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<R>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Record> Inner<R> {
    /// Whether this is a version of a deleted object. An object that only left the watch (its label was removed) returns with a
    /// newer version.
    fn is_gone(&self, uid: &str, version: &str) -> bool {
        self.gone
            .iter()
            .any(|(gone, last)| **gone == *uid && (**last == *version || !is_newer(version, last)))
    }

    fn bury(&mut self, uid: &str, version: &str) {
        self.gone.retain(|(gone, _)| **gone != *uid);
        if self.gone.len() >= REMEMBERED {
            self.gone.pop_front();
        }
        self.gone.push_back((uid.into(), version.into()));
    }

    fn open(&self, key: &ObjectKey) -> Option<Arc<R>> {
        self.records.get(key)?.open()
    }

    /// The key of the record, with a namespace text that all records share.
    fn key_of(&self, record: &R) -> ObjectKey {
        let key = &record.meta().key;
        let first = ObjectKey::new(Arc::clone(&key.namespace), "");
        let neighbour = self
            .records
            .range(first..)
            .next()
            .map(|(neighbour, _)| &neighbour.namespace);
        match neighbour.filter(|namespace| **namespace == key.namespace) {
            Some(namespace) => ObjectKey::new(Arc::clone(namespace), Arc::clone(&key.name)),
            None => key.clone(),
        }
    }

    fn link(&mut self, key: &ObjectKey, links: &[Link]) {
        for link in links {
            match self.links.entry(digest(link)) {
                Entry::Vacant(vacant) => {
                    vacant.insert(Names::One(key.clone()));
                }
                Entry::Occupied(mut occupied) => match occupied.get_mut() {
                    Names::One(one) if one == key => {}
                    Names::One(one) => {
                        let both = HashSet::from([one.clone(), key.clone()]);
                        occupied.insert(Names::Many(both));
                    }
                    Names::Many(keys) => {
                        keys.insert(key.clone());
                    }
                },
            }
        }
    }

    fn unlink(&mut self, key: &ObjectKey, links: &[Link]) {
        for link in links {
            let Entry::Occupied(mut occupied) = self.links.entry(digest(link)) else {
                continue;
            };
            let empty = match occupied.get_mut() {
                Names::One(one) => one == key,
                Names::Many(keys) => {
                    keys.remove(key);
                    keys.is_empty()
                }
            };
            if empty {
                occupied.remove();
            }
        }
    }
}

/// Compares resourceVersions, which are growing numbers (Kubernetes API conventions since 1.35). Any other text counts as newer.
pub(crate) fn is_newer(new: &str, old: &str) -> bool {
    match (number(new), number(old)) {
        (Some(new), Some(old)) => new > old,
        _ => new != old,
    }
}

fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

/// Links are stored as hashes. A collision only causes a superfluous reconcile.
fn digest(link: &Link) -> u64 {
    let mut hasher = DefaultHasher::new();
    link.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
