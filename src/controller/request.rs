//! CertificateRequests: approved, signed here, or handed to an Order. Decisions are in [`plan::request`].

use std::sync::Arc;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::{
    Context, ControllerError,
    signing::{find_issuer, settle, sign_in_process, tell},
};
use crate::{
    api::{acme_issuer::RenewalInformationSource, names::annotation},
    cluster::{store::Link, writer::NewObject},
    plan::{
        certificate::is_temporary,
        kinds::{OrderKind, RequestKind},
        order::desired::{self, DesiredOrder},
        request::{FoundIssuer, Notice, Plan, Seen, Step, Verdict, plan},
        seen::{Kind, Meta, Next, Object, ObjectKey, RequestSeen},
    },
    signer::is_unanswered,
};

/// How often a pass is made again because it removed what stood in its way.
const PASSES: usize = 3;
/// How long the watch may need to tell of an Order that is on the server already.
const WATCH_LAG: SignedDuration = SignedDuration::from_secs(1);

/// Does what is due for one request.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Result<Next, ControllerError> {
    for _ in 0..PASSES {
        let Some(request) = context.index.requests.get(&key) else {
            return Ok(Next::OnChange);
        };
        // Whoever made it signs it in the same pass.
        if context.signing.claims.holds(&key) {
            return Ok(Next::OnChange);
        }
        if let Some(next) = pass(&context, &request).await? {
            return Ok(next);
        }
    }
    Err(ControllerError::Stale(format!(
        "what stands in the way of CertificateRequest {key} comes back"
    )))
}

/// What would be done for a request now, without doing any of it; `None` where there is no such request.
pub fn dry_run(context: &Context, key: &ObjectKey) -> Option<(Arc<RequestSeen>, Plan)> {
    let request = context.index.requests.get(key)?;
    let Decided { plan, .. } = decide(context, &request);
    Some((request, plan))
}

/// A plan, and what it was made from.
struct Decided {
    issuer: Option<FoundIssuer>,
    orders: Vec<Object<OrderKind>>,
    plan: Plan,
}

fn decide(context: &Context, request: &RequestSeen) -> Decided {
    let issuer = find_issuer(context, &request.issuer_ref, request.meta.namespace());
    let orders: Vec<Object<OrderKind>> = context
        .index
        .orders
        .linked(&Link::Owner(request.meta.uid.clone()))
        .iter()
        .filter_map(|order| order.parse().ok())
        .collect();
    let replaces = replaced(context, request, issuer.as_ref());
    let plan = plan(
        context.now(),
        &Seen {
            request,
            issuer: issuer.as_ref(),
            orders: &orders,
            replaces: replaces.as_deref(),
            reordered: context.orders.was_replaced(&request.meta.uid),
            settings: &context.settings,
        },
    );
    Decided { issuer, orders, plan }
}

/// One pass; `None` if the plan has to be made again.
async fn pass(context: &Context, request: &RequestSeen) -> Result<Option<Next>, ControllerError> {
    let Decided { issuer, orders, plan } = decide(context, request);
    let Plan {
        approve,
        step,
        notices,
        next,
    } = plan;
    let words: Vec<String> = notices.iter().map(|notice| notice.message.clone()).collect();
    if context.said.is_new(&request.meta, &words) {
        tell(context, request, &notices);
    }
    match step {
        Step::Nothing if !approve => {}
        Step::Nothing => {
            settle(context, request, approve, None).await?;
        }
        Step::Settle(verdict) => {
            settle(context, request, approve, Some(&verdict)).await?;
        }
        Step::SignWithCa | Step::SelfSign => {
            let Some(issuer) = &issuer else { return Ok(None) };
            return sign(context, issuer, request, approve).await.map(Some);
        }
        Step::Order { order, announce } => {
            let written = settle(context, request, approve, Some(&announce)).await?;
            let request = written.as_deref().unwrap_or(request);
            return create(context, request, order).await.map(Some);
        }
        Step::TakeFromOrder(order) => {
            let found = orders.into_iter().find(|found| found.meta.uid == order.uid);
            let Some(pem) = found.and_then(|found| found.status.certificate) else {
                return Ok(None);
            };
            // ACME does not say who the root is (CRQ-06).
            let verdict = Verdict::Issued {
                certificate: pem.0,
                ca: None,
                remark: None,
            };
            settle(context, request, approve, Some(&verdict)).await?;
        }
        Step::DeleteOrder(order) => {
            let came_out_wrong = |found: &Object<OrderKind>| {
                found.meta.uid == order.uid && found.status.state.is_some_and(crate::api::order::State::is_final)
            };
            if orders.iter().any(came_out_wrong) {
                context.orders.replaced(&request.meta.uid);
            }
            context.writer.delete::<OrderKind>(&order).await?;
            return Ok(None);
        }
    }
    Ok(Some(next))
}

async fn sign(
    context: &Context,
    issuer: &FoundIssuer,
    request: &RequestSeen,
    approve: bool,
) -> Result<Next, ControllerError> {
    let verdict = sign_in_process(context, issuer, request, None).await?;
    settle(context, request, approve, Some(&verdict)).await?;
    match verdict {
        // No word will come when the API server answers again.
        Verdict::Pending { reason, message } if is_unanswered(reason) => Err(ControllerError::Failed(message)),
        Verdict::Pending { .. } | Verdict::Failed { .. } | Verdict::Denied | Verdict::Issued { .. } => {
            Ok(Next::OnChange)
        }
    }
}

/// Creates the Order. A name taken by somebody else is left to them (ORD-12).
async fn create(context: &Context, request: &RequestSeen, order: DesiredOrder) -> Result<Next, ControllerError> {
    let other = desired::other_name(&order.name, &request.meta);
    let mut new = new_order(request, order);
    // Twice each: once more after a leftover of a former request was removed.
    for _ in 0..2 * 2 {
        let Err(error) = context.writer.create::<OrderKind>(&new).await else {
            return Ok(Next::OnChange);
        };
        if !error.is_already_exists() {
            let message = format!("Failed create new order resource {}: {error}", new.key);
            if !error.is_transient() {
                let verdict = Verdict::Pending {
                    reason: "OrderCreatingError",
                    message: message.clone(),
                };
                settle(context, request, false, Some(&verdict)).await?;
            }
            return Err(error.into());
        }
        match context.reader.get::<OrderKind>(&new.key).await? {
            None => {}
            Some(taken) if taken.meta.owned_by(&request.meta.uid) => {
                return Ok(Next::At(
                    context
                        .now()
                        .saturating_add(WATCH_LAG)
                        .unwrap_or_else(|_| context.now()),
                ));
            }
            Some(taken) if is_leftover(&taken.meta, request) => context.writer.delete::<OrderKind>(&taken.meta).await?,
            Some(taken) => {
                let message = format!(
                    "the name {} is taken by an Order that this request does not own, using {other}",
                    taken.meta.key
                );
                tell(context, request, &[Notice::warning("OrderNameTaken", message)]);
                new.key = new.key.sibling(other.as_str());
            }
        }
    }
    Err(ControllerError::Failed(format!(
        "the name {} for the Order is taken again and again",
        new.key
    )))
}

/// Of a former request of the same name, which is gone: names are unique.
fn is_leftover(order: &Meta, request: &RequestSeen) -> bool {
    order
        .controller()
        .is_some_and(|owner| &*owner.kind == RequestKind::KIND && &*owner.name == request.meta.name())
}

fn new_order(request: &RequestSeen, order: DesiredOrder) -> NewObject<OrderKind> {
    let DesiredOrder {
        name,
        labels,
        annotations,
        spec,
    } = order;
    NewObject {
        key: request.meta.key.sibling(name),
        labels,
        annotations,
        owners: vec![OwnerReference {
            api_version: format!("{}/{}", RequestKind::GROUP, RequestKind::VERSION),
            kind: RequestKind::KIND.to_owned(),
            name: request.meta.name().to_owned(),
            uid: request.meta.uid.to_string(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }],
        finalizers: Vec::new(),
        spec,
    }
}

/// The ARI identifier of the certificate that a request renews: the one in its Certificate's Secret, if the same issuer
/// made it (ARI-05).
fn replaced(context: &Context, request: &RequestSeen, issuer: Option<&FoundIssuer>) -> Option<String> {
    let acme = issuer?.spec.as_ref().ok()?.acme.as_ref()?;
    let asks = acme.renewal_information_source.unwrap_or_default() == RenewalInformationSource::Ari;
    if !(context.settings.gates.ari && asks) {
        return None;
    }
    let name = request.meta.annotations.get(annotation::CERTIFICATE_NAME)?;
    let certificate = context.index.certificates.get(&request.meta.key.sibling(name))?;
    if !request.meta.owned_by(&certificate.meta.uid) {
        return None;
    }
    let secret_name = certificate.parse().ok()?.spec.secret_name;
    let secret = context.index.secrets.get(&request.meta.key.sibling(secret_name))?;
    let said = |key: &str| secret.meta.annotations.get(key).unwrap_or_default();
    let made_by = crate::api::IssuerRef {
        name: said(annotation::ISSUER_NAME).to_owned(),
        kind: Some(said(annotation::ISSUER_KIND).to_owned()),
        group: Some(said(annotation::ISSUER_GROUP).to_owned()),
    };
    let leaf = secret.pair.certificate.valid()?;
    // A temporary certificate has its own issuer, which no CA knows.
    (made_by.means_same(&request.issuer_ref) && !is_temporary(leaf))
        .then(|| leaf.ari_id())
        .flatten()
}
