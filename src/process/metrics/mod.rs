//! What this process counts, and the text format in which Prometheus reads it.
//!
//! Written by hand: the client library for Prometheus appends `_total` to every counter, and cert-manager's names have none.

mod proc;
mod requests;
mod text;

use std::sync::atomic::{AtomicU64, Ordering};

pub use proc::write as write_process;
pub use requests::{RequestLabels, Requests};
pub use text::{Page, sample};

/// Counters that no object holds.
#[derive(Default)]
pub struct Metrics {
    /// Requests to servers outside of the cluster.
    pub requests: Requests,
    held_back: AtomicU64,
}

impl Metrics {
    /// A Certificate waits because what was issued for it did not last.
    pub fn hold_back(&self) {
        self.held_back.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that happened.
    pub fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::Relaxed)
    }
}
