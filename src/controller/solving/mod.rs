//! Solvers: they present the proof of an authorization, check it, and withdraw it.
//!
//! Solvers that need the cluster are here; code that only needs the network is in `crate::solver`.
//!
//! | module | what it is |
//! |---|---|
//! | [`http01`] | HTTP-01, directly or with pods |
//! | `dns01` | DNS-01 with a provider that only tests have |
//! | `provable` | the input and the answer of a solver |
//! | [`calls`] | calls outside the cluster, one at a time for each Challenge |

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

/// A solver with its proofs: one, or a batch that is presented together. There is one variant for each type of
/// challenge.
#[derive(Clone)]
pub enum Solver {
    /// HTTP-01.
    Http01(Box<http01::Proofs>),
    /// DNS-01.
    #[cfg(test)]
    Dns01(dns01::Record),
}

impl Solver {
    /// Presents the proofs, or repairs them.
    ///
    /// # Errors
    /// [`ControllerError::Stale`] if another replica leads, or if the plan is outdated; else the API server's error.
    pub async fn present(&self) -> Result<Answer, ControllerError> {
        match self {
            Self::Http01(proofs) => proofs.present().await,
            #[cfg(test)]
            Self::Dns01(record) => Ok(record.present().await),
        }
    }

    /// Checks whether the CA would see the proof now. `since` is the time of the first check.
    pub async fn check(&self, since: Timestamp) -> Answer {
        match self {
            Self::Http01(proofs) => proofs.check(since).await,
            #[cfg(test)]
            Self::Dns01(record) => record.check(since),
        }
    }

    /// Withdraws the proofs. Succeeds if they do not exist.
    ///
    /// # Errors
    /// The API server's error. A retry withdraws the rest.
    pub async fn withdraw(&self) -> Result<Answer, ControllerError> {
        match self {
            Self::Http01(proofs) => proofs.withdraw().await.map(Ok),
            #[cfg(test)]
            Self::Dns01(record) => Ok(record.withdraw().await),
        }
    }

    /// Listens for the CA's validation, if this process can observe it.
    pub fn validation(&self) -> Option<http01::Validation> {
        match self {
            Self::Http01(proofs) => proofs.validation(),
            #[cfg(test)]
            Self::Dns01(_) => None,
        }
    }
}

/// The shared state of all solvers.
#[derive(Clone, Debug)]
pub struct Solving {
    /// HTTP-01.
    pub http01: Arc<Http01>,
    /// Calls outside the cluster.
    pub calls: Arc<Calls>,
}

impl Solving {
    /// Solvers without remembered objects.
    ///
    /// # Errors
    /// If a nameserver for the probe is invalid, or the system has none.
    pub fn new(settings: &Settings) -> Result<Self, ProbeError> {
        Ok(Self {
            http01: Arc::new(Http01::new(settings)?),
            calls: Arc::default(),
        })
    }

    /// The solver of these proofs of an Order, which are a batch or a part of one. `None` without any, or without a
    /// solver for them.
    pub fn solver(&self, ports: &Ports, order: &Object<OrderKind>, proofs: &[Provable]) -> Option<Solver> {
        match proofs.first()?.proof {
            Proof::Http01 { .. } => {
                let proofs = http01::Proofs::new(Arc::clone(&self.http01), ports, order, proofs);
                Some(Solver::Http01(Box::new(proofs)))
            }
            // with the first provider: created from the settings and Secrets of the issuer's solver
            Proof::Dns01 { .. } => None,
        }
    }

    /// The solver that withdraws everything in the cluster for an Order. It finds objects by the Order's uid, and
    /// paths in users' Ingresses by the Order's status, if the Order still exists.
    pub fn of_order(&self, ports: &Ports, key: &ObjectKey, uid: &str, order: Option<&Object<OrderKind>>) -> Solver {
        let proofs = http01::Proofs::of_order(Arc::clone(&self.http01), ports, key, uid, order);
        Solver::Http01(Box::new(proofs))
    }

    /// The solver that withdraws what is outside the cluster for a Challenge, found by the Challenge alone:
    /// `record` is the content of its annotation. `None` if this version of certlet writes nothing outside.
    pub fn recover(&self, challenge: &ChallengeSpec, _record: &str) -> Option<Solver> {
        match challenge.type_ {
            // with the first provider: created as in `solver`, with `challenge.key` as the value
            ChallengeType::Http01 | ChallengeType::Dns01 => None,
        }
    }

    /// Forgets all remembered objects, at the beginning or end of a term. They are found again.
    pub fn clear(&self) {
        self.http01.clear();
        self.calls.clear();
    }
}
