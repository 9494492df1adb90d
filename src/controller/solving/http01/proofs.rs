//! The HTTP-01 solver for the proofs of one Order.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{
    Exposed, Http01, Validation,
    visibility::{Hint, RouteReport},
};
use crate::{
    controller::{
        ControllerError, Ports,
        solving::{Answer, Checked, Provable},
    },
    plan::{
        kinds::OrderKind,
        order::{memory::NotYet, proof::Proof, timing},
        seen::{Meta, Object, ObjectKey},
    },
    solver::{host::Host, objects::ChallengePath, probe::retry_after, token::Token},
};

/// The time without success after which probes of a proof become less frequent.
const PROBED_OFTEN: SignedDuration = SignedDuration::from_mins(10);
/// The longest delay between two probes.
const LONGEST_PROBE_WAIT: SignedDuration = SignedDuration::from_mins(2);

/// The proofs of one Order.
#[derive(Clone)]
pub(crate) struct Proofs {
    http01: Arc<Http01>,
    ports: Ports,
    order: Meta,
    exposed: Vec<Exposed>,
    /// The paths that may be in Ingresses that are edited in place.
    offered: Vec<ChallengePath>,
}

impl Proofs {
    /// The solver of these proofs.
    pub(in crate::controller::solving) fn new(
        http01: Arc<Http01>,
        ports: &Ports,
        order: &Object<OrderKind>,
        proofs: &[Provable],
    ) -> Self {
        Self {
            http01,
            ports: ports.clone(),
            order: order.meta.clone(),
            exposed: proofs.iter().filter_map(exposed).collect(),
            offered: offered(order),
        }
    }

    /// The solver that withdraws all proofs of an Order.
    pub(in crate::controller::solving) fn of_order(
        http01: Arc<Http01>,
        ports: &Ports,
        key: &ObjectKey,
        uid: &str,
        order: Option<&Object<OrderKind>>,
    ) -> Self {
        Self {
            http01,
            ports: ports.clone(),
            order: Meta {
                key: key.clone(),
                uid: uid.into(),
                ..Meta::default()
            },
            exposed: Vec::new(),
            offered: order.map(offered).unwrap_or_default(),
        }
    }

    /// As [`super::super::Solver::present`].
    ///
    /// # Errors
    /// As there.
    pub(in crate::controller::solving) async fn present(&self) -> Result<Answer, ControllerError> {
        match self.http01.present(&self.ports, &self.order, &self.exposed).await {
            Ok(()) => Ok(Ok(())),
            Err(error) if error.is_not_leader() || error.is_stale() => Err(error),
            Err(error) => Ok(Err(NotYet {
                reason: error.to_string(),
                again: self.ports.now(),
            })),
        }
    }

    /// As [`super::super::Solver::check`].
    pub(in crate::controller::solving) async fn check(&self, since: Timestamp) -> Checked {
        for one in &self.exposed {
            let Err(mut not_visible) = self.http01.probe(&self.ports, &self.order, one).await else {
                continue;
            };
            let now = self.ports.now();
            let waited = now.duration_since(since);
            let often = retry_after(waited.unsigned_abs(), &not_visible.finding);
            let often = SignedDuration::try_from(often).unwrap_or(LONGEST_PROBE_WAIT);
            let is_hopeless = waited > PROBED_OFTEN;
            let wait = if is_hopeless {
                (waited / 10).min(LONGEST_PROBE_WAIT).max(often)
            } else {
                often
            };
            let again = timing::add(now, wait);
            let (reason, is_reported) = match self.http01.route_report(&self.ports, &self.order, one, since) {
                RouteReport::Refused(sentence) => (sentence, true),
                RouteReport::Silent(sentence) => {
                    not_visible.hint = Some(Hint::Route(sentence));
                    (not_visible.to_string(), true)
                }
                RouteReport::Hint(sentence) => {
                    not_visible.hint = Some(Hint::Route(sentence));
                    (not_visible.to_string(), false)
                }
                RouteReport::Nothing(_) => (not_visible.to_string(), false),
            };
            let not_yet = NotYet { reason, again };
            return if is_reported {
                Checked::Refused(not_yet)
            } else {
                Checked::NotYet(not_yet)
            };
        }
        Checked::Visible
    }

    /// As [`super::super::Solver::refused`].
    pub(in crate::controller::solving) async fn refused(&self, since: Timestamp) -> String {
        let refusals = self.exposed.iter().map(|one| {
            let refused = self.http01.refused(&self.ports, &self.order, one, since);
            Box::pin(refused)
        });
        let refusals: Vec<_> = refusals.collect();
        if refusals.is_empty() {
            return std::future::pending().await;
        }
        futures::future::select_all(refusals).await.0
    }

    /// As [`super::super::Solver::withdraw`].
    ///
    /// # Errors
    /// As there.
    pub(in crate::controller::solving) async fn withdraw(&self) -> Result<(), ControllerError> {
        let Meta { key, uid, .. } = &self.order;
        self.http01.withdraw(&self.ports, key, uid, &self.offered).await
    }

    /// As [`super::super::Solver::validation`].
    pub(in crate::controller::solving) fn validation(&self) -> Option<Validation> {
        let token = self.exposed.first()?.path.token.clone();
        Some(Validation::expect(&self.ports.responder, token))
    }
}

fn exposed(provable: &Provable) -> Option<Exposed> {
    let Proof::Http01 { routing, .. } = &provable.proof else {
        return None;
    };
    let challenge = provable.challenge.as_ref()?;
    let key_authorization = provable.key_authorization.clone()?;
    Some(Exposed {
        name: challenge.name().to_owned(),
        uid: challenge.uid.to_string(),
        path: ChallengePath {
            host: Host::parse(&provable.identifier)?,
            token: key_authorization.token().clone(),
        },
        key_authorization,
        routing: (**routing).clone(),
    })
}

/// The paths of all challenges that the CA offered for the Order.
fn offered(order: &Object<OrderKind>) -> Vec<ChallengePath> {
    let offered = order.status.authorizations.iter().flat_map(|one| {
        let host = one.identifier.as_deref().and_then(Host::parse);
        let tokens = one
            .challenges
            .iter()
            .filter_map(|challenge| Token::parse(&challenge.token).ok());
        tokens.filter_map(move |token| {
            Some(ChallengePath {
                host: host.clone()?,
                token,
            })
        })
    });
    offered.collect()
}
