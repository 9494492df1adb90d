//! The only source of time, and the check that it is reliable.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A skew larger than this makes `/livez` fail (HLT-01, as cert-manager's `clockHealth`).
const SKEW_LIMIT: Duration = Duration::from_secs(5 * 60);

/// The current time.
#[expect(clippy::disallowed_methods, reason = "the only place that reads the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Compares the wall clock with the monotonic clock. They diverge when a suspended machine resumes, and timers are then late.
#[derive(Clone, Copy, Debug)]
pub struct Skew {
    wall: Timestamp,
    monotonic: Instant,
}

impl Skew {
    /// Starts the comparison.
    pub fn start() -> Self {
        Self {
            wall: now(),
            monotonic: Instant::now(),
        }
    }

    /// The drift between both clocks since the start.
    pub fn drift(&self) -> Duration {
        let wall = now().duration_since(self.wall);
        let monotonic = SignedDuration::try_from(self.monotonic.elapsed()).unwrap_or(SignedDuration::MAX);
        (wall - monotonic).unsigned_abs()
    }

    /// Whether timers are reliable.
    pub fn is_healthy(&self) -> bool {
        self.drift() <= SKEW_LIMIT
    }
}
