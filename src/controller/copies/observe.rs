//! What decides about the copies of one Certificate: read from the API server. The index only says where to look.

use std::sync::Arc;

use super::Copies;
use crate::{
    api::names::ACCEPTING_SECRET,
    cluster::{Error, index::Index, issuers, secret::LiveSecret, store::Link},
    plan::{
        copies::{
            Consent, CopiedCertificate, CopyObservation, CopyTarget, SecretFacts, SyncRequest, accepts, copy_of,
            speaker_accepts,
        },
        kinds::{CertificateKind, NamespaceKind},
        link::target_secret,
        seen::{Lean, ObjectKey},
    },
};

/// The input of the planner, and what the writes need beside it.
pub(super) struct Observed {
    pub(super) certificate: Option<Arc<Lean<CertificateKind>>>,
    /// The Secret of the Certificate.
    pub(super) secret: Option<LiveSecret>,
    pub(super) seen: CopyObservation,
}

/// The Certificates that request copies, and those for which there are copies.
pub(crate) fn all(index: &Index) -> Vec<ObjectKey> {
    let requesting = index.certificates.linked(&Link::Synced).into_iter();
    let copies = index.secrets.linked(&Link::Synced).into_iter();
    let requesting = requesting.map(|certificate| certificate.meta.key.clone());
    let mut keys: Vec<ObjectKey> = requesting
        .chain(copies.filter_map(|secret| copy_of(&secret.meta)))
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

impl Copies {
    /// Everything that decides about the copies for this Certificate.
    ///
    /// # Errors
    /// If the API server rejects a read, or cannot be reached.
    pub(super) async fn observe(&self, key: &ObjectKey) -> Result<Observed, Error> {
        let ports = &self.ports;
        let obstacle = ports.settings.copy_obstacle();
        let certificate = ports.index.certificates.get(key);
        let certificate = certificate.filter(|certificate| certificate.meta.deleting.is_none());
        let mut observed = Observed {
            secret: None,
            seen: CopyObservation {
                key: key.clone(),
                certificate: None,
                obstacle,
                targets: Vec::new(),
                others: Vec::new(),
            },
            certificate,
        };
        if let Some(record) = &observed.certificate {
            let request = SyncRequest::of(&record.meta);
            let secret_name = target_secret(record).unwrap_or_else(|| "".into());
            if obstacle.is_none() && !request.namespaces.is_empty() && !secret_name.is_empty() {
                observed.secret = ports.reader.secret(&key.sibling(Arc::clone(&secret_name))).await?;
                for namespace in &request.namespaces {
                    let target = self.target(key, namespace, &secret_name).await?;
                    observed.seen.targets.push(target);
                }
            }
            observed.seen.certificate = Some(CopiedCertificate {
                meta: record.meta.clone(),
                secret_name,
                request,
                secret: observed.secret.as_ref().map(LiveSecret::facts),
            });
        }
        if obstacle.is_none() {
            observed.seen.others = self.others(&observed.seen).await?;
        }
        Ok(observed)
    }

    /// A namespace that the Certificate names.
    async fn target(
        &self,
        certificate: &ObjectKey,
        namespace: &Arc<str>,
        name: &Arc<str>,
    ) -> Result<CopyTarget, Error> {
        let key = ObjectKey::new(Arc::clone(namespace), Arc::clone(name));
        let consent = self.consent(certificate, namespace).await?;
        let secret = if consent == Consent::Given {
            self.ports.reader.secret(&key).await?
        } else {
            None
        };
        Ok(CopyTarget {
            user: user(&self.ports.index, &key, &self.ports.settings.cluster_resource_namespace),
            namespace: Arc::clone(namespace),
            consent,
            secret: secret.as_ref().map(LiveSecret::facts),
        })
    }

    /// Whether the namespace accepts the Secret of the Certificate. Neither an index that is behind nor a missing right may remove a copy:
    /// both objects are read now.
    async fn consent(&self, certificate: &ObjectKey, namespace: &Arc<str>) -> Result<Consent, Error> {
        let reader = &self.ports.reader;
        let key = ObjectKey::cluster(Arc::clone(namespace));
        let found = match reader.get::<NamespaceKind>(&key).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Consent::Withheld),
            Err(error) if error.is_forbidden() => return Ok(Consent::Unknown(error.to_string())),
            Err(error) => return Err(error),
        };
        let mut is_accepted = accepts(&found.meta.annotations, certificate);
        if !is_accepted {
            let key = ObjectKey::new(Arc::clone(namespace), ACCEPTING_SECRET);
            let speaker = reader.secret(&key).await?;
            is_accepted = speaker.is_some_and(|speaker| speaker_accepts(&speaker.seen, certificate));
        }
        Ok(match (is_accepted, &found.meta.deleting) {
            (false, _) => Consent::Withheld,
            (true, None) => Consent::Given,
            // nothing can be created in it, and everything in it goes
            (true, Some(_)) => Consent::Unknown("it is being deleted".to_owned()),
        })
    }

    /// The Secrets that claim to be copies for the Certificate, except those that are read already.
    async fn others(&self, seen: &CopyObservation) -> Result<Vec<SecretFacts>, Error> {
        let ports = &self.ports;
        let read = seen.targets.iter().filter_map(|target| target.secret.as_ref());
        let read: Vec<&ObjectKey> = read.map(|secret| &secret.seen.meta.key).collect();
        let mut others = Vec::new();
        for claimed in ports.index.secrets.linked(&Link::CopyOf(seen.key.clone())) {
            if !read.contains(&&claimed.meta.key)
                && let Some(secret) = ports.reader.secret(&claimed.meta.key).await?
            {
                others.push(secret.facts());
            }
        }
        Ok(others)
    }
}

/// An object that writes this Secret itself: a Certificate, or an issuer that keeps the key of its ACME account in it.
fn user(index: &Index, secret: &ObjectKey, cluster_resource_namespace: &str) -> Option<String> {
    let certificates = index.certificates.linked(&Link::Secret(secret.clone()));
    if let Some(certificate) = certificates.first() {
        return Some(format!("Certificate {:?}", certificate.meta.name()));
    }
    let issuers = issuers::that_name(index, secret, cluster_resource_namespace).into_iter();
    let mut accounts = issuers.filter(|id| {
        let found = issuers::get(index, id.clone());
        let acme = found.found().and_then(|issuer| issuer.spec.acme.as_ref());
        acme.is_some_and(|acme| acme.private_key_secret_ref.name == *secret.name)
    });
    accounts.next().map(|id| format!("{} {:?}", id.kind(), &*id.0.name))
}
