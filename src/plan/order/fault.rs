//! A call to the CA that failed: what the ACME client says that it means ([`Next`]), and what follows from that for the order.

use std::fmt;

use jiff::Timestamp;

use crate::acme::{Error, Next, problem::Kind};
use crate::api::order::State;

/// What was asked of the CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// newOrder.
    CreateOrder,
    /// Reading the order.
    ReadOrder,
    /// Reading an authorization.
    ReadAuthorization,
    /// Telling the CA that a challenge can be validated.
    Accept,
    /// Sending the signing request.
    Finalize,
    /// Fetching the chain.
    Download,
}

/// A failed call, in the words of the ACME client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What was asked.
    pub doing: Doing,
    /// What came of it, as a sentence.
    pub sentence: String,
    /// What it means by itself (RFC 8555 section 6.7).
    pub next: Next,
    /// Whether the answer is larger than makes sense: once may be somebody's error page, a few times is the CA.
    pub excess: bool,
    /// Whether the CA does not know, or does not show us, what was asked for.
    pub unknown: bool,
    /// Whether the CA itself says so, in a problem document.
    pub explained: bool,
}

/// What follows for the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same call again, not before this.
    Wait(Timestamp),
    /// The same call again, a little later.
    Retry,
    /// Something changed at the CA: read everything again, a little later.
    Reread,
    /// The CA does not know the order: make another one, once.
    Gone,
    /// The Order ends in this state; its request fails.
    Final(State),
}

/// How often an order is read again after the same surprise before it is given up.
const REREADS: u32 = 3;
/// The same for finalize, which a CA with several servers may refuse until all of them know of the proofs.
const REREADS_OF_FINALIZE: u32 = 6;

impl Fault {
    /// The failure of `doing` that the ACME client reported at `now`.
    pub fn of(doing: Doing, error: &Error, now: Timestamp) -> Self {
        let kind = error.problem().map(|problem| problem.kind);
        let too_early = kind == Some(Kind::OrderNotReady);
        // what is asked for by a URL that the CA gave is lost; newOrder's own URL cannot be
        let not_found = error.status() == Some(404) && doing != Doing::CreateOrder;
        Self {
            doing,
            sentence: error.to_string(),
            next: match error.next(now) {
                Next::Retry if too_early || not_found => Next::NewOrder,
                next @ (Next::Wait(_) | Next::Retry | Next::NewOrder | Next::UserMustAct) => next,
            },
            excess: error.is_excess(),
            unknown: too_early || not_found || matches!(kind, Some(Kind::Malformed | Kind::Unauthorized)),
            explained: error.problem().is_some(),
        }
    }

    /// What follows, after `failures` failures in a row before this one.
    pub fn verdict(&self, failures: u32) -> Verdict {
        match self.next {
            _ if self.excess && failures < REREADS => return Verdict::Reread,
            _ if self.excess => return Verdict::Final(State::Errored),
            Next::Wait(until) => return Verdict::Wait(until),
            // the CA may have got it: sending it twice is not for us to decide, but for what the order says now
            Next::Retry if self.doing == Doing::Finalize => return Verdict::Reread,
            Next::Retry => return Verdict::Retry,
            // refused: this order is beyond repair
            Next::NewOrder | Next::UserMustAct => {}
        }
        let reread_or = |otherwise| if failures < REREADS { Verdict::Reread } else { otherwise };
        let errored = Verdict::Final(State::Errored);
        match self.doing {
            // a 404 that nobody explains may be a proxy's, for a moment
            Doing::ReadOrder if self.unknown && !self.explained && failures < REREADS => Verdict::Reread,
            Doing::ReadOrder if self.unknown => Verdict::Gone,
            // the CA forgets authorizations that expired, and refuses to validate what is decided already (ACH-05)
            Doing::ReadAuthorization | Doing::Accept if self.unknown => reread_or(Verdict::Final(State::Expired)),
            Doing::ReadAuthorization | Doing::Accept | Doing::Download => reread_or(errored),
            // sent twice by a crash or a lost answer, or too early: the order itself knows how far it is (AOR-08)
            Doing::Finalize if self.unknown && failures < REREADS_OF_FINALIZE => Verdict::Reread,
            Doing::CreateOrder | Doing::ReadOrder | Doing::Finalize => errored,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doing = match self.doing {
            Doing::CreateOrder => "Failed to create Order",
            Doing::ReadOrder => "Failed to retrieve Order resource",
            Doing::ReadAuthorization => "Failed to fetch authorization",
            Doing::Accept => "Error accepting challenge",
            Doing::Finalize => "Failed to finalize Order",
            Doing::Download => "Failed to fetch certificate",
        };
        write!(f, "{doing}: {}", self.sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(doing: Doing, unknown: bool, explained: bool) -> Fault {
        Fault {
            doing,
            sentence: "no".into(),
            next: Next::NewOrder,
            excess: false,
            unknown,
            explained,
        }
    }

    #[test]
    fn an_order_is_given_up_for_lost_when_the_ca_says_so_or_when_a_404_stays() {
        assert_eq!(fault(Doing::ReadOrder, true, true).verdict(0), Verdict::Gone);
        let unexplained = fault(Doing::ReadOrder, true, false);
        assert!((0..REREADS).all(|failures| unexplained.verdict(failures) == Verdict::Reread));
        assert_eq!(unexplained.verdict(REREADS), Verdict::Gone);
    }

    #[test]
    fn what_the_ca_does_not_know_is_read_again_before_the_order_is_given_up() {
        for doing in [
            Doing::ReadAuthorization,
            Doing::Accept,
            Doing::Finalize,
            Doing::Download,
        ] {
            let fault = fault(doing, true, false);
            assert_eq!(fault.verdict(0), Verdict::Reread);
            assert!(matches!(fault.verdict(100), Verdict::Final(_)));
        }
    }

    #[test]
    fn a_ca_that_says_too_much_is_asked_a_few_times_more_and_then_given_up() {
        for doing in [
            Doing::CreateOrder,
            Doing::ReadOrder,
            Doing::ReadAuthorization,
            Doing::Accept,
            Doing::Finalize,
            Doing::Download,
        ] {
            let excess = Fault {
                next: Next::Retry,
                excess: true,
                ..fault(doing, false, false)
            };
            assert!((0..REREADS).all(|failures| excess.verdict(failures) == Verdict::Reread));
            assert_eq!(excess.verdict(REREADS), Verdict::Final(State::Errored));
        }
    }

    #[test]
    fn a_signing_request_is_never_sent_again_before_the_order_is_asked() {
        let lost = Fault {
            next: Next::Retry,
            ..fault(Doing::Finalize, false, false)
        };
        assert_eq!(lost.verdict(0), Verdict::Reread);
    }
}
