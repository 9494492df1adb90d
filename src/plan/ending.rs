//! Decision about shutdown: a process must not exit while validation requests may still be routed to it.
//!
//! The EndpointSlices for challenges name a replica until the leader has removed it, and ingress controllers apply that a moment
//! later. A validation request without an answer fails the whole Order, and the next attempt is an hour later (BKO-01).

use std::time::Duration;

/// How long ingress controllers may use an address that was removed from a slice. Traefik applies changes every 2 s by default.
pub const NOTICED: Duration = Duration::from_secs(3);
/// Maximum delay of the exit. `terminationGracePeriodSeconds` in deploy/ allows for it.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The observation of a process that received a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndingSeen {
    /// The time since the signal.
    pub signalled: Duration,
    /// The number of challenges in flight.
    pub in_flight: usize,
    /// How long no slice has contained its address; `None` while one does, or if it is not known.
    pub unnamed: Option<Duration>,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndingStep {
    /// Keep answering.
    Stay,
    /// Exit: no more requests will arrive.
    End,
    /// Exit although requests may arrive, because the time limit has passed.
    GiveUp,
}

/// Decides about the exit.
pub fn step(seen: &EndingSeen) -> EndingStep {
    let EndingSeen {
        signalled,
        in_flight,
        unnamed,
    } = *seen;
    if in_flight == 0 || unnamed.is_some_and(|unnamed| unnamed >= NOTICED) {
        EndingStep::End
    } else if signalled >= LIMIT {
        EndingStep::GiveUp
    } else {
        EndingStep::Stay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: EndingSeen = EndingSeen {
        signalled: Duration::ZERO,
        in_flight: 1,
        unnamed: None,
    };

    #[test]
    fn with_nothing_in_flight_it_ends_at_once_whatever_the_slices_say() {
        assert_eq!(step(&EndingSeen { in_flight: 0, ..NAMED }), EndingStep::End);
    }

    #[test]
    fn it_stays_while_a_slice_names_it_and_until_ingress_controllers_have_noticed_that_none_does() {
        assert_eq!(step(&NAMED), EndingStep::Stay);
        for (unnamed, expected) in [
            (Duration::ZERO, EndingStep::Stay),
            (Duration::from_millis(2999), EndingStep::Stay),
            (NOTICED, EndingStep::End),
        ] {
            let seen = EndingSeen {
                unnamed: Some(unnamed),
                ..NAMED
            };
            assert_eq!(step(&seen), expected, "{unnamed:?}");
        }
    }

    #[test]
    fn it_never_stays_longer_than_the_limit() {
        for unnamed in [None, Some(Duration::ZERO)] {
            let seen = EndingSeen {
                signalled: LIMIT,
                unnamed,
                ..NAMED
            };
            assert_eq!(step(&seen), EndingStep::GiveUp);
        }
    }
}
