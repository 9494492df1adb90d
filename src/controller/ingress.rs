//! The controller of Ingresses: creates, updates and deletes their Certificates (SHM rows). [`plan::ingress`] decides.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{ControllerError, Ports, Services, reported::Reported};
use crate::{
    cluster::{owner::controlling, store::Link, writer::NewObject},
    plan::{
        self,
        ingress::{Existing, IngressEffect, IngressObservation, IngressPlan, WantedCertificate},
        kinds::{CertificateKind, IngressKind},
        notice::Notice,
        seen::{Lean, Meta, Next, Object, ObjectKey},
    },
};

/// The name in `--controllers` (CTL-03).
pub(crate) const NAME: &str = "ingress-shim";

/// Time for the watch to deliver a Certificate that another client has just created.
const WATCH_LAG: SignedDuration = SignedDuration::from_secs(1);

/// Reconciles Ingresses.
pub(crate) struct Ingresses {
    ports: Ports,
    reported: Reported,
}

impl Ingresses {
    /// A controller that remembers nothing yet.
    pub(crate) fn new(services: &Services) -> Self {
        Self {
            ports: services.ports.clone(),
            reported: Reported::default(),
        }
    }

    /// Forgets all that it remembers.
    pub(crate) fn clear(&self) {
        self.reported.clear();
    }

    /// Reconciles one Ingress.
    pub(crate) async fn reconcile(self: Arc<Self>, key: ObjectKey) -> Result<Next, ControllerError> {
        let Some((ingress, plan)) = self.dry_run(&key) else {
            return Ok(Next::OnChange);
        };
        let IngressPlan {
            effects,
            mut complaints,
        } = plan;
        let mut outcome = Ok(Next::OnChange);
        for effect in effects {
            let Err(error) = apply(&self, &ingress.meta, &effect).await else {
                continue;
            };
            if error.is_already_exists() {
                let soon = self
                    .ports
                    .now()
                    .saturating_add(WATCH_LAG)
                    .unwrap_or_else(|_| self.ports.now());
                outcome = outcome.map(|next| next.or_at(soon));
                continue;
            }
            if !error.is_transient() || error.webhook_advice().is_some() {
                complaints.push(error.to_string());
            }
            // Only an edit of the Ingress changes what the API server finds invalid. A quota or a permission may change by itself.
            if !error.is_invalid() {
                outcome = Err(error.into());
                break;
            }
        }
        complain(&self, &ingress.meta, &complaints);
        outcome
    }

    /// What is to be done for an Ingress now, without doing any of it; `None` where there is no such Ingress, or where
    /// Ingresses are not ours.
    pub(crate) fn dry_run(&self, key: &ObjectKey) -> Option<(Object<IngressKind>, IngressPlan)> {
        if !self.ports.settings.controllers.enabled(NAME) {
            return None;
        }
        let ingress = self.ports.index.ingresses.get(key)?.parse().ok()?;
        let certificates = certificates_of(self, &ingress);
        let plan = plan::ingress::plan(&IngressObservation {
            ingress: &ingress,
            certificates: &certificates,
            settings: &self.ports.settings,
        });
        Some((ingress, plan))
    }
}

/// The Certificates that the Ingress owns, and those with a name that one of its blocks requests.
fn certificates_of(controller: &Ingresses, ingress: &Object<IngressKind>) -> Vec<Existing> {
    let store = &controller.ports.index.certificates;
    let owned = store.linked(&Link::Owner(ingress.meta.uid.clone()));
    let blocks = ingress.spec.tls.iter().flatten();
    let named = blocks.filter_map(|tls| store.get(&ingress.meta.key.sibling(tls.secret_name.as_deref()?)));
    let mut found: Vec<Arc<Lean<CertificateKind>>> = owned.into_iter().chain(named).collect();
    found.sort_by(|a, b| a.meta.key.cmp(&b.meta.key));
    found.dedup_by(|a, b| a.meta.key == b.meta.key);
    found.iter().map(|lean| existing(lean)).collect()
}

fn existing(lean: &Lean<CertificateKind>) -> Existing {
    Existing {
        meta: lean.meta.clone(),
        raw: serde_json::from_str(lean.spec.get()).unwrap_or_default(),
        spec: lean.parse().ok().map(|object| object.spec),
    }
}

fn complain(controller: &Ingresses, ingress: &Meta, complaints: &[String]) {
    if controller.reported.is_new(ingress, complaints) {
        for complaint in complaints {
            tracing::info!(ingress = %ingress.key, complaint, "the Ingress cannot be served as it is");
            let notice = Notice::warning("BadConfig", complaint);
            controller.ports.events.publish::<IngressKind>(ingress, &notice);
        }
    }
}

async fn apply(controller: &Ingresses, ingress: &Meta, effect: &IngressEffect) -> Result<(), crate::cluster::Error> {
    let (reason, done, name) = match effect {
        IngressEffect::Create(wanted) => {
            controller
                .ports
                .writer
                .create::<CertificateKind>(&new(ingress, wanted))
                .await?;
            ("CreateCertificate", "created", wanted.name.as_str())
        }
        IngressEffect::Update { certificate, patch } => {
            controller
                .ports
                .writer
                .patch::<CertificateKind>(certificate, patch.clone())
                .await?;
            ("UpdateCertificate", "updated", certificate.name())
        }
        IngressEffect::Delete(certificate) => {
            controller.ports.writer.delete::<CertificateKind>(certificate).await?;
            ("DeleteCertificate", "deleted unrequired", certificate.name())
        }
    };
    let notice = Notice::normal(reason, format!("Successfully {done} Certificate {name:?}"));
    controller.ports.events.publish::<IngressKind>(ingress, &notice);
    Ok(())
}

fn new(ingress: &Meta, wanted: &WantedCertificate) -> NewObject<CertificateKind> {
    NewObject {
        key: ingress.key.sibling(wanted.name.as_str()),
        labels: wanted.labels.clone(),
        annotations: wanted.annotations.clone(),
        owners: vec![controlling::<IngressKind>(ingress)],
        finalizers: Vec::new(),
        spec: wanted.spec.clone(),
    }
}
