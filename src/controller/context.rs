//! The controller of Orders: its dependencies and its state.

use std::{ops::Deref, sync::Arc};

use super::{
    order::runtime::Runtime as Orders, ports::Ports, reported::Reported, signing::Signing, solving::http01::Http01,
};

/// The controller of Orders.
pub struct Context {
    /// The external dependencies.
    pub ports: Ports,
    /// Presents HTTP-01 challenges.
    pub http01: Http01,
    /// The state of Orders.
    pub orders: Orders,
    /// The last reports about them.
    pub reported: Reported,
    /// Requests whose Orders were replaced.
    pub signing: Arc<Signing>,
}

impl Deref for Context {
    type Target = Ports;

    fn deref(&self) -> &Ports {
        &self.ports
    }
}

impl Context {
    /// A controller without state.
    pub fn new(ports: Ports, http01: Http01, signing: Arc<Signing>) -> Self {
        Self {
            orders: Orders::new(ports.settings.max_concurrent_challenges),
            ports,
            http01,
            reported: Reported::default(),
            signing,
        }
    }

    /// Clears the state.
    pub fn clear(&self) {
        self.http01.clear();
        self.reported.clear();
        self.orders.clear(self.settings.max_concurrent_challenges);
    }
}
