//! The controller of Certificates: what it works with, and what it remembers while this process leads.

use std::sync::Arc;

use super::{made_keys::Keys, opened::Opened, refusals::Refusals};
use crate::controller::{
    Ports, Services, outages::Outages, renewals::Renewals, rotations::Rotations, signing::Signing,
};

/// Reconciles Certificates.
pub(crate) struct Certificates {
    pub(super) ports: Ports,
    /// Signs what is issued in one pass.
    pub(super) signing: Arc<Signing>,
    /// When ACME servers want certificates renewed.
    pub(super) renewals: Arc<Renewals>,
    /// Issuers whose CA gets another key pair.
    pub(super) rotations: Arc<Rotations>,
    /// Outages of the servers of issuers.
    pub(super) outages: Arc<Outages>,
    pub(super) state: State,
}

/// What is remembered of Certificates.
#[derive(Default)]
pub(super) struct State {
    pub(super) keys: Keys,
    pub(super) refusals: Refusals,
    pub(super) opened: Opened,
}

impl Certificates {
    /// A controller that remembers nothing yet.
    pub(crate) fn new(services: &Services) -> Self {
        Self {
            ports: services.ports.clone(),
            signing: Arc::clone(&services.signing),
            renewals: Arc::clone(&services.renewals),
            rotations: Arc::clone(&services.rotations),
            outages: Arc::clone(&services.outages),
            state: State::default(),
        }
    }

    /// Forgets all that it remembers, keys included.
    pub(crate) fn clear(&self) {
        let State { keys, refusals, opened } = &self.state;
        keys.clear();
        refusals.clear();
        opened.clear();
    }
}
