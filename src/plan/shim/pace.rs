//! How often the names from routes in a Certificate change.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::plan::backoff::Backoff;

/// Changes that are written at once, so that a rollout does not wait.
const AT_ONCE: i64 = 3;
/// Waits after later changes. Each one doubles the wait.
const LADDER: Backoff = Backoff {
    first: Duration::from_secs(60),
    longest: Duration::from_secs(3600),
};
/// Time without a change after which earlier ones do not count.
const FORGIVEN: SignedDuration = SignedDuration::from_hours(24);

/// The last change of the names from routes in a Certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesChange {
    /// When.
    pub at: Timestamp,
    /// How many changes there were, up to this one.
    pub times: i64,
}

impl NamesChange {
    /// Whether it does not count any more.
    pub fn is_forgiven(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) >= FORGIVEN
    }
}

/// Whether a change is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It is; this is to be remembered of it.
    Change(NamesChange),
    /// Not before this time.
    Wait(Timestamp),
}

/// Decides about a change after the last one.
pub(super) fn pace(now: Timestamp, last: Option<&NamesChange>) -> Pace {
    let Some(last) = last.filter(|last| !last.is_forgiven(now)) else {
        return Pace::Change(NamesChange { at: now, times: 1 });
    };
    let waits = last.times.saturating_sub(AT_ONCE).saturating_add(1);
    if waits > 0 {
        let due = LADDER.retry_at(last.at, Some(waits), None);
        if due > now {
            return Pace::Wait(due);
        }
    }
    Pace::Change(NamesChange {
        at: now,
        times: last.times.saturating_add(1),
    })
}
