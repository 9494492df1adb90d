//! What is remembered of credentials for a while: access tokens, identifiers of zones. It may be lost at any time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;

use crate::pki::hidden::Hidden;

/// How many values are remembered. Beyond that, those that are over are forgotten, then all.
const MOST: usize = 4096;

/// The remembered values.
#[derive(Debug)]
pub(crate) struct Memo {
    values: Mutex<HashMap<(String, String), Value>>,
    turns: Mutex<HashMap<(String, String), Turn>>,
    now: fn() -> Timestamp,
}

/// Is locked by the task that asks for a value.
type Turn = Arc<tokio::sync::Mutex<()>>;

#[derive(Debug)]
struct Value {
    value: Hidden<String>,
    until: Timestamp,
}

impl Memo {
    /// Nothing is remembered. `now` reads the clock.
    pub(crate) fn new(now: fn() -> Timestamp) -> Self {
        Self {
            values: Mutex::default(),
            turns: Mutex::default(),
            now,
        }
    }

    /// What is remembered of a credential under this name, if it is still valid.
    pub(crate) fn get(&self, credential: &str, name: &str) -> Option<Hidden<String>> {
        let values = self.lock();
        let found = values.get(&(credential.to_owned(), name.to_owned()))?;
        (found.until > (self.now)()).then(|| found.value.clone())
    }

    /// Remembers a value until this time.
    pub(crate) fn set(&self, credential: &str, name: &str, value: Hidden<String>, until: Timestamp) {
        let mut values = self.lock();
        if values.len() >= MOST {
            let now = (self.now)();
            values.retain(|_, value| value.until > now);
            if values.len() >= MOST {
                values.clear();
            }
        }
        values.insert((credential.to_owned(), name.to_owned()), Value { value, until });
    }

    /// Forgets a value, which the server has refused.
    pub(crate) fn forget(&self, credential: &str, name: &str) {
        self.lock().remove(&(credential.to_owned(), name.to_owned()));
    }

    /// Waits until no other task has the turn of this value, and takes it. The one that has it asks the server for what is not
    /// remembered; the others find it remembered afterwards. Do not wait for a turn while having one of the same value.
    pub(crate) async fn turn(&self, credential: &str, name: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry((credential.to_owned(), name.to_owned())).or_default())
        };
        turn.lock_owned().await
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Value>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn ten() -> Timestamp {
        at(10)
    }

    #[test]
    fn a_value_is_remembered_for_its_credential_until_it_is_over() {
        let memo = Memo::new(ten);
        memo.set("one", "token", Hidden::new("secret".to_owned()), at(11));
        memo.set("one", "old", Hidden::new("secret".to_owned()), at(10));
        assert_eq!(
            memo.get("one", "token").map(|value| value.expose().clone()),
            Some("secret".to_owned())
        );
        assert!(memo.get("one", "old").is_none() && memo.get("other", "token").is_none());
        assert!(!format!("{memo:?}").contains("secret"));
        memo.forget("one", "token");
        assert!(memo.get("one", "token").is_none());
    }

    #[tokio::test]
    async fn what_several_tasks_need_at_once_is_asked_for_once() {
        let memo = Memo::new(ten);
        let asked = Mutex::new(0);
        let ask = || async {
            let _turn = memo.turn("one", "token").await;
            if memo.get("one", "token").is_none() {
                tokio::task::yield_now().await;
                *asked.lock().unwrap() += 1;
                memo.set("one", "token", Hidden::default(), at(11));
            }
        };
        tokio::join!(ask(), ask(), ask());
        assert_eq!(*asked.lock().unwrap(), 1);
        drop(memo.turn("other", "token").await);
        assert_eq!(memo.turns.lock().unwrap().len(), 1);
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let memo = Memo::new(ten);
        for number in 0..3 * MOST {
            memo.set("one", &number.to_string(), Hidden::default(), at(11));
        }
        assert!(memo.lock().len() <= MOST);
    }
}
