//! The controller of Issuers and ClusterIssuers, which sets their status. It also rotates the certificates of CA issuers.

mod account;
mod expiries;
mod previous_cas;
mod rotation;
mod solvers;

use std::sync::Arc;

use jiff::SignedDuration;

use super::{
    ControllerError, Ports, Services,
    outages::Outages,
    rotations::Rotations,
    signing::{Ask, Readiness, Signing},
};
use crate::api::{InvalidField, IssuerSpec, IssuerStatus, issuer::CaIssuer};
use crate::cluster::index::Stored;
use crate::cluster::issuers::{self, IssuerRecord};
use crate::plan::account::AccountPlan;
use crate::plan::issuer::{self, Backend, IssuerId, IssuerVerdict, SignerSpec, WantedStatus, Way};
use crate::plan::rotation::Rotating;
use crate::plan::seen::{Kind, Lean, Next, Object};
use crate::plan::settings::controller;

pub(crate) use expiries::Expiries;
pub(crate) use rotation::RotationDryRun;

/// Delay before a rejected read or write of a Secret is retried. Permissions, quotas and namespaces change without a
/// notification.
const RETRY_REFUSED: SignedDuration = SignedDuration::from_secs(30);
/// Delay before a failed scan of the leaves of a CA is retried.
const RETRY_ROTATION: SignedDuration = SignedDuration::from_secs(30);

/// Reconciles Issuers and ClusterIssuers.
pub(crate) struct Issuers {
    ports: Ports,
    signing: Arc<Signing>,
    rotations: Arc<Rotations>,
    outages: Arc<Outages>,
    /// Expiry of the CAs, for metrics.
    pub expiries: Expiries,
}

impl Issuers {
    /// A controller that finds out with `signing` whether an issuer can sign, and writes down in `rotations` whose CA gets another key pair.
    pub(crate) fn new(services: &Services) -> Self {
        Self {
            ports: services.ports.clone(),
            signing: Arc::clone(&services.signing),
            rotations: Arc::clone(&services.rotations),
            outages: Arc::clone(&services.outages),
            expiries: Expiries::default(),
        }
    }

    /// Forgets what it remembers. The rest of its state is in `signing` and `rotations`.
    pub(crate) fn clear(&self) {
        let Self {
            ports: _,
            signing: _,
            rotations: _,
            outages: _,
            expiries,
        } = self;
        expiries.clear();
    }

    /// Reconciles one issuer: its status reports whether it can sign.
    ///
    /// # Errors
    /// If the API server does not answer, or the issuer changed meanwhile.
    pub(crate) async fn reconcile(self: Arc<Self>, id: IssuerId) -> Result<Next, ControllerError> {
        if !is_ours(&self, &id) {
            return Ok(Next::OnChange);
        }
        match issuers::record(&self.ports.index, &id) {
            Some(IssuerRecord::Namespaced(seen)) => reconcile_lean(&self, &seen).await,
            Some(IssuerRecord::Cluster(seen)) => reconcile_lean(&self, &seen).await,
            None => {
                self.expiries.set(&id.0, None);
                Ok(Next::OnChange)
            }
        }
    }

    /// Plans without applying and without a call to an ACME server; `ask` decides about calls of other servers; `None` if the issuer does not exist.
    ///
    /// # Errors
    /// When the API server refuses or is not reached.
    pub(crate) async fn dry_run(&self, id: &IssuerId, ask: Ask) -> Result<Option<IssuerDryRun>, ControllerError> {
        if !is_ours(self, id) {
            return Ok(None);
        }
        match issuers::record(&self.ports.index, id) {
            Some(IssuerRecord::Namespaced(seen)) => dry_run(self, &seen, ask).await,
            Some(IssuerRecord::Cluster(seen)) => dry_run(self, &seen, ask).await,
            None => Ok(None),
        }
    }
}

/// Whether this installation reconciles issuers of this kind (CTL-01).
fn is_ours(controller: &Issuers, id: &IssuerId) -> bool {
    let name = if id.is_cluster() {
        controller::CLUSTER_ISSUERS
    } else {
        controller::ISSUERS
    };
    controller.ports.settings.controllers.enabled(name)
}

/// The dry run of an issuer.
#[derive(Clone, Debug)]
pub(crate) struct IssuerDryRun {
    /// The effect on its leaves, if its CA has a new key pair.
    pub leaves: Option<RotationDryRun>,
    /// The planned call for its ACME account, if it has one and its Secrets can be read.
    pub account: Option<AccountPlan>,
    /// Its current status.
    pub old: IssuerStatus,
    /// The status to write before the ACME server is called.
    pub new: IssuerStatus,
}

async fn dry_run<K: Either>(
    controller: &Issuers,
    seen: &Lean<K>,
    ask: Ask,
) -> Result<Option<IssuerDryRun>, ControllerError> {
    if seen.meta.deleting.is_some() {
        return Ok(None);
    }
    let (mut wanted, account, leaves) = match seen.parse() {
        Ok(issuer) => match Backend::only(&issuer.spec).map(Backend::way) {
            Ok(Way::Order(spec)) => {
                let (wanted, account) = account::dry_run(controller, &issuer, spec).await?;
                (wanted, account, None)
            }
            Ok(Way::Sign(spec)) => {
                let (wanted, _) = wanted_status(controller, &issuer, ask).await?;
                let ready = wanted.verdict.as_ref().is_some_and(|verdict| verdict.ready);
                let mut leaves = None;
                if let (SignerSpec::Ca(spec), true) = (spec, ready) {
                    leaves = Some(rotation::dry_run(controller, &issuer, spec).await?);
                }
                (wanted, None, leaves)
            }
            Err(verdict) => (only(verdict), None, None),
        },
        Err(invalid) => (unreadable(seen, &invalid), None, None),
    };
    wanted.rotating = leaves.as_ref().and_then(|leaves| leaves.condition.clone());
    let old = seen.status();
    let new = issuer::status(controller.ports.now(), seen.meta.generation, &old, &wanted);
    Ok(Some(IssuerDryRun {
        leaves,
        account,
        old,
        new,
    }))
}

fn unreadable<K: Either>(seen: &Lean<K>, invalid: &InvalidField) -> WantedStatus {
    WantedStatus {
        verdict: Some(issuer::invalid(invalid)),
        acme: seen.status().acme,
        ..WantedStatus::default()
    }
}

/// Both kinds of issuer, which have the same spec and status.
trait Either: Stored + Kind<Spec = IssuerSpec, Status = IssuerStatus> {}

impl<K: Stored + Kind<Spec = IssuerSpec, Status = IssuerStatus>> Either for K {}

async fn reconcile_lean<K: Either>(controller: &Issuers, seen: &Lean<K>) -> Result<Next, ControllerError> {
    if seen.meta.deleting.is_some() {
        return Ok(Next::OnChange);
    }
    let (issuer, wanted, next) = match seen.parse() {
        Ok(issuer) => {
            let (wanted, next) = wanted_status(controller, &issuer, Ask::Worker).await?;
            (issuer, wanted, next)
        }
        Err(invalid) => {
            let object: Object<K> = Object {
                meta: seen.meta.clone(),
                spec: IssuerSpec::default(),
                status: seen.status(),
            };
            (object, unreadable(seen, &invalid), Next::OnChange)
        }
    };
    write(controller, &issuer, &wanted).await?;
    Ok(next)
}

/// The status of an issuer. The rotation of its leaves proceeds only in a reconcile, not in a dry run.
async fn wanted_status<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    ask: Ask,
) -> Result<(WantedStatus, Next), ControllerError> {
    let way = Backend::only(&issuer.spec).map(Backend::way);
    if !matches!(way, Ok(Way::Sign(_))) {
        controller.expiries.set(&issuer.meta.key, None);
    }
    let spec = match way {
        Ok(Way::Order(spec)) => return account::reconcile(controller, issuer, spec).await,
        Ok(Way::Sign(spec)) => spec,
        Err(verdict) => return Ok((only(verdict), Next::OnChange)),
    };
    let Readiness {
        verdict,
        next,
        expiring,
        not_after,
        contact,
    } = controller
        .signing
        .readiness(&issuer.meta, spec, refused_again(controller), ask)
        .await?;
    let id = IssuerId(issuer.meta.key.clone());
    controller.outages.checked(&controller.ports, &id, contact);
    controller.expiries.set(&issuer.meta.key, not_after);
    let ready = verdict.as_ref().is_some_and(|verdict| verdict.ready);
    let mut wanted = WantedStatus {
        verdict,
        ..WantedStatus::default()
    };
    wanted.expiring = expiring;
    if let (SignerSpec::Ca(spec), true) = (spec, ready && ask == Ask::Worker) {
        let (rotating, again) = rotate(controller, issuer, spec).await?;
        wanted.rotating = rotating;
        if let Next::At(time) = again {
            return Ok((wanted, next.or_at(time)));
        }
    }
    Ok((wanted, next))
}

/// Rotates the leaves of a CA with a new key pair, if requested.
async fn rotate<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    spec: &CaIssuer,
) -> Result<(Option<Rotating>, Next), ControllerError> {
    match rotation::scan(controller, issuer, spec).await {
        Ok(scanned) => Ok(scanned),
        Err(error) if error.is_stale() || error.is_not_leader() => Err(error),
        Err(error) => {
            // the Ready condition does not depend on the rotation
            tracing::warn!(issuer = %issuer.meta.key, %error, "the rotation of its certificates makes no progress");
            let again = controller.ports.now().saturating_add(RETRY_ROTATION);
            Ok((None, again.map_or(Next::OnChange, Next::At)))
        }
    }
}

/// A status with only the Ready condition.
fn only(verdict: IssuerVerdict) -> WantedStatus {
    WantedStatus {
        verdict: Some(verdict),
        ..WantedStatus::default()
    }
}

/// When to retry after the API server rejected a call.
fn refused_again(controller: &Issuers) -> Next {
    let again = controller.ports.now().saturating_add(RETRY_REFUSED);
    again.map_or(Next::OnChange, Next::At)
}

async fn write<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    wanted: &WantedStatus,
) -> Result<(), ControllerError> {
    let status = issuer::status(controller.ports.now(), issuer.meta.generation, &issuer.status, wanted);
    if controller.ports.writer.write_status(issuer, &status).await?.is_some() {
        for notice in issuer::news(&issuer.status, &status) {
            controller.ports.events.publish::<K>(&issuer.meta, &notice);
        }
    }
    Ok(())
}
