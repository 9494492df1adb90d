//! What was told about an object last, so that the same complaint is not told at every look.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use crate::plan::seen::Meta;

/// Beyond this many objects everything is forgotten: a complaint told twice is better than memory without end.
const OBJECTS: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub struct Said(Mutex<HashMap<Box<str>, u64>>);

impl Said {
    /// Whether `words` are not what was told about the object last. They count as told then; nothing to tell counts too.
    pub fn is_new(&self, meta: &Meta, words: &[String]) -> bool {
        let mut hasher = DefaultHasher::new();
        words.hash(&mut hasher);
        let digest = hasher.finish();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if words.is_empty() {
            told.remove(&meta.uid);
            return false;
        }
        if told.len() >= OBJECTS {
            told.clear();
        }
        told.insert(meta.uid.clone(), digest) != Some(digest)
    }

    /// Forgets all of it.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Said;
    use crate::plan::request::fixture::meta;

    #[test]
    fn the_same_words_are_told_once_until_other_words_or_none_come_between() {
        let said = Said::default();
        let web = meta("web", "uid");
        let words = |text: &str| vec![text.to_owned()];
        assert!(said.is_new(&web, &words("a")));
        assert!(!said.is_new(&web, &words("a")));
        assert!(said.is_new(&web, &words("b")));
        assert!(!said.is_new(&web, &[]));
        assert!(said.is_new(&web, &words("b")));
        assert!(said.is_new(&meta("other", "uid-2"), &words("b")));
    }
}
