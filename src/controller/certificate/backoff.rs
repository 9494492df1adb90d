//! Exponential back-off for steps of a Certificate that failed or were undone.
//!
//! A partly applied plan changes objects, each change requeues the Certificate, and the step fails again at once. The queue's own
//! back-off does not cover that.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::plan::seen::Meta;

/// Failures older than this do not count.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(10);

/// Back-off per object. Only objects with failures are stored.
#[derive(Debug)]
pub(super) struct BackOff {
    /// Number of attempts without a delay.
    pub(super) free: u32,
    /// The first delay. It doubles with each attempt.
    pub(super) first: SignedDuration,
    /// The maximum delay.
    pub(super) longest: SignedDuration,
    /// By uid.
    held: HashMap<Box<str>, Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    generation: i64,
    times: u32,
    until: Timestamp,
}

/// The back-off after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempts {
    /// Number of attempts in a row, this one included.
    pub(super) times: u32,
    /// When to retry.
    pub(super) until: Timestamp,
}

impl BackOff {
    pub(super) fn new(free: u32, first: SignedDuration, longest: SignedDuration) -> Self {
        Self {
            free,
            first,
            longest,
            held: HashMap::new(),
        }
    }

    /// The time until which this generation of the object must wait. An edit of its spec ends the wait.
    pub(super) fn waits_until(&self, meta: &Meta, now: Timestamp) -> Option<Timestamp> {
        let held = self.held.get(&meta.uid)?;
        (held.generation == meta.generation && now < held.until).then_some(held.until)
    }

    /// Records an attempt. The delay is `at_least` this long.
    pub(super) fn remember(&mut self, meta: &Meta, at_least: SignedDuration, now: Timestamp) -> Attempts {
        self.held.retain(|_, held| {
            let forgotten = held.until.checked_add(FORGOTTEN).unwrap_or(Timestamp::MAX);
            now < forgotten
        });
        let before = self
            .held
            .get(&meta.uid)
            .filter(|held| held.generation == meta.generation);
        let times = before.map_or(0, |held| held.times).saturating_add(1);
        let wait = self.wait(times).max(at_least);
        let until = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        let held = Held {
            generation: meta.generation,
            times,
            until,
        };
        self.held.insert(meta.uid.clone(), held);
        Attempts { times, until }
    }

    /// Resets the back-off of an object.
    pub(super) fn forget(&mut self, meta: &Meta) {
        self.held.remove(&meta.uid);
    }

    /// Resets all objects.
    pub(super) fn clear(&mut self) {
        self.held.clear();
    }

    fn wait(&self, times: u32) -> SignedDuration {
        let Some(doublings) = times.checked_sub(self.free.saturating_add(1)) else {
            return SignedDuration::ZERO;
        };
        let doubled = self.first.checked_mul(1 << doublings.min(20));
        doubled.unwrap_or(self.longest).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::request::fixture::meta;

    const SECOND: SignedDuration = SignedDuration::from_secs(1);
    const MINUTE: SignedDuration = SignedDuration::from_mins(1);

    fn waits(backoff: &mut BackOff, times: usize) -> Vec<i64> {
        let (web, mut now) = (meta("web", "uid"), Timestamp::UNIX_EPOCH);
        let mut wait = || {
            let until = backoff.remember(&web, SignedDuration::ZERO, now).until;
            let wait = now.duration_until(until).as_secs();
            now = until;
            wait
        };
        (0..times).map(|_| wait()).collect()
    }

    /// BKO-06.
    #[test]
    fn each_try_in_vain_waits_twice_as_long_up_to_the_limit() {
        let mut refusals = BackOff::new(0, SECOND, MINUTE);
        assert_eq!(waits(&mut refusals, 9), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        let mut repairs = BackOff::new(3, SECOND, MINUTE);
        assert_eq!(waits(&mut repairs, 6), [0, 0, 0, 1, 2, 4]);
    }

    #[test]
    fn an_edit_a_success_and_time_end_the_wait() {
        let (mut web, now) = (meta("web", "uid"), Timestamp::UNIX_EPOCH);
        let mut backoff = BackOff::new(0, MINUTE, MINUTE);
        let first = backoff.remember(&web, SignedDuration::ZERO, now);
        assert_eq!(backoff.waits_until(&web, now), Some(first.until));
        assert_eq!(backoff.waits_until(&web, first.until), None, "the time is over");
        web.generation += 1;
        assert_eq!(backoff.waits_until(&web, now), None, "it was edited");
        assert_eq!(backoff.remember(&web, SignedDuration::ZERO, now).times, 1);
        assert_eq!(backoff.remember(&web, SignedDuration::ZERO, now).times, 2);
        backoff.forget(&web);
        assert_eq!(backoff.waits_until(&web, now), None, "it has worked");
        let much_later = now + FORGOTTEN + FORGOTTEN;
        backoff.remember(&web, SignedDuration::ZERO, now);
        assert_eq!(backoff.remember(&web, SignedDuration::ZERO, much_later).times, 1);
    }

    #[test]
    fn what_is_gone_is_not_kept() {
        let mut backoff = BackOff::new(0, SECOND, MINUTE);
        for number in 0..100 {
            backoff.remember(&meta("gone", &format!("uid-{number}")), SECOND, Timestamp::UNIX_EPOCH);
        }
        let later = Timestamp::UNIX_EPOCH + FORGOTTEN + MINUTE;
        backoff.remember(&meta("web", "uid"), SECOND, later);
        assert_eq!(backoff.held.len(), 1);
    }
}
