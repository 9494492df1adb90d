//! Solvers: how the proof of an authorization is made available to the CA, is checked, and is withdrawn again.
//!
//! What a solver needs the cluster for is here; what it needs only the network for is in `crate::solver`.
//!
//! | module | what it is |
//! |---|---|
//! | [`http01`] | HTTP-01, directly or with pods |
//! | `dns01` | DNS-01 with a provider that only tests have |
//! | `provable` | what a solver is given, and what it answers |
//! | [`calls`] | calls about what is outside the cluster, one at a time for each Challenge |

pub mod calls;
#[cfg(test)]
pub mod dns01;
pub mod http01;
mod provable;

use std::sync::Arc;

use jiff::Timestamp;

pub use self::provable::{Answer, Provable, proof};
use self::{calls::Calls, http01::Http01};
use super::{ControllerError, Ports};
use crate::{
    api::challenge::{ChallengeSpec, ChallengeType},
    plan::{
        kinds::OrderKind,
        order::proof::Proof,
        seen::{Object, ObjectKey},
        settings::Settings,
    },
    solver::probe::ProbeError,
};

/// A solver, with the proofs that it is for: one, or a batch that is presented together. One variant for each type of challenge.
#[derive(Clone)]
pub enum Solver {
    /// HTTP-01.
    Http01(Box<http01::Proofs>),
    /// DNS-01.
    #[cfg(test)]
    Dns01(dns01::Record),
}

impl Solver {
    /// Makes the proofs available, or repairs what makes them so.
    ///
    /// # Errors
    /// Another replica leads, or what was planned from is no longer so.
    pub async fn present(&self) -> Result<Answer, ControllerError> {
        match self {
            Self::Http01(proofs) => proofs.present().await,
            #[cfg(test)]
            Self::Dns01(record) => Ok(record.present().await),
        }
    }

    /// Whether the CA would find the proof now. It is asked for since `since`.
    pub async fn check(&self, since: Timestamp) -> Answer {
        match self {
            Self::Http01(proofs) => proofs.check(since).await,
            #[cfg(test)]
            Self::Dns01(record) => record.check(since),
        }
    }

    /// Withdraws what makes the proofs available; it being gone is fine.
    ///
    /// # Errors
    /// The API server's. Trying again withdraws the rest.
    pub async fn withdraw(&self) -> Result<Answer, ControllerError> {
        match self {
            Self::Http01(proofs) => proofs.withdraw().await.map(Ok),
            #[cfg(test)]
            Self::Dns01(record) => Ok(record.withdraw().await),
        }
    }

    /// Listens for the CA's validation, where this process can hear it.
    pub fn validation(&self) -> Option<http01::Validation> {
        match self {
            Self::Http01(proofs) => proofs.validation(),
            #[cfg(test)]
            Self::Dns01(_) => None,
        }
    }
}

/// What the solvers share and remember.
#[derive(Clone, Debug)]
pub struct Solving {
    /// HTTP-01.
    pub http01: Arc<Http01>,
    /// Calls about what is outside the cluster.
    pub calls: Arc<Calls>,
}

impl Solving {
    /// Nothing is placed, as far as is known.
    ///
    /// # Errors
    /// When the nameservers for the probe make no sense, or the system has none.
    pub fn new(settings: &Settings) -> Result<Self, ProbeError> {
        Ok(Self {
            http01: Arc::new(Http01::new(settings)?),
            calls: Arc::default(),
        })
    }

    /// The solver of these proofs of an Order, which are a batch or a part of one. `None` without any, or without a solver for them.
    pub fn solver(&self, ports: &Ports, order: &Object<OrderKind>, proofs: &[Provable]) -> Option<Solver> {
        match proofs.first()?.proof {
            Proof::Http01 { .. } => {
                let proofs = http01::Proofs::new(Arc::clone(&self.http01), ports, order, proofs);
                Some(Solver::Http01(Box::new(proofs)))
            }
            // with the first provider: made from the settings and Secrets of the issuer's solver
            Proof::Dns01 { .. } => None,
        }
    }

    /// The solver that withdraws everything that was placed in the cluster for an Order: it is found by the Order's uid. Paths in the
    /// Ingresses of users are found by what the Order says, where it is still there.
    pub fn of_order(&self, ports: &Ports, key: &ObjectKey, uid: &str, order: Option<&Object<OrderKind>>) -> Solver {
        let proofs = http01::Proofs::of_order(Arc::clone(&self.http01), ports, key, uid, order);
        Solver::Http01(Box::new(proofs))
    }

    /// The solver that withdraws what was placed outside the cluster for a Challenge, found by the Challenge alone: `record` is what
    /// its annotation names. `None` where this version of certlet places nothing outside.
    pub fn recover(&self, challenge: &ChallengeSpec, _record: &str) -> Option<Solver> {
        match challenge.type_ {
            // with the first provider: made as for `solver`, with `challenge.key` as the value
            ChallengeType::Http01 | ChallengeType::Dns01 => None,
        }
    }

    /// Forgets what was placed: another replica led in between, or will. It is found again.
    pub fn clear(&self) {
        self.http01.clear();
        self.calls.clear();
    }
}
