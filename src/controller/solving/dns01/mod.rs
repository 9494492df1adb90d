//! DNS-01: a TXT record at a provider, written, checked and removed.
//!
//! | module | what it is |
//! |---|---|
//! | [`access`] | how the provider of a record is reached |
//! | [`provider`] | the providers |
//! | [`credentials`] | providers with what their Secrets contain |
//! | [`receipts`] | changes that providers are still bringing to their name servers |
//! | [`recursive`] | recursive name servers, of the administrator and of solvers |
//! | [`webhook`] | providers behind a webhook in the cluster |
//! | [`trial`] | every step of a challenge without a CA, for `certlet check dns01` |
//! | [`written`] | what may be written at providers |
//! | [`settle`] | settle times of zones, learned from CAs |
//! | [`record`] | the proof of one authorization, as a solver |
//! | [`persist`] | the same by dns-persist-01, for which nothing is written |
//! | `memory` | a provider in memory for tests, which can be slow, fail, or lose its answer |

mod access;
mod credentials;
#[cfg(test)]
pub(crate) mod memory;
mod persist;
mod provider;
mod receipts;
mod record;
mod recursive;
mod settle;
#[cfg(test)]
mod tests;
pub(crate) mod trial;
pub(crate) mod webhook;
mod written;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub(crate) use self::{
    access::Access,
    persist::{Found, Persist},
    provider::Provider,
    record::Record,
};
use self::{receipts::Receipts, settle::Settling, written::Written};
use super::SolvingError;
use crate::{
    cloud::Cloud,
    dns::Recursive,
    net::AddressPolicy,
    plan::settings::Settings,
    process::clock,
    solver::dns01::{target::Target, zones::Zones},
};

/// What DNS-01 shares and remembers. One per process.
#[derive(Debug)]
pub(crate) struct Dns01 {
    zones: Arc<Zones>,
    cloud: Cloud,
    recursive: Recursive,
    addresses: AddressPolicy,
    /// Whether only recursive servers are asked (FLG-19).
    recursive_only: bool,
    /// The longest wait between two checks (FLG-20).
    longest_wait: SignedDuration,
    settling: Settling,
    receipts: Receipts,
    written: Written,
}

impl Dns01 {
    /// Nothing is presented, as far as is known.
    ///
    /// # Errors
    /// If a recursive name server cannot be parsed; the sentence names it.
    pub(crate) fn new(settings: &Settings, cloud: Cloud) -> Result<Self, SolvingError> {
        Self::with_clock(settings, cloud, clock::now)
    }

    fn with_clock(settings: &Settings, cloud: Cloud, now: fn() -> Timestamp) -> Result<Self, SolvingError> {
        let dns01 = &settings.dns01;
        Ok(Self {
            zones: Arc::new(Zones::new(now)),
            cloud,
            recursive: recursive::of_administrator(&dns01.recursive_nameservers, &settings.outgoing)
                .map_err(SolvingError::Nameserver)?,
            addresses: settings.outgoing.clone(),
            recursive_only: dns01.recursive_only,
            longest_wait: SignedDuration::try_from(dns01.check_retry_period).unwrap_or(SignedDuration::MAX),
            settling: Settling::default(),
            receipts: Receipts::default(),
            written: Written::default(),
        })
    }

    /// Ends every call, and forgets everything except the settle times of zones, which hold in any term of leadership.
    pub(crate) fn clear(&self) {
        self.zones.clear();
        self.receipts.clear();
        self.cloud.memo.clear();
        self.written.clear();
    }

    /// A CA did not find a record, named as its Challenge names it, that all name servers had: from now on records of its zone are
    /// left to settle before their challenges are accepted. Returns the zone and that time; `None` if the text names no record.
    pub(crate) fn missed(&self, record: &str) -> Option<(String, SignedDuration)> {
        let zone = Target::parse(record)?.zone;
        let time = self.settling.missed(&zone);
        Some((zone, time))
    }

    /// The recursive name servers that a solver itself names.
    ///
    /// # Errors
    /// If one cannot be used; the sentence names it.
    async fn own_recursive(&self, nameservers: &[String]) -> Result<Option<Recursive>, String> {
        if nameservers.is_empty() {
            return Ok(None);
        }
        recursive::of_solver(nameservers, &self.addresses).await.map(Some)
    }

    fn remembered(&self, challenge: &str) -> Option<Provider> {
        self.written.provider(challenge)
    }

    fn forget(&self, challenge: &str, value: &str) {
        self.settling.forget(challenge);
        self.receipts.forget(challenge);
        self.written.forget(challenge, value);
    }
}
