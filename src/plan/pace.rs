//! How often an object is written whose content comes from another one: once a second, and less often if another client undoes the
//! write, or if the content of the source changes again and again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::backoff::Backoff;

/// Waits after a write until the next one into the same object. Each attempt that counts doubles the wait.
const LADDER: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(3600),
};
/// Time without a write after which earlier ones do not count.
const FORGIVEN: SignedDuration = SignedDuration::from_hours(2);
/// The first write of the same content that counts as contested. A client that creates a webhook configuration in two steps makes two.
const CONTESTED_AT: i64 = 3;
/// Changes of the content that follow each other with the shortest wait. A CA that rotates makes one or two.
pub const FREE_CHANGES: i64 = 6;
/// Time without a write after which one change is forgiven. It is also the longest wait for a change: then the next one is due.
const CHANGE_FORGIVEN: SignedDuration = SignedDuration::from_mins(10);

/// The last write into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Digest of the content.
    pub content: [u8; 32],
    /// When.
    pub at: Timestamp,
    /// How many times in a row the same content was written.
    pub times: i64,
    /// Writes of another content than the one before, those that are forgiven excluded.
    pub changes: i64,
}

impl Written {
    /// Whether another client has undone the write repeatedly.
    pub const fn is_contested(&self) -> bool {
        self.times >= CONTESTED_AT
    }

    /// The changes that are not forgiven.
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
    Wait {
        /// The time.
        until: Timestamp,
        /// Whether that is because the content of the source has changed too often.
        changes_often: bool,
    },
}

/// Decides about a write of `content` after the last one.
pub fn pace(now: Timestamp, last: Option<&Written>, content: [u8; 32]) -> Pace {
    let first = Written {
        content,
        at: now,
        times: 1,
        changes: 0,
    };
    let Some(last) = last.filter(|last| now.duration_since(last.at) < FORGIVEN) else {
        return Pace::Write(first);
    };
    let is_again = last.content == content;
    let changes = last.changes_at(now);
    let changes_often = !is_again && changes >= FREE_CHANGES;
    let attempts = if is_again {
        last.times
    } else {
        (changes - FREE_CHANGES + 2).max(1)
    };
    let due = LADDER.retry_at(last.at, Some(attempts), None);
    let until = if is_again {
        due
    } else {
        due.min(last.at.saturating_add(CHANGE_FORGIVEN).unwrap_or(Timestamp::MAX))
    };
    if until > now {
        return Pace::Wait { until, changes_often };
    }
    Pace::Write(Written {
        times: if is_again { last.times.saturating_add(1) } else { 1 },
        changes: if is_again { changes } else { changes.saturating_add(1) },
        ..first
    })
}
