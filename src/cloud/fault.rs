//! Why a provider did not change a record, sorted by who can mend it and when to ask again.

use jiff::{SignedDuration, Timestamp};

/// Waits before a provider is asked again that refused for a reason which only the user can mend; the last one repeats.
const REFUSED_AGAIN: [SignedDuration; 3] = [
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(15),
    SignedDuration::from_hours(1),
];

/// Waits before a provider is asked again that may answer by itself; the last one repeats.
const FAILED_AGAIN: [SignedDuration; 5] = [
    SignedDuration::from_secs(1),
    SignedDuration::from_secs(2),
    SignedDuration::from_secs(5),
    SignedDuration::from_secs(15),
    SignedDuration::from_mins(1),
];

/// Why a provider did not change a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Whose turn it is.
    pub kind: FaultKind,
    /// What failed, where, and what to do: one sentence without a secret and without a text of the server.
    pub sentence: String,
}

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// The credential is wrong: nothing that uses it can succeed.
    Credential,
    /// The credential may not change this record.
    Right,
    /// The provider has no zone for this record.
    NoZone,
    /// The clocks of this machine and of the provider differ.
    Clock,
    /// The provider accepts no more calls with this credential before this time.
    Limited(Timestamp),
    /// The records at the provider are not what the change needs them to be: something else changed them meanwhile.
    Conflict,
    /// The provider does not answer.
    Unreachable,
    /// The provider failed for another reason.
    Other,
}

impl Fault {
    /// A fault of this kind.
    pub(crate) fn new(kind: FaultKind, sentence: impl Into<String>) -> Self {
        Self {
            kind,
            sentence: sentence.into(),
        }
    }
}

impl FaultKind {
    /// Whether it holds for everything that the same credential is used for.
    pub(crate) const fn is_of_credential(self) -> bool {
        match self {
            Self::Credential | Self::Clock | Self::Limited(_) => true,
            Self::Right | Self::NoZone | Self::Conflict | Self::Unreachable | Self::Other => false,
        }
    }

    /// Whether the provider has refused the change as a whole: it holds nothing of it. A limit may be met between two calls of a change.
    pub(crate) const fn is_refusal(self) -> bool {
        match self {
            Self::Credential | Self::Right | Self::NoZone | Self::Clock => true,
            Self::Limited(_) | Self::Conflict | Self::Unreachable | Self::Other => false,
        }
    }

    /// When the same call may be repeated at the earliest, after it failed for the `failures + 1`st time in a row at `now`.
    pub(crate) fn again(self, now: Timestamp, failures: u32) -> Timestamp {
        let waits: &[SignedDuration] = match self {
            Self::Credential | Self::Right | Self::NoZone | Self::Clock => &REFUSED_AGAIN,
            Self::Conflict | Self::Unreachable | Self::Other => &FAILED_AGAIN,
            Self::Limited(until) => return until.max(now),
        };
        let at = usize::try_from(failures).unwrap_or(usize::MAX);
        let wait = waits.get(at).or_else(|| waits.last()).copied().unwrap_or_default();
        now.checked_add(wait).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_costs_a_handful_of_calls_in_an_hour() {
        for kind in [
            FaultKind::Right,
            FaultKind::Credential,
            FaultKind::NoZone,
            FaultKind::Clock,
        ] {
            let (mut now, mut calls) = (Timestamp::UNIX_EPOCH, 0);
            while now < Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1) {
                calls += 1;
                now = kind.again(now, calls - 1);
            }
            assert!(calls <= 6, "{kind:?}: {calls}");
        }
    }

    #[test]
    fn a_limit_is_waited_for_exactly() {
        let until = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(7);
        let kind = FaultKind::Limited(until);
        assert_eq!(kind.again(Timestamp::UNIX_EPOCH, 9), until);
        assert_eq!(
            kind.again(until + SignedDuration::from_secs(1), 9),
            until + SignedDuration::from_secs(1)
        );
    }
}
