//! What a plan for an Order is made from.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{memory::Memory, outside::Call, proof::Proof, slots::Slot};
use crate::{
    api::Solver,
    plan::{
        kinds::{ChallengeKind, OrderKind},
        seen::Object,
    },
};

/// Everything a plan depends on, apart from the time.
#[derive(Clone, Copy, Debug)]
pub struct OrderSeen<'a> {
    /// The Order. That it may be acted for has been decided before (DESIGN: only an Order that its request explains).
    pub order: &'a Object<OrderKind>,
    /// Its issuer.
    pub issuer: &'a IssuerSeen,
    /// Challenges that the Order owns.
    pub challenges: &'a [Object<ChallengeKind>],
    /// How each authorization is proved, by its URL.
    pub choices: &'a BTreeMap<String, Choice>,
    /// What is remembered.
    pub memory: &'a Memory,
    /// Whether each authorization may be worked on, by its URL.
    pub slots: &'a BTreeMap<String, Slot>,
    /// The last call about what is outside the cluster for a Challenge, by the Challenge's uid.
    pub calls: &'a BTreeMap<Box<str>, Call>,
    /// Whether this process has made the Order of this request anew already: the CA had forgotten the ACME order, or nobody had
    /// answered while it validated.
    pub replaced: bool,
    /// When the request was made that the Order stands for.
    pub requested: Timestamp,
    /// New orders of this account wait (a rate limit of the account).
    pub gate: Option<&'a Gate>,
}

/// The Order's issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerSeen {
    /// It cannot be used; why, as a sentence.
    NotReady(String),
    /// It can.
    Ready {
        /// Directory URL.
        server: String,
        /// URL of the account.
        account: String,
    },
}

/// How an authorization is proved.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// With one of the challenges that the CA offers.
    Prove {
        /// URL of the challenge.
        url: String,
        /// Its token.
        token: String,
        /// What the CA has to find.
        proof: Proof,
        /// The solver, overrides applied (ANO-02).
        solver: Box<Solver>,
        /// Wait this long instead of checking (ACH-04).
        wait: Option<SignedDuration>,
    },
    /// Not at all; why, as a sentence (AOR-13).
    None(String),
}

/// A limit of the CA that holds back new orders of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Until when.
    pub until: Timestamp,
    /// What the CA said.
    pub sentence: String,
}
