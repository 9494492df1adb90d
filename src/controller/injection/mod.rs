//! The controller of injections: puts CAs into webhook configurations, APIServices and CRDs (CAI rows). [`plan::injection`] decides.

mod targets;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub(crate) use self::targets::{all, is_idle, linked, unlabelled};
use super::{ControllerError, Ports, Services, reported::Reported};
use crate::{
    api::names::data_key,
    cluster::{
        self,
        index::{Registered, Stored},
        secret::LiveSecret,
    },
    plan::{
        self,
        injection::{
            CaSource, InjectionObservation, InjectionPlan, InjectionStep, Refusal, SecretSource, SourceSeen, TargetId,
            TargetKind, TargetSeen, allowed, source_of,
        },
        kinds::{ApiServiceKind, DefinitionKind, MutatingWebhookKind, ValidatingWebhookKind},
        link::target_secret,
        notice::Notice,
        pace::Written,
        seen::{Annotated, Kind, Meta, Next, ObjectKey},
    },
    work,
};

/// Bundles beyond this size are decoded on a thread of their own, in bytes.
const LARGE: usize = 32 << 10;

/// A kind of targets.
trait Target: Stored + Kind<Record = Annotated<Self>> {}

impl<K: Stored + Kind<Record = Annotated<Self>>> Target for K {}

/// Reconciles targets of CAs.
pub(crate) struct Injections {
    ports: Ports,
    reported: Reported,
    /// The last write into each target.
    written: Mutex<HashMap<TargetId, Written>>,
}

/// What would be done for a target.
pub(crate) struct InjectionDryRun {
    /// Its source; `None` if its annotations name none.
    pub source: Option<CaSource>,
    /// The plan.
    pub plan: InjectionPlan,
}

impl Injections {
    /// A controller that remembers nothing yet.
    pub(crate) fn new(services: &Services) -> Self {
        Self {
            ports: services.ports.clone(),
            reported: Reported::default(),
            written: Mutex::default(),
        }
    }

    /// Forgets all that it remembers.
    pub(crate) fn clear(&self) {
        self.reported.clear();
        self.writes().clear();
    }

    /// Reconciles one target. Does nothing while this process does not hold the Lease for injections.
    pub(crate) async fn reconcile(self: Arc<Self>, id: TargetId) -> Result<Next, ControllerError> {
        if !self.ports.injects() {
            return Ok(Next::OnChange);
        }
        match id.kind {
            TargetKind::ValidatingWebhook => self.one::<ValidatingWebhookKind>(&id).await,
            TargetKind::MutatingWebhook => self.one::<MutatingWebhookKind>(&id).await,
            TargetKind::ApiService => self.one::<ApiServiceKind>(&id).await,
            TargetKind::Definition => self.one::<DefinitionKind>(&id).await,
        }
    }

    /// What is to be done for a target now, without doing any of it; `None` if it does not request a CA.
    ///
    /// # Errors
    /// If the API server rejects a read, or cannot be reached.
    pub(crate) async fn dry_run(&self, id: &TargetId) -> Result<Option<InjectionDryRun>, ControllerError> {
        let planned = match id.kind {
            TargetKind::ValidatingWebhook => self.planned::<ValidatingWebhookKind>(id).await?,
            TargetKind::MutatingWebhook => self.planned::<MutatingWebhookKind>(id).await?,
            TargetKind::ApiService => self.planned::<ApiServiceKind>(id).await?,
            TargetKind::Definition => self.planned::<DefinitionKind>(id).await?,
        };
        Ok(planned.map(|(_, dry_run)| dry_run))
    }

    async fn one<K: Target>(&self, id: &TargetId) -> Result<Next, ControllerError> {
        let Some((meta, dry_run)) = self.planned::<K>(id).await? else {
            self.writes().remove(id);
            return Ok(Next::OnChange);
        };
        let InjectionDryRun { source, plan } = dry_run;
        match plan.step {
            InjectionStep::Leave => {
                self.reported.is_new(&meta, &[]);
            }
            InjectionStep::Refuse(refusal) => {
                self.refused::<K>(&meta, &refusal.notice());
            }
            InjectionStep::Delay(refusal) => {
                if self.refused::<K>(&meta, &refusal.notice()) {
                    self.ports.metrics.delay_injection();
                }
            }
            InjectionStep::Write {
                slots,
                written,
                notices,
            } => {
                if let Err(error) = self.ports.writer.inject::<K>(id.kind, &meta, &slots).await {
                    if !error.is_transient() && !error.is_not_found() {
                        self.refused::<K>(&meta, &Notice::warning(plan::injection::REFUSED, error.to_string()));
                    }
                    return Err(error.into());
                }
                self.writes().insert(id.clone(), written);
                self.reported.is_new(&meta, &[]);
                let source = source.map(|source| source.to_string());
                tracing::info!(target = %id, source, "injected a CA");
                for notice in &notices {
                    self.ports.events.publish::<K>(&meta, notice);
                }
            }
        }
        Ok(plan.next)
    }

    /// Reports why nothing is injected; whether that is new.
    fn refused<K: Target>(&self, meta: &Meta, notice: &Notice) -> bool {
        let is_new = self.reported.is_new(meta, std::slice::from_ref(&notice.message));
        if is_new {
            tracing::info!(
                kind = K::KIND,
                name = meta.name(),
                why = notice.message,
                "no CA is injected"
            );
            self.ports.events.publish::<K>(meta, notice);
        }
        is_new
    }

    /// The target as it is now, and the plan for it.
    async fn planned<K: Target>(&self, id: &TargetId) -> Result<Option<(Meta, InjectionDryRun)>, ControllerError> {
        let ports = &self.ports;
        let key = ObjectKey::cluster(Arc::clone(&id.name));
        if K::Record::store(&ports.index).get(&key).is_none() {
            return Ok(None);
        }
        let Some(target) = ports.reader.injection_target::<K>(id.kind, &key).await? else {
            return Ok(None);
        };
        let refused = |refusal: Refusal| InjectionStep::Refuse(refusal).into();
        let (source, plan) = match source_of(&target.meta.annotations) {
            None => return Ok(None),
            Some(_) if target.slots.is_empty() => (None, InjectionStep::Leave.into()),
            Some(Err(refusal)) => (None, refused(refusal)),
            Some(Ok(source)) => {
                let plan = if let Err(refusal) = allowed(&source, &ports.settings) {
                    refused(refusal)
                } else {
                    self.plan(id, &target, &source).await?
                };
                (Some(source), plan)
            }
        };
        Ok(Some((target.meta, InjectionDryRun { source, plan })))
    }

    async fn plan(
        &self,
        id: &TargetId,
        target: &TargetSeen,
        source: &CaSource,
    ) -> Result<InjectionPlan, ControllerError> {
        let seen = self.read(source).await?;
        let written = self.writes().get(id).cloned();
        let (now, limit) = (self.ports.now(), self.ports.settings.size_limits.bundle);
        let (target, source) = (target.clone(), source.clone());
        let size: usize = target.slots.iter().map(|slot| slot.bundle.len()).sum();
        let planned = work::SHORT.run_if(size > LARGE, move || {
            plan::injection::plan(
                now,
                &InjectionObservation {
                    target: &target,
                    source: &source,
                    seen: &seen,
                    written: written.as_ref(),
                    limit,
                },
            )
        });
        Ok(planned.await?)
    }

    async fn read(&self, source: &CaSource) -> Result<SourceSeen, cluster::Error> {
        let ports = &self.ports;
        Ok(match source {
            CaSource::ApiServer => SourceSeen::ApiServer(ports.api_server_ca.as_deref().map(<[u8]>::to_vec)),
            CaSource::Secret(key) => SourceSeen::Secret(ports.reader.secret(key).await?.as_ref().map(secret)),
            CaSource::Certificate(key) => {
                let name = ports
                    .index
                    .certificates
                    .get(key)
                    .and_then(|record| target_secret(&record));
                match name {
                    None => SourceSeen::Certificate(None),
                    Some(name) => {
                        let found = ports.reader.secret(&key.sibling(Arc::clone(&name))).await?;
                        SourceSeen::Certificate(Some((name, found.as_ref().map(secret))))
                    }
                }
            }
        })
    }

    fn writes(&self) -> MutexGuard<'_, HashMap<TargetId, Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn secret(live: &LiveSecret) -> SecretSource {
    SecretSource {
        annotations: live.seen.meta.annotations.clone(),
        ca: live.data(data_key::CA_CRT).map(<[u8]>::to_vec),
        has_certificate: live.data(data_key::TLS_CRT).is_some_and(|chain| !chain.is_empty()),
    }
}
