//! Failed requests to the CA: their class in the ACME client ([`Next`]), and the consequence for the order.

use std::fmt;

use jiff::Timestamp;

use crate::acme::{Error, Next, problem::Kind};
use crate::api::order::State;
use crate::net::OutageKind;

/// A request to the CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// newOrder.
    CreateOrder,
    /// Reading the order.
    ReadOrder,
    /// Reading an authorization.
    ReadAuthorization,
    /// Accepting a challenge.
    Accept,
    /// Sending the signing request.
    Finalize,
    /// Fetching the chain.
    Download,
}

/// A failed request, as classified by the ACME client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The request.
    pub doing: Doing,
    /// The error, as a sentence.
    pub sentence: String,
    /// The class of the error (RFC 8555 section 6.7).
    pub next: Next,
    /// Whether the answer exceeds a limit. A single one may be a proxy's error page; repeated ones are the CA's.
    pub excess: bool,
    /// Whether the CA does not know the resource, or denies access to it.
    pub unknown: bool,
    /// Whether the answer is a problem document of the CA.
    pub explained: bool,
    /// The outage of the CA, if the failure is one.
    pub outage: Option<OutageKind>,
}

/// The consequence for the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Repeat the request, not before this time.
    Wait(Timestamp),
    /// Repeat the request after the back-off.
    Retry,
    /// Read everything again after the back-off, because the state at the CA has changed.
    Reread,
    /// Create another order, once: the CA does not know this one.
    Gone,
    /// The Order ends in this state; its request fails.
    Final(State),
}

/// How often an order is read again for the same failed request, before it is given up.
const REREADS: u32 = 3;
/// The same for the finalization. A CA with several servers may reject it until all of them know the proofs.
const REREADS_OF_FINALIZE: u32 = 6;

impl Fault {
    /// Classifies the error of `doing`, which the ACME client reported at `now`.
    pub fn of(doing: Doing, error: &Error, now: Timestamp) -> Self {
        let kind = error.problem().map(|problem| problem.kind);
        let too_early = kind == Some(Kind::OrderNotReady);
        // a resource at a URL from the CA is lost; newOrder's own URL cannot be
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
            outage: error.outage(),
        }
    }

    /// The consequence, after `failures` previous failures in a row.
    pub fn verdict(&self, failures: u32) -> Verdict {
        match self.next {
            _ if self.excess && failures < REREADS => return Verdict::Reread,
            _ if self.excess => return Verdict::Final(State::Errored),
            Next::Wait(until) => return Verdict::Wait(until),
            // the CA may have received it: the status of the order decides whether it is sent again
            Next::Retry if self.doing == Doing::Finalize => return Verdict::Reread,
            Next::Retry => return Verdict::Retry,
            // rejected: this order has failed
            Next::NewOrder | Next::UserMustAct => {}
        }
        let reread_or = |otherwise| if failures < REREADS { Verdict::Reread } else { otherwise };
        let errored = Verdict::Final(State::Errored);
        match self.doing {
            // a 404 without a problem document may be a proxy's, for a moment
            Doing::ReadOrder if self.unknown && !self.explained && failures < REREADS => Verdict::Reread,
            Doing::ReadOrder if self.unknown => Verdict::Gone,
            // the CA deletes expired authorizations, and rejects the validation of decided ones (ACH-05)
            Doing::ReadAuthorization | Doing::Accept if self.unknown => reread_or(Verdict::Final(State::Expired)),
            Doing::ReadAuthorization | Doing::Accept | Doing::Download => reread_or(errored),
            // sent twice after a crash or a lost answer, or too early: the order's status decides (AOR-08)
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
            outage: None,
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
