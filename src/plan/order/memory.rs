//! What is remembered about an Order between two reconciles. All of it may be lost at any time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    ca::{AuthorizationAtCa, OrderAtCa},
    fault::{Doing, Fault, Verdict},
    proof::Batch,
    timing,
};
pub use super::{
    presentation::{NotYet, Obstacle, Presentation, Presented},
    progress::{Location, Probe, Progress},
};
use crate::api::order::State;
use crate::net::OutageKind;
use crate::plan::outage::Contact;
use crate::text::short_line;

/// The longest reason in characters: a problem with a few subproblems, each with the CA's message.
const LONGEST_SENTENCE: usize = 4000;

/// Limits in bytes of the authorizations of one Order: for the first, for each further one, and in total. No API server
/// stores more in one object.
const MIN_KEPT: usize = 64 << 10;
const MAX_KEPT_PER_AUTHORIZATION: usize = 2 << 10;
const MAX_KEPT: usize = 3 << 19;

/// The CA's state of an order as of the last answers, and the progress of its proofs.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The ACME order.
    pub order: Option<OrderAtCa>,
    /// Its authorizations by URL.
    pub authorizations: BTreeMap<String, AuthorizationAtCa>,
    /// The progress of each authorization, by its URL.
    pub proofs: BTreeMap<String, Progress>,
    /// Presented proofs and obstacles, by batch: a failed batch does not affect another.
    pub presentations: BTreeMap<Batch, Presentation>,
    /// Names of Challenges that belong to other clients.
    pub taken: BTreeSet<String>,
    /// Whether everything in the cluster is withdrawn.
    pub withdrawn: bool,
    /// The certificate chain, until it is written to the status.
    pub chain: Option<Vec<u8>>,
    /// When the signing request was sent.
    pub finalized: Option<Timestamp>,
    /// How often the order was polled while the CA processed the finalization.
    pub polls: u32,
    /// The last failure, until a request succeeds.
    pub trouble: Option<Trouble>,
    /// Failures in a row.
    pub failures: u32,
    /// How often everything was read again after a failure of the same request. The reads themselves succeed, and
    /// do not reset it.
    pub rereads: Option<(Doing, u32)>,
    /// The outage of the CA that the last failure was, if it was one.
    pub outage: Option<OutageKind>,
}

/// A failed request to the CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The request and its error, as a sentence.
    pub sentence: String,
    /// The consequence.
    pub verdict: Verdict,
    /// No request is sent to the CA before this time.
    pub until: Timestamp,
}

impl Memory {
    /// Records that a request succeeded. Failures of concurrent requests stay.
    pub fn succeeded(&mut self, now: Timestamp) {
        let stays = self.trouble.as_ref().is_some_and(|trouble| match trouble.verdict {
            Verdict::Wait(_) | Verdict::Retry | Verdict::Reread => trouble.until > now,
            Verdict::Gone | Verdict::Final(_) => true,
        });
        if !stays {
            self.trouble = None;
            self.failures = 0;
        }
    }

    /// Records that the request succeeded for which everything was read again.
    pub fn reread_helped(&mut self, doing: Doing) {
        if self.rereads.is_some_and(|(surprising, _)| surprising == doing) {
            self.rereads = None;
        }
    }

    /// Records that a request failed.
    pub fn failed(&mut self, now: Timestamp, fault: &Fault) {
        let rereads = self
            .rereads
            .filter(|(doing, _)| *doing == fault.doing)
            .map_or(0, |(_, times)| times);
        let failures = self.failures.max(rereads);
        let verdict = fault.verdict(failures);
        let until = match verdict {
            Verdict::Wait(until) => until,
            Verdict::Retry | Verdict::Reread => timing::add(now, timing::retry(failures)),
            Verdict::Gone | Verdict::Final(_) => now,
        };
        if verdict == Verdict::Reread {
            self.rereads = Some((fault.doing, rereads.saturating_add(1)));
            self.order = None;
            self.authorizations.clear();
        }
        self.failures = self.failures.saturating_add(1);
        self.outage = fault.outage;
        self.trouble = Some(Trouble {
            sentence: short_line(&fault.to_string(), LONGEST_SENTENCE),
            verdict,
            until,
        });
    }

    /// What the last request showed of the CA.
    pub fn contact(&self) -> Contact {
        if self.trouble.is_some() || self.rereads.is_some() {
            return self.outage.map_or(Contact::Answered, Contact::Outage);
        }
        if self.order.is_some() {
            Contact::Answered
        } else {
            Contact::Unknown
        }
    }

    /// Records that the API server rejects the Order's status, and would reject it again: the Order ends.
    pub fn could_not_be_written(&mut self, now: Timestamp, sentence: String) {
        self.order = None;
        self.authorizations.clear();
        self.trouble = Some(Trouble {
            sentence,
            verdict: Verdict::Final(State::Errored),
            until: now,
        });
    }

    /// Reduces the record of a finished Order to the fact that everything is withdrawn.
    pub fn settle(&mut self) {
        *self = Self {
            withdrawn: self.withdrawn,
            ..Self::default()
        };
    }

    /// Stores the order. Authorizations that it does not list are removed.
    pub fn saw_order(&mut self, order: OrderAtCa) {
        self.succeeded(order.answered);
        self.reread_helped(Doing::ReadOrder);
        self.reread_helped(Doing::CreateOrder);
        self.authorizations.retain(|url, _| order.authorizations.contains(url));
        self.proofs.retain(|url, _| order.authorizations.contains(url));
        self.polls = match &self.order {
            Some(before) if before.state == order.state => self.polls.saturating_add(1),
            Some(_) | None => 0,
        };
        self.order = Some(order);
    }

    /// Stores the authorization.
    pub fn saw_authorization(&mut self, url: &str, authorization: AuthorizationAtCa) {
        self.succeeded(authorization.answered);
        let proof = self.proofs.entry(url.to_owned()).or_default();
        if proof.accepted.is_none() && authorization.challenges.iter().any(|challenge| challenge.processing) {
            // the challenge was accepted before this process started
            proof.accepted = Some(authorization.answered);
        }
        if let Some(failed) = authorization.undecided_failure().filter(|_| proof.accepted.is_some()) {
            proof.validation_failed(authorization.answered, failed);
        }
        if proof.accepted.is_some() {
            proof.poll_at = Some(timing::poll(
                authorization.answered,
                authorization.retry_at,
                proof.polls.max(1),
            ));
            proof.polls = proof.polls.saturating_add(1);
        }
        self.authorizations.insert(url.to_owned(), authorization);
        let of_order = self.order.iter().flat_map(|order| order.authorizations.iter());
        if of_order.into_iter().all(|url| self.authorizations.contains_key(url)) {
            self.reread_helped(Doing::ReadAuthorization);
        }
    }

    /// Whether the stored authorizations are within the limit for their number, and fit into an Order.
    pub fn is_of_bounded_size(&self) -> bool {
        let allowed = MAX_KEPT_PER_AUTHORIZATION.saturating_mul(self.authorizations.len());
        let allowed = MIN_KEPT.saturating_add(allowed).min(MAX_KEPT);
        self.authorizations.values().map(AuthorizationAtCa::size).sum::<usize>() <= allowed
    }

    /// Records that the probe started.
    pub fn probing(&mut self, now: Timestamp, url: &str) {
        let proof = self.proofs.entry(url.to_owned()).or_default();
        proof.probe = Probe::Running;
        proof.accept_again = None;
        proof.probing_since.get_or_insert(now);
    }

    /// Records the end of the probe: success, or the finding and the time of the next probe.
    pub fn probed(&mut self, url: &str, outcome: Result<(), NotYet>) {
        let Some(proof) = self.proofs.get_mut(url) else { return };
        proof.is_reported = false;
        (proof.probe, proof.finding) = match outcome {
            Ok(()) => (Probe::Passed, None),
            Err(NotYet { reason, again }) => (Probe::Failed { again }, Some(reason)),
        };
    }

    /// Records the success of the probe, and that the record it found has an end.
    pub fn probed_until(&mut self, url: &str, name: String, until: Timestamp) {
        self.probed(url, Ok(()));
        if let Some(proof) = self.proofs.get_mut(url) {
            proof.end = Some((until, name));
        }
    }

    /// The first end of a record that has proved a name of this Order, and the record.
    pub fn first_end(&self) -> Option<&(Timestamp, String)> {
        self.proofs.values().filter_map(|proof| proof.end.as_ref()).min()
    }

    /// Records the end of the probe, and that what routes the CA's request reports why.
    pub fn refused(&mut self, url: &str, not_yet: NotYet) {
        self.probed(url, Err(not_yet));
        if let Some(proof) = self.proofs.get_mut(url) {
            proof.is_reported = true;
        }
    }

    /// Records during the probe that what routes the CA's request reports why it is not routed to the proof.
    pub fn reported(&mut self, url: &str, sentence: String) {
        if let Some(proof) = self.proofs.get_mut(url).filter(|proof| proof.probe == Probe::Running) {
            proof.finding = Some(sentence);
            proof.is_reported = true;
        }
    }

    /// Records that the challenge is about to be accepted, whatever the result.
    pub fn accepting(&mut self, url: &str) {
        self.proofs.entry(url.to_owned()).or_default().accepted_here = true;
    }

    /// Whether the CA validated while this process was not running: all failures are missing or wrong answers, and
    /// another process (one that was killed, or a former leader) had accepted those challenges.
    pub fn was_away(&self) -> bool {
        let mut lost = self.authorizations.iter().filter(|(_, one)| one.is_lost()).peekable();
        let accepted_here = |url: &String| self.proofs.get(url).is_some_and(|proof| proof.accepted_here);
        lost.peek().is_some() && lost.all(|(url, one)| one.is_unanswered() && !accepted_here(url))
    }

    /// Records that the challenge was accepted.
    pub fn accepted(&mut self, now: Timestamp, url: &str) {
        self.succeeded(now);
        self.reread_helped(Doing::Accept);
        let proof = self.proofs.entry(url.to_owned()).or_default();
        proof.accepted = Some(now);
        proof.accept_again = None;
        proof.polls = 0;
        proof.poll_at = Some(timing::add(now, timing::FIRST_POLL));
    }

    /// Records that the CA's validation request was answered. The result is available a moment later, unless the
    /// authorization was polled since.
    pub fn validated(&mut self, now: Timestamp, url: &str) {
        if let Some(proof) = self
            .proofs
            .get_mut(url)
            .filter(|proof| proof.accepted.is_some() && proof.polls == 0)
        {
            proof.poll_at = Some(now);
        }
    }

    /// Stores the chain.
    pub fn downloaded(&mut self, now: Timestamp, chain: Vec<u8>) {
        self.succeeded(now);
        self.chain = Some(chain);
    }

    /// The state and reason in which the last failure ends the Order, if it does.
    pub fn ends(&self) -> Option<(State, &str)> {
        match &self.trouble {
            Some(Trouble {
                sentence,
                verdict: Verdict::Final(state),
                ..
            }) => Some((*state, sentence)),
            Some(_) | None => None,
        }
    }
}
