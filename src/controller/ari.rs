//! Asks ACME servers when they want certificates renewed (RFC 9773). Nothing is written here: a Certificate whose window
//! moved is looked at by its own controller.

use std::sync::Arc;

use super::{Context, ControllerError};
use crate::acme::{trust, url::origin};
use crate::api::{AcmeIssuer, CertificateSpec};
use crate::cluster::issuers;
use crate::plan::ari::{self, AriIssuer, AriPlan, AriSeen};
use crate::plan::issuer::Lookup;
use crate::plan::kinds::CertificateKind;
use crate::plan::notice::Notice;
use crate::plan::seen::{Meta, Next, ObjectKey};

/// Polls the renewal information of one Certificate if its time has come.
///
/// # Errors
/// Never: what fails is asked again at its time.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Result<Next, ControllerError> {
    let Some(certificate) = context.index.certificates.get(&key).and_then(|lean| lean.parse().ok()) else {
        context.renewals.forget(&key);
        return Ok(Next::OnChange);
    };
    let secret = context
        .index
        .secrets
        .get(&key.sibling(certificate.spec.secret_name.as_str()));
    let issuer = issuer(&context, &certificate.spec, &key);
    let heard = context.renewals.heard(&key);
    let seen = AriSeen {
        certificate: &certificate,
        secret: secret.as_deref(),
        issuer: issuer.seen(),
        heard: heard.as_ref(),
    };
    match (ari::plan(context.now(), &seen, &context.settings), &issuer, heard) {
        (AriPlan::Forget(next), ..) => {
            context.renewals.forget(&key);
            Ok(next)
        }
        (AriPlan::Expect(heard), ..) => {
            let next = Next::At(heard.next);
            context.renewals.keep(key, heard);
            Ok(next)
        }
        (AriPlan::Refuse { heard, warning }, ..) => {
            let next = Next::At(heard.next);
            context.renewals.keep(key, heard);
            warn(&context, &certificate.meta, warning);
            Ok(next)
        }
        (AriPlan::Wait(until), ..) => Ok(Next::At(until)),
        (AriPlan::Ask { certificate_id }, Issuer::Acme(acme), Some(before)) => {
            let server = origin(&acme.server).unwrap_or_default();
            let call = match context.queues.renewals.calling(&server, &key, context.now()) {
                Ok(call) => call,
                Err(in_line) => return Ok(Next::At(in_line)),
            };
            let answer = ask(&context, acme, &certificate_id).await;
            drop(call);
            let outcome = answer.as_ref().map(|answered| (&answered.value, answered.retry_after));
            let concluded = ari::conclude(context.now(), &before, outcome, ari::fixed(&context.settings));
            let next = Next::At(concluded.heard.next);
            context.renewals.keep(key.clone(), concluded.heard);
            if concluded.changed {
                context.queues.certificates.add(key);
            }
            warn(&context, &certificate.meta, concluded.warning);
            Ok(next)
        }
        (AriPlan::Ask { .. }, ..) => Ok(Next::OnChange), // nobody is asked without an issuer and a time
    }
}

/// Tells what is wrong (ARI-06).
fn warn(context: &Context, certificate: &Meta, warning: Option<String>) {
    if let Some(warning) = warning {
        let notice = Notice::warning("ARIError", warning);
        context.events.publish::<CertificateKind>(certificate, &notice);
    }
}

async fn ask(
    context: &Context,
    issuer: &AcmeIssuer,
    certificate_id: &str,
) -> Result<crate::acme::Answered<crate::acme::ari::RenewalInfo>, crate::acme::Error> {
    let trust = trust(issuer);
    context
        .acme
        .server(&issuer.server, &trust)?
        .renewal_info(certificate_id)
        .await
}

/// The issuer that a Certificate names.
enum Issuer {
    /// Not there, or not ready.
    Absent,
    /// Not ACME.
    Other,
    Acme(Box<AcmeIssuer>),
}

impl Issuer {
    fn seen(&self) -> AriIssuer<'_> {
        match self {
            Self::Absent => AriIssuer::Absent,
            Self::Other => AriIssuer::Other,
            Self::Acme(acme) => AriIssuer::Acme(acme),
        }
    }
}

fn issuer(context: &Context, spec: &CertificateSpec, key: &ObjectKey) -> Issuer {
    match issuers::find(&context.index, &spec.issuer_ref, &key.namespace) {
        Lookup::External => Issuer::Other,
        Lookup::Missing(_) | Lookup::Unreadable(..) => Issuer::Absent,
        Lookup::Found(issuer) => match &issuer.spec.acme {
            None => Issuer::Other,
            Some(acme) if issuer.is_ready() => Issuer::Acme(Box::new(acme.clone())),
            Some(_) => Issuer::Absent,
        },
    }
}
