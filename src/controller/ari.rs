//! Polls ACME servers for renewal information (RFC 9773). This controller writes nothing. If a window moved, it wakes the
//! Certificate's own controller.

use std::sync::Arc;

use super::{ControllerError, FollowUp, Ports, Services, renewals::Renewals};
use crate::acme::{trust, url::origin};
use crate::api::{AcmeIssuer, CertificateSpec};
use crate::cluster::issuers;
use crate::plan::ari::{self, AriIssuer, AriPlan, AriSeen};
use crate::plan::issuer::Lookup;
use crate::plan::kinds::CertificateKind;
use crate::plan::notice::Notice;
use crate::plan::seen::{Meta, Next, ObjectKey};

/// Polls renewal information.
pub(crate) struct RenewalPolls {
    ports: Ports,
    renewals: Arc<Renewals>,
}

impl RenewalPolls {
    /// A controller that writes down in `renewals` what it was answered.
    pub(crate) fn new(services: &Services) -> Self {
        Self {
            ports: services.ports.clone(),
            renewals: Arc::clone(&services.renewals),
        }
    }

    /// Nothing of its own to clear: its state is in `renewals`.
    pub(crate) fn clear(&self) {
        let Self { ports: _, renewals: _ } = self;
    }

    /// Polls the renewal information of one Certificate if it is due.
    ///
    /// # Errors
    /// None: a failed poll is retried at its next time.
    pub(crate) async fn reconcile(self: Arc<Self>, key: ObjectKey) -> Result<Next, ControllerError> {
        let Some(certificate) = self
            .ports
            .index
            .certificates
            .get(&key)
            .and_then(|lean| lean.parse().ok())
        else {
            self.renewals.forget(&key);
            return Ok(Next::OnChange);
        };
        let secret = self
            .ports
            .index
            .secrets
            .get(&key.sibling(certificate.spec.secret_name.as_str()));
        let issuer = issuer(&self, &certificate.spec, &key);
        let record = self.renewals.record(&key);
        let seen = AriSeen {
            certificate: &certificate,
            secret: secret.as_deref(),
            issuer: issuer.seen(),
            record: record.as_ref(),
        };
        match (
            ari::plan(self.ports.now(), &seen, &self.ports.settings),
            &issuer,
            record,
        ) {
            (AriPlan::Forget(next), ..) => {
                self.renewals.forget(&key);
                Ok(next)
            }
            (AriPlan::Expect(record), ..) => {
                let next = Next::At(record.next);
                self.renewals.keep(key, record);
                Ok(next)
            }
            (AriPlan::Refuse { record, warning }, ..) => {
                let next = Next::At(record.next);
                self.renewals.keep(key, record);
                warn(&self, &certificate.meta, warning);
                Ok(next)
            }
            (AriPlan::Wait(until), ..) => Ok(Next::At(until)),
            (AriPlan::Ask { certificate_id }, Issuer::Acme(acme), Some(before)) => {
                let server = origin(&acme.server).unwrap_or_default();
                let call = match self.ports.queues.renewal_polls.calling(&server, &key, self.ports.now()) {
                    Ok(call) => call,
                    Err(in_line) => return Ok(Next::At(in_line)),
                };
                let answer = ask(&self, acme, &certificate_id).await;
                drop(call);
                let outcome = answer.as_ref().map(|answered| (&answered.value, answered.retry_after));
                let concluded = ari::conclude(self.ports.now(), &before, outcome, ari::fixed(&self.ports.settings));
                let next = Next::At(concluded.record.next);
                self.renewals.keep(key.clone(), concluded.record);
                if concluded.changed {
                    self.ports.queues.follow_up(FollowUp::WindowMoved(key));
                }
                warn(&self, &certificate.meta, concluded.warning);
                Ok(next)
            }
            (AriPlan::Ask { .. }, ..) => Ok(Next::OnChange), // nothing is polled without an issuer and a time
        }
    }
}

/// Reports a problem as an Event (ARI-06).
fn warn(controller: &RenewalPolls, certificate: &Meta, warning: Option<String>) {
    if let Some(warning) = warning {
        let notice = Notice::warning("ARIError", warning);
        controller.ports.events.publish::<CertificateKind>(certificate, &notice);
    }
}

async fn ask(
    controller: &RenewalPolls,
    issuer: &AcmeIssuer,
    certificate_id: &str,
) -> Result<crate::acme::Answered<crate::acme::ari::RenewalInfo>, crate::acme::Error> {
    let trust = trust(issuer);
    controller
        .ports
        .acme
        .server(&issuer.server, &trust)?
        .renewal_info(certificate_id)
        .await
}

/// The issuer of a Certificate.
enum Issuer {
    /// It does not exist, or is not ready.
    Absent,
    /// It is not an ACME issuer.
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

fn issuer(controller: &RenewalPolls, spec: &CertificateSpec, key: &ObjectKey) -> Issuer {
    match issuers::find(&controller.ports.index, &spec.issuer_ref, &key.namespace) {
        Lookup::External => Issuer::Other,
        Lookup::Missing(_) | Lookup::Unreadable(..) => Issuer::Absent,
        Lookup::Found(issuer) => match &issuer.spec.acme {
            None => Issuer::Other,
            Some(acme) if issuer.is_ready() => Issuer::Acme(Box::new(acme.clone())),
            Some(_) => Issuer::Absent,
        },
    }
}
