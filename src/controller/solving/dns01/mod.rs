//! DNS-01: a TXT record at a provider. Only tests have a provider so far.
//!
//! | module | what it is |
//! |---|---|
//! | [`memory`] | a provider in memory that can be slow, fail, or lose its answer |

pub mod memory;
mod tests;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Answer;
use crate::{
    plan::order::{memory::NotYet, timing},
    process::clock,
};

/// The longest delay between two self-checks.
const LONGEST_CHECK_WAIT: SignedDuration = SignedDuration::from_secs(10);

/// The record that proves one authorization.
#[derive(Clone, Debug)]
pub struct Record {
    /// The provider of its zone.
    pub provider: Provider,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A DNS provider, one variant for each.
#[derive(Clone, Debug)]
pub enum Provider {
    /// A provider in memory.
    Memory(Arc<memory::Zone>),
}

/// The operations of a provider on TXT records. Other values of the same name stay unchanged.
pub trait TxtRecords {
    /// Adds the value. Succeeds if it exists already.
    fn put(&self, name: &str, value: &str) -> impl Future<Output = Answer> + Send;

    /// Removes the value. Succeeds if it does not exist.
    fn remove(&self, name: &str, value: &str) -> impl Future<Output = Answer> + Send;
}

impl TxtRecords for Provider {
    async fn put(&self, name: &str, value: &str) -> Answer {
        match self {
            Self::Memory(zone) => zone.put(name, value).await,
        }
    }

    async fn remove(&self, name: &str, value: &str) -> Answer {
        match self {
            Self::Memory(zone) => zone.remove(name, value).await,
        }
    }
}

impl Record {
    /// Adds the record.
    pub(super) async fn present(&self) -> Answer {
        self.provider.put(&self.name, &self.value).await
    }

    /// Whether the provider has the record. `since` is the time of the first check.
    pub(super) fn check(&self, since: Timestamp) -> Answer {
        let Self { provider, name, value } = self;
        let Provider::Memory(zone) = provider;
        let now = clock::now();
        let wait = (now.duration_since(since) / 4).clamp(SignedDuration::from_millis(200), LONGEST_CHECK_WAIT);
        let not_yet = || NotYet {
            reason: format!("{name} has no TXT record with this value"),
            again: timing::add(now, wait),
        };
        zone.has(name, value).then_some(()).ok_or_else(not_yet)
    }

    /// Removes the record.
    pub(super) async fn withdraw(&self) -> Answer {
        self.provider.remove(&self.name, &self.value).await
    }
}
