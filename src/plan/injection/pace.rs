//! How often a target is written: once per source and second, and less often if another client removes what was injected.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::plan::backoff::Backoff;

/// Waits between writes of the same CA into the same target. Each one doubles the wait.
const LADDER: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(3600),
};
/// Minimum time between writes of different CAs into the same target.
const MIN_INTERVAL: SignedDuration = SignedDuration::from_secs(1);
/// Time without a write after which earlier ones do not count.
const FORGIVEN: SignedDuration = SignedDuration::from_hours(2);
/// The first write of the same CA that counts as contested. A client that creates a webhook configuration in two steps makes two.
const CONTESTED_AT: i64 = 3;

/// The last write into a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Digest of the CA.
    pub ca: [u8; 32],
    /// When.
    pub at: Timestamp,
    /// How many times in a row the same CA was written.
    pub times: i64,
}

impl Written {
    /// Whether another client has removed the CA repeatedly.
    pub const fn is_contested(&self) -> bool {
        self.times >= CONTESTED_AT
    }
}

/// Whether a write is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It is; this is to be remembered of it.
    Write(Written),
    /// Not before this time.
    Wait(Timestamp),
}

/// Decides about a write of `ca` after the last one.
pub(super) fn pace(now: Timestamp, last: Option<&Written>, ca: [u8; 32]) -> Pace {
    let first = Written { ca, at: now, times: 1 };
    let Some(last) = last.filter(|last| now.duration_since(last.at) < FORGIVEN) else {
        return Pace::Write(first);
    };
    let is_again = last.ca == ca;
    let due = if is_again {
        LADDER.retry_at(last.at, Some(last.times), None)
    } else {
        last.at.saturating_add(MIN_INTERVAL).unwrap_or(Timestamp::MAX)
    };
    if due > now {
        return Pace::Wait(due);
    }
    Pace::Write(Written {
        times: if is_again { last.times.saturating_add(1) } else { 1 },
        ..first
    })
}
