//! Kubernetes CertificateSigningRequests. Decisions are in [`plan::signing_request`](crate::plan::signing_request).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    Context, ControllerError,
    signing::{find_issuer, sign},
};
use crate::{
    cluster::events::Severity,
    plan::{
        request::Notice,
        seen::{Next, ObjectKey},
        signing_request::{Seen, SigningRequestKind, SigningRequestSeen, Step, plan, reworded},
    },
    signer::{Issued, Refusal, RefusalKind},
};

/// Watches, as long as the process lives, where the gate is on (GAT-01) and the whole cluster is ours (CTL-10).
pub async fn watch(context: Arc<Context>) {
    if context.settings.gates.certificate_signing_requests && context.settings.namespace.is_none() {
        let queue = Arc::clone(&context.queues.signing_requests);
        let kept = Arc::clone(&context.signing.kubernetes);
        kept.follow(context.reader.client().clone(), move |key| queue.add(key))
            .await;
    }
}

/// What would be done for a request now, without doing any of it; `None` where there is no such request. Whether its
/// requester may refer to the issuer is not asked: that would be a request that is no read.
pub fn dry_run(context: &Context, key: &ObjectKey) -> Option<Step> {
    let request = context.signing.kubernetes.get(key)?;
    let signer = request.signer();
    let issuer = signer
        .as_ref()
        .and_then(|signer| find_issuer(context, &signer.issuer_ref(), &signer.namespace));
    Some(plan(&Seen {
        request: &request,
        issuer: issuer.as_ref(),
        may_refer: Some(true),
        settings: &context.settings,
    }))
}

/// Does what is due for one request.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Result<Next, ControllerError> {
    let Some(request) = context.signing.kubernetes.get(&key) else {
        return Ok(Next::OnChange);
    };
    let signer = request.signer();
    let issuer = signer
        .as_ref()
        .and_then(|signer| find_issuer(&context, &signer.issuer_ref(), &signer.namespace));
    let mut may_refer = None;
    loop {
        let seen = Seen {
            request: &request,
            issuer: issuer.as_ref(),
            may_refer,
            settings: &context.settings,
        };
        match plan(&seen) {
            Step::Nothing => return Ok(Next::OnChange),
            Step::Tell(notice) => {
                tell(&context, &request, &notice);
                return Ok(Next::OnChange);
            }
            Step::AskReference(signer) => may_refer = Some(context.reader.may_refer(&request, &signer).await?),
            Step::Fail { reason, message } => return fail(&context, &request, reason, &message).await,
            Step::Sign(asked) => {
                let Some(issuer) = &issuer else {
                    return Ok(Next::OnChange);
                };
                return match sign(&context, issuer, &asked, None).await? {
                    Ok(done) => store(&context, &request, done).await,
                    Err(refusal) => refused(&context, &request, &refusal).await,
                };
            }
        }
    }
}

async fn refused(context: &Context, request: &SigningRequestSeen, refusal: &Refusal) -> Result<Next, ControllerError> {
    let (reason, message) = reworded(refusal.reason, &refusal.message);
    match refusal.kind {
        RefusalKind::Failed => fail(context, request, reason, &message).await,
        // The Secret's arrival is told by its watch; that the API server answers again is told by nobody.
        RefusalKind::Pending => {
            tell(context, request, &Notice::warning(reason, message.as_str()));
            if refusal.is_unanswered() {
                return Err(ControllerError::Failed(message));
            }
            Ok(Next::OnChange)
        }
    }
}

async fn store(context: &Context, request: &SigningRequestSeen, issued: Issued) -> Result<Next, ControllerError> {
    let status = json!({ "certificate": STANDARD.encode(&issued.certificate) });
    context.writer.patch_signing_request(&request.meta, status).await?;
    for warning in &issued.warnings {
        tell(
            context,
            request,
            &Notice::warning(warning.reason, warning.message.as_str()),
        );
    }
    tell(
        context,
        request,
        &Notice::normal("CertificateIssued", "Certificate fetched from issuer successfully"),
    );
    Ok(Next::OnChange)
}

async fn fail(
    context: &Context,
    request: &SigningRequestSeen,
    reason: &'static str,
    message: &str,
) -> Result<Next, ControllerError> {
    let conditions = request.failed(reason, message, context.now());
    context
        .writer
        .patch_signing_request(&request.meta, json!({ "conditions": conditions }))
        .await?;
    tell(context, request, &Notice::warning(reason, message));
    Ok(Next::OnChange)
}

/// Once, until something else is to be told.
fn tell(context: &Context, request: &SigningRequestSeen, notice: &Notice) {
    let Notice {
        warning,
        reason,
        message,
    } = notice;
    if context.said.is_new(&request.meta, std::slice::from_ref(message)) {
        let severity = if *warning { Severity::Warning } else { Severity::Normal };
        context
            .events
            .publish::<SigningRequestKind>(&request.meta, severity, reason, message);
    }
}
