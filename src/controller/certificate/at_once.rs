//! Issuance in one pass: request, signature and Secret, with a key that stays in memory until it is in the Secret.

use std::sync::Arc;

use super::{
    apply::{Outcome, create_next_key, obtain, send_request},
    observe::LiveReads,
    state::Certificates,
    target::{self, Bundle, Purpose, attribution},
};
use crate::{
    api::names::annotation,
    cluster::issuers,
    controller::ControllerError,
    pki::key::PrivateKey,
    plan::{
        certificate::{CertificateObservation, DesiredRequest, KeySource, Made, Violation, request_fault},
        issuer::Lookup,
        kinds::CertificateKind,
        request::RequestVerdict,
        seen::Object,
    },
};

/// Issues with four writes: the request, its approval with the certificate, the Secret, the Certificate's status.
pub(super) async fn issue(
    controller: &Arc<Certificates>,
    seen: &CertificateObservation,
    request: &DesiredRequest,
    source: KeySource,
    reads: &mut LiveReads,
) -> Result<Outcome, ControllerError> {
    let certificate = &seen.certificate;
    let Lookup::Found(issuer) = issuers::find(
        &controller.ports.index,
        &request.issuer_ref,
        certificate.meta.namespace(),
    ) else {
        let message = format!("the issuer of Certificate {} is gone", certificate.meta.key);
        return Err(ControllerError::Stale(message));
    };
    let Some(key) = obtain(controller, certificate, source).await? else {
        return Ok(Outcome::ComeBack);
    };
    let name = certificate.meta.key.sibling(request.name.as_str());
    // held until the end, so that the controller of requests does not sign the same request
    let claim = controller.signing.claims.claim(&controller.ports.queues, name.clone());
    let created = match send_request(controller, certificate, request, Arc::clone(&key)).await {
        Ok(created) => created,
        Err(ControllerError::Cluster(error)) if error.is_already_exists() => {
            reads.meet_request(controller, &name).await?;
            return Ok(Outcome::Replan);
        }
        Err(error) => return Err(error),
    };
    if let Some(fault) = request_fault(&created, &certificate.spec, &request.issuer_ref) {
        reads.made = Made::Unfit(name.name, fault);
        return Ok(Outcome::Replan);
    }
    let mut verdict = controller.signing.sign_at_once(&issuer, &created, &key).await?;
    let mut prepared = None;
    if let RequestVerdict::Issued {
        certificate: chain_pem,
        ca,
        ..
    } = &verdict
    {
        let bundle = Bundle {
            chain_pem: chain_pem.clone(),
            ca_pem: ca.clone(),
            key: Arc::clone(&key),
            key_pem: None,
            attribution: attribution(certificate, &request.issuer_ref, &request.annotations),
            purpose: Purpose::Issued(Arc::clone(&created)),
        };
        prepared = target::make(controller, certificate, bundle, reads).await?;
        if let Some(Violation { reason, message }) = prepared.as_mut().and_then(|prepared| prepared.fault.take()) {
            verdict = RequestVerdict::Failed { reason, message };
        }
    }
    let waits = matches!(verdict, RequestVerdict::Pending { .. });
    if waits {
        // it has to wait, so the key must survive a restart
        keep_key(controller, certificate, request, &key).await?;
    }
    if let Err(error) = controller.signing.settle(&created, true, Some(&verdict)).await {
        // Approval may be reserved for another client, or was faster. The request stays, and its signer needs the key.
        if !waits && !error.is_not_leader() {
            keep_key(controller, certificate, request, &key).await?;
        }
        let goes_on = error.is_stale() || matches!(error, ControllerError::Wait { .. });
        return if goes_on { Ok(Outcome::Replan) } else { Err(error) };
    }
    if !matches!(verdict, RequestVerdict::Issued { .. }) {
        return Ok(Outcome::Replan);
    }
    let written = match prepared {
        Some(prepared) => target::write(controller, certificate, prepared, reads)
            .await
            .map(|()| true),
        None => Ok(false),
    };
    if !matches!(written, Ok(true)) {
        // the certificate is issued: a failed write of the Secret must not lose its key
        keep_key(controller, certificate, request, &key).await?;
    }
    drop(claim);
    if !written? {
        return Ok(Outcome::Replan);
    }
    reads.made = Made::Stored(name.name);
    Ok(Outcome::Done)
}

/// Stores the key in the Secret that the request names.
async fn keep_key(
    controller: &Certificates,
    certificate: &Object<CertificateKind>,
    request: &DesiredRequest,
    key: &PrivateKey,
) -> Result<(), ControllerError> {
    let name = request
        .annotations
        .get(annotation::PRIVATE_KEY_SECRET_NAME)
        .unwrap_or_default();
    create_next_key(controller, certificate, name, key).await
}
