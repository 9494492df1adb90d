//! The plan for an Order: its steps, and the time of the next reconcile.

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

/// A plan. Its steps are applied in order; then a new plan is made, until one has no steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<OrderStep>,
    /// When to reconcile again if there is no step.
    pub next: Next,
    /// URLs of the authorizations that need their slot now or later. `None` leaves the slots unchanged.
    pub keeps: Option<BTreeSet<String>>,
}

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderStep {
    /// newOrder. Never repeated: the result is remembered until it is written.
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
    /// Delete the Order, which can never name another ACME order (VAL-36). Its request creates another one of the
    /// same name.
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
        /// The text for its guard, if its proof is outside the cluster.
        record: Option<String>,
    },
    /// Write the guard of a Challenge. It stays until the withdrawal.
    GuardChallenge {
        /// The Challenge.
        key: ObjectKey,
        /// Its finalizers, with that of cert-manager.
        finalizers: Vec<String>,
        /// The text for the annotation.
        record: String,
    },
    /// Claim slots.
    Claim(Vec<Claimed>),
    /// Present the proofs of exactly these authorizations of a batch. Outside the cluster, the step only starts that.
    Present {
        /// The batch.
        batch: Batch,
        /// URLs of the authorizations.
        authorizations: Vec<String>,
    },
    /// Write a Challenge's status.
    WriteChallenge {
        /// The Challenge.
        key: ObjectKey,
        /// The status.
        status: Box<ChallengeStatus>,
    },
    /// Start the probe of this authorization's challenge.
    Probe {
        /// URL of the authorization.
        authorization: String,
    },
    /// Accept a challenge.
    Accept {
        /// URL of the authorization.
        authorization: String,
        /// URL of the challenge.
        url: String,
    },
    /// Send the signing request.
    Finalize {
        /// The URL.
        url: String,
    },
    /// Fetch the chain.
    Download {
        /// The URL.
        url: String,
    },
    /// Withdraw proofs. Outside the cluster, the step only starts that.
    Withdraw(Placed),
    /// Delete a Challenge, after a removal of cert-manager's finalizers.
    DeleteChallenge {
        /// The Challenge.
        key: ObjectKey,
    },
    /// Release a Challenge that another client deletes (ORD-11).
    ReleaseChallenge {
        /// The Challenge.
        key: ObjectKey,
        /// The finalizers that stay: those of other clients.
        finalizers: Vec<String>,
    },
}

impl OrderStep {
    /// A word for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateOrder(_) => "CreateOrder",
            Self::ReadOrder { .. } => "ReadOrder",
            Self::ReadAuthorizations(_) => "ReadAuthorizations",
            Self::WriteStatus(_) => "WriteStatus",
            Self::StartOver => "StartOver",
            Self::Locate { .. } => "Locate",
            Self::CreateChallenge { .. } => "CreateChallenge",
            Self::GuardChallenge { .. } => "GuardChallenge",
            Self::Claim(_) => "Claim",
            Self::Present { .. } => "Present",
            Self::WriteChallenge { .. } => "WriteChallenge",
            Self::Probe { .. } => "Probe",
            Self::Accept { .. } => "Accept",
            Self::Finalize { .. } => "Finalize",
            Self::Download { .. } => "Download",
            Self::Withdraw(_) => "Withdraw",
            Self::DeleteChallenge { .. } => "DeleteChallenge",
            Self::ReleaseChallenge { .. } => "ReleaseChallenge",
        }
    }
}

/// An authorization that needs a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Its URL.
    pub authorization: String,
    /// What is proved, and by which value where several may stand beside each other.
    pub subject: String,
    /// The type of challenge.
    pub challenge_type: ChallengeType,
}

impl OrderStep {
    /// Whether it is a request to the CA, whose answer may take long.
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
    /// A plan that leaves the slots unchanged.
    pub(super) fn new(steps: Vec<OrderStep>, next: Next) -> Self {
        Self {
            steps,
            next,
            keeps: None,
        }
    }

    /// The same plan, which releases all slots but those in `keeps`.
    pub(super) fn keeping(self, keeps: BTreeSet<String>) -> Self {
        Self {
            keeps: Some(keeps),
            ..self
        }
    }

    /// A plan of one step.
    pub(super) fn now(step: OrderStep) -> Self {
        Self::new(vec![step], Next::OnChange)
    }

    /// A plan without steps.
    pub(super) fn wait(next: Next) -> Self {
        Self::new(Vec::new(), next)
    }
}
