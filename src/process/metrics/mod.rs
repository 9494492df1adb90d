//! Counters of this process, and the Prometheus text format.
//!
//! Written by hand: the Prometheus client library appends `_total` to every counter, but cert-manager's names have no suffix.

mod counts;
mod durations;
mod histogram;
mod issuances;
mod proc;
mod requests;
mod text;
mod venafi;

use std::sync::atomic::{AtomicU64, Ordering};

pub use counts::{ApiCall, ApiCalls, Findings, RateLimits};
pub use histogram::Histogram;
pub use issuances::{Issuances, IssuerLabels};
pub use proc::write as write_process;
pub use requests::{RequestLabels, Requests};
pub use text::{Page, sample};
pub use venafi::Venafi;

/// Counters that are not derived from objects.
#[derive(Default)]
pub struct Metrics {
    /// Requests to servers outside of the cluster.
    pub requests: Requests,
    /// Waits that ACME servers have requested.
    pub rate_limits: RateLimits,
    /// Requests to the API server.
    pub api_calls: ApiCalls,
    /// Issuances of certificates.
    pub issuances: Issuances,
    /// Findings of self-checks.
    pub findings: Findings,
    /// Calls of Venafi's servers.
    pub venafi: Venafi,
    held_back: AtomicU64,
    delayed_injections: AtomicU64,
}

impl Metrics {
    /// Counts an issuance that is held back because earlier certificates did not last.
    pub fn hold_back(&self) {
        self.held_back.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of issuances held back.
    pub fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::Relaxed)
    }

    /// Counts an injection that is delayed because the CA of its source changes too often.
    pub fn delay_injection(&self) {
        self.delayed_injections.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of injections delayed.
    pub fn delayed_injections(&self) -> u64 {
        self.delayed_injections.load(Ordering::Relaxed)
    }
}
