//! Who leads: the rules of the Lease that cert-manager uses too, so that both can not act at once (NB-33).
//!
//! As in client-go, a holder is dead when its record has not changed for the lease duration *as we saw it*, by our own
//! monotonic clock: the clocks of two machines are never compared.

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
}
