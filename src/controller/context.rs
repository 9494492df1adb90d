//! What every reconcile works with: the ports, and what each controller remembers.

use std::{
    ops::Deref,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    certificate::State as Certificates, order::state::State as Orders, ports::Ports, renewals::Renewals,
    rotations::Rotations, said::Said, signing::Signing, solving::Solving,
};
use crate::work::Terms;

/// See the module.
pub struct Context {
    /// What controllers reach the world with.
    pub ports: Ports,
    /// Presents, checks and withdraws proofs.
    pub solving: Solving,
    /// What is remembered about Orders.
    pub orders: Orders,
    /// What ACME servers said about renewals.
    pub renewals: Renewals,
    /// Whether every Certificate has been looked at since this process leads.
    pub terms: Terms,
    /// Whether this process was told to end, and only answers what is in flight.
    pub ending: AtomicBool,
    /// What is remembered about Certificates.
    pub certificates: Certificates,
    /// What was told last.
    pub said: Said,
    /// CA keys in use, and who works on which request.
    pub signing: Signing,
    /// Issuers whose CA gets, or may get, another key pair.
    pub rotations: Rotations,
}

impl Deref for Context {
    type Target = Ports;

    fn deref(&self) -> &Ports {
        &self.ports
    }
}

impl Context {
    /// Whether this process was told to end.
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Whether every Certificate has been looked at since this process leads.
    pub fn is_judged(&self) -> bool {
        self.terms.is_judged()
    }

    /// Every controller forgets what it remembers: this process does not lead any more, or begins to.
    pub fn forget(&self) {
        // no `..`: what is added here is forgotten, or is named as what outlives a term
        let Self {
            ports: _,
            terms: _,
            ending: _,
            solving,
            orders,
            renewals,
            certificates,
            said,
            signing,
            rotations,
        } = self;
        solving.clear();
        orders.clear(self.settings.max_concurrent_challenges);
        renewals.clear();
        certificates.clear();
        said.clear();
        signing.clear();
        rotations.clear();
    }
}
