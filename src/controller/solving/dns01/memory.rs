//! A DNS provider in memory, for tests. Each call follows the next entry of a script, and succeeds after its end.

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

/// The behaviour of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// The call takes this many seconds, and succeeds.
    Takes(u64),
    /// The call fails.
    Refuses,
    /// The call succeeds, and its answer is lost.
    LosesAnswer,
    /// The call succeeds, and never answers.
    NeverAnswers,
}

/// The records of a provider.
#[derive(Debug, Default)]
pub struct Zone {
    records: Mutex<BTreeSet<(String, String)>>,
    script: Mutex<VecDeque<Behaviour>>,
    under_way: AtomicUsize,
    /// The most calls that ran concurrently.
    pub at_once: AtomicUsize,
}

impl Zone {
    /// A zone without records, whose calls follow `script`.
    pub fn new(script: impl IntoIterator<Item = Behaviour>) -> Self {
        Self {
            script: Mutex::new(script.into_iter().collect()),
            ..Self::default()
        }
    }

    /// Whether the zone has this record.
    pub fn has(&self, name: &str, value: &str) -> bool {
        lock(&self.records).contains(&(name.to_owned(), value.to_owned()))
    }

    /// Whether the zone has no record.
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

/// A running call, counted until it ends or is dropped.
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
