//! Solvers: they present the proof of an authorization, check it, and withdraw it.
//!
//! Solvers that need the cluster are here; code that only needs the network is in `crate::solver`.
//!
//! | module | what it is |
//! |---|---|
//! | [`http01`] | HTTP-01, directly or with pods |
//! | [`dns01`] | DNS-01 |
//! | `provable` | the input and the answer of a solver |
//! | [`calls`] | calls outside the cluster, one at a time for each Challenge |

pub(crate) mod calls;
pub(crate) mod dns01;
pub(crate) mod http01;
mod provable;

use std::sync::Arc;

use jiff::Timestamp;

use self::provable::is_digest;
pub(crate) use self::provable::{Answer, Checked, Provable, proof};
use self::{
    calls::Calls,
    dns01::{Access, Dns01},
    http01::Http01,
};
use super::{ControllerError, Ports};
use crate::{
    api::challenge::{ChallengeSpec, ChallengeType},
    cloud::Cloud,
    plan::{
        kinds::{ChallengeKind, OrderKind},
        order::{memory::NotYet, proof::Proof},
        seen::{Object, ObjectKey},
        settings::Settings,
    },
    solver::{dns01::target::Target, probe::ProbeError},
};

/// Why the solvers cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SolvingError {
    /// The self-check of HTTP-01.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// A recursive name server of DNS-01; a sentence.
    #[error("--dns01-recursive-nameservers: {0}")]
    Nameserver(String),
}

/// A solver with its proofs: one, or a batch that is presented together. There is one variant for each type of
/// challenge.
#[derive(Clone)]
pub(crate) enum Solver {
    /// HTTP-01.
    Http01(Box<http01::Proofs>),
    /// DNS-01.
    Dns01(Box<dns01::Record>),
    /// `dns-persist-01`.
    DnsPersist(Box<dns01::Persist>),
}

impl Solver {
    /// Where a proof outside the cluster has to be written, as its Challenge has to name it; empty for one in the cluster.
    ///
    /// # Errors
    /// Why that is not known, and when to try again.
    pub(crate) async fn locate(&self) -> Result<String, NotYet> {
        match self {
            Self::Http01(_) | Self::DnsPersist(_) => Ok(String::new()),
            Self::Dns01(record) => record.locate().await,
        }
    }

    /// Presents the proofs, or repairs them.
    ///
    /// # Errors
    /// [`ControllerError::Stale`] if another replica leads, or if the plan is outdated; else the API server's error.
    pub(crate) async fn present(&self) -> Result<Answer, ControllerError> {
        match self {
            Self::Http01(proofs) => proofs.present().await,
            Self::Dns01(record) => Ok(record.present().await),
            // it is there, or a user has to write it: the check tells
            Self::DnsPersist(_) => Ok(Ok(())),
        }
    }

    /// Checks whether the CA would see the proof now. `since` is the time of the first check.
    pub(crate) async fn check(&self, since: Timestamp) -> Checked {
        match self {
            Self::Http01(proofs) => proofs.check(since).await,
            Self::Dns01(record) => record.check(since).await,
            Self::DnsPersist(persist) => persist.check(since).await,
        }
    }

    /// Waits until it is reported that the CA's request is not routed to the proof, and returns why. A check may take longer than that.
    /// Never ends where nothing reports it. `since` is the time of the first check.
    pub(crate) async fn refused(&self, since: Timestamp) -> String {
        match self {
            Self::Http01(proofs) => proofs.refused(since).await,
            Self::Dns01(_) | Self::DnsPersist(_) => std::future::pending().await,
        }
    }

    /// The result of a check in one word, for metrics. HTTP-01 counts its findings by itself, because it knows more of them.
    pub(crate) fn finding(&self, checked: &Checked) -> Option<&'static str> {
        match (self, checked) {
            (Self::Http01(_), _) => None,
            (Self::Dns01(_) | Self::DnsPersist(_), Checked::Visible | Checked::Until { .. }) => Some("visible"),
            (Self::Dns01(_) | Self::DnsPersist(_), Checked::NotYet(_) | Checked::Refused(_)) => Some("not_visible"),
            (Self::Dns01(_) | Self::DnsPersist(_), Checked::Moved) => Some("moved"),
        }
    }

    /// Withdraws the proofs. Succeeds if they do not exist.
    ///
    /// # Errors
    /// The API server's error. A retry withdraws the rest.
    pub(crate) async fn withdraw(&self) -> Result<Answer, ControllerError> {
        match self {
            Self::Http01(proofs) => proofs.withdraw().await.map(Ok),
            Self::Dns01(record) => Ok(record.withdraw().await),
            Self::DnsPersist(_) => Ok(Ok(())),
        }
    }

    /// Listens for the CA's validation, if this process can observe it.
    pub(crate) fn validation(&self) -> Option<http01::Validation> {
        match self {
            Self::Http01(proofs) => proofs.validation(),
            Self::Dns01(_) | Self::DnsPersist(_) => None,
        }
    }
}

/// The shared state of all solvers.
#[derive(Clone, Debug)]
pub(crate) struct Solving {
    /// HTTP-01.
    pub http01: Arc<Http01>,
    /// DNS-01.
    pub dns01: Arc<Dns01>,
    /// Calls outside the cluster.
    pub calls: Arc<Calls>,
}

impl Solving {
    /// Solvers without remembered objects.
    ///
    /// # Errors
    /// If a nameserver for the self-checks is invalid, or the system has none.
    pub(crate) fn new(settings: &Settings, cloud: Cloud) -> Result<Self, SolvingError> {
        Ok(Self {
            http01: Arc::new(Http01::new(settings)?),
            dns01: Arc::new(Dns01::new(settings, cloud)?),
            calls: Arc::default(),
        })
    }

    /// The solver of these proofs of an Order, which are a batch or a part of one. `None` without any, or without a
    /// solver for them.
    pub(crate) fn solver(&self, ports: &Ports, order: &Object<OrderKind>, proofs: &[Provable]) -> Option<Solver> {
        let first = proofs.first()?;
        match &first.proof {
            Proof::Http01 { .. } => {
                let proofs = http01::Proofs::new(Arc::clone(&self.http01), ports, order, proofs);
                Some(Solver::Http01(Box::new(proofs)))
            }
            Proof::Dns01 { value } => {
                let dns01 = first.solver.dns01.clone()?;
                Some(Solver::Dns01(Box::new(dns01::Record {
                    dns01: Arc::clone(&self.dns01),
                    access: Access::of_issuer(ports, dns01, &first.issuer),
                    challenge: first
                        .challenge
                        .as_ref()
                        .map(|challenge| challenge.uid.clone())
                        .unwrap_or_default(),
                    identifier: first.identifier.clone(),
                    target: first.record.as_deref().and_then(Target::parse),
                    value: value.clone(),
                })))
            }
            Proof::DnsPersist { demand, record } => {
                let dns01 = first.solver.dns01.as_ref()?;
                Some(Solver::DnsPersist(Box::new(dns01::Persist {
                    dns01: Arc::clone(&self.dns01),
                    nameservers: dns01.nameservers.clone(),
                    demand: (**demand).clone(),
                    record: record.clone(),
                    settings: dns01.dns_persist()?.ok()?,
                })))
            }
        }
    }

    /// The solver that withdraws everything in the cluster for an Order. It finds objects by the Order's uid, and
    /// paths in users' Ingresses by the Order's status, if the Order still exists.
    pub(crate) fn of_order(
        &self,
        ports: &Ports,
        key: &ObjectKey,
        uid: &str,
        order: Option<&Object<OrderKind>>,
    ) -> Solver {
        let proofs = http01::Proofs::of_order(Arc::clone(&self.http01), ports, key, uid, order);
        Solver::Http01(Box::new(proofs))
    }

    /// The solver that withdraws what was placed outside the cluster for a Challenge, found by the Challenge alone: `record` is what
    /// its annotation names, if it has one; otherwise the record is located. `None` where nothing can be outside.
    pub(crate) fn recover(
        &self,
        ports: &Ports,
        challenge: &Object<ChallengeKind>,
        record: Option<&str>,
    ) -> Option<Solver> {
        let ChallengeSpec {
            type_, dns_name, key, ..
        } = &challenge.spec;
        match type_ {
            ChallengeType::Http01 => None,
            // a tenant who may write Challenges could have other records removed
            ChallengeType::Dns01 if !is_digest(key) => None,
            ChallengeType::Dns01 => Some(Solver::Dns01(Box::new(dns01::Record {
                dns01: Arc::clone(&self.dns01),
                access: Access::of_challenge(ports, challenge),
                challenge: challenge.meta.uid.clone(),
                identifier: dns_name.clone(),
                target: match record {
                    Some(record) => Some(Target::parse(record)?),
                    None => None,
                },
                value: key.clone(),
            }))),
        }
    }

    /// Forgets all remembered objects, at the beginning or end of a term. They are found again.
    pub(crate) fn clear(&self) {
        self.http01.clear();
        self.dns01.clear();
        self.calls.clear();
    }
}
