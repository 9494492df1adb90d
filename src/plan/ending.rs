//! When a process that was told to end may end: not while the CA's questions may still be led to it.
//!
//! A replica that goes is still named by the slices behind challenges until the leader has taken it out, and ingress
//! controllers act on that a moment later. A question of the CA that meets nobody in between fails the whole Order, and
//! the next attempt is an hour away (BKO-01).

use std::time::Duration;

/// How long ingress controllers may go on using an address that was taken out of a slice: Traefik takes changes in every
/// 2 s unless told otherwise.
pub const NOTICED: Duration = Duration::from_secs(3);
/// The longest that the end is put off. `terminationGracePeriodSeconds` in deploy/ leaves room for it.
pub const LIMIT: Duration = Duration::from_secs(20);

/// What a process that was told to end sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndingSeen {
    /// How long ago it was told.
    pub told: Duration,
    /// How many challenges it answers.
    pub in_flight: usize,
    /// For how long no slice has been seen to name its address; `None` while one does, or nobody can say.
    pub unnamed: Option<Duration>,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Go on answering.
    Stay,
    /// Nobody will ask any more: end.
    End,
    /// Somebody may still ask, but it has taken long enough: end.
    GiveUp,
}

/// Decides.
pub fn step(seen: &EndingSeen) -> Step {
    let EndingSeen {
        told,
        in_flight,
        unnamed,
    } = *seen;
    if in_flight == 0 || unnamed.is_some_and(|unnamed| unnamed >= NOTICED) {
        Step::End
    } else if told >= LIMIT {
        Step::GiveUp
    } else {
        Step::Stay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: EndingSeen = EndingSeen {
        told: Duration::ZERO,
        in_flight: 1,
        unnamed: None,
    };

    #[test]
    fn with_nothing_in_flight_it_ends_at_once_whatever_the_slices_say() {
        assert_eq!(step(&EndingSeen { in_flight: 0, ..NAMED }), Step::End);
    }

    #[test]
    fn it_stays_while_a_slice_names_it_and_until_ingress_controllers_have_noticed_that_none_does() {
        assert_eq!(step(&NAMED), Step::Stay);
        for (unnamed, expected) in [
            (Duration::ZERO, Step::Stay),
            (Duration::from_millis(2999), Step::Stay),
            (NOTICED, Step::End),
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
                told: LIMIT,
                unnamed,
                ..NAMED
            };
            assert_eq!(step(&seen), Step::GiveUp);
        }
    }
}
