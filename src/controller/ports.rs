//! What controllers reach the world with: reads, writes, events, queues, CAs. Cheap to clone; it holds nothing that a controller
//! remembers.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;

use super::queues::Queues;
use crate::{
    acme::Registry,
    cloud::Cloud,
    cluster::{events::Events, index::Index, reader::Reader, writer::Writer},
    net::ClientSettings,
    plan::{bundle::Package, settings::Settings},
    process::{clock, metrics::Metrics},
    solver::responder::Responder,
};

/// See the module.
#[derive(Clone)]
pub(crate) struct Ports {
    /// Everything that is watched.
    pub index: Arc<Index>,
    /// Live reads.
    pub reader: Reader,
    /// Writes.
    pub writer: Writer,
    /// Events.
    pub events: Events,
    /// What the administrator set.
    pub settings: Arc<Settings>,
    /// What is reconciled next.
    pub queues: Arc<Queues>,
    /// Answers the CA's HTTP-01 requests.
    pub responder: Arc<Responder>,
    /// ACME accounts in use.
    pub acme: Arc<Registry>,
    /// How APIs of clouds are reached.
    pub cloud: Cloud,
    /// How HTTPS clients for servers of issuers are set up.
    pub http: Arc<ClientSettings>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether this process holds the Lease for the injection of CAs.
    pub injecting: Arc<AtomicBool>,
    /// Whether this process holds trust-manager's Lease.
    pub bundling: Arc<AtomicBool>,
    /// The default CAs of trust bundles, if there are some.
    pub default_cas: Option<Arc<Package>>,
    /// The CA of the API server in PEM; `None` if it is trusted by other means.
    pub api_server_ca: Option<Arc<[u8]>>,
}

impl Ports {
    /// Whether this process may inject CAs.
    pub(crate) fn injects(&self) -> bool {
        self.injecting.load(Ordering::Acquire)
    }

    /// Whether this process may write targets of Bundles.
    pub(crate) fn bundles(&self) -> bool {
        self.bundling.load(Ordering::Acquire)
    }

    /// The time.
    #[expect(
        clippy::unused_self,
        reason = "controllers have the time from their ports, as everything from outside"
    )]
    pub(crate) fn now(&self) -> Timestamp {
        clock::now()
    }
}
