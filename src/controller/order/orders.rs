//! The state of the controller of Orders.

use std::sync::Arc;

use super::state::State;
use crate::{
    cluster::index::Index,
    controller::{Ports, Services, outages::Outages, reported::Reported, signing::Signing, solving::Solving},
    plan::{kinds::OrderKind, seen::ObjectKey},
};

/// Reconciles Orders and their Challenges.
pub(crate) struct Orders {
    pub(super) ports: Ports,
    /// Presents, checks and withdraws proofs.
    pub solving: Solving,
    /// Remembers requests whose Orders were created again.
    pub(super) signing: Arc<Signing>,
    /// Outages of CAs, for Certificates with fallback issuers.
    pub(super) outages: Arc<Outages>,
    pub(super) state: State,
    pub(super) reported: Reported,
}

impl Orders {
    /// Something has changed on which the self-checks of the Orders of these names depend: they are repeated now.
    pub(crate) fn reconsider(&self, orders: &[ObjectKey]) {
        for order in orders {
            self.state.reconsider(order, self.ports.now());
        }
        self.solving.http01.routes_changed(orders);
    }

    /// A controller without remembered state.
    pub(crate) fn new(services: &Services) -> Self {
        Self {
            state: State::new(services.ports.settings.max_concurrent_challenges),
            ports: services.ports.clone(),
            solving: services.solving.clone(),
            signing: Arc::clone(&services.signing),
            outages: Arc::clone(&services.outages),
            reported: Reported::default(),
        }
    }

    /// The number of challenge slots in use, and of challenges that wait for one.
    pub(crate) fn slots(&self) -> (usize, usize) {
        self.state.load()
    }

    /// Forgets all remembered state.
    pub(crate) fn clear(&self) {
        let Self {
            ports,
            // cleared with the services
            signing: _,
            outages: _,
            solving: _,
            state,
            reported,
        } = self;
        state.clear(ports.settings.max_concurrent_challenges);
        reported.clear();
    }
}

/// All Orders, and those that have gone and whose Challenges have not.
pub(crate) fn all(index: &Index) -> Vec<ObjectKey> {
    let challenges = index.challenges.all();
    let owners = challenges
        .iter()
        .flat_map(|challenge| challenge.meta.owners_of_kind::<OrderKind>());
    index.orders.keys().into_iter().chain(owners).collect()
}
