//! How long a record that all name servers have settles before its challenge is accepted: some of a provider's servers cannot be asked from
//! here. Learned for each zone from CAs that did not find a record.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::plan::order::timing;

/// The settle time of a zone whose records a CA did not find for the first time, and of records at a provider with servers that cannot be
/// asked from here.
pub(super) const FIRST: SignedDuration = SignedDuration::from_secs(2);
/// The longest settle time.
const LONGEST: SignedDuration = SignedDuration::from_mins(2);
/// How many zones, and how many records, are remembered. Beyond that all are forgotten, and learned again.
const MOST: usize = 10_000;

/// The settle times of zones, and since when records are visible. May be lost at any time.
#[derive(Debug, Default)]
pub(super) struct Settling(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    times: HashMap<Box<str>, SignedDuration>,
    visible: HashMap<Box<str>, Timestamp>,
}

impl Settling {
    /// Until when the record of this Challenge settles, which is `least` after it became visible, or as long as the zone needs; `None` if the
    /// challenge may be accepted now. The record is visible now.
    pub(super) fn until(
        &self,
        now: Timestamp,
        zone: &str,
        challenge: &str,
        least: SignedDuration,
    ) -> Option<Timestamp> {
        let mut state = self.lock();
        let time = state.times.get(zone).copied().unwrap_or_default().max(least);
        if time.is_zero() {
            return None;
        }
        if state.visible.len() >= MOST {
            state.visible.clear();
        }
        let since = *state.visible.entry(challenge.into()).or_insert(now);
        let until = timing::add(since, time);
        (until > now).then_some(until)
    }

    /// A CA did not find a record of this zone that all name servers had. Returns the settle time from now on.
    pub(super) fn missed(&self, zone: &str) -> SignedDuration {
        let mut state = self.lock();
        if state.times.len() >= MOST {
            state.times.clear();
        }
        let before = state.times.get(zone).copied();
        let time = before.map_or(FIRST, |before| before.saturating_mul(2).min(LONGEST));
        state.times.insert(zone.into(), time);
        time
    }

    /// The record of this Challenge is gone.
    pub(super) fn forget(&self, challenge: &str) {
        self.lock().visible.remove(challenge);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;
    const NONE: SignedDuration = SignedDuration::ZERO;

    fn after(seconds: i64) -> Timestamp {
        timing::add(START, SignedDuration::from_secs(seconds))
    }

    #[test]
    fn a_zone_settles_only_after_a_ca_did_not_find_a_record_and_then_twice_as_long_each_time() {
        let settling = Settling::default();
        assert_eq!(settling.until(START, "example", "one", NONE), None);
        assert_eq!(settling.missed("example"), FIRST);
        assert_eq!(settling.until(START, "example", "one", NONE), Some(after(2)));
        assert_eq!(settling.until(after(1), "example", "one", NONE), Some(after(2)));
        assert_eq!(settling.until(after(2), "example", "one", NONE), None);
        assert_eq!(settling.until(after(2), "other", "one", NONE), None);
        assert_eq!(settling.missed("example"), SignedDuration::from_secs(4));
        for _ in 0..20 {
            settling.missed("example");
        }
        assert_eq!(settling.missed("example"), LONGEST);
    }

    #[test]
    fn a_record_settles_at_least_as_long_as_its_provider_needs() {
        let settling = Settling::default();
        assert_eq!(settling.until(START, "example", "one", FIRST), Some(after(2)));
        assert_eq!(settling.until(after(2), "example", "one", FIRST), None);
        settling.missed("example");
        settling.missed("example");
        assert_eq!(settling.until(after(2), "example", "one", FIRST), Some(after(4)));
    }

    #[test]
    fn another_record_of_the_zone_has_its_own_time() {
        let settling = Settling::default();
        settling.missed("example");
        assert_eq!(settling.until(START, "example", "one", NONE), Some(after(2)));
        settling.forget("one");
        assert_eq!(settling.until(after(9), "example", "one", NONE), Some(after(11)));
    }
}
