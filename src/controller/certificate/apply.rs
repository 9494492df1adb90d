//! Applies one effect of a plan.

use std::{collections::BTreeMap, sync::Arc};

use super::{at_once, keys, observe::LiveReads, state::Certificates, target, temporary};
use crate::{
    api::{
        ByteString, CertificateRequestSpec,
        names::{data_key, label},
    },
    cluster::{owner::controlling, secret::SecretApply, writer::NewObject},
    controller::ControllerError,
    pki::{csr, key::KeyEncoding, key::PrivateKey},
    plan::{
        certificate::{
            CertificateEffect, CertificateObservation, DesiredRequest, KeySource, Made, key_spec, request_fault,
        },
        kinds::{CertificateKind, RequestKind},
        notice::Notice,
        seen::{Object, ObjectKey, RequestSeen},
    },
    work::SHORT,
};

/// The result of an effect.
pub(super) enum Outcome {
    /// The effect was applied.
    Done,
    /// The observation was stale: plan again with what was read meanwhile.
    Replan,
    /// The effect is delayed, and the Certificate will be requeued.
    ComeBack,
}

pub(super) async fn apply(
    controller: &Arc<Certificates>,
    seen: &CertificateObservation,
    effect: &CertificateEffect,
    reads: &mut LiveReads,
) -> Result<Outcome, ControllerError> {
    match effect {
        CertificateEffect::Confirm | CertificateEffect::OpenKeystores => Ok(Outcome::Replan),
        CertificateEffect::DeleteRequest(meta) => {
            controller.ports.writer.delete::<RequestKind>(meta).await?;
            Ok(Outcome::Done)
        }
        CertificateEffect::DeleteNextKey(meta) => {
            controller.ports.writer.delete_secret(meta).await?;
            Ok(Outcome::Done)
        }
        CertificateEffect::StoreKey { name, source } => store_key(controller, seen, name, *source, reads).await,
        CertificateEffect::CreateRequest(request) => create_request(controller, seen, request, reads).await,
        CertificateEffect::IssueAtOnce { request, source } => {
            at_once::issue(controller, seen, request, *source, reads).await
        }
        CertificateEffect::StoreCertificate { request, key_secret } => {
            target::store(controller, seen, request, key_secret, reads).await
        }
        CertificateEffect::StoreTemporary { key_secret } => temporary::store(controller, seen, key_secret, reads).await,
        CertificateEffect::RepairSecret => target::repair(controller, seen, reads).await,
    }
}

/// ANW-04.
async fn store_key(
    controller: &Arc<Certificates>,
    seen: &CertificateObservation,
    name: &str,
    source: KeySource,
    reads: &mut LiveReads,
) -> Result<Outcome, ControllerError> {
    let certificate = &seen.certificate;
    let Some(key) = obtain(controller, certificate, source).await? else {
        return Ok(Outcome::ComeBack);
    };
    match create_next_key(controller, certificate, name, &key).await {
        Ok(()) => {
            reads.stored_key = Some(key);
            Ok(Outcome::Done)
        }
        Err(ControllerError::Cluster(error)) if error.is_already_exists() => {
            reads.meet_next_key(controller, certificate, name).await?;
            Ok(Outcome::Replan)
        }
        Err(error) => Err(error),
    }
}

/// Creates the Secret with the next key (ANW-04).
pub(super) async fn create_next_key(
    controller: &Certificates,
    certificate: &Object<CertificateKind>,
    name: &str,
    key: &PrivateKey,
) -> Result<(), ControllerError> {
    let pem = key
        .to_pem(KeyEncoding::Pkcs8)
        .map_err(|error| ControllerError::Failed(error.to_string()))?;
    let (size, limit) = (pem.expose().len(), controller.ports.settings.size_limits.key);
    if size > limit {
        // it could not be read again
        return Err(ControllerError::Failed(format!(
            "the private key has {size} bytes, more than the limit of {limit}; ask for a smaller one or raise the limit with the flag \
             --max-private-key-size"
        )));
    }
    let labels = [label::NEXT_PRIVATE_KEY, label::FOR_ATTENTION_OF].map(|label| (label.to_owned(), "true".to_owned()));
    let mut secret = SecretApply {
        key: certificate.meta.key.sibling(name),
        type_: "Opaque".to_owned(),
        labels: labels.clone().into(),
        annotations: BTreeMap::new(),
        owners: vec![controlling::<CertificateKind>(&certificate.meta)],
        data: BTreeMap::from([(data_key::TLS_KEY.to_owned(), pem)]),
        resource_version: None,
        uid: None,
    };
    let template = certificate.spec.secret_template.clone().unwrap_or_default();
    match controller.ports.writer.create_secret(&secret).await {
        // A policy may require a label on every Secret. Annotations are omitted, because they tell other programs where to copy a
        // Secret.
        Err(error) if (error.is_invalid() || error.is_forbidden()) && !template.labels.is_empty() => {
            secret.labels = template.labels.into_iter().chain(labels).collect();
            controller
                .ports
                .writer
                .create_secret(&secret)
                .await
                .map_err(|_| error)?;
        }
        created => {
            created?;
        }
    }
    Ok(())
}

/// The key of the issuance; `None` while it is being generated.
pub(super) async fn obtain(
    controller: &Arc<Certificates>,
    certificate: &Object<CertificateKind>,
    source: KeySource,
) -> Result<Option<Arc<PrivateKey>>, ControllerError> {
    match source {
        KeySource::New => keys::generate(controller, &certificate.meta, key_spec(&certificate.spec)),
        KeySource::Target => {
            let key = certificate.meta.key.sibling(certificate.spec.secret_name.as_str());
            read_key(controller, &key).await.map(|key| Some(Arc::new(key)))
        }
    }
}

/// Reads the private key from a Secret.
pub(super) async fn read_key(controller: &Certificates, key: &ObjectKey) -> Result<PrivateKey, ControllerError> {
    let secret = controller
        .ports
        .reader
        .secret(key)
        .await?
        .ok_or_else(|| ControllerError::Stale(format!("Secret {key} is gone")))?;
    let pem = secret.data(data_key::TLS_KEY).unwrap_or_default();
    let (key, _) =
        PrivateKey::from_pem(pem).map_err(|error| ControllerError::Stale(format!("Secret {key}: {error}")))?;
    Ok(key)
}

async fn create_request(
    controller: &Arc<Certificates>,
    seen: &CertificateObservation,
    request: &DesiredRequest,
    reads: &mut LiveReads,
) -> Result<Outcome, ControllerError> {
    let key_secret = request
        .annotations
        .get(crate::api::names::annotation::PRIVATE_KEY_SECRET_NAME)
        .unwrap_or_default();
    let mut stored = seen.next_keys.iter().filter(|secret| secret.meta.name() == key_secret);
    let key = match stored.find_map(|secret| reads.key_in(secret)) {
        Some(key) => key,
        None => Arc::new(read_key(controller, &seen.certificate.meta.key.sibling(key_secret)).await?),
    };
    match send_request(controller, &seen.certificate, request, key).await {
        Ok(created) => Ok(
            match request_fault(&created, &seen.certificate.spec, &request.issuer_ref) {
                None => Outcome::Done,
                Some(fault) => {
                    reads.made = Made::Unfit(Arc::clone(&created.meta.key.name), fault);
                    Outcome::Replan
                }
            },
        ),
        Err(ControllerError::Cluster(error)) if error.is_already_exists() => {
            reads
                .meet_request(controller, &seen.certificate.meta.key.sibling(request.name.as_str()))
                .await?;
            Ok(Outcome::Replan)
        }
        Err(error) => Err(error),
    }
}

/// Creates the CSR and the request (ANW-05). A rejected request is reported (LIF-03).
pub(super) async fn send_request(
    controller: &Certificates,
    certificate: &Object<CertificateKind>,
    request: &DesiredRequest,
    key: Arc<PrivateKey>,
) -> Result<Arc<RequestSeen>, ControllerError> {
    let template = request.template.clone();
    let csr = SHORT
        .run_if(key.spec().is_slow(), move || csr::build(&template, &key))
        .await??;
    let new = NewObject::<RequestKind> {
        key: certificate.meta.key.sibling(request.name.as_str()),
        labels: request.labels.clone(),
        annotations: request.annotations.clone(),
        owners: vec![controlling::<CertificateKind>(&certificate.meta)],
        finalizers: Vec::new(),
        spec: CertificateRequestSpec {
            duration: request.duration,
            is_ca: request.is_ca.then_some(true),
            issuer_ref: request.issuer_ref.clone(),
            request: ByteString(csr),
            usages: request.usages.clone(),
            ..CertificateRequestSpec::default()
        },
    };
    let new = controller.signing.new_request(new).await;
    let created = controller.ports.writer.create::<RequestKind>(&new).await;
    if let Err(error) = &created
        && !error.is_already_exists()
        && !error.is_not_leader()
    {
        let notice = Notice::warning("RequestFailed", format!("Failed to create CertificateRequest: {error}"));
        controller
            .ports
            .events
            .publish::<CertificateKind>(&certificate.meta, &notice);
    }
    Ok(created?)
}
