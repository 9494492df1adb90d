//! Issuing in one pass: request, signature and Secret, with a key that only memory holds until the Secret does.

use std::sync::Arc;

use super::{
    apply::{Outcome, create_next_key, obtain, send_request},
    observe::Sight,
    state::Certificates,
    target::{self, Bundle, Purpose, attribution},
};
use crate::{
    api::names::annotation,
    cluster::issuers,
    controller::ControllerError,
    pki::key::PrivateKey,
    plan::{
        certificate::{DesiredRequest, KeySource, Made, Seen, Violation, request_fault},
        issuer::Lookup,
        kinds::CertificateKind,
        request::Verdict,
        seen::Object,
    },
};

/// Four writes with the Certificate's status: the request, its approval and certificate together, the Secret.
pub(super) async fn issue(
    controller: &Arc<Certificates>,
    seen: &Seen,
    request: &DesiredRequest,
    source: KeySource,
    sight: &mut Sight,
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
    // Held to the end: the controller of requests must not sign a second time what is signed here.
    let claim = controller.signing.claims.claim(&controller.ports.queues, name.clone());
    let created = match send_request(controller, certificate, request, Arc::clone(&key)).await {
        Ok(created) => created,
        Err(ControllerError::Cluster(error)) if error.is_already_exists() => {
            sight.meet_request(controller, &name).await?;
            return Ok(Outcome::LookAgain);
        }
        Err(error) => return Err(error),
    };
    if let Some(fault) = request_fault(&created, &certificate.spec) {
        sight.made = Made::Unfit(name.name, fault);
        return Ok(Outcome::LookAgain);
    }
    let mut verdict = controller.signing.sign_at_once(&issuer, &created, &key).await?;
    let mut prepared = None;
    if let Verdict::Issued {
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
            attribution: attribution(certificate, &request.issuer_ref),
            purpose: Purpose::Issued(Arc::clone(&created)),
        };
        prepared = target::make(controller, certificate, bundle, sight).await?;
        if let Some(Violation { reason, message }) = prepared.as_mut().and_then(|prepared| prepared.fault.take()) {
            verdict = Verdict::Failed { reason, message };
        }
    }
    let waits = matches!(verdict, Verdict::Pending { .. });
    if waits {
        // It has to wait after all: the key must outlive this process.
        keep_key(controller, certificate, request, &key).await?;
    }
    if let Err(error) = controller.signing.settle(&created, true, Some(&verdict)).await {
        // Approving may be somebody else's right, or somebody was faster: the request stays, and whoever signs it needs the key.
        if !waits && !error.is_not_leader() {
            keep_key(controller, certificate, request, &key).await?;
        }
        let goes_on = error.is_stale() || matches!(error, ControllerError::Wait { .. });
        return if goes_on { Ok(Outcome::LookAgain) } else { Err(error) };
    }
    if !matches!(verdict, Verdict::Issued { .. }) {
        return Ok(Outcome::LookAgain);
    }
    let written = match prepared {
        Some(prepared) => target::write(controller, certificate, prepared, sight)
            .await
            .map(|()| true),
        None => Ok(false),
    };
    if !matches!(written, Ok(true)) {
        // The certificate is issued: its key must not be lost because the Secret cannot be written now.
        keep_key(controller, certificate, request, &key).await?;
    }
    drop(claim);
    if !written? {
        return Ok(Outcome::LookAgain);
    }
    sight.made = Made::Stored(name.name);
    Ok(Outcome::Done)
}

/// Stores the key where the request says that it is.
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
