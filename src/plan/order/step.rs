//! What a plan for an Order consists of.

use std::collections::BTreeSet;

use crate::{
    acme::order::NewOrderRequest,
    api::{
        challenge::{ChallengeSpec, ChallengeStatus},
        order::OrderStatus,
    },
    plan::seen::{Next, ObjectKey},
};

/// What to do next. Steps are taken in order; then the plan is made again, until it has no steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to do.
    pub steps: Vec<Step>,
    /// When to look again once there is nothing to do.
    pub next: Next,
    /// URLs of the authorizations that need their slot or will; `None` leaves the slots as they are.
    pub keeps: Option<BTreeSet<String>>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
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
    /// Create a Challenge.
    CreateChallenge {
        /// Its name.
        name: String,
        /// Its spec.
        spec: Box<ChallengeSpec>,
    },
    /// Ask for slots: URL of the authorization and name.
    Claim(Vec<(String, String)>),
    /// Show the challenges of exactly these authorizations.
    Present(Vec<String>),
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
    /// Take away everything that shows challenges.
    Withdraw,
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

impl Step {
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
            | Self::CreateChallenge { .. }
            | Self::Claim(_)
            | Self::Present(_)
            | Self::WriteChallenge { .. }
            | Self::Probe { .. }
            | Self::Withdraw
            | Self::DeleteChallenge { .. }
            | Self::ReleaseChallenge { .. } => false,
        }
    }
}

impl Plan {
    pub(super) fn new(steps: Vec<Step>, next: Next) -> Self {
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

    pub(super) fn now(step: Step) -> Self {
        Self::new(vec![step], Next::OnChange)
    }

    pub(super) fn wait(next: Next) -> Self {
        Self::new(Vec::new(), next)
    }
}
