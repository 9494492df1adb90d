//! The controllers of annotated Ingresses, Gateways and ListenerSets: they create, update and delete their Certificates (SHM rows).
//! [`plan::shim`](crate::plan::shim) decides.

mod source;

use std::{
    collections::HashMap,
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::SignedDuration;

use self::source::Source;
use super::{ControllerError, Ports, Services, reported::Reported};
use crate::{
    api::condition,
    cluster::{issuers, owner::controlling, store::Link, writer::NewObject},
    plan::{
        self,
        issuer::Lookup,
        kinds::{CertificateKind, GatewayKind, IngressKind, ListenerSetKind},
        notice::Notice,
        seen::{Lean, Meta, Next, ObjectKey},
        shim::{Existing, NamesChange, ShimEffect, ShimObject, ShimObservation, ShimPlan, WantedCertificate},
    },
};

/// Time for the watch to deliver a Certificate that another client has just created.
const WATCH_LAG: SignedDuration = SignedDuration::from_secs(1);

/// Beyond this many remembered changes those that do not count any more are forgotten.
const MANY: usize = 1024;

/// Reconciles Ingresses (CTL-03).
pub(crate) type Ingresses = Shim<IngressKind>;
/// Reconciles Gateways (CTL-04).
pub(crate) type Gateways = Shim<GatewayKind>;
/// Reconciles ListenerSets (CTL-05).
pub(crate) type ListenerSets = Shim<ListenerSetKind>;

/// Reconciles annotated objects of one kind.
pub(crate) struct Shim<S> {
    ports: Ports,
    reported: Reported,
    /// The last change of the names from routes, by the uid of the Certificate.
    names_changes: Mutex<HashMap<Box<str>, NamesChange>>,
    kind: PhantomData<fn() -> S>,
}

impl<S: Source> Shim<S> {
    /// A controller that remembers nothing yet.
    pub(crate) fn new(services: &Services) -> Self {
        Self {
            ports: services.ports.clone(),
            reported: Reported::default(),
            names_changes: Mutex::default(),
            kind: PhantomData,
        }
    }

    /// Forgets all that it remembers.
    pub(crate) fn clear(&self) {
        self.reported.clear();
        self.changes().clear();
    }

    fn changes(&self) -> MutexGuard<'_, HashMap<Box<str>, NamesChange>> {
        self.names_changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reconciles one object.
    pub(crate) async fn reconcile(self: Arc<Self>, key: ObjectKey) -> Result<Next, ControllerError> {
        let Some((object, plan)) = self.dry_run(&key) else {
            return Ok(Next::OnChange);
        };
        let ShimPlan {
            effects,
            mut complaints,
            waiting,
            again,
        } = plan;
        let mut outcome = Ok(again.map_or(Next::OnChange, Next::At));
        for effect in effects {
            let Err(error) = self.apply(&object.meta, &effect).await else {
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
            // Only an edit of the object changes what the API server finds invalid. A quota or a permission may change by itself.
            if !error.is_invalid() {
                outcome = Err(error.into());
                break;
            }
        }
        self.report(&object.meta, complaints, waiting);
        outcome
    }

    /// What is to be done for an object now, without doing any of it; `None` where there is no such object, or where its kind is not
    /// ours.
    pub(crate) fn dry_run(&self, key: &ObjectKey) -> Option<(ShimObject, ShimPlan)> {
        if !self.ports.settings.controllers.enabled(S::CONTROLLER) {
            return None;
        }
        let object = S::annotated(&self.ports, key)?;
        let issuer = object.issuer(&self.ports.settings);
        // without an issuer nothing is planned
        let certificates = issuer
            .as_ref()
            .map(|_| self.certificates_of(&object))
            .unwrap_or_default();
        let issuer = issuer.map(|issuer| issuers::find(&self.ports.index, &issuer, object.meta.namespace()));
        let issuer = issuer.as_ref().and_then(Lookup::found);
        let acme = issuer.and_then(|issuer| issuer.spec.acme.as_ref());
        let seen = ShimObservation {
            object: &object,
            certificates: &certificates,
            solvers: acme.map(|acme| acme.solvers.as_slice()),
            settings: &self.ports.settings,
        };
        let plan = plan::shim::plan(self.ports.now(), &seen);
        Some((object, plan))
    }

    /// The Certificates that the object owns, and those with the name of one of its Secrets.
    fn certificates_of(&self, object: &ShimObject) -> Vec<Existing> {
        let store = &self.ports.index.certificates;
        let owned = store.linked(&Link::Owner(object.meta.uid.clone()));
        let named = object
            .secrets()
            .filter_map(|secret| store.get(&object.meta.key.sibling(secret)));
        let mut found: Vec<Arc<Lean<CertificateKind>>> = owned.into_iter().chain(named).collect();
        found.sort_by(|a, b| a.meta.key.cmp(&b.meta.key));
        found.dedup_by(|a, b| a.meta.key == b.meta.key);
        let changes = self.changes();
        let existing = found.iter().map(|lean| existing(lean, changes.get(&lean.meta.uid)));
        existing.collect()
    }

    /// Publishes what is new about the object.
    fn report(&self, object: &Meta, complaints: Vec<String>, waiting: Vec<String>) {
        let texts: Vec<String> = complaints.iter().chain(&waiting).cloned().collect();
        if !self.reported.is_new(object, &texts) {
            return;
        }
        for complaint in complaints {
            tracing::info!(kind = S::KIND, object = %object.key, complaint, "the object cannot be served as it is");
            let notice = Notice::warning("BadConfig", complaint).by_message();
            self.ports.events.publish::<S>(object, &notice);
        }
        for why in waiting {
            let notice = Notice::normal("WaitingForRoutes", why).by_message();
            self.ports.events.publish::<S>(object, &notice);
        }
    }

    fn remember(&self, certificate: &Meta, change: &NamesChange) {
        let mut changes = self.changes();
        if changes.len() >= MANY {
            changes.retain(|_, earlier| !earlier.is_forgiven(change.at));
        }
        changes.insert(certificate.uid.clone(), change.clone());
    }

    async fn apply(&self, object: &Meta, effect: &ShimEffect) -> Result<(), crate::cluster::Error> {
        let writer = &self.ports.writer;
        let (reason, done, name) = match effect {
            ShimEffect::Create(wanted) => {
                writer.create::<CertificateKind>(&new::<S>(object, wanted)).await?;
                ("CreateCertificate", "created", wanted.name.as_str())
            }
            ShimEffect::Update {
                certificate,
                patch,
                names_change,
            } => {
                writer.patch::<CertificateKind>(certificate, patch.clone()).await?;
                if let Some(change) = names_change {
                    self.remember(certificate, change);
                }
                ("UpdateCertificate", "updated", certificate.name())
            }
            ShimEffect::Delete(certificate) => {
                writer.delete::<CertificateKind>(certificate).await?;
                ("DeleteCertificate", "deleted unrequired", certificate.name())
            }
        };
        let notice = Notice::normal(reason, format!("Successfully {done} Certificate {name:?}")).by_message();
        self.ports.events.publish::<S>(object, &notice);
        Ok(())
    }
}

fn existing(lean: &Lean<CertificateKind>, names_change: Option<&NamesChange>) -> Existing {
    let status = lean.status();
    let is_ready = condition::is_true(&status.conditions, condition::READY);
    Existing {
        meta: lean.meta.clone(),
        raw: serde_json::from_str(lean.spec.get()).unwrap_or_default(),
        spec: crate::api::parse(lean.spec.get()).ok(),
        renewal: status.renewal_time.filter(|_| is_ready).map(|time| time.0),
        names_change: names_change.cloned(),
    }
}

fn new<S: Source>(object: &Meta, wanted: &WantedCertificate) -> NewObject<CertificateKind> {
    NewObject {
        key: object.key.sibling(wanted.name.as_str()),
        labels: wanted.labels.clone(),
        annotations: wanted.annotations.clone(),
        owners: vec![controlling::<S>(object)],
        finalizers: Vec::new(),
        spec: wanted.spec.clone(),
    }
}
