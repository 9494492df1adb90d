//! A DNS provider in memory. Each call behaves as the next entry of its script says, and as it should once the script is over.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::TxtRecords;
use crate::{controller::solving::Answer, plan::order::memory::NotYet, process::clock};

/// How a call behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It takes this many seconds, then does what is asked.
    Takes(u64),
    /// It is refused.
    Refuses,
    /// It does what is asked, and its answer is lost.
    LosesAnswer,
    /// It does what is asked, and never answers.
    NeverAnswers,
}

/// The records of a provider.
#[derive(Debug, Default)]
pub struct Zone {
    records: Mutex<BTreeSet<(String, String)>>,
    script: Mutex<VecDeque<Behaviour>>,
    under_way: AtomicUsize,
    /// The most calls that were under way at the same time.
    pub at_once: AtomicUsize,
}

impl Zone {
    /// A zone without records, whose calls behave like this.
    pub fn new(script: impl IntoIterator<Item = Behaviour>) -> Self {
        Self {
            script: Mutex::new(script.into_iter().collect()),
            ..Self::default()
        }
    }

    /// Whether this record is there.
    pub fn has(&self, name: &str, value: &str) -> bool {
        lock(&self.records).contains(&(name.to_owned(), value.to_owned()))
    }

    /// Whether no record is there.
    pub fn is_empty(&self) -> bool {
        lock(&self.records).is_empty()
    }

    async fn behave(&self, change: impl FnOnce(&mut BTreeSet<(String, String)>) -> bool) -> Answer {
        let _counted = Counted::new(self);
        let refused = |reason: &str| {
            Err(NotYet {
                reason: reason.to_owned(),
                again: clock::now(),
            })
        };
        let behaviour = lock(&self.script).pop_front().unwrap_or(Behaviour::Takes(0));
        match behaviour {
            Behaviour::Takes(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                change(&mut lock(&self.records));
                Ok(())
            }
            Behaviour::Refuses => refused("the provider refuses"),
            Behaviour::LosesAnswer => {
                change(&mut lock(&self.records));
                refused("the connection was closed")
            }
            Behaviour::NeverAnswers => {
                change(&mut lock(&self.records));
                std::future::pending().await
            }
        }
    }
}

impl TxtRecords for Zone {
    async fn put(&self, name: &str, value: &str) -> Answer {
        let record = (name.to_owned(), value.to_owned());
        self.behave(|records| records.insert(record)).await
    }

    async fn remove(&self, name: &str, value: &str) -> Answer {
        let record = (name.to_owned(), value.to_owned());
        self.behave(|records| records.remove(&record)).await
    }
}

/// A call that is under way, also if it is dropped before its end.
struct Counted<'a>(&'a Zone);

impl<'a> Counted<'a> {
    fn new(zone: &'a Zone) -> Self {
        let now = zone.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        zone.at_once.fetch_max(now, Ordering::Relaxed);
        Self(zone)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
