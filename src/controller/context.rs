//! The controller of Orders: what it works with, and what it remembers.

use std::{ops::Deref, sync::Arc};

use super::{
    order::runtime::Runtime as Orders, ports::Ports, reported::Reported, signing::Signing, solving::http01::Http01,
};

/// See the module.
pub struct Context {
    /// What controllers reach the world with.
    pub ports: Ports,
    /// Makes HTTP-01 challenges visible.
    pub http01: Http01,
    /// What is remembered about Orders.
    pub orders: Orders,
    /// What was reported about them last.
    pub reported: Reported,
    /// Remembers requests whose Orders were made anew.
    pub signing: Arc<Signing>,
}

impl Deref for Context {
    type Target = Ports;

    fn deref(&self) -> &Ports {
        &self.ports
    }
}

impl Context {
    /// A controller that remembers nothing yet.
    pub fn new(ports: Ports, http01: Http01, signing: Arc<Signing>) -> Self {
        Self {
            orders: Orders::new(ports.settings.max_concurrent_challenges),
            ports,
            http01,
            reported: Reported::default(),
            signing,
        }
    }

    /// Forgets all that it remembers.
    pub fn clear(&self) {
        self.http01.clear();
        self.reported.clear();
        self.orders.clear(self.settings.max_concurrent_challenges);
    }
}
