//! Who leads: the rules of the Lease that cert-manager uses too, so that both can not act at once (NB-33).
//!
//! As in client-go, a holder is dead when its record has not changed for the lease duration *as we saw it*, by our own
//! monotonic clock: the clocks of two machines are never compared. The same holds for the Leases of other installations.

use std::time::Duration;

/// What the Lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseSeen {
    /// `spec.holderIdentity`; empty when it was released.
    pub holder: String,
    /// `spec.leaseDurationSeconds`.
    pub duration: Duration,
    /// How long the record has not changed, as we saw it.
    pub unchanged_for: Duration,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is no Lease: create it with us as the holder.
    Create,
    /// We hold it: renew.
    Renew,
    /// Nobody holds it, or the holder is dead: take it.
    Take,
    /// Somebody else holds it; look again at the latest after this time.
    StandBy(Duration),
}

/// Decides about the Lease that `identity` wants to hold.
pub fn step(identity: &str, seen: Option<&LeaseSeen>, retry_period: Duration) -> Step {
    let Some(seen) = seen else { return Step::Create };
    if seen.holder == identity {
        return Step::Renew;
    }
    if seen.holder.is_empty() || seen.unchanged_for >= seen.duration {
        return Step::Take;
    }
    Step::StandBy(
        seen.duration
            .saturating_sub(seen.unchanged_for)
            .min(retry_period)
            .max(Duration::from_millis(50)),
    )
}

/// The longest silence after which the holder of another installation's Lease is dead, whatever the Lease says.
const LONGEST_SILENCE: Duration = Duration::from_secs(5 * 60);

/// What the Lease of another installation says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installation {
    /// Nobody holds the Lease, or the holder is dead.
    Absent,
    /// The holder has not renewed the Lease since we began to watch it; it is dead if it does not within this time.
    Unproven(Duration),
    /// The holder renewed the Lease before our eyes; it is dead if it does not again within this time.
    AtWork(Duration),
}

/// Decides about the Lease of another installation, whose record has, or has not, changed since we began to watch it.
pub fn installation(seen: &LeaseSeen, changed: bool) -> Installation {
    let left = seen.duration.min(LONGEST_SILENCE).saturating_sub(seen.unchanged_for);
    if seen.holder.is_empty() || left.is_zero() {
        Installation::Absent
    } else if changed {
        Installation::AtWork(left)
    } else {
        Installation::Unproven(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Duration = Duration::from_secs(15);

    fn held_by(holder: &str, unchanged_for: u64) -> LeaseSeen {
        LeaseSeen {
            holder: holder.into(),
            duration: Duration::from_secs(60),
            unchanged_for: Duration::from_secs(unchanged_for),
        }
    }

    #[test]
    fn a_missing_lease_is_created() {
        assert_eq!(step("me", None, RETRY), Step::Create);
    }

    #[test]
    fn our_own_lease_is_renewed_even_when_it_looks_old() {
        assert_eq!(step("me", Some(&held_by("me", 100)), RETRY), Step::Renew);
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        assert_eq!(step("me", Some(&held_by("", 0)), RETRY), Step::Take);
    }

    #[test]
    fn a_living_holder_is_left_alone_until_it_was_silent_for_the_whole_duration() {
        assert_eq!(step("me", Some(&held_by("other", 0)), RETRY), Step::StandBy(RETRY));
        assert_eq!(
            step("me", Some(&held_by("other", 59)), RETRY),
            Step::StandBy(Duration::from_secs(1))
        );
        assert_eq!(step("me", Some(&held_by("other", 60)), RETRY), Step::Take);
    }

    #[test]
    fn another_installation_is_at_work_when_its_lease_was_seen_to_change() {
        let left = Duration::from_secs(50);
        assert_eq!(installation(&held_by("other", 10), true), Installation::AtWork(left));
        assert_eq!(installation(&held_by("other", 10), false), Installation::Unproven(left));
        assert_eq!(installation(&held_by("", 0), true), Installation::Absent);
    }

    #[test]
    fn another_installation_is_dead_after_a_silence_of_its_lease_duration_or_of_five_minutes() {
        assert_eq!(installation(&held_by("other", 60), true), Installation::Absent);
        let for_years = |unchanged_for| LeaseSeen {
            duration: Duration::from_secs(u64::from(u32::MAX)),
            ..held_by("other", unchanged_for)
        };
        let left = Duration::from_secs(1);
        assert_eq!(installation(&for_years(299), false), Installation::Unproven(left));
        for changed in [false, true] {
            assert_eq!(installation(&for_years(300), changed), Installation::Absent);
        }
    }
}
