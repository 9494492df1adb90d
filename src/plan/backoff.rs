//! The back-off after failed issuances (BKO rows).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::renewal::share;

/// Minimum and maximum back-off, from flags (FLG-31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure. Zero disables the back-off.
    pub first: Duration,
    /// The maximum.
    pub longest: Duration,
}

/// Lower bound for the back-off of certificates with a short lifetime.
const FLOOR: SignedDuration = SignedDuration::from_secs(60);

impl Backoff {
    /// The time of the next attempt: `min(first * 2^(attempts - 1), longest)` after the last failure (BKO-01).
    ///
    /// For a certificate with a lifetime below three weeks the back-off is scaled down, so that at least ten attempts fit between
    /// renewal and expiry: the first wait is at most 1/160 of the lifetime, the longest at most 1/16.
    pub fn retry_at(
        self,
        last_failure: Timestamp,
        attempts: Option<i64>,
        lifetime: Option<SignedDuration>,
    ) -> Timestamp {
        let first = SignedDuration::try_from(self.first).unwrap_or(SignedDuration::MAX);
        if first <= SignedDuration::ZERO {
            return last_failure;
        }
        let longest = SignedDuration::try_from(self.longest)
            .unwrap_or(SignedDuration::MAX)
            .max(first);
        let (first, longest) = match lifetime {
            None => (first, longest),
            Some(lifetime) => {
                let first = first.min(share(lifetime, 1, 160).max(FLOOR.min(first)));
                (first, longest.min(share(lifetime, 1, 16)).max(first))
            }
        };
        let doublings = u32::try_from(attempts.unwrap_or(1).clamp(1, 32) - 1).unwrap_or_default();
        let wait = first
            .checked_mul(1 << doublings.min(30))
            .unwrap_or(longest)
            .min(longest);
        last_failure.checked_add(wait).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Backoff = Backoff {
        first: Duration::from_secs(3600),
        longest: Duration::from_secs(32 * 3600),
    };

    fn wait_in_hours(attempts: i64, lifetime: Option<i64>) -> f64 {
        let failed = Timestamp::UNIX_EPOCH;
        let lifetime = lifetime.map(SignedDuration::from_hours);
        failed
            .duration_until(DEFAULT.retry_at(failed, Some(attempts), lifetime))
            .as_secs_f64()
            / 3600.0
    }

    #[test]
    fn bko_01_the_wait_doubles_from_one_hour_to_thirty_two() {
        let waits: Vec<f64> = [1, 2, 3, 4, 5, 6, 7, 99, i64::MAX]
            .map(|n| wait_in_hours(n, Some(2160)))
            .to_vec();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 32.0, 32.0, 32.0]);
        assert_eq!(
            waits,
            [1, 2, 3, 4, 5, 6, 7, 99, i64::MAX].map(|n| wait_in_hours(n, None))
        );
    }

    #[test]
    fn bko_01_a_minimum_of_zero_switches_the_wait_off() {
        let none = Backoff {
            first: Duration::ZERO,
            ..DEFAULT
        };
        assert_eq!(
            none.retry_at(Timestamp::UNIX_EPOCH, Some(7), None),
            Timestamp::UNIX_EPOCH
        );
    }

    #[test]
    fn a_six_day_certificate_is_tried_at_least_ten_times_between_half_life_and_expiry() {
        let (mut elapsed, mut attempts) = (0.0, 0);
        while elapsed < 80.0 {
            attempts += 1;
            elapsed += wait_in_hours(attempts, Some(160));
        }
        assert!(attempts >= 10, "{attempts} attempts");
    }

    #[test]
    fn an_hour_long_certificate_is_not_retried_more_than_once_a_minute() {
        assert!(wait_in_hours(1, Some(1)) >= 1.0 / 60.0);
    }
}
