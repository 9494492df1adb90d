//! Changes of Secrets while a session is made from them: what was read before a change must not be used after it.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::plan::seen::ObjectKey;

/// The most changes that are remembered. What was begun before the first of them counts as changed.
const MOST: usize = 4096;

/// The changes since the oldest watch began.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    watches: usize,
    /// The number of the next change.
    next: u64,
    changes: VecDeque<ObjectKey>,
}

/// Sees the changes since it began. Without one, nothing is remembered.
pub(super) struct Watch<'a> {
    changes: &'a Changes,
    begun: u64,
}

impl Changes {
    /// A Secret has changed.
    pub(super) fn note(&self, secret: &ObjectKey) {
        let mut state = self.lock();
        if state.watches == 0 {
            return;
        }
        if state.changes.len() >= MOST {
            state.changes.pop_front();
        }
        state.changes.push_back(secret.clone());
        state.next += 1;
    }

    /// Begins to watch.
    pub(super) fn watch(&self) -> Watch<'_> {
        let mut state = self.lock();
        state.watches += 1;
        Watch {
            changes: self,
            begun: state.next,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch<'_> {
    /// Whether one of these Secrets may have changed.
    pub(super) fn has_changed(&self, secrets: &[ObjectKey]) -> bool {
        let state = self.changes.lock();
        let since = usize::try_from(state.next - self.begun).unwrap_or(usize::MAX);
        since > state.changes.len()
            || state
                .changes
                .iter()
                .rev()
                .take(since)
                .any(|changed| secrets.contains(changed))
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut state = self.changes.lock();
        state.watches -= 1;
        if state.watches == 0 {
            state.changes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_while_it_was_read_is_seen_and_nothing_else() {
        let changes = Changes::default();
        let key = |name: &str| ObjectKey::new("shop", name);
        changes.note(&key("token"));
        let first = changes.watch();
        assert!(!first.has_changed(&[key("token")]));
        changes.note(&key("token"));
        let second = changes.watch();
        changes.note(&key("other"));
        assert!(first.has_changed(&[key("ca"), key("token")]) && !second.has_changed(&[key("token")]));
        assert!(second.has_changed(&[key("other")]));
        for _ in 0..=MOST {
            changes.note(&key("busy"));
        }
        assert!(second.has_changed(&[key("token")]), "more than is remembered");
        drop(first);
        assert!(!changes.watch().has_changed(&[key("token")]));
        drop(second);
        assert!(changes.lock().changes.is_empty());
    }
}
