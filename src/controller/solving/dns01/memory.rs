//! A DNS provider in memory. Each call behaves as the next entry of its script says, and as it should once the script is over.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::Record;
use crate::{
    cloud::fault::{Fault, FaultKind},
    controller::solving::Checked,
    plan::order::{memory::NotYet, timing},
    process::clock,
    solver::dns01::{
        change::{Change, Receipt, Txt},
        zones::TxtRecords,
    },
};

/// How a call behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It takes this many seconds, then does what is asked.
    Takes(u64),
    /// It fails.
    Fails,
    /// It is refused: the credential has not the right.
    Forbids,
    /// It does what is asked, and its answer is lost.
    LosesAnswer,
    /// It does what is asked, and never answers.
    NeverAnswers,
}

/// The records of a provider.
#[derive(Debug, Default)]
pub(crate) struct Zone {
    records: Mutex<BTreeSet<Txt>>,
    script: Mutex<VecDeque<Behaviour>>,
    under_way: AtomicUsize,
    /// All calls.
    pub calls: AtomicUsize,
    /// The most calls that were under way at the same time.
    pub at_once: AtomicUsize,
}

impl Zone {
    /// A zone without records, whose calls behave like this.
    pub(crate) fn new(script: impl IntoIterator<Item = Behaviour>) -> Self {
        Self {
            script: Mutex::new(script.into_iter().collect()),
            ..Self::default()
        }
    }

    /// Whether this record is there.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        let records = lock(&self.records);
        records.iter().any(|txt| txt.name == name && txt.value == value)
    }

    /// Whether no record is there.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.records).is_empty()
    }

    /// Whether the record is there.
    pub(crate) fn check(&self, record: &Record, since: Timestamp) -> Checked {
        let name = record
            .target
            .as_ref()
            .map(|target| target.name.as_str())
            .unwrap_or_default();
        if self.has(name, &record.value) {
            return Checked::Visible;
        }
        let now = clock::now();
        Checked::NotYet(NotYet {
            reason: format!("{name} has no TXT record with this value"),
            again: timing::check_again(now, since, SignedDuration::from_secs(10)),
        })
    }

    /// Changes records, as its script says.
    async fn make(&self, change: &Change) -> Result<Option<Receipt>, Fault> {
        let _counted = Counted::new(self);
        let failed = |reason: &str| Err(Fault::new(FaultKind::Unreachable, reason));
        let make = || {
            let mut records = lock(&self.records);
            records.retain(|record| !change.remove.contains(record));
            records.extend(change.add.iter().cloned());
        };
        let behaviour = lock(&self.script).pop_front().unwrap_or(Behaviour::Takes(0));
        match behaviour {
            Behaviour::Takes(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                make();
                Ok(None)
            }
            Behaviour::Fails => failed("the provider fails"),
            Behaviour::Forbids => Err(Fault::new(
                FaultKind::Right,
                "the credential may not change this record",
            )),
            Behaviour::LosesAnswer => {
                make();
                failed("the connection was closed")
            }
            Behaviour::NeverAnswers => {
                make();
                std::future::pending().await
            }
        }
    }
}

impl TxtRecords for Arc<Zone> {
    fn credential(&self) -> &'static str {
        "memory"
    }

    async fn zone(&self, _: &str) -> Result<Option<String>, Fault> {
        Ok(Some("example".to_owned()))
    }

    async fn change(&self, _: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        self.make(change).await
    }
}

/// A call that is under way, also if it is dropped before its end.
struct Counted<'a>(&'a Zone);

impl<'a> Counted<'a> {
    fn new(zone: &'a Zone) -> Self {
        let now = zone.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        zone.at_once.fetch_max(now, Ordering::Relaxed);
        zone.calls.fetch_add(1, Ordering::Relaxed);
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
