//! The observation of the Certificates of a Secret, for a verdict of their rules.

use kube::{Client, ResourceExt as _};

use crate::{
    api::{Certificate, CertificateRequest, names::annotation},
    cluster::{Error, reader::Reader},
    plan::{
        certificate::{CertificateObservation, verdict::of_secret},
        kinds::{CertificateKind, RequestKind},
        seen::{ObjectKey, RequestSeen},
    },
};

/// A Certificate that names the Secret.
#[derive(Debug)]
pub(crate) struct Observed {
    /// Its name.
    pub(crate) name: String,
    /// The observation, or why its spec cannot be read.
    pub(crate) seen: Result<Box<CertificateObservation>, String>,
}

/// The Certificates of the namespace with this `spec.secretName`.
///
/// # Errors
/// If the API server rejects a call, or cannot be reached.
pub(crate) async fn observe(client: &Client, namespace: &str, secret: &str) -> Result<Vec<Observed>, Error> {
    let reader = Reader::new(client.clone());
    let all: Vec<Certificate> = reader.list(Some(namespace), "").await?;
    let target = ObjectKey::new(namespace, secret);
    let mut observed = Vec::new();
    for certificate in all.into_iter().filter(|one| one.spec.secret_name == secret) {
        let name = certificate.name_any();
        let Some(record) = reader.get::<CertificateKind>(&target.sibling(name.as_str())).await? else {
            continue;
        };
        let seen = match record.parse() {
            Ok(parsed) => {
                let requests = current(&reader, &certificate).await?;
                let content = reader.secret(&target).await?.map(|secret| secret.seen);
                Ok(Box::new(of_secret(parsed, content, requests)))
            }
            Err(invalid) => Err(format!("{}: {}", invalid.path, invalid.message)),
        };
        observed.push(Observed { name, seen });
    }
    Ok(observed)
}

/// The requests of the Certificate's current revision.
async fn current(reader: &Reader, certificate: &Certificate) -> Result<Vec<RequestSeen>, Error> {
    let namespace = certificate.namespace().unwrap_or_default();
    let status = certificate.status.as_ref();
    let revision = status.and_then(|status| status.revision).unwrap_or(0).to_string();
    let uid = certificate.uid().unwrap_or_default();
    let all: Vec<CertificateRequest> = reader.list(Some(&namespace), "").await?;
    let mut requests = Vec::new();
    for request in all {
        let owned = request.owner_references().iter().any(|owner| owner.uid == uid);
        let of_revision = request.annotations().get(annotation::CERTIFICATE_REVISION) == Some(&revision);
        if owned && of_revision {
            let key = ObjectKey::new(namespace.as_str(), request.name_any());
            requests.extend(reader.get::<RequestKind>(&key).await?);
        }
    }
    Ok(requests)
}
