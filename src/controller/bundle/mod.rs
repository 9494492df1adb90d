//! The controller of trust-manager's Bundles: reads the sources, writes the targets and the condition (BUN rows).
//! [`plan::bundle`] decides.

mod sources;
mod targets;

use std::{sync::Arc, time::Duration};

use aws_lc_rs::rand;

use super::{ControllerError, Ports, Services, reported::Reported};
use crate::{
    api::{Condition, bundle::BundleSpec, condition},
    pki::keystore::Seed,
    plan::{
        self,
        bundle::{
            BundleObservation, BundlePlan, Circumstances, Collected, Failure, INVALID, Parsed, TargetKind, failed,
            synced,
        },
        kinds::BundleKind,
        notice::Notice,
        seen::{Next, Object, ObjectKey},
    },
    work,
};

/// Interval between two attempts for a Bundle whose failure no watch may report the end of, as another's ConfigMap in the place of a
/// target.
const RETRY: Duration = Duration::from_secs(300);

/// Reconciles Bundles.
pub(crate) struct Bundles {
    ports: Ports,
    reported: Reported,
}

/// A Bundle that could be planned.
struct Planned {
    parsed: Parsed,
    collected: Collected,
    plan: BundlePlan,
    next: Next,
}

/// Why a Bundle could not be planned, or not be synced.
enum Trouble {
    /// It has to be changed, or something that it names.
    Failed(Failure),
    /// A call failed. What it was for is the reason of the condition.
    Error(Failure, ControllerError),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Bundles {
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

    /// Reconciles one Bundle. Does nothing while this process does not hold trust-manager's Lease.
    pub(crate) async fn reconcile(self: Arc<Self>, key: ObjectKey) -> Result<Next, ControllerError> {
        let Some(record) = self.ports.index.bundles.get(&key).filter(|_| self.ports.bundles()) else {
            return Ok(Next::OnChange);
        };
        // the garbage collector deletes the targets
        if record.meta.deleting.is_some() {
            return Ok(Next::OnChange);
        }
        let bundle = match record.parse() {
            Ok(bundle) => bundle,
            Err(invalid) => {
                let bundle = Object {
                    meta: record.meta.clone(),
                    spec: BundleSpec::default(),
                    status: record.status(),
                };
                let failure = Failure::new(INVALID, format!("Bundle is invalid: {invalid}"));
                self.fail(&bundle, &failure).await?;
                return Ok(Next::OnChange);
            }
        };
        match self.sync(&bundle).await {
            Ok(planned) => {
                let Planned {
                    parsed,
                    collected,
                    plan,
                    next,
                } = planned;
                let condition = synced(&parsed, &self.ports.settings.bundles, bundle.meta.generation);
                let notice = Notice::normal("Synced", condition.message().to_owned());
                let is_new = self.write(&bundle, condition, collected.package.clone()).await?;
                let notices = plan::bundle::notices(&collected);
                let texts: Vec<String> = notices.iter().map(|notice| notice.message.clone()).collect();
                if self.reported.is_new(&bundle.meta, &texts) {
                    for notice in &notices {
                        self.ports.events.publish::<BundleKind>(&bundle.meta, notice);
                    }
                }
                if is_new || !plan.steps.is_empty() {
                    tracing::info!(bundle = %key, targets = plan.targets, written = plan.steps.len(), "synced a Bundle");
                    self.ports.events.publish::<BundleKind>(&bundle.meta, &notice);
                }
                Ok(next)
            }
            Err(Trouble::Failed(failure)) => {
                self.fail(&bundle, &failure).await?;
                Ok(Next::At(self.ports.now() + RETRY))
            }
            Err(Trouble::Error(failure, error)) => {
                if !error.is_stale() && !error.is_not_leader() {
                    self.fail(&bundle, &failure).await?;
                }
                Err(error)
            }
        }
    }

    async fn sync(&self, bundle: &Object<BundleKind>) -> Result<Planned, Trouble> {
        let planned = self.planned(bundle).await?;
        let formats = self.formats(&planned.plan).await?;
        targets::carry_out(&self.ports, &bundle.meta, &planned.plan, &formats).await?;
        Ok(planned)
    }

    /// Reads everything, and plans.
    async fn planned(&self, bundle: &Object<BundleKind>) -> Result<Planned, Trouble> {
        let ports = &self.ports;
        let parsed = plan::bundle::parse(bundle.meta.name(), &bundle.spec)
            .map_err(|why| Failure::new(INVALID, format!("Bundle is invalid: {why}")))?;
        let seen = sources::read(ports, &parsed).await?;
        let (now, settings) = (ports.now(), Arc::clone(&ports.settings));
        let (package, given) = (ports.default_cas.clone(), parsed.clone());
        let collected = work::SHORT.run(move || {
            let circumstances = Circumstances {
                package: package.as_deref(),
                settings: &settings.bundles,
            };
            plan::bundle::collect(now, &given, &seen, circumstances)
        });
        let mut collected = collected.await.map_err(|error| Trouble::of_source(error.into()))??;
        if parsed.secret.is_some() && !ports.settings.bundles.may_write_secrets(bundle.meta.name()) {
            return Err(Failure::without_consent(bundle.meta.name()).into());
        }
        let existing = self.existing(bundle.meta.name()).await?;
        let namespaces = ports.index.namespaces.all();
        if namespaces.is_empty() {
            return Err(Failure::without_namespaces().into());
        }
        let pool = Arc::new(std::mem::take(&mut collected.pool));
        let next = plan::bundle::next(now, &pool, &ports.settings.bundles);
        let (meta, spec, settings) = (bundle.meta.clone(), parsed.clone(), Arc::clone(&ports.settings));
        let plan = work::SHORT.run(move || {
            plan::bundle::plan(&BundleObservation {
                meta: &meta,
                spec: &spec,
                pool: &pool,
                namespaces: &namespaces,
                existing: &existing,
                settings: &settings.bundles,
            })
        });
        Ok(Planned {
            plan: plan.await.map_err(|error| Trouble::of_source(error.into()))?,
            next,
            parsed,
            collected,
        })
    }

    async fn existing(&self, bundle: &str) -> Result<Vec<plan::bundle::Existing>, Trouble> {
        let ports = &self.ports;
        let mut found = Vec::new();
        for kind in TargetKind::ALL {
            if kind == TargetKind::Secret && !ports.settings.bundles.may_write_secrets(bundle) {
                continue;
            }
            let listed = ports.reader.bundle_targets(kind, bundle).await;
            found.extend(listed.map_err(|error| {
                let message = format!("Failed to list the {kind}s of the Bundle: {error}");
                Trouble::Error(Failure::new(format!("{kind}ListError"), message), error.into())
            })?);
        }
        Ok(found)
    }

    /// The files beside PEM, if any target is written.
    async fn formats(&self, plan: &BundlePlan) -> Result<targets::Formats, Trouble> {
        if !plan.writes() {
            return Ok(targets::Formats::default());
        }
        let mut bytes = [0; 32];
        let no_numbers = |_| ControllerError::Failed("the system has no random numbers".to_owned());
        rand::fill(&mut bytes).map_err(|error| Trouble::of_source(no_numbers(error)))?;
        let (content, seed) = (plan.content.clone(), Seed(bytes));
        let made = work::SHORT.run(move || content.formats(&seed)).await;
        let made = made.map_err(|error| Trouble::of_source(error.into()))?;
        made.map_err(|error| {
            let message = format!("Failed to encode additionalFormats: {error}");
            Failure::new("EncodingError", message).into()
        })
    }

    async fn fail(&self, bundle: &Object<BundleKind>, failure: &Failure) -> Result<(), ControllerError> {
        let meta = &bundle.meta;
        if self.reported.is_new(meta, std::slice::from_ref(&failure.message)) {
            tracing::info!(bundle = %meta.key, why = failure.message, "a Bundle is not synced");
            self.ports.events.publish::<BundleKind>(meta, &failure.notice());
        }
        let condition = failed(failure, bundle.meta.generation);
        // the last success may have had a package
        let package = bundle.status.default_ca_version.clone();
        self.write(bundle, condition, package).await.map(drop)
    }

    /// Writes the condition and the identifier of the package of default CAs. Returns whether anything changed.
    async fn write(
        &self,
        bundle: &Object<BundleKind>,
        condition: Condition,
        package: Option<String>,
    ) -> Result<bool, ControllerError> {
        let mut status = bundle.status.clone();
        condition::set(&mut status.conditions, condition, self.ports.now());
        status.default_ca_version = package;
        let written = self.ports.writer.write_status(bundle, &status).await?;
        Ok(written.is_some())
    }
}

impl Trouble {
    fn of_source(error: ControllerError) -> Self {
        let message = format!("Failed to build bundle sources: {error}");
        Self::Error(Failure::new(plan::bundle::SOURCE_ERROR, message), error)
    }
}
