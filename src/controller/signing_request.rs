//! Kubernetes CertificateSigningRequests. Decisions are in [`plan::signing_request`](crate::plan::signing_request).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;

use super::{
    Context, ControllerError,
    signing::{Asked, NotPlaced, Turn, discard, place, signer},
};
use crate::{
    cluster::{issuers, owner::controlling, store::Link},
    plan::{
        issuer::Lookup,
        kinds::OrderKind,
        notice::Notice,
        order::desired::DesiredOrder,
        seen::{Next, Object, ObjectKey, RequestSeen},
        signing_request::{Seen, SigningRequestKind, SigningRequestSeen, Step, plan, reworded},
    },
    signer::{Outcome, Refused, Until, Wait, Warning},
};

/// What is told of a certificate (CSR-05).
const FETCHED: &str = "Certificate fetched from issuer successfully";
const SELF_SIGNED: &str = "Certificate self-signed successfully";

/// What is looked at, but for whether the requester may refer to the issuer.
struct Sight {
    request: Arc<SigningRequestSeen>,
    issuer: Lookup,
    orders: Vec<Object<OrderKind>>,
}

impl Sight {
    fn of(context: &Context, key: &ObjectKey) -> Option<Self> {
        let request = context.index.signing_requests.get(key)?;
        let issuer = request.signer().map_or(Lookup::External, |signer| {
            issuers::find(&context.index, &signer.issuer_ref(), &signer.namespace)
        });
        let orders = context.index.orders.linked(&Link::Owner(request.meta.uid.clone()));
        Some(Self {
            issuer,
            orders: orders.iter().filter_map(|order| order.parse().ok()).collect(),
            request,
        })
    }

    fn plan(&self, context: &Context, may_refer: Option<bool>) -> Step {
        let seen = Seen {
            request: &self.request,
            issuer: &self.issuer,
            orders: &self.orders,
            reordered: context.orders.was_replaced(&self.request.meta.uid),
            may_refer,
            settings: &context.settings,
        };
        plan(context.now(), &seen)
    }
}

/// What would be done for a request now, without doing any of it; `None` where there is no such request. Whether its
/// requester may refer to the issuer is not asked: that would be a request that is no read.
pub fn dry_run(context: &Context, key: &ObjectKey) -> Option<Step> {
    Sight::of(context, key).map(|sight| sight.plan(context, Some(true)))
}

/// Does what is due for one request.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Result<Next, ControllerError> {
    let Some(sight) = Sight::of(&context, &key) else {
        return Ok(Next::OnChange);
    };
    let request = &*sight.request;
    let mut may_refer = None;
    loop {
        match sight.plan(&context, may_refer) {
            Step::Nothing => return Ok(Next::OnChange),
            Step::Tell(notice) => {
                tell(&context, request, &notice);
                return Ok(Next::OnChange);
            }
            Step::AskReference(signer) => may_refer = Some(context.reader.may_refer(request, &signer).await?),
            Step::Fail { reason, message } => return fail(&context, request, reason, &message).await,
            Step::Sign(asked) => return sign(&context, &sight, &asked).await,
            Step::Order(asked, order) => return create(&context, request, &asked, *order).await,
            Step::TakeFromOrder(meta) => {
                let order = sight.orders.iter().find(|order| order.meta.uid == meta.uid);
                let Some(pem) = order.and_then(|order| order.status.certificate.clone()) else {
                    return Ok(Next::OnChange);
                };
                return store(&context, request, &pem.0, &[], FETCHED).await;
            }
            Step::DeleteOrder(meta) => {
                discard(&context, &request.meta, &sight.orders, &meta).await?;
                return Err(ControllerError::Stale(format!("Order {} was deleted", meta.key)));
            }
        }
    }
}

/// Asks the signer, and writes down what it answers.
async fn sign(context: &Context, sight: &Sight, asked: &RequestSeen) -> Result<Next, ControllerError> {
    let (Some(issuer), request) = (sight.issuer.found(), &*sight.request) else {
        return Ok(Next::OnChange);
    };
    let turn = Turn {
        queue: &context.queues.signing_requests,
        key: &request.meta.key,
        now: context.now(),
    };
    let outcome = match signer(context, issuer, asked, None).await? {
        Err(refusal) => refusal.into(),
        Ok(signer) => match turn.ask(&context.signing.waits, signer, asked, &issuer.meta).await {
            Asked::NotYet(next) => return Ok(next),
            Asked::Answered(outcome) => outcome,
        },
    };
    match outcome {
        Outcome::Issued(done) => {
            let own_key = issuer.spec.self_signed.is_some();
            let sentence = if own_key { SELF_SIGNED } else { FETCHED };
            store(context, request, &done.certificate, &done.warnings, sentence).await
        }
        Outcome::Refused(Refused { reason, message }) => {
            let (reason, message) = reworded(reason, &message, asked);
            fail(context, request, reason, &message).await
        }
        Outcome::Wait(Wait {
            reason, message, until, ..
        }) => {
            let (reason, message) = reworded(reason, &message, asked);
            tell(context, request, &Notice::warning(reason, message.as_str()));
            match until {
                Until::At(until) => Ok(Next::At(until)),
                // The Secret's arrival is told by its watch; that the API server answers again is told by nobody.
                Until::Change => Ok(Next::OnChange),
                Until::Retry => Err(ControllerError::Failed(message)),
            }
        }
    }
}

/// Creates the Order (CSR-05), where the Secrets of its issuer are.
async fn create(
    context: &Context,
    request: &SigningRequestSeen,
    asked: &RequestSeen,
    order: DesiredOrder,
) -> Result<Next, ControllerError> {
    let owner = OwnerReference {
        // holding up its deletion would need a right on finalizers of requests
        block_owner_deletion: None,
        ..controlling::<SigningRequestKind>(&request.meta)
    };
    let place_of = asked.meta.key.sibling(order.name.as_str());
    let taken = |message| tell(context, request, &Notice::warning("OrderNameTaken", message));
    match place(context, asked, owner, order, taken).await {
        Ok(next) => {
            let message = format!("Created Order resource {place_of}");
            tell(context, request, &Notice::normal("OrderCreated", message));
            Ok(next)
        }
        Err(NotPlaced::Failed(error)) => Err(error),
        Err(NotPlaced::Refused(name, error)) => {
            let message = format!("Failed create new order resource {name}: {error}");
            tell(context, request, &Notice::warning("OrderCreatingError", message));
            Err(error.into())
        }
    }
}

async fn store(
    context: &Context,
    request: &SigningRequestSeen,
    certificate: &[u8],
    warnings: &[Warning],
    sentence: &'static str,
) -> Result<Next, ControllerError> {
    let status = json!({ "certificate": STANDARD.encode(certificate) });
    context
        .writer
        .patch_status::<SigningRequestKind>(&request.meta, status)
        .await?;
    for warning in warnings {
        tell(
            context,
            request,
            &Notice::warning(warning.reason, warning.message.as_str()),
        );
    }
    tell(context, request, &Notice::normal("CertificateIssued", sentence));
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
        .patch_status::<SigningRequestKind>(&request.meta, json!({ "conditions": conditions }))
        .await?;
    tell(context, request, &Notice::warning(reason, message));
    Ok(Next::OnChange)
}

/// Once, until something else is to be told.
fn tell(context: &Context, request: &SigningRequestSeen, notice: &Notice) {
    let message = std::slice::from_ref(&notice.message);
    if context.said.is_new(&request.meta, message) {
        context.events.publish::<SigningRequestKind>(&request.meta, notice);
    }
}
