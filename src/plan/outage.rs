//! Whether the servers of issuers are available, as far as this process knows.

use jiff::Timestamp;

use crate::net::OutageKind;

/// What the last call of a server showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// There was no call.
    Unknown,
    /// It answered, if only with a refusal, or it was not called because of a setting.
    Answered,
    /// The call failed due to an outage.
    Outage(OutageKind),
}

/// An outage of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Its kind, as of the last call.
    pub kind: OutageKind,
    /// When the first of the failed calls in a row ended.
    pub since: Timestamp,
}

/// Whether a server is available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Availability {
    /// It was not called yet.
    #[default]
    Unknown,
    /// It is.
    Available,
    /// It is not.
    Unavailable(Outage),
}

impl Availability {
    /// The availability after another call, which ended at `now`.
    #[must_use]
    pub fn after(self, now: Timestamp, contact: Contact) -> Self {
        match (contact, self) {
            (Contact::Unknown, known) => known,
            (Contact::Answered, _) => Self::Available,
            (Contact::Outage(kind), Self::Unavailable(Outage { since, .. })) => {
                Self::Unavailable(Outage { kind, since })
            }
            (Contact::Outage(kind), Self::Unknown | Self::Available) => Self::Unavailable(Outage { kind, since: now }),
        }
    }

    /// The outage, if there is one.
    pub fn outage(self) -> Option<Outage> {
        match self {
            Self::Unavailable(outage) => Some(outage),
            Self::Unknown | Self::Available => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_from_its_first_failed_call_to_the_next_answer() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let (silent, limited) = (
            Contact::Outage(OutageKind::Unreachable),
            Contact::Outage(OutageKind::RateLimited),
        );
        let outage = |kind, since| Availability::Unavailable(Outage { kind, since: at(since) });
        let first = Availability::default().after(at(10), silent);
        assert_eq!(first, outage(OutageKind::Unreachable, 10));
        assert_eq!(first.after(at(20), Contact::Unknown), first);
        assert_eq!(first.after(at(20), limited), outage(OutageKind::RateLimited, 10));
        let answered = first.after(at(30), Contact::Answered);
        assert_eq!(answered, Availability::Available);
        assert_eq!(answered.after(at(40), silent), outage(OutageKind::Unreachable, 40));
    }
}
