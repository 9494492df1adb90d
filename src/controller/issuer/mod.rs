//! Issuers and ClusterIssuers: looked at when they or a Secret that they name change, and when their account is due.

mod account;
mod former;
mod rotation;

use std::sync::Arc;

use jiff::SignedDuration;

use super::{Context, ControllerError};
use crate::api::{InvalidField, IssuerSpec, IssuerStatus};
use crate::cluster::events::Severity;
use crate::cluster::issuers::{self, IssuerRecord};
use crate::cluster::records::Stored;
use crate::plan::account::AccountPlan;
use crate::plan::issuer::{self, Backend, IssuerId, IssuerType, Verdict, Wanted, secret_of};
use crate::plan::seen::{Kind, Lean, Next, Object};
use crate::plan::settings::controller;
use crate::signer::ca;

pub use rotation::Foreseen;

/// How soon it is tried again to read or write a Secret that the API server did not let us: rights, quotas and namespaces come
/// without a word to us.
const RETRY_REFUSED: SignedDuration = SignedDuration::from_secs(30);
/// How soon a look at the leaves of a CA is tried again that failed.
const RETRY_ROTATION: SignedDuration = SignedDuration::from_secs(30);

/// Makes the status of one issuer say whether it can sign.
///
/// # Errors
/// When the API server does not answer, or the issuer changed meanwhile.
pub async fn reconcile(context: Arc<Context>, id: IssuerId) -> Result<Next, ControllerError> {
    if !is_ours(&context, &id) {
        return Ok(Next::OnChange);
    }
    match issuers::record(&context.index, &id) {
        Some(IssuerRecord::Namespaced(seen)) => judge(&context, &seen).await,
        Some(IssuerRecord::Cluster(seen)) => judge(&context, &seen).await,
        None => Ok(Next::OnChange),
    }
}

/// Whether issuers of this kind are left to us (CTL-01).
fn is_ours(context: &Context, id: &IssuerId) -> bool {
    let name = if id.is_cluster() {
        controller::CLUSTER_ISSUERS
    } else {
        controller::ISSUERS
    };
    context.settings.controllers.enabled(name)
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

/// What would be done for an issuer now, without doing any of it and without asking an ACME server; `None` where there is
/// no such issuer.
///
/// # Errors
/// When the API server refuses or is not reached.
pub async fn dry_run(context: &Context, id: &IssuerId) -> Result<Option<Outlook>, ControllerError> {
    if !is_ours(context, id) {
        return Ok(None);
    }
    match issuers::record(&context.index, id) {
        Some(IssuerRecord::Namespaced(seen)) => foresee(context, &seen).await,
        Some(IssuerRecord::Cluster(seen)) => foresee(context, &seen).await,
        None => Ok(None),
    }
}

async fn foresee<K: Either>(context: &Context, seen: &Lean<K>) -> Result<Option<Outlook>, ControllerError> {
    if seen.meta.deleting.is_some() {
        return Ok(None);
    }
    let (mut wanted, account, leaves) = match seen.parse() {
        Ok(issuer) => match Backend::only(&issuer.spec) {
            Ok(Backend::Acme(spec)) => {
                let (wanted, account) = account::foresee(context, &issuer, spec).await?;
                (wanted, account, None)
            }
            Ok(Backend::Ca(spec)) => {
                let (wanted, _) = judge_spec(context, &issuer, false).await?;
                let ready = wanted.verdict.as_ref().is_some_and(|verdict| verdict.ready);
                let leaves = if ready {
                    Some(rotation::foresee(context, &issuer, spec).await?)
                } else {
                    None
                };
                (wanted, None, leaves)
            }
            Ok(Backend::SelfSigned(_)) => (only(issuer::self_signed()), None, None),
            Ok(Backend::Vault(_)) => (only(issuer::not_supported(IssuerType::Vault)), None, None),
            Ok(Backend::Venafi(_)) => (only(issuer::not_supported(IssuerType::Venafi)), None, None),
            Err(verdict) => (only(verdict), None, None),
        },
        Err(invalid) => (unreadable(seen, &invalid), None, None),
    };
    wanted.rotating = leaves.as_ref().and_then(|leaves| leaves.condition.clone());
    let old = seen.status();
    let new = issuer::status(context.now(), seen.meta.generation, &old, &wanted);
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

async fn judge<K: Either>(context: &Context, seen: &Lean<K>) -> Result<Next, ControllerError> {
    if seen.meta.deleting.is_some() {
        return Ok(Next::OnChange);
    }
    let (issuer, wanted, next) = match seen.parse() {
        Ok(issuer) => {
            let (wanted, next) = judge_spec(context, &issuer, true).await?;
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
    write(context, &issuer, &wanted).await?;
    Ok(next)
}

/// What is to be said of an issuer. Its leaves are only led over to a new CA when `act` says so.
async fn judge_spec<K: Either>(
    context: &Context,
    issuer: &Object<K>,
    act: bool,
) -> Result<(Wanted, Next), ControllerError> {
    let plain = |verdict, next| (only(verdict), next);
    Ok(match Backend::only(&issuer.spec) {
        Ok(Backend::Acme(spec)) => account::judge(context, issuer, spec).await?,
        Ok(Backend::SelfSigned(_)) => plain(issuer::self_signed(), Next::OnChange),
        Ok(Backend::Vault(_)) => plain(issuer::not_supported(IssuerType::Vault), Next::OnChange),
        Ok(Backend::Venafi(_)) => plain(issuer::not_supported(IssuerType::Venafi), Next::OnChange),
        Ok(Backend::Ca(spec)) => {
            let place = &context.settings.cluster_resource_namespace;
            let place = secret_of(&issuer.meta, &spec.secret_name, place);
            let secret = match context.reader.secret(&place).await {
                Err(error) if error.is_forbidden() => {
                    return Ok(plain(issuer::ca_not_read(&error.to_string()), refused_again(context)));
                }
                read => read?,
            };
            let pair = secret.as_ref().map(|secret| &*secret.seen.pair);
            let (verdict, next) = issuer::ca(context.now(), spec, pair);
            if !verdict.ready {
                return Ok(plain(verdict, next));
            }
            // what only whoever signs finds out, for example that the certificates form no chain
            if let Err(refusal) = context.signing.authorities.get(context, &place).await
                && refusal.reason == ca::INVALID_DATA
            {
                return Ok(plain(issuer::ca_not_usable(&refusal.message), next));
            }
            let info = pair.and_then(|pair| pair.certificate.valid());
            let expiring = info.and_then(|info| issuer::nears_its_end(context.now(), &spec.secret_name, info));
            let looked = if act {
                rotation::look(context, issuer, spec).await
            } else {
                Ok((None, Next::OnChange))
            };
            let (rotating, again) = match looked {
                Ok(looked) => looked,
                Err(error) if error.is_stale() || error.is_not_leader() => return Err(error),
                Err(error) => {
                    // whether it can sign does not depend on it
                    tracing::warn!(issuer = %issuer.meta.key, %error, "the rotation of its leaves does not get on");
                    let again = context.now().saturating_add(RETRY_ROTATION);
                    (None, again.map_or(Next::OnChange, Next::At))
                }
            };
            let next = match again {
                Next::At(time) => next.or_at(time),
                Next::OnChange => next,
            };
            let wanted = Wanted {
                verdict: Some(verdict),
                expiring,
                rotating,
                ..Wanted::default()
            };
            (wanted, next)
        }
        Err(verdict) => plain(verdict, Next::OnChange),
    })
}

/// Nothing but Ready.
fn only(verdict: Verdict) -> Wanted {
    Wanted {
        verdict: Some(verdict),
        ..Wanted::default()
    }
}

/// When to try again what the API server refused.
fn refused_again(context: &Context) -> Next {
    let again = context.now().saturating_add(RETRY_REFUSED);
    again.map_or(Next::OnChange, Next::At)
}

async fn write<K: Either>(context: &Context, issuer: &Object<K>, wanted: &Wanted) -> Result<(), ControllerError> {
    let status = issuer::status(context.now(), issuer.meta.generation, &issuer.status, wanted);
    if context.writer.write_status(issuer, &status).await?.is_some() {
        for (warning, reason, message) in issuer::news(&issuer.status, &status) {
            let severity = if warning { Severity::Warning } else { Severity::Normal };
            context.events.publish::<K>(&issuer.meta, severity, reason, &message);
        }
    }
    Ok(())
}
