//! The observation of an Order.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{memory::Memory, outside::Call, proof::Proof, slots::Slot};
use crate::{
    api::Solver,
    net::OutageKind,
    plan::{
        kinds::{ChallengeKind, OrderKind},
        outage::Contact,
        seen::Object,
    },
};

/// All inputs of a plan but the time.
#[derive(Clone, Copy, Debug)]
pub struct OrderSeen<'a> {
    /// The Order. The caller has decided that certlet acts for it (DESIGN: only an Order that its request explains).
    pub order: &'a Object<OrderKind>,
    /// Its issuer.
    pub issuer: &'a IssuerSeen,
    /// Challenges that the Order owns.
    pub challenges: &'a [Object<ChallengeKind>],
    /// The method for each authorization, by its URL.
    pub choices: &'a BTreeMap<String, Choice>,
    /// What is remembered.
    pub memory: &'a Memory,
    /// The slot of each authorization, by its URL.
    pub slots: &'a BTreeMap<String, Slot>,
    /// The last call outside the cluster for each Challenge, by its uid.
    pub calls: &'a BTreeMap<Box<str>, Call>,
    /// Whether this process has created the Order of this request a second time: the CA did not know the ACME
    /// order, or validated it while no responder was running.
    pub replaced: bool,
    /// When the Order's request was created.
    pub requested: Timestamp,
    /// The rate limit that delays new orders of this account.
    pub gate: Option<&'a Gate>,
}

impl OrderSeen<'_> {
    /// What the requests of this Order, or a rate limit of its account, show of the CA at `now`.
    pub fn contact(&self, now: Timestamp) -> Contact {
        let contact = self.memory.contact();
        let is_gated = self.order.status.url.is_none() && self.gate.is_some_and(|gate| gate.until > now);
        if contact == Contact::Unknown && is_gated {
            return Contact::Outage(OutageKind::RateLimited);
        }
        contact
    }
}

/// The Order's issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerSeen {
    /// It cannot be used: the reason, as a sentence.
    NotReady(String),
    /// It can be used.
    Ready {
        /// Directory URL.
        server: String,
        /// URL of the account.
        account: String,
    },
}

/// The method for an authorization.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// One of the challenges that the CA offers.
    Prove {
        /// URL of the challenge.
        url: String,
        /// Its token.
        token: String,
        /// What the CA has to find.
        proof: Proof,
        /// The solver, with overrides (ANO-02).
        solver: Box<Solver>,
        /// A fixed wait that replaces the self-check (ACH-04).
        wait: Option<SignedDuration>,
    },
    /// None: the reason, as a sentence (AOR-13).
    None(String),
}

/// A rate limit that delays new orders of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The end of the delay.
    pub until: Timestamp,
    /// The CA's message.
    pub sentence: String,
}
