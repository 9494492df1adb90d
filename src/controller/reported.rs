//! What was reported about an object last, so that the same complaint is not an event of every reconcile.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use crate::plan::seen::Meta;

/// Beyond this many objects everything is forgotten: a complaint that is reported twice is better than memory without end.
const OBJECTS: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Reported(Mutex<HashMap<Box<str>, u64>>);

impl Reported {
    /// Whether `words` are not what was reported about the object last. They count as reported from now on; so does having nothing to report.
    pub(crate) fn is_new(&self, meta: &Meta, texts: &[String]) -> bool {
        let mut hasher = DefaultHasher::new();
        texts.hash(&mut hasher);
        let digest = hasher.finish();
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if texts.is_empty() {
            reported.remove(&meta.uid);
            return false;
        }
        if reported.len() >= OBJECTS {
            reported.clear();
        }
        reported.insert(meta.uid.clone(), digest) != Some(digest)
    }

    /// Forgets all of it.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Reported;
    use crate::plan::request::fixture::meta;

    #[test]
    fn the_same_words_are_reported_once_until_other_words_or_none_come_between() {
        let reported = Reported::default();
        let web = meta("web", "uid");
        let texts = |text: &str| vec![text.to_owned()];
        assert!(reported.is_new(&web, &texts("a")));
        assert!(!reported.is_new(&web, &texts("a")));
        assert!(reported.is_new(&web, &texts("b")));
        assert!(!reported.is_new(&web, &[]));
        assert!(reported.is_new(&web, &texts("b")));
        assert!(reported.is_new(&meta("other", "uid-2"), &texts("b")));
    }
}
