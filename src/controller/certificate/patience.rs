//! What was done in vain is done again, but not at once, and less often each time.
//!
//! Half a step changes objects, each change queues its Certificate again, and the step would fail again at once: the queue's own
//! waiting does not help there.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::plan::seen::Meta;

/// After this time without another try, the former ones do not count any more.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(10);

/// How long to wait, and what for. Its size is that of the objects in trouble.
#[derive(Debug)]
pub(super) struct Patience {
    /// How often something may be done before waiting begins.
    pub(super) free: u32,
    /// The first wait; doubled each time.
    pub(super) first: SignedDuration,
    /// The longest wait.
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

/// See [`Patience::remember`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    /// How often it was done in vain, this time included.
    pub(super) times: u32,
    /// Before this time it makes no sense to try again.
    pub(super) until: Timestamp,
}

impl Patience {
    pub(super) fn new(free: u32, first: SignedDuration, longest: SignedDuration) -> Self {
        Self {
            free,
            first,
            longest,
            held: HashMap::new(),
        }
    }

    /// Until when the object, as it is now, has to wait. An edit of its spec ends the wait.
    pub(super) fn waits_until(&self, meta: &Meta, now: Timestamp) -> Option<Timestamp> {
        let held = self.held.get(&meta.uid)?;
        (held.generation == meta.generation && now < held.until).then_some(held.until)
    }

    /// Counts one more try in vain, after which the wait is `at_least` this long.
    pub(super) fn remember(&mut self, meta: &Meta, at_least: SignedDuration, now: Timestamp) -> Remembered {
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
        Remembered { times, until }
    }

    /// It was not in vain.
    pub(super) fn forget(&mut self, meta: &Meta) {
        self.held.remove(&meta.uid);
    }

    /// Nothing was ever in vain.
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

    fn waits(patience: &mut Patience, times: usize) -> Vec<i64> {
        let (web, mut now) = (meta("web", "uid"), Timestamp::UNIX_EPOCH);
        let mut wait = || {
            let until = patience.remember(&web, SignedDuration::ZERO, now).until;
            let wait = now.duration_until(until).as_secs();
            now = until;
            wait
        };
        (0..times).map(|_| wait()).collect()
    }

    /// BKO-06.
    #[test]
    fn each_try_in_vain_waits_twice_as_long_up_to_the_limit() {
        let mut refusals = Patience::new(0, SECOND, MINUTE);
        assert_eq!(waits(&mut refusals, 9), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        let mut repairs = Patience::new(3, SECOND, MINUTE);
        assert_eq!(waits(&mut repairs, 6), [0, 0, 0, 1, 2, 4]);
    }

    #[test]
    fn an_edit_a_success_and_time_end_the_wait() {
        let (mut web, now) = (meta("web", "uid"), Timestamp::UNIX_EPOCH);
        let mut patience = Patience::new(0, MINUTE, MINUTE);
        let first = patience.remember(&web, SignedDuration::ZERO, now);
        assert_eq!(patience.waits_until(&web, now), Some(first.until));
        assert_eq!(patience.waits_until(&web, first.until), None, "the time is over");
        web.generation += 1;
        assert_eq!(patience.waits_until(&web, now), None, "it was edited");
        assert_eq!(patience.remember(&web, SignedDuration::ZERO, now).times, 1);
        assert_eq!(patience.remember(&web, SignedDuration::ZERO, now).times, 2);
        patience.forget(&web);
        assert_eq!(patience.waits_until(&web, now), None, "it has worked");
        let much_later = now + FORGOTTEN + FORGOTTEN;
        patience.remember(&web, SignedDuration::ZERO, now);
        assert_eq!(patience.remember(&web, SignedDuration::ZERO, much_later).times, 1);
    }

    #[test]
    fn what_is_gone_is_not_kept() {
        let mut patience = Patience::new(0, SECOND, MINUTE);
        for number in 0..100 {
            patience.remember(&meta("gone", &format!("uid-{number}")), SECOND, Timestamp::UNIX_EPOCH);
        }
        let later = Timestamp::UNIX_EPOCH + FORGOTTEN + MINUTE;
        patience.remember(&meta("web", "uid"), SECOND, later);
        assert_eq!(patience.held.len(), 1);
    }
}
