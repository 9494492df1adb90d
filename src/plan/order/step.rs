//! What a plan for an Order consists of.

use std::collections::BTreeSet;

use super::proof::{Batch, Placed};
use crate::{
    acme::order::NewOrderRequest,
    api::{
        challenge::{ChallengeSpec, ChallengeStatus, ChallengeType},
        order::OrderStatus,
    },
    plan::seen::{Next, ObjectKey},
};

/// What to do next. Steps are taken in order; then the plan is made again, until it has no steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to do.
    pub steps: Vec<OrderStep>,
    /// When to look again once there is nothing to do.
    pub next: Next,
    /// URLs of the authorizations that need their slot or will; `None` leaves the slots as they are.
    pub keeps: Option<BTreeSet<String>>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderStep {
    /// newOrder. Never twice: what comes of it is remembered until it is written.
    CreateOrder(Box<NewOrderRequest>),
    /// Read the order.
    ReadOrder {
        /// Its URL.
        url: String,
    },
    /// Read these authorizations.
    ReadAuthorizations(Vec<String>),
    /// Write the Order's status.
    WriteStatus(Box<OrderStatus>),
    /// Delete the Order, which can never name another ACME order (VAL-36): its request makes another one of the same name.
    StartOver,
    /// Find out where the proof of this authorization is written outside the cluster; the end is not waited for.
    Locate {
        /// URL of the authorization.
        authorization: String,
    },
    /// Create a Challenge.
    CreateChallenge {
        /// Its name.
        name: String,
        /// Its spec.
        spec: Box<ChallengeSpec>,
        /// What is about to be placed outside the cluster for it, if anything is.
        record: Option<String>,
    },
    /// Write on a Challenge what is about to be placed outside the cluster, and keep it until that is withdrawn.
    GuardChallenge {
        /// Which.
        key: ObjectKey,
        /// Its finalizers, that of cert-manager among them.
        finalizers: Vec<String>,
        /// What is about to be placed.
        record: String,
    },
    /// Ask for slots.
    Claim(Vec<Claimed>),
    /// Present the proofs of exactly these authorizations of a batch. For one outside the cluster the end is not waited for.
    Present {
        /// The batch.
        batch: Batch,
        /// URLs of the authorizations.
        authorizations: Vec<String>,
    },
    /// Write a Challenge's status.
    WriteChallenge {
        /// Which.
        key: ObjectKey,
        /// The status.
        status: Box<ChallengeStatus>,
    },
    /// See whether the CA would see this authorization's challenge; its end is not waited for.
    Probe {
        /// URL of the authorization.
        authorization: String,
    },
    /// Tell the CA to validate.
    Accept {
        /// URL of the authorization.
        authorization: String,
        /// URL of the challenge.
        url: String,
    },
    /// Send the signing request.
    Finalize {
        /// Where.
        url: String,
    },
    /// Fetch the chain.
    Download {
        /// Where.
        url: String,
    },
    /// Withdraw what makes proofs available. For what is outside the cluster the end is not waited for.
    Withdraw(Placed),
    /// Delete a Challenge, finalizers of cert-manager's first.
    DeleteChallenge {
        /// Which.
        key: ObjectKey,
    },
    /// Let a Challenge go that somebody else deletes (ORD-11).
    ReleaseChallenge {
        /// Which.
        key: ObjectKey,
        /// The finalizers that stay: somebody else's.
        finalizers: Vec<String>,
    },
}

/// An authorization that needs a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Its URL.
    pub authorization: String,
    /// What is proved, and by which value where several may stand beside each other.
    pub subject: String,
    /// How.
    pub challenge_type: ChallengeType,
}

impl OrderStep {
    /// Whether it asks the CA, whose answer may be long in coming.
    pub fn asks_ca(&self) -> bool {
        match self {
            Self::CreateOrder(_)
            | Self::ReadOrder { .. }
            | Self::ReadAuthorizations(_)
            | Self::Accept { .. }
            | Self::Finalize { .. }
            | Self::Download { .. } => true,
            Self::WriteStatus(_)
            | Self::StartOver
            | Self::Locate { .. }
            | Self::CreateChallenge { .. }
            | Self::GuardChallenge { .. }
            | Self::Claim(_)
            | Self::Present { .. }
            | Self::WriteChallenge { .. }
            | Self::Probe { .. }
            | Self::Withdraw(_)
            | Self::DeleteChallenge { .. }
            | Self::ReleaseChallenge { .. } => false,
        }
    }

    /// The Challenge that it writes or deletes.
    pub(super) fn challenge(&self) -> Option<&ObjectKey> {
        match self {
            Self::GuardChallenge { key, .. }
            | Self::WriteChallenge { key, .. }
            | Self::DeleteChallenge { key }
            | Self::ReleaseChallenge { key, .. } => Some(key),
            Self::CreateOrder(_)
            | Self::ReadOrder { .. }
            | Self::ReadAuthorizations(_)
            | Self::WriteStatus(_)
            | Self::StartOver
            | Self::Locate { .. }
            | Self::CreateChallenge { .. }
            | Self::Claim(_)
            | Self::Present { .. }
            | Self::Probe { .. }
            | Self::Accept { .. }
            | Self::Finalize { .. }
            | Self::Download { .. }
            | Self::Withdraw(_) => None,
        }
    }
}

impl Plan {
    pub(super) fn new(steps: Vec<OrderStep>, next: Next) -> Self {
        Self {
            steps,
            next,
            keeps: None,
        }
    }

    pub(super) fn keeping(self, keeps: BTreeSet<String>) -> Self {
        Self {
            keeps: Some(keeps),
            ..self
        }
    }

    pub(super) fn now(step: OrderStep) -> Self {
        Self::new(vec![step], Next::OnChange)
    }

    pub(super) fn wait(next: Next) -> Self {
        Self::new(Vec::new(), next)
    }
}
