//! The library's source of time, and the check that it can be trusted.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A skew larger than this makes `/livez` fail (HLT-01, as cert-manager's `clockHealth`).
const SKEW_LIMIT: Duration = Duration::from_secs(5 * 60);

/// The time now.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Compares the wall clock with the monotonic one: after a suspended machine wakes up they differ, and timers are late.
#[derive(Clone, Copy, Debug)]
pub struct Skew {
    wall: Timestamp,
    monotonic: Instant,
}

impl Skew {
    /// Starts to compare.
    pub fn start() -> Self {
        Self {
            wall: now(),
            monotonic: Instant::now(),
        }
    }

    /// How far the two clocks have drifted apart since the start.
    pub fn drift(&self) -> Duration {
        let wall = now().duration_since(self.wall);
        let monotonic = SignedDuration::try_from(self.monotonic.elapsed()).unwrap_or(SignedDuration::MAX);
        (wall - monotonic).unsigned_abs()
    }

    /// Whether timers can still be trusted.
    pub fn is_healthy(&self) -> bool {
        self.drift() <= SKEW_LIMIT
    }
}
