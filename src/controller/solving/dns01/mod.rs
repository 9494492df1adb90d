//! DNS-01: a TXT record at a provider, written, checked and removed.
//!
//! | module | what it is |
//! |---|---|
//! | [`credentials`] | providers with what their Secrets contain |
//! | [`recursive`] | recursive name servers, of the administrator and of solvers |
//! | [`settle`] | settle times of zones, learned from CAs |
//! | [`record`] | the proof of one authorization, as a solver |
//! | `memory` | a provider in memory for tests, which can be slow, fail, or lose its answer |

mod credentials;
#[cfg(test)]
pub mod memory;
mod record;
mod recursive;
mod settle;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

pub use self::record::{Access, Record};
use self::settle::Settling;
use super::SolvingError;
use crate::{
    dns::Recursive,
    net::AddressPolicy,
    plan::settings::Settings,
    process::clock,
    solver::dns01::{
        change::Change,
        fault::Fault,
        rfc2136,
        target::Target,
        zones::{TxtRecords, Zones},
    },
};

/// How many Challenges are remembered with their provider. Beyond that they are removed with what their issuer says then.
const MOST_IN_USE: usize = 10_000;

/// Where records are written. One variant for each provider.
#[derive(Clone, Debug)]
pub enum Provider {
    /// A DNS server that takes dynamic updates.
    Rfc2136(rfc2136::Server),
    /// In memory.
    #[cfg(test)]
    Memory(Arc<memory::Zone>),
}

impl TxtRecords for Provider {
    fn credential(&self) -> &str {
        match self {
            Self::Rfc2136(server) => server.credential(),
            #[cfg(test)]
            Self::Memory(_) => "memory",
        }
    }

    async fn change(&self, zone: &str, change: &Change) -> Result<(), Fault> {
        match self {
            Self::Rfc2136(server) => server.change(zone, change).await,
            #[cfg(test)]
            Self::Memory(memory) => memory.change(change).await,
        }
    }
}

impl Provider {
    /// The zone of a name, where the provider itself says so; `None` to look it up in the DNS.
    async fn zone(&self, name: &str) -> Option<String> {
        match self {
            Self::Rfc2136(server) => server.zone(name).await,
            #[cfg(test)]
            Self::Memory(_) => Some("example".to_owned()),
        }
    }
}

/// What DNS-01 shares and remembers. One per process.
#[derive(Debug)]
pub struct Dns01 {
    zones: Arc<Zones>,
    recursive: Recursive,
    addresses: AddressPolicy,
    /// Whether only recursive servers are asked (FLG-19).
    recursive_only: bool,
    /// The longest wait between two checks (FLG-20).
    longest_wait: SignedDuration,
    settling: Settling,
    /// The provider of each Challenge whose record may be there, by its uid: its Secret may be deleted before it.
    in_use: Mutex<HashMap<Box<str>, Provider>>,
}

impl Dns01 {
    /// Nothing is presented, as far as is known.
    ///
    /// # Errors
    /// If a recursive name server cannot be parsed; the sentence names it.
    pub fn new(settings: &Settings) -> Result<Self, SolvingError> {
        Self::with_clock(settings, clock::now)
    }

    fn with_clock(settings: &Settings, now: fn() -> Timestamp) -> Result<Self, SolvingError> {
        let dns01 = &settings.dns01;
        Ok(Self {
            zones: Arc::new(Zones::new(now)),
            recursive: recursive::of_administrator(&dns01.recursive_nameservers, &settings.outgoing)
                .map_err(SolvingError::Nameserver)?,
            addresses: settings.outgoing.clone(),
            recursive_only: dns01.recursive_only,
            longest_wait: SignedDuration::try_from(dns01.check_retry_period).unwrap_or(SignedDuration::MAX),
            settling: Settling::default(),
            in_use: Mutex::default(),
        })
    }

    /// Forgets everything, and ends every call.
    pub fn clear(&self) {
        self.zones.clear();
        self.in_use().clear();
    }

    /// A CA did not find a record, named as its Challenge names it, that all name servers had: from now on records of its zone are
    /// left to settle before their challenges are accepted. Returns the zone and that time; `None` if the text names no record.
    pub fn missed(&self, record: &str) -> Option<(String, SignedDuration)> {
        let zone = Target::parse(record)?.zone;
        let time = self.settling.missed(&zone);
        Some((zone, time))
    }

    fn remember(&self, challenge: &str, provider: &Provider) {
        let mut in_use = self.in_use();
        if in_use.len() < MOST_IN_USE {
            in_use.insert(challenge.into(), provider.clone());
        }
    }

    fn remembered(&self, challenge: &str) -> Option<Provider> {
        self.in_use().get(challenge).cloned()
    }

    fn forget(&self, challenge: &str) {
        self.settling.forget(challenge);
        self.in_use().remove(challenge);
    }

    fn in_use(&self) -> MutexGuard<'_, HashMap<Box<str>, Provider>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
