//! Issuers and ClusterIssuers: looked at when they or a Secret that they name change, and when their account is due.

mod account;
mod former;
mod rotation;

use std::sync::Arc;

use jiff::SignedDuration;

use super::{
    ControllerError, Ports,
    rotations::Rotations,
    signing::{Readiness, Signing},
};
use crate::api::{InvalidField, IssuerSpec, IssuerStatus, issuer::CaIssuer};
use crate::cluster::issuers::{self, IssuerRecord};
use crate::cluster::records::Stored;
use crate::plan::account::AccountPlan;
use crate::plan::issuer::{self, Backend, IssuerId, SignerSpec, Verdict, Wanted, Way};
use crate::plan::rotation::Rotating;
use crate::plan::seen::{Kind, Lean, Next, Object};
use crate::plan::settings::controller;

pub use rotation::Foreseen;

/// How soon it is tried again to read or write a Secret that the API server did not let us: rights, quotas and namespaces come
/// without a word to us.
const RETRY_REFUSED: SignedDuration = SignedDuration::from_secs(30);
/// How soon a look at the leaves of a CA is tried again that failed.
const RETRY_ROTATION: SignedDuration = SignedDuration::from_secs(30);

/// Reconciles Issuers and ClusterIssuers.
pub struct Issuers {
    ports: Ports,
    signing: Arc<Signing>,
    rotations: Arc<Rotations>,
}

impl Issuers {
    /// A controller that finds out with `signing` whether an issuer can sign, and writes down in `rotations` whose CA gets another key pair.
    pub fn new(ports: Ports, signing: Arc<Signing>, rotations: Arc<Rotations>) -> Self {
        Self {
            ports,
            signing,
            rotations,
        }
    }

    /// Makes the status of one issuer say whether it can sign.
    ///
    /// # Errors
    /// When the API server does not answer, or the issuer changed meanwhile.
    pub async fn reconcile(self: Arc<Self>, id: IssuerId) -> Result<Next, ControllerError> {
        if !is_ours(&self, &id) {
            return Ok(Next::OnChange);
        }
        match issuers::record(&self.ports.index, &id) {
            Some(IssuerRecord::Namespaced(seen)) => judge(&self, &seen).await,
            Some(IssuerRecord::Cluster(seen)) => judge(&self, &seen).await,
            None => Ok(Next::OnChange),
        }
    }

    /// What would be done for an issuer now, without doing any of it and without asking an ACME server; `None` where there is
    /// no such issuer.
    ///
    /// # Errors
    /// When the API server refuses or is not reached.
    pub async fn dry_run(&self, id: &IssuerId) -> Result<Option<Outlook>, ControllerError> {
        if !is_ours(self, id) {
            return Ok(None);
        }
        match issuers::record(&self.ports.index, id) {
            Some(IssuerRecord::Namespaced(seen)) => foresee(self, &seen).await,
            Some(IssuerRecord::Cluster(seen)) => foresee(self, &seen).await,
            None => Ok(None),
        }
    }
}

/// Whether issuers of this kind are left to us (CTL-01).
fn is_ours(controller: &Issuers, id: &IssuerId) -> bool {
    let name = if id.is_cluster() {
        controller::CLUSTER_ISSUERS
    } else {
        controller::ISSUERS
    };
    controller.ports.settings.controllers.enabled(name)
}

/// What would be done for an issuer now.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// What becomes of its leaves, where its CA got another key pair.
    pub leaves: Option<Foreseen>,
    /// What is to be done about its ACME account, where it has one whose Secrets can be read.
    pub account: Option<AccountPlan>,
    /// Its status as it is.
    pub old: IssuerStatus,
    /// Its status as it would be written, before the ACME server is asked.
    pub new: IssuerStatus,
}

async fn foresee<K: Either>(controller: &Issuers, seen: &Lean<K>) -> Result<Option<Outlook>, ControllerError> {
    if seen.meta.deleting.is_some() {
        return Ok(None);
    }
    let (mut wanted, account, leaves) = match seen.parse() {
        Ok(issuer) => match Backend::only(&issuer.spec).map(Backend::way) {
            Ok(Way::Order(spec)) => {
                let (wanted, account) = account::foresee(controller, &issuer, spec).await?;
                (wanted, account, None)
            }
            Ok(Way::Sign(spec)) => {
                let (wanted, _) = judge_spec(controller, &issuer, false).await?;
                let ready = wanted.verdict.as_ref().is_some_and(|verdict| verdict.ready);
                let mut leaves = None;
                if let (SignerSpec::Ca(spec), true) = (spec, ready) {
                    leaves = Some(rotation::foresee(controller, &issuer, spec).await?);
                }
                (wanted, None, leaves)
            }
            Ok(Way::NotSupported(issuer_type)) => (only(issuer::not_supported(issuer_type)), None, None),
            Err(verdict) => (only(verdict), None, None),
        },
        Err(invalid) => (unreadable(seen, &invalid), None, None),
    };
    wanted.rotating = leaves.as_ref().and_then(|leaves| leaves.condition.clone());
    let old = seen.status();
    let new = issuer::status(controller.ports.now(), seen.meta.generation, &old, &wanted);
    Ok(Some(Outlook {
        leaves,
        account,
        old,
        new,
    }))
}

fn unreadable<K: Either>(seen: &Lean<K>, invalid: &InvalidField) -> Wanted {
    Wanted {
        verdict: Some(issuer::invalid(invalid)),
        acme: seen.status().acme,
        ..Wanted::default()
    }
}

/// Both kinds of issuer, which have the same halves.
trait Either: Stored + Kind<Spec = IssuerSpec, Status = IssuerStatus> {}

impl<K: Stored + Kind<Spec = IssuerSpec, Status = IssuerStatus>> Either for K {}

async fn judge<K: Either>(controller: &Issuers, seen: &Lean<K>) -> Result<Next, ControllerError> {
    if seen.meta.deleting.is_some() {
        return Ok(Next::OnChange);
    }
    let (issuer, wanted, next) = match seen.parse() {
        Ok(issuer) => {
            let (wanted, next) = judge_spec(controller, &issuer, true).await?;
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

/// What is to be said of an issuer. Its leaves are only led over to a new CA when `act` says so.
async fn judge_spec<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    act: bool,
) -> Result<(Wanted, Next), ControllerError> {
    let spec = match Backend::only(&issuer.spec).map(Backend::way) {
        Ok(Way::Order(spec)) => return account::judge(controller, issuer, spec).await,
        Ok(Way::Sign(spec)) => spec,
        Ok(Way::NotSupported(issuer_type)) => return Ok((only(issuer::not_supported(issuer_type)), Next::OnChange)),
        Err(verdict) => return Ok((only(verdict), Next::OnChange)),
    };
    let Readiness {
        verdict,
        next,
        expiring,
    } = controller
        .signing
        .readiness(&issuer.meta, spec, refused_again(controller))
        .await?;
    let (ready, mut wanted) = (verdict.ready, only(verdict));
    wanted.expiring = expiring;
    if let (SignerSpec::Ca(spec), true) = (spec, ready && act) {
        let (rotating, again) = rotate(controller, issuer, spec).await?;
        wanted.rotating = rotating;
        if let Next::At(time) = again {
            return Ok((wanted, next.or_at(time)));
        }
    }
    Ok((wanted, next))
}

/// Leads the leaves of a CA over to its new key pair, where that is asked for.
async fn rotate<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    spec: &CaIssuer,
) -> Result<(Option<Rotating>, Next), ControllerError> {
    match rotation::look(controller, issuer, spec).await {
        Ok(looked) => Ok(looked),
        Err(error) if error.is_stale() || error.is_not_leader() => Err(error),
        Err(error) => {
            // whether it can sign does not depend on it
            tracing::warn!(issuer = %issuer.meta.key, %error, "the rotation of its leaves does not get on");
            let again = controller.ports.now().saturating_add(RETRY_ROTATION);
            Ok((None, again.map_or(Next::OnChange, Next::At)))
        }
    }
}

/// Nothing but Ready.
fn only(verdict: Verdict) -> Wanted {
    Wanted {
        verdict: Some(verdict),
        ..Wanted::default()
    }
}

/// When to try again what the API server refused.
fn refused_again(controller: &Issuers) -> Next {
    let again = controller.ports.now().saturating_add(RETRY_REFUSED);
    again.map_or(Next::OnChange, Next::At)
}

async fn write<K: Either>(controller: &Issuers, issuer: &Object<K>, wanted: &Wanted) -> Result<(), ControllerError> {
    let status = issuer::status(controller.ports.now(), issuer.meta.generation, &issuer.status, wanted);
    if controller.ports.writer.write_status(issuer, &status).await?.is_some() {
        for notice in issuer::news(&issuer.status, &status) {
            controller.ports.events.publish::<K>(&issuer.meta, &notice);
        }
    }
    Ok(())
}
