//! The controller of copies: puts the Secret of a Certificate into the namespaces that it names and that accept it, and removes copies
//! when either ends (ANO-18 to ANO-20). [`plan::copies`] decides.

mod observe;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::observe::Observed;
pub(crate) use self::observe::all;
use super::{ControllerError, Ports, Services};
use crate::{
    api::{CertificateSpec, CertificateStatus},
    cluster::secret::{LiveSecret, SecretApply},
    plan::{
        self,
        certificate::secret::TLS_TYPE,
        copies::{CopyPlan, CopyProblem, CopyRemoval, CopyWrite, LABELS, annotations, news},
        kinds::CertificateKind,
        notice::Notice,
        pace::Written,
        seen::{Lean, Meta, Next, Object, ObjectKey},
    },
};

/// Reason of the Event for a copy that was written.
const COPIED: &str = "SecretCopied";
/// Reason of the Event for a copy that was removed.
const REMOVED: &str = "SecretCopyRemoved";

/// Reconciles the copies of Certificates.
pub(crate) struct Copies {
    ports: Ports,
    /// The last write of each copy.
    written: Mutex<BTreeMap<ObjectKey, Written>>,
}

/// What would be done for the copies of a Certificate.
pub(crate) struct CopiesDryRun {
    /// The plan.
    pub plan: CopyPlan,
    /// The status of the Certificate before and after.
    pub status: Option<[CertificateStatus; 2]>,
}

impl Copies {
    /// A controller that remembers nothing yet.
    pub(crate) fn new(services: &Services) -> Self {
        Self {
            ports: services.ports.clone(),
            written: Mutex::default(),
        }
    }

    /// Forgets all that it remembers.
    pub(crate) fn clear(&self) {
        self.writes().clear();
    }

    /// Reconciles the copies of one Certificate.
    ///
    /// # Errors
    /// If the API server rejects a call, or cannot be reached.
    pub(crate) async fn reconcile(self: Arc<Self>, key: ObjectKey) -> Result<Next, ControllerError> {
        let observed = self.observe(&key).await?;
        let plan = self.plan(&observed);
        let mut failed = None;
        let mut rejected = Vec::new();
        for write in &plan.writes {
            if let Err(error) = self.write(&observed, write).await {
                if error.is_stale() || error.is_not_leader() {
                    return Err(error);
                }
                // one namespace that refuses must not keep the others from their copies
                rejected.push(CopyProblem::rejected(error.to_string()));
                failed = failed.or(Some(error));
            }
        }
        for removal in &plan.removals {
            self.remove(&observed, removal).await?;
        }
        if let Some(certificate) = &observed.certificate {
            self.report(certificate, &plan, &rejected).await?;
        }
        failed.map_or(Ok(plan.next()), Err)
    }

    /// What is to be done now, without doing any of it.
    ///
    /// # Errors
    /// If the API server rejects a read, or cannot be reached.
    pub(crate) async fn dry_run(&self, key: &ObjectKey) -> Result<CopiesDryRun, ControllerError> {
        let observed = self.observe(key).await?;
        let plan = self.plan(&observed);
        let status = observed.certificate.map(|certificate| {
            let before = certificate.status();
            let after = plan::copies::status(self.ports.now(), certificate.meta.generation, &before, &plan, &[]);
            [before, after]
        });
        Ok(CopiesDryRun { plan, status })
    }

    fn plan(&self, observed: &Observed) -> CopyPlan {
        plan::copies::plan(self.ports.now(), &observed.seen, &self.writes())
    }

    async fn write(&self, observed: &Observed, write: &CopyWrite) -> Result<(), ControllerError> {
        let (Some(certificate), Some(secret)) = (&observed.certificate, &observed.secret) else {
            return Ok(());
        };
        let copy = rendered(&certificate.meta, secret, write);
        self.ports.writer.apply_copy(&copy).await?;
        self.writes().insert(write.key.clone(), write.written.clone());
        tracing::info!(certificate = %certificate.meta.key, copy = %write.key, "copied a Secret");
        let message = format!(
            "Copied Secret {:?} into namespace {}",
            write.key.name, write.key.namespace
        );
        self.publish(&certificate.meta, COPIED, message);
        Ok(())
    }

    async fn remove(&self, observed: &Observed, removal: &CopyRemoval) -> Result<(), ControllerError> {
        let CopyRemoval { copy, why } = removal;
        self.ports.writer.delete_secret(copy).await?;
        self.writes().remove(&copy.key);
        tracing::info!(certificate = %observed.seen.key, copy = %copy.key, why, "removed a copy of a Secret");
        if let Some(certificate) = &observed.certificate {
            let message = format!("Removed the copy {} of its Secret: {why}", copy.key);
            self.publish(&certificate.meta, REMOVED, message);
        }
        Ok(())
    }

    fn publish(&self, certificate: &Meta, reason: &'static str, message: String) {
        let notice = Notice::normal(reason, message).by_message();
        self.ports.events.publish::<CertificateKind>(certificate, &notice);
    }

    /// Writes the condition, and an Event if it is news.
    async fn report(
        &self,
        certificate: &Lean<CertificateKind>,
        plan: &CopyPlan,
        rejected: &[CopyProblem],
    ) -> Result<(), ControllerError> {
        let before = certificate.status();
        let generation = certificate.meta.generation;
        let after = plan::copies::status(self.ports.now(), generation, &before, plan, rejected);
        let notice = news(&before, &after);
        let object = Object::<CertificateKind> {
            meta: certificate.meta.clone(),
            // the status is written alone
            spec: CertificateSpec::default(),
            status: before,
        };
        self.ports
            .writer
            .write_status::<CertificateKind>(&object, &after)
            .await?;
        if let Some(notice) = notice {
            self.ports.events.publish::<CertificateKind>(&certificate.meta, &notice);
        }
        Ok(())
    }

    fn writes(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The copy. Its type is always that of TLS: one that gives a Secret power of its own, as that of a service account's token does, is not
/// carried into another namespace.
fn rendered(certificate: &Meta, secret: &LiveSecret, write: &CopyWrite) -> SecretApply {
    let over = write.over.as_ref();
    SecretApply {
        key: write.key.clone(),
        type_: TLS_TYPE.to_owned(),
        labels: LABELS
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        annotations: annotations(certificate)
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
        owners: Vec::new(),
        data: secret.copied_data(),
        resource_version: over.map(|copy| copy.resource_version.to_string()),
        uid: over.map(|copy| copy.uid.to_string()),
    }
}
