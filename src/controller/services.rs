//! What controllers are made of: their external dependencies, and the state that several of them share.

use std::sync::Arc;

use super::{Ports, outages::Outages, renewals::Renewals, rotations::Rotations, signing::Signing, solving::Solving};

/// Each controller clones what it uses.
pub(crate) struct Services {
    /// The external dependencies.
    pub ports: Ports,
    /// Signers, for requests and for Certificates that are issued in one pass.
    pub signing: Arc<Signing>,
    /// Solvers of challenges.
    pub solving: Solving,
    /// Rotations of CAs: written by Issuers, read by Certificates.
    pub rotations: Arc<Rotations>,
    /// Renewal information: written by polls, read by Certificates.
    pub renewals: Arc<Renewals>,
    /// Outages of servers: written by requests, Orders and issuers, read by Certificates.
    pub outages: Arc<Outages>,
}

impl Services {
    /// Services without state.
    pub(crate) fn new(ports: Ports, solving: Solving) -> Self {
        Self {
            signing: Arc::new(Signing::new(ports.clone())),
            solving,
            rotations: Arc::default(),
            renewals: Arc::default(),
            outages: Arc::default(),
            ports,
        }
    }

    /// Clears what they remember.
    pub(super) fn clear(&self) {
        // no `..`: a new field must be cleared, or listed as one that outlives a term
        let Self {
            ports: _,
            signing,
            solving,
            rotations,
            renewals,
            outages,
        } = self;
        signing.clear();
        solving.clear();
        rotations.clear();
        renewals.clear();
        outages.clear();
    }
}
