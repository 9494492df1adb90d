//! Delays and intervals: tables, which are overridden by the CA's `Retry-After`.

use jiff::{SignedDuration, Timestamp};

/// The back-off after a request that failed for a temporary reason. The last delay repeats.
const RETRIES: &[SignedDuration] = &[
    SignedDuration::from_secs(1),
    SignedDuration::from_secs(2),
    SignedDuration::from_secs(5), // elapsed: 8 s
    SignedDuration::from_secs(15),
    SignedDuration::from_secs(30), // elapsed: 53 s
    SignedDuration::from_mins(1),
    SignedDuration::from_mins(2),
    SignedDuration::from_mins(5), // elapsed: 9 min
    SignedDuration::from_mins(10),
];

/// The intervals of polls while the CA processes something, if it names none (AOR-08).
const POLLS: &[SignedDuration] = &[
    SignedDuration::from_millis(100),
    SignedDuration::from_millis(400),
    SignedDuration::from_secs(1),
    SignedDuration::from_secs(2), // elapsed: 3.5 s
    SignedDuration::from_secs(5), // repeated up to a minute, then
];
/// The longest of our own intervals.
const SLOW_POLL: SignedDuration = SignedDuration::from_secs(30);
/// The number of polls after which it applies.
const SLOW_AFTER: u32 = 16;
/// The longest interval that a CA may request.
const LONGEST_POLL: SignedDuration = SignedDuration::from_hours(1);

/// The first poll after a challenge was accepted, if its validation is not observed before (another replica may have
/// answered it).
pub const FIRST_POLL: SignedDuration = SignedDuration::from_secs(1);
/// How long after its request an order is created again that failed because no responder was running.
pub const STARTED_OVER_FOR: SignedDuration = SignedDuration::from_hours(6);
/// The interval at which the whole order is read again without another request: it may have expired.
pub const REREAD: SignedDuration = SignedDuration::from_hours(1);
/// How long a challenge may be unreachable before conditions report its finding. An ingress controller needs up to two
/// seconds to serve a new path.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(4);
/// How long a challenge may be unreachable before it releases its slot.
pub const PARKED_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// The first verification of the objects of an unreachable challenge (NB-19). The interval doubles each time.
const VERIFY_FIRST: SignedDuration = SignedDuration::from_secs(30);
/// The same, after something has changed on which the challenge depends.
const VERIFY_SOON: SignedDuration = SignedDuration::from_secs(1);
/// The longest interval of verifications.
const VERIFY_LONGEST: SignedDuration = SignedDuration::from_mins(10);

/// The shortest interval between two checks of a DNS record.
const SHORTEST_CHECK: SignedDuration = SignedDuration::from_millis(200);

/// The longest delay between attempts to present. No event marks that an obstacle was removed.
const PRESENT_LONGEST: SignedDuration = SignedDuration::from_mins(1);

/// The delay after `failures + 1` failed attempts in a row to present.
pub fn present_again(failures: u32) -> SignedDuration {
    retry(failures.saturating_add(1)).min(PRESENT_LONGEST)
}

/// The time of the next verification of an unreachable challenge, after `times` verifications since `since`; earlier if
/// `is_doubtful`. Another program that changes our objects all the time does not make the interval shorter.
pub fn verify_at(since: Timestamp, times: u32, is_doubtful: bool) -> Timestamp {
    let first = if is_doubtful { VERIFY_SOON } else { VERIFY_FIRST };
    let wait = first.saturating_mul(1 << times.min(16)).min(VERIFY_LONGEST);
    add(since, wait)
}

/// When to check again at `now` whether a DNS record is visible, where the check began at `since`: soon at first, and at most `longest`
/// later (FLG-20).
pub fn check_again(now: Timestamp, since: Timestamp, longest: SignedDuration) -> Timestamp {
    let longest = longest.max(SHORTEST_CHECK);
    add(now, (now.duration_since(since) / 3).clamp(SHORTEST_CHECK, longest))
}

/// The back-off after `failures + 1` failures in a row.
pub fn retry(failures: u32) -> SignedDuration {
    step(RETRIES, failures)
}

/// The time of the next poll: `answered` is the time of the last answer, `polls` the number of polls so far.
pub fn poll(answered: Timestamp, retry_at: Option<Timestamp>, polls: u32) -> Timestamp {
    let latest = add(answered, LONGEST_POLL);
    let own = if polls < SLOW_AFTER {
        step(POLLS, polls)
    } else {
        SLOW_POLL
    };
    retry_at.unwrap_or_else(|| add(answered, own)).clamp(answered, latest)
}

/// `time + wait`, limited to the largest time.
pub fn add(time: Timestamp, wait: SignedDuration) -> Timestamp {
    time.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

fn step(table: &[SignedDuration], index: u32) -> SignedDuration {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    table.get(index).or_else(|| table.last()).copied().unwrap_or(SLOW_POLL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cas_retry_after_outranks_the_table_within_reason() {
        let answered = Timestamp::UNIX_EPOCH;
        let asked = add(answered, SignedDuration::from_secs(7));
        assert_eq!(poll(answered, Some(asked), 0), asked);
        assert_eq!(poll(answered, Some(Timestamp::MAX), 0), add(answered, LONGEST_POLL));
        assert_eq!(poll(answered, Some(Timestamp::MIN), 0), answered);
    }

    #[test]
    fn what_shows_a_hopeless_challenge_is_made_sure_of_less_and_less_often() {
        let shown = Timestamp::UNIX_EPOCH;
        let waits: Vec<i64> = (0..7)
            .map(|times| verify_at(shown, times, false).duration_since(shown).as_secs())
            .collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(verify_at(shown, u32::MAX, false), verify_at(shown, 6, false));
        let soon = |times| verify_at(shown, times, true).duration_since(shown).as_secs();
        assert_eq!((0..3).map(soon).collect::<Vec<_>>(), [1, 2, 4], "after a change");
    }

    #[test]
    fn waits_never_shrink() {
        for table in [RETRIES, POLLS] {
            assert!(table.is_sorted());
        }
        let at = |polls| poll(Timestamp::UNIX_EPOCH, None, polls);
        assert!((0..100).all(|polls| at(polls) <= at(polls + 1)));
        assert_eq!(retry(u32::MAX), SignedDuration::from_mins(10));
    }
}
