//! Records by name, and by what else they are looked up.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque, hash_map::Entry},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use tokio::sync::watch;

pub use super::link::Link;
use super::{packed::Packed, wire::Record};
use crate::plan::seen::{Meta, ObjectKey};

/// How many objects that are gone are remembered: more than can go while the answer to one write is on its way.
const REMEMBERED: usize = 512;

/// The names behind one link: nearly always one, sometimes all of an issuer's ten thousand.
enum Names {
    One(ObjectKey),
    Many(HashSet<ObjectKey>),
}

struct Inner<R> {
    records: BTreeMap<ObjectKey, Kept<R>>,
    links: HashMap<u64, Names>,
    /// Names seen since the list began, while one is under way.
    listing: Option<HashSet<ObjectKey>>,
    /// The last objects that went: uid, and the last version there was of each. The answer to a write may be read after the
    /// watch has told that the object is gone; it must not come back by that.
    gone: VecDeque<(Box<str>, Box<str>)>,
}

/// A record and the number of its version, 0 where its version is no number.
struct Kept<R> {
    version: u64,
    form: Form<R>,
}

/// A record as it is kept; the whole one only if it cannot be packed.
enum Form<R> {
    Packed(Packed<R>),
    Whole(Arc<R>),
}

impl<R: Record> Kept<R> {
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

    /// `None` never comes from a record that could be packed; whoever gets it asks the API server.
    fn open(&self) -> Option<Arc<R>> {
        match &self.form {
            Form::Whole(record) => Some(Arc::clone(record)),
            Form::Packed(packed) => packed
                .open()
                .inspect_err(|error| tracing::error!(kind = R::KIND, %error, "a packed record cannot be read"))
                .ok(),
        }
    }
}

/// All records of one kind, each made from its packed form when it is asked for. Cheap to read from many tasks; a reader never waits for a list.
pub struct Store<R> {
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
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<R>> {
        self.read().records.get(key)?.open()
    }

    /// All records with this link, in the order of their names.
    pub fn linked(&self, link: &Link) -> Vec<Arc<R>> {
        self.linked_besides(link, |_| false)
    }

    /// As [`Store::linked`], without opening those whose names are passed over.
    pub fn linked_besides(&self, link: &Link, passes_over: impl Fn(&ObjectKey) -> bool) -> Vec<Arc<R>> {
        let inner = self.read();
        let open = |key: &ObjectKey| (!passes_over(key)).then(|| inner.open(key)).flatten();
        let mut found: Vec<_> = match inner.links.get(&link.digest()) {
            None => return Vec::new(),
            Some(Names::One(key)) => open(key).into_iter().collect(),
            Some(Names::Many(keys)) => keys.iter().filter_map(open).collect(),
        };
        found.retain(|record| record.links().contains(link));
        found.sort_by(|a, b| a.meta().key.cmp(&b.meta().key));
        found
    }

    /// Every record, in the order of their names.
    pub fn all(&self) -> Vec<Arc<R>> {
        self.read().records.values().filter_map(Kept::open).collect()
    }

    /// The name of every record.
    pub fn keys(&self) -> Vec<ObjectKey> {
        self.read().records.keys().cloned().collect()
    }

    /// All records of a namespace.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<R>> {
        let inner = self.read();
        let from = ObjectKey::new(namespace, "");
        inner
            .records
            .range(from..)
            .take_while(|(key, _)| &*key.namespace == namespace)
            .filter_map(|(_, kept)| kept.open())
            .collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.read().records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a complete list has been seen.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Returns once a complete list has been seen.
    pub async fn until_ready(&self) {
        // an error would say that the sender is gone, which we hold
        drop(self.ready.subscribe().wait_for(|ready| *ready).await);
    }

    /// Declares a store complete that nothing fills: its kind is not watched.
    pub fn set_ready(&self) {
        self.ready.send_replace(true);
    }

    /// Whether this version of an object is no news: it, or a newer one, is kept, or the object is gone. Never while a list is under way, which
    /// names everything that there is.
    pub fn is_known(&self, key: &ObjectKey, uid: &str, version: &str) -> bool {
        let inner = self.read();
        let is_kept = |kept: &Kept<R>| number(version).is_some_and(|version| version <= kept.version);
        inner.listing.is_none() && (inner.is_gone(uid, version) || inner.records.get(key).is_some_and(is_kept))
    }

    /// Takes a record in. `None` when what is kept is as new or newer, or the object is gone; otherwise what was kept before,
    /// if anything.
    pub fn apply(&self, record: &Arc<R>) -> Option<Option<Arc<R>>> {
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
            // a list is right about which object has the name, even after the server was restored from a backup
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
        inner.records.insert(key, Kept::new(record));
        Some(old)
    }

    /// An object is gone, of which this is the last version that there was: takes its record out, if that is what is kept under
    /// its name, and takes no older one in any more.
    pub fn remove(&self, key: &ObjectKey, uid: &str, version: &str) -> Option<Arc<R>> {
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

    /// A list begins: what it does not name will be gone at its end. Readers go on seeing what was there.
    pub fn begin_list(&self) {
        self.write().listing = Some(HashSet::new());
    }

    /// The list is complete: returns what it did not name.
    pub fn end_list(&self) -> Vec<Arc<R>> {
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
    /// Whether this is a version of an object that is gone since. One that only left what is watched (a label was taken away)
    /// comes back with a newer version.
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

    /// The record's key, with the text of the namespace shared among its records.
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
            match self.links.entry(link.digest()) {
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
            let Entry::Occupied(mut occupied) = self.links.entry(link.digest()) else {
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

/// Resource versions are numbers that grow (Kubernetes API conventions since 1.35); anything else counts as newer.
pub fn is_newer(new: &str, old: &str) -> bool {
    match (number(new), number(old)) {
        (Some(new), Some(old)) => new > old,
        _ => new != old,
    }
}

fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
