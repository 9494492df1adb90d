//! Issuing in one pass: request, signature and Secret, with a key that only memory holds until the Secret does.

use std::sync::Arc;

use super::{
    apply::{Outcome, create_next_key, obtain, send_request},
    observe::Sight,
    target::{self, Bundle, attribution},
};
use crate::{
    api::names::annotation,
    controller::{
        Context, ControllerError,
        signing::{find_issuer, settle, sign_in_process},
    },
    pki::key::PrivateKey,
    plan::{
        certificate::{DesiredRequest, KeySource, Seen},
        kinds::CertificateKind,
        request::Verdict,
        seen::Object,
    },
};

/// Four writes with the Certificate's status: the request, its approval and certificate together, the Secret.
pub(super) async fn issue(
    context: &Arc<Context>,
    seen: &Seen,
    request: &DesiredRequest,
    source: KeySource,
    sight: &mut Sight,
) -> Result<Outcome, ControllerError> {
    let certificate = &seen.certificate;
    let issuer = find_issuer(context, &request.issuer_ref, certificate.meta.namespace());
    let gone = || ControllerError::Stale(format!("the issuer of Certificate {} is gone", certificate.meta.key));
    let issuer = issuer.ok_or_else(gone)?;
    let Some(key) = obtain(context, certificate, source).await? else {
        return Ok(Outcome::ComeBack);
    };
    let name = certificate.meta.key.sibling(request.name.as_str());
    // Held to the end: the controller of requests must not sign a second time what is signed here.
    let claim = context.signing.claims.claim(&context.queues.requests, name.clone());
    let created = match send_request(context, certificate, request, Arc::clone(&key)).await {
        Ok(created) => created,
        Err(ControllerError::Cluster(error)) if error.is_already_exists() => {
            sight.meet_request(context, &name).await?;
            return Ok(Outcome::LookAgain);
        }
        Err(error) => return Err(error),
    };
    let verdict = sign_in_process(context, &issuer, &created, Some(&key)).await?;
    let waits = matches!(verdict, Verdict::Pending { .. });
    if waits {
        // It has to wait after all: the key must outlive this process.
        keep_key(context, certificate, request, &key).await?;
    }
    if let Err(error) = settle(context, &created, true, Some(&verdict)).await {
        // Approving may be somebody else's right, or somebody was faster: the request stays, and whoever signs it needs the key.
        if !waits && !error.is_not_leader() {
            keep_key(context, certificate, request, &key).await?;
        }
        let goes_on = error.is_stale() || matches!(error, ControllerError::Wait { .. });
        return if goes_on { Ok(Outcome::LookAgain) } else { Err(error) };
    }
    let Verdict::Issued {
        certificate: chain_pem,
        ca,
        ..
    } = verdict
    else {
        return Ok(Outcome::LookAgain);
    };
    let bundle = Bundle {
        chain_pem,
        ca_pem: ca,
        key,
        key_pem: None,
        attribution: attribution(certificate, &request.issuer_ref),
    };
    let key = Arc::clone(&bundle.key);
    let outcome = target::write(context, certificate, bundle, sight).await;
    if matches!(outcome, Err(_) | Ok(Outcome::LookAgain)) {
        // The certificate is issued: its key must not be lost because the Secret cannot be written now.
        keep_key(context, certificate, request, &key).await?;
    }
    drop(claim);
    outcome
}

/// Stores the key where the request says that it is.
async fn keep_key(
    context: &Context,
    certificate: &Object<CertificateKind>,
    request: &DesiredRequest,
    key: &PrivateKey,
) -> Result<(), ControllerError> {
    let name = request
        .annotations
        .get(annotation::PRIVATE_KEY_SECRET_NAME)
        .unwrap_or_default();
    create_next_key(context, certificate, name, key).await
}
