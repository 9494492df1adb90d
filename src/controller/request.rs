//! The controller of CertificateRequests: approves them, signs them, or creates an Order. [`plan::request`] decides.

use std::sync::Arc;

use serde_json::json;

use super::{
    ControllerError, Ports, Services,
    outages::Outages,
    reported::Reported,
    signing::{Conclusion, NotPlaced, SignerCall, Signing, Turn, conclude},
};
use crate::{
    api::{acme_issuer::RenewalInformationSource, names::annotation},
    cluster::{issuers, owner::controlling, store::Link},
    plan::{
        certificate::is_temporary,
        issuer::{FoundIssuer, Lookup},
        kinds::{OrderKind, RequestKind},
        notice::Notice,
        order::desired::DesiredOrder,
        request::{RequestObservation, RequestPlan, RequestStep, RequestVerdict, plan},
        seen::{Next, Object, ObjectKey, RequestSeen},
    },
    signer::{Place, Until},
};

/// Maximum number of passes of one reconcile. Each further one follows the removal of an obstacle.
const PASSES: usize = 3;

/// Reconciles CertificateRequests.
pub(crate) struct Requests {
    ports: Ports,
    signing: Arc<Signing>,
    outages: Arc<Outages>,
    reported: Reported,
}

impl Requests {
    /// A controller that remembers nothing yet.
    pub(crate) fn new(services: &Services) -> Self {
        Self {
            ports: services.ports.clone(),
            signing: Arc::clone(&services.signing),
            outages: Arc::clone(&services.outages),
            reported: Reported::default(),
        }
    }

    /// Forgets all that it remembers.
    pub(crate) fn clear(&self) {
        self.reported.clear();
    }

    /// Reconciles one request.
    pub(crate) async fn reconcile(self: Arc<Self>, key: ObjectKey) -> Result<Next, ControllerError> {
        for _ in 0..PASSES {
            let Some(request) = self.ports.index.requests.get(&key) else {
                return Ok(Next::OnChange);
            };
            // the Certificate controller created it and signs it in the same pass
            if self.signing.claims.holds(&key) {
                return Ok(Next::OnChange);
            }
            if let Some(next) = pass(&self, &request).await? {
                return Ok(next);
            }
        }
        Err(ControllerError::Stale(format!(
            "the obstacle of CertificateRequest {key} keeps coming back"
        )))
    }

    /// What would be done for a request now, without doing any of it; `None` where there is no such request.
    pub(crate) fn dry_run(&self, key: &ObjectKey) -> Option<(Arc<RequestSeen>, RequestPlan)> {
        let request = self.ports.index.requests.get(key)?;
        let Decided { plan, .. } = decide(self, &request);
        Some((request, plan))
    }
}

/// A plan and its observation.
struct Decided {
    issuer: Lookup,
    orders: Vec<Object<OrderKind>>,
    plan: RequestPlan,
}

fn decide(controller: &Requests, request: &RequestSeen) -> Decided {
    let issuer = issuers::find(&controller.ports.index, &request.issuer_ref, request.meta.namespace());
    let orders: Vec<Object<OrderKind>> = controller
        .ports
        .index
        .orders
        .linked(&Link::Owner(request.meta.uid.clone()))
        .iter()
        .filter_map(|order| order.parse().ok())
        .collect();
    let replaces = replaced(controller, request, issuer.found());
    let plan = plan(
        controller.ports.now(),
        &RequestObservation {
            request,
            issuer: &issuer,
            orders: &orders,
            replaces: replaces.as_deref(),
            reordered: controller.signing.reordered.contains(&request.meta.uid),
            settings: &controller.ports.settings,
        },
    );
    Decided { issuer, orders, plan }
}

/// One pass. `None` if another pass is necessary.
async fn pass(controller: &Requests, request: &RequestSeen) -> Result<Option<Next>, ControllerError> {
    let Decided { issuer, orders, plan } = decide(controller, request);
    let RequestPlan {
        approve,
        step,
        notices,
        next,
    } = plan;
    let words: Vec<String> = notices.iter().map(|notice| notice.message.clone()).collect();
    if controller.reported.is_new(&request.meta, &words) {
        controller.signing.publish(request, &notices);
    }
    match step {
        RequestStep::Nothing if !approve => {}
        RequestStep::Nothing => {
            controller.signing.settle(request, approve, None).await?;
        }
        RequestStep::Settle(verdict) => {
            controller.signing.settle(request, approve, Some(&verdict)).await?;
        }
        RequestStep::Sign(_) => {
            let Some(issuer) = issuer.found() else {
                return Ok(None);
            };
            return sign(controller, issuer, request, approve).await.map(Some);
        }
        RequestStep::Order { order, announce } => {
            let written = controller.signing.settle(request, approve, Some(&announce)).await?;
            let request = written.as_deref().unwrap_or(request);
            return create(controller, request, order).await.map(Some);
        }
        RequestStep::TakeFromOrder(order) => {
            let found = orders.into_iter().find(|found| found.meta.uid == order.uid);
            let Some(pem) = found.and_then(|found| found.status.certificate) else {
                return Ok(None);
            };
            // ACME does not return the root (CRQ-06)
            let verdict = RequestVerdict::Issued {
                certificate: pem.0,
                ca: None,
                remark: None,
            };
            controller.signing.settle(request, approve, Some(&verdict)).await?;
        }
        RequestStep::DeleteOrder(order) => {
            controller.signing.discard(&request.meta, &orders, &order).await?;
            return Ok(None);
        }
    }
    Ok(Some(next))
}

/// Calls the signer and writes its outcome.
async fn sign(
    controller: &Requests,
    issuer: &FoundIssuer,
    request: &RequestSeen,
    mut approve: bool,
) -> Result<Next, ControllerError> {
    let signer = match controller.signing.signer(issuer, request, None).await? {
        Ok(signer) => signer,
        Err(refusal) => return write(controller, request, approve, conclude(request, None, refusal.into())).await,
    };
    let mut approved = None;
    if approve && signer.place() != Place::Here {
        // approval is written before the request leaves this process
        approved = controller.signing.settle(request, true, None).await?;
        approve = false;
    }
    let request = approved.as_deref().unwrap_or(request);
    let annotation = signer.memo_annotation();
    let turn = Turn {
        queue: &controller.ports.queues.requests,
        key: &request.meta.key,
        now: controller.ports.now(),
    };
    match turn.ask(&controller.signing.waits, signer, request, &issuer.meta).await {
        SignerCall::NotYet(next) => Ok(next),
        SignerCall::Answered(outcome) => {
            controller
                .outages
                .requested(&controller.ports, request, outcome.contact());
            controller.signing.doubt(issuer, &outcome);
            write(controller, request, approve, conclude(request, annotation, outcome)).await
        }
    }
}

async fn write(
    controller: &Requests,
    request: &RequestSeen,
    approve: bool,
    conclusion: Conclusion,
) -> Result<Next, ControllerError> {
    let Conclusion {
        memo,
        notices,
        verdict,
        until,
    } = conclusion;
    let mut reminded = None;
    if let Some((annotation, memo)) = memo {
        let patch = json!({ "metadata": { "annotations": { annotation: memo.as_str() } } });
        reminded = Some(
            controller
                .ports
                .writer
                .patch::<RequestKind>(&request.meta, patch)
                .await?,
        );
    }
    let request = reminded.as_deref().unwrap_or(request);
    controller.signing.publish(request, &notices);
    controller.signing.settle(request, approve, Some(&verdict)).await?;
    match until {
        Until::At(until) => Ok(Next::At(until)),
        Until::Change => Ok(Next::OnChange),
        // nothing reports that the API server answers again
        Until::Retry => Err(ControllerError::Failed(verdict.message())),
    }
}

/// Creates the Order. A rejection by the API server is reported in the request's condition.
async fn create(controller: &Requests, request: &RequestSeen, order: DesiredOrder) -> Result<Next, ControllerError> {
    let owner = controlling::<RequestKind>(&request.meta);
    let taken = |message| {
        controller
            .signing
            .publish(request, &[Notice::warning("OrderNameTaken", message)]);
    };
    match controller.signing.place(request, owner, order, taken).await {
        Ok(next) => Ok(next),
        Err(NotPlaced::Failed(error)) => Err(error),
        Err(NotPlaced::Refused(name, error)) => {
            let message = format!("Failed create new order resource {name}: {error}");
            if !error.is_transient() {
                let verdict = RequestVerdict::Pending {
                    reason: "OrderCreatingError",
                    message,
                };
                controller.signing.settle(request, false, Some(&verdict)).await?;
            }
            Err(error.into())
        }
    }
}

/// The ARI identifier of the certificate that a request renews: the one in its Certificate's Secret, if the same issuer issued it
/// (ARI-05).
fn replaced(controller: &Requests, request: &RequestSeen, issuer: Option<&FoundIssuer>) -> Option<String> {
    let acme = issuer?.spec.acme.as_ref()?;
    let asks = acme.renewal_information_source.unwrap_or_default() == RenewalInformationSource::Ari;
    if !(controller.ports.settings.gates.ari && asks) {
        return None;
    }
    let name = request.meta.annotations.get(annotation::CERTIFICATE_NAME)?;
    let certificate = controller
        .ports
        .index
        .certificates
        .get(&request.meta.key.sibling(name))?;
    if !request.meta.owned_by(&certificate.meta.uid) {
        return None;
    }
    let secret_name = certificate.parse().ok()?.spec.secret_name;
    let secret = controller
        .ports
        .index
        .secrets
        .get(&request.meta.key.sibling(secret_name))?;
    let value = |key: &str| secret.meta.annotations.get(key).unwrap_or_default();
    let made_by = crate::api::IssuerRef {
        name: value(annotation::ISSUER_NAME).to_owned(),
        kind: Some(value(annotation::ISSUER_KIND).to_owned()),
        group: Some(value(annotation::ISSUER_GROUP).to_owned()),
    };
    let leaf = secret.pair.certificate.valid()?;
    // the CA does not know the issuer of a temporary certificate
    (made_by.means_same(&request.issuer_ref) && !is_temporary(leaf))
        .then(|| leaf.ari_id())
        .flatten()
}
