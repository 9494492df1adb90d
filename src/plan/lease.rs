//! Decisions about the Lease for leader election. cert-manager uses the same Lease, so both never act at the same time (NB-33).
//!
//! As in client-go, a holder counts as dead if its record has not changed for the lease duration on our monotonic clock. Clocks
//! of two machines are never compared. The same holds for the Leases of other installations.

use std::time::Duration;

/// The observation of the Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseSeen {
    /// `spec.holderIdentity`; empty if it was released.
    pub holder: String,
    /// `spec.leaseDurationSeconds`.
    pub duration: Duration,
    /// How long the record is unchanged, on our clock.
    pub unchanged_for: Duration,
}

/// The decision about the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseStep {
    /// It does not exist: create it with this holder.
    Create,
    /// This process holds it: renew it.
    Renew,
    /// It was released, or its holder is dead: take it.
    Take,
    /// Another process holds it: read it again after this time at the latest.
    StandBy(Duration),
}

/// Decides about the Lease for the candidate `identity`.
pub fn step(identity: &str, seen: Option<&LeaseSeen>, retry_period: Duration) -> LeaseStep {
    let Some(seen) = seen else { return LeaseStep::Create };
    if seen.holder == identity {
        return LeaseStep::Renew;
    }
    if seen.holder.is_empty() || seen.unchanged_for >= seen.duration {
        return LeaseStep::Take;
    }
    LeaseStep::StandBy(
        seen.duration
            .saturating_sub(seen.unchanged_for)
            .min(retry_period)
            .max(Duration::from_millis(50)),
    )
}

/// Maximum silence of the holder of another installation's Lease, whatever the Lease says.
const LONGEST_SILENCE: Duration = Duration::from_secs(5 * 60);

/// The state of another installation's Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installation {
    /// It was released, or its holder is dead.
    Absent,
    /// Its holder has not renewed it since the watch began. It counts as dead if it does not within this time.
    Unproven(Duration),
    /// Its holder has renewed it since the watch began. It counts as dead if it does not again within this time.
    AtWork(Duration),
}

/// Decides about another installation's Lease, given whether its record has changed since the watch began.
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
        assert_eq!(step("me", None, RETRY), LeaseStep::Create);
    }

    #[test]
    fn our_own_lease_is_renewed_even_when_it_looks_old() {
        assert_eq!(step("me", Some(&held_by("me", 100)), RETRY), LeaseStep::Renew);
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        assert_eq!(step("me", Some(&held_by("", 0)), RETRY), LeaseStep::Take);
    }

    #[test]
    fn a_living_holder_is_left_alone_until_it_was_silent_for_the_whole_duration() {
        assert_eq!(step("me", Some(&held_by("other", 0)), RETRY), LeaseStep::StandBy(RETRY));
        assert_eq!(
            step("me", Some(&held_by("other", 59)), RETRY),
            LeaseStep::StandBy(Duration::from_secs(1))
        );
        assert_eq!(step("me", Some(&held_by("other", 60)), RETRY), LeaseStep::Take);
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
