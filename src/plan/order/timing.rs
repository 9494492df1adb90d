//! When to ask again: tables, which the CA's `Retry-After` outranks.

use jiff::{SignedDuration, Timestamp};

/// Waits after a call that failed for no lasting reason; the last one repeats.
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

/// Waits between two looks at something that the CA works on, where it does not say how long (AOR-08).
const POLLS: &[SignedDuration] = &[
    SignedDuration::from_millis(100),
    SignedDuration::from_millis(400),
    SignedDuration::from_secs(1),
    SignedDuration::from_secs(2), // elapsed: 3.5 s
    SignedDuration::from_secs(5), // repeated up to a minute, then
];
/// The longest of our own waits between two looks.
const SLOW_POLL: SignedDuration = SignedDuration::from_secs(30);
/// After how many looks the long wait begins.
const SLOW_AFTER: u32 = 16;
/// The longest wait between two looks that a CA is granted.
const LONGEST_POLL: SignedDuration = SignedDuration::from_hours(1);

/// After telling the CA, when to look if its validation is not noticed before (it may have reached another replica).
pub const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(1);
/// For how long after its request an order is made anew that was lost because nobody was there to answer the CA.
pub const STARTED_OVER_FOR: SignedDuration = SignedDuration::from_hours(6);
/// How often the whole order is read again while nothing else is asked: it may have expired.
pub const REREAD: SignedDuration = SignedDuration::from_hours(1);
/// How long a challenge may stay unreachable before its finding is written into conditions: an ingress controller
/// needs up to two seconds to serve a new path.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(4);
/// How long a challenge may stay unreachable before it gives its slot to others.
pub const PARKED_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// When the objects that show a challenge are first made sure of while it cannot be reached (NB-19); then after twice as long.
const MAKE_SURE_FIRST: SignedDuration = SignedDuration::from_secs(30);
/// The longest wait between two such looks.
const MAKE_SURE_LONGEST: SignedDuration = SignedDuration::from_mins(10);

/// The shortest wait between two checks of a DNS record.
const SHORTEST_CHECK: SignedDuration = SignedDuration::from_millis(200);

/// The longest wait before another attempt to show challenges: what stood in the way may not tell us that it is gone.
const LONGEST_HIDDEN: SignedDuration = SignedDuration::from_mins(1);

/// The wait after the attempt to show challenges failed for the `failures + 1`st time in a row.
pub fn present_again(failures: u32) -> SignedDuration {
    retry(failures.saturating_add(1)).min(LONGEST_HIDDEN)
}

/// When to make sure of what shows a challenge that cannot be reached, `times` times after it was shown at `since`.
pub fn make_sure_at(since: Timestamp, times: u32) -> Timestamp {
    let wait = MAKE_SURE_FIRST
        .saturating_mul(1 << times.min(16))
        .min(MAKE_SURE_LONGEST);
    add(since, wait)
}

/// When to check again at `now` whether a DNS record is visible, where the check began at `since`: soon at first, and at most `longest`
/// later (FLG-20).
pub fn check_again(now: Timestamp, since: Timestamp, longest: SignedDuration) -> Timestamp {
    let longest = longest.max(SHORTEST_CHECK);
    add(now, (now.duration_since(since) / 3).clamp(SHORTEST_CHECK, longest))
}

/// The wait before try number `failures + 1`.
pub fn retry(failures: u32) -> SignedDuration {
    step(RETRIES, failures)
}

/// When to look again at something answered at `answered` after `looks` looks.
pub fn poll(answered: Timestamp, retry_at: Option<Timestamp>, looks: u32) -> Timestamp {
    let latest = add(answered, LONGEST_POLL);
    let own = if looks < SLOW_AFTER {
        step(POLLS, looks)
    } else {
        SLOW_POLL
    };
    retry_at.unwrap_or_else(|| add(answered, own)).clamp(answered, latest)
}

/// `time + wait`, at the end of time at the latest.
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
            .map(|times| make_sure_at(shown, times).duration_since(shown).as_secs())
            .collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(make_sure_at(shown, u32::MAX), make_sure_at(shown, 6));
    }

    #[test]
    fn waits_never_shrink() {
        for table in [RETRIES, POLLS] {
            assert!(table.is_sorted());
        }
        let at = |looks| poll(Timestamp::UNIX_EPOCH, None, looks);
        assert!((0..100).all(|looks| at(looks) <= at(looks + 1)));
        assert_eq!(retry(u32::MAX), SignedDuration::from_mins(10));
    }
}
