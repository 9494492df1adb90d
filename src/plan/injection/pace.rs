//! How often a target is written: once per second, and less often if another client removes what was injected, or if the CA changes more
//! often than rotations change it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::plan::backoff::Backoff;

/// Waits between writes into the same target: of the same CA, or of other ones beyond the free changes. Each one doubles the wait.
const LADDER: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(3600),
};
/// Minimum time between writes of different CAs into the same target.
const MIN_INTERVAL: SignedDuration = SignedDuration::from_secs(1);
/// Changes of the CA that are written at once: three rotations, each of which may take two steps (the old CA with the new one, the new one).
const FREE_CHANGES: i64 = 6;
/// Time without a write after which one change more is free again.
const CHANGE_FORGIVEN: SignedDuration = SignedDuration::from_mins(10);
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
    /// How many changes of the CA count against the free ones.
    pub changes: i64,
}

impl Written {
    /// Whether another client has removed the CA repeatedly.
    pub const fn is_contested(&self) -> bool {
        self.times >= CONTESTED_AT
    }

    /// Whether the source changes its CA more often than is written at once.
    pub const fn is_restless(&self) -> bool {
        self.changes > FREE_CHANGES
    }

    /// The changes that still count at a time.
    fn changes_at(&self, now: Timestamp) -> i64 {
        let quiet = now.duration_since(self.at).as_secs().max(0);
        (self.changes - quiet / CHANGE_FORGIVEN.as_secs()).max(0)
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
    let first = Written {
        ca,
        at: now,
        times: 1,
        changes: 0,
    };
    let Some(last) = last.filter(|last| now.duration_since(last.at) < FORGIVEN) else {
        return Pace::Write(first);
    };
    let is_again = last.ca == ca;
    let due = if is_again {
        LADDER.retry_at(last.at, Some(last.times), None)
    } else if last.is_restless() {
        LADDER.retry_at(last.at, Some(last.changes - FREE_CHANGES), None)
    } else {
        last.at.saturating_add(MIN_INTERVAL).unwrap_or(Timestamp::MAX)
    };
    if due > now {
        return Pace::Wait(due);
    }
    let changes = last.changes_at(now);
    Pace::Write(if is_again {
        Written {
            times: last.times.saturating_add(1),
            changes,
            ..first
        }
    } else {
        Written {
            changes: changes.saturating_add(1),
            ..first
        }
    })
}
