//! The state of the controller of Orders.

use std::sync::Arc;

use super::state::State;
use crate::controller::{Ports, reported::Reported, signing::Signing, solving::Solving};

/// Reconciles Orders and their Challenges.
pub struct Orders {
    pub(super) ports: Ports,
    /// Presents, checks and withdraws proofs.
    pub solving: Solving,
    /// Remembers requests whose Orders were created again.
    pub(super) signing: Arc<Signing>,
    pub(super) state: State,
    pub(super) reported: Reported,
}

impl Orders {
    /// A controller without remembered state.
    pub fn new(ports: Ports, solving: Solving, signing: Arc<Signing>) -> Self {
        Self {
            state: State::new(ports.settings.max_concurrent_challenges),
            ports,
            solving,
            signing,
            reported: Reported::default(),
        }
    }

    /// Forgets all remembered state.
    pub fn clear(&self) {
        let Self {
            ports,
            signing: _,
            solving,
            state,
            reported,
        } = self;
        solving.clear();
        state.clear(ports.settings.max_concurrent_challenges);
        reported.clear();
    }
}
