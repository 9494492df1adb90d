//! What every reconcile works with.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;

use super::{renewals::Renewals, rotations::Rotations, said::Said, signing::Signing, solving::http01::Http01};
use crate::{
    acme::Registry,
    cluster::{events::Events, index::Index, reader::Reader, writer::Writer},
    plan::{issuer::IssuerId, seen::ObjectKey, settings::Settings},
    process::{clock, metrics::Metrics},
    solver::responder::Responder,
    work::{Queue, Terms},
};

/// See the module.
pub struct Context {
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
    /// Whose turn it is.
    pub queues: Queues,
    /// Answers the CA's HTTP-01 requests.
    pub responder: Arc<Responder>,
    /// Makes HTTP-01 challenges visible.
    pub http01: Http01,
    /// What is remembered about Orders.
    pub orders: super::order::runtime::Runtime,
    /// ACME accounts in use.
    pub acme: Registry,
    /// What ACME servers said about renewals.
    pub renewals: Renewals,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether every Certificate has been looked at since this process leads.
    pub terms: Terms,
    /// Whether this process was told to end, and only answers what is in flight.
    pub ending: AtomicBool,
    /// What is remembered about Certificates.
    pub certificates: super::certificate::State,
    /// What was told last.
    pub said: Said,
    /// CA keys in use, and who works on which request.
    pub signing: Signing,
    /// Issuers whose CA gets, or may get, another key pair.
    pub rotations: Rotations,
}

impl Context {
    /// The time.
    pub fn now(&self) -> Timestamp {
        clock::now()
    }

    /// Whether this process was told to end.
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Whether every Certificate has been looked at since this process leads.
    pub fn is_judged(&self) -> bool {
        self.terms.is_judged()
    }
}

/// One queue per kind.
pub struct Queues {
    /// Certificates.
    pub certificates: Arc<Queue<ObjectKey>>,
    /// CertificateRequests.
    pub requests: Arc<Queue<ObjectKey>>,
    /// Orders.
    pub orders: Arc<Queue<ObjectKey>>,
    /// Issuers and ClusterIssuers.
    pub issuers: Arc<Queue<IssuerId>>,
    /// Ingresses.
    pub ingresses: Arc<Queue<ObjectKey>>,
    /// Certificates whose CA is asked when to renew them.
    pub renewals: Arc<Queue<ObjectKey>>,
    /// CertificateSigningRequests (GAT-01).
    pub signing_requests: Arc<Queue<ObjectKey>>,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            certificates: Queue::new("certificates"),
            requests: Queue::new("certificaterequests"),
            orders: Queue::new("orders"),
            issuers: Queue::split("issuers", IssuerId::is_cluster),
            ingresses: Queue::new("ingress-shim"),
            renewals: Queue::new("renewal-information"),
            signing_requests: Queue::new("certificatesigningrequests"),
        }
    }
}
