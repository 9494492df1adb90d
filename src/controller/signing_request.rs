//! The controller of Kubernetes CertificateSigningRequests. [`plan::signing_request`](crate::plan::signing_request) decides.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;

use super::{
    ControllerError, Ports, Services,
    reported::Reported,
    signing::{NotPlaced, SignerCall, Signing, Turn},
};
use crate::{
    cluster::{index::Index, issuers, owner::controlling, store::Link},
    plan::{
        issuer::{Backend, Lookup},
        kinds::{OrderKind, SigningRequestKind},
        notice::Notice,
        order::desired::DesiredOrder,
        seen::{Next, Object, ObjectKey, RequestSeen},
        signing_request::{
            SigningRequestObservation, SigningRequestSeen, SigningRequestStep, counterpart, plan, reworded,
        },
    },
    signer::{Memo, Outcome, Refused, Until, Wait, Warning},
};

/// Messages of Events (CSR-05).
const FETCHED: &str = "Certificate fetched from issuer successfully";
const SELF_SIGNED: &str = "Certificate self-signed successfully";
const FETCHED_FROM_MANAGER: &str = "Certificate fetched from Certificate Manager issuer successfully";

/// The observation, without the check of whether the requester may refer to the issuer.
struct Observed {
    request: Arc<SigningRequestSeen>,
    issuer: Lookup,
    orders: Vec<Object<OrderKind>>,
}

impl Observed {
    fn of(controller: &SigningRequests, key: &ObjectKey) -> Option<Self> {
        let request = controller.ports.index.signing_requests.get(key)?;
        let issuer = request.signer().map_or(Lookup::External, |signer| {
            issuers::find(&controller.ports.index, &signer.issuer_ref(), &signer.namespace)
        });
        let orders = controller
            .ports
            .index
            .orders
            .linked(&Link::Owner(request.meta.uid.clone()));
        Some(Self {
            issuer,
            orders: orders.iter().filter_map(|order| order.parse().ok()).collect(),
            request,
        })
    }

    fn plan(&self, controller: &SigningRequests, may_refer: Option<bool>) -> SigningRequestStep {
        let seen = SigningRequestObservation {
            request: &self.request,
            issuer: &self.issuer,
            orders: &self.orders,
            reordered: controller.signing.reordered.contains(&self.request.meta.uid),
            may_refer,
            settings: &controller.ports.settings,
        };
        plan(controller.ports.now(), &seen)
    }
}

/// Reconciles Kubernetes' CertificateSigningRequests.
pub(crate) struct SigningRequests {
    ports: Ports,
    signing: Arc<Signing>,
    reported: Reported,
}

impl SigningRequests {
    /// A controller that remembers nothing yet.
    pub(crate) fn new(services: &Services) -> Self {
        Self {
            ports: services.ports.clone(),
            signing: Arc::clone(&services.signing),
            reported: Reported::default(),
        }
    }

    /// Forgets all that it remembers.
    pub(crate) fn clear(&self) {
        self.reported.clear();
    }

    /// Reconciles one request.
    pub(crate) async fn reconcile(self: Arc<Self>, key: ObjectKey) -> Result<Next, ControllerError> {
        let Some(observed) = Observed::of(&self, &key) else {
            return Ok(Next::OnChange);
        };
        let request = &*observed.request;
        let mut may_refer = None;
        loop {
            match observed.plan(&self, may_refer) {
                SigningRequestStep::Nothing => return Ok(Next::OnChange),
                SigningRequestStep::Report(notice) => {
                    publish(&self, request, &notice);
                    return Ok(Next::OnChange);
                }
                SigningRequestStep::AskReference(signer) => {
                    may_refer = Some(self.ports.reader.may_refer(request, &signer).await?);
                }
                SigningRequestStep::Fail { reason, message } => return fail(&self, request, reason, &message).await,
                SigningRequestStep::Sign(asked) => return sign(&self, &observed, &asked).await,
                SigningRequestStep::Order(asked, order) => return create(&self, request, &asked, *order).await,
                SigningRequestStep::TakeFromOrder(meta) => {
                    let order = observed.orders.iter().find(|order| order.meta.uid == meta.uid);
                    let Some(pem) = order.and_then(|order| order.status.certificate.clone()) else {
                        return Ok(Next::OnChange);
                    };
                    return store(&self, request, &pem.0, &[], FETCHED).await;
                }
                SigningRequestStep::DeleteOrder(meta) => {
                    self.signing.discard(&request.meta, &observed.orders, &meta).await?;
                    return Err(ControllerError::Stale(format!("Order {} was deleted", meta.key)));
                }
            }
        }
    }

    /// What would be done for a request now, without doing any of it; `None` where there is no such request. Whether its
    /// requester may refer to the issuer is not asked: that would be a request that is no read.
    pub(crate) fn dry_run(&self, key: &ObjectKey) -> Option<SigningRequestStep> {
        Observed::of(self, key).map(|observed| observed.plan(self, Some(true)))
    }
}

/// Asks the signer, and writes down what it answers.
async fn sign(controller: &SigningRequests, observed: &Observed, asked: &RequestSeen) -> Result<Next, ControllerError> {
    let (Some(issuer), request) = (observed.issuer.found(), &*observed.request) else {
        return Ok(Next::OnChange);
    };
    let turn = Turn {
        queue: &controller.ports.queues.signing_requests,
        key: &request.meta.key,
        now: controller.ports.now(),
    };
    let mut annotation = None;
    let outcome = match controller.signing.signer(issuer, asked, None).await? {
        Err(refusal) => refusal.into(),
        Ok(signer) => {
            annotation = signer.memo_annotation();
            match turn.ask(&controller.signing.waits, signer, asked, &issuer.meta).await {
                SignerCall::NotYet(next) => return Ok(next),
                SignerCall::Answered(outcome) => {
                    controller.signing.doubt(issuer, &outcome);
                    outcome
                }
            }
        }
    };
    match outcome {
        Outcome::Issued(done) => {
            let sentence = match issuer.backend() {
                Some(Backend::SelfSigned(_)) => SELF_SIGNED,
                Some(Backend::Venafi(_)) => FETCHED_FROM_MANAGER,
                Some(Backend::Acme(_) | Backend::Ca(_) | Backend::Vault(_)) | None => FETCHED,
            };
            store(controller, request, &done.certificate, &done.warnings, sentence).await
        }
        Outcome::Refused(Refused { reason, message }) => {
            let (reason, message) = reworded(reason, &message, asked);
            fail(controller, request, reason, &message).await
        }
        Outcome::Wait(Wait {
            reason,
            message,
            until,
            memo,
            outage: _,
        }) => {
            if let Some((of_request, memo)) = annotation.zip(memo) {
                remember(controller, request, counterpart(of_request), &memo).await?;
            }
            let (reason, message) = reworded(reason, &message, asked);
            let notice = if reason == "IssuancePending" {
                Notice::normal(reason, message.as_str())
            } else {
                Notice::warning(reason, message.as_str())
            };
            publish(controller, request, &notice);
            match until {
                Until::At(until) => Ok(Next::At(until)),
                // the watch reports the Secret; nothing reports that the API server answers again
                Until::Change => Ok(Next::OnChange),
                Until::Retry => Err(ControllerError::Failed(message)),
            }
        }
    }
}

/// Stores the signer's memo in this annotation, unless the request has it.
async fn remember(
    controller: &SigningRequests,
    request: &SigningRequestSeen,
    annotation: &str,
    memo: &Memo,
) -> Result<(), ControllerError> {
    if request.meta.annotations.get(annotation) == Some(memo.as_str()) {
        return Ok(());
    }
    let patch = json!({ "metadata": { "annotations": { annotation: memo.as_str() } } });
    controller
        .ports
        .writer
        .patch::<SigningRequestKind>(&request.meta, patch)
        .await?;
    Ok(())
}

/// Creates the Order (CSR-05) in the namespace of the issuer's Secrets.
async fn create(
    controller: &SigningRequests,
    request: &SigningRequestSeen,
    asked: &RequestSeen,
    order: DesiredOrder,
) -> Result<Next, ControllerError> {
    let owner = OwnerReference {
        // blockOwnerDeletion would need a permission on finalizers of requests
        block_owner_deletion: None,
        ..controlling::<SigningRequestKind>(&request.meta)
    };
    let place_of = asked.meta.key.sibling(order.name.as_str());
    let taken = |message| publish(controller, request, &Notice::warning("OrderNameTaken", message));
    match controller.signing.place(asked, owner, order, taken).await {
        Ok(next) => {
            let message = format!("Created Order resource {place_of}");
            publish(controller, request, &Notice::normal("OrderCreated", message));
            Ok(next)
        }
        Err(NotPlaced::Failed(error)) => Err(error),
        Err(NotPlaced::Refused(name, error)) => {
            let message = format!("Failed create new order resource {name}: {error}");
            publish(controller, request, &Notice::warning("OrderCreatingError", message));
            Err(error.into())
        }
    }
}

async fn store(
    controller: &SigningRequests,
    request: &SigningRequestSeen,
    certificate: &[u8],
    warnings: &[Warning],
    sentence: &'static str,
) -> Result<Next, ControllerError> {
    let status = json!({ "certificate": STANDARD.encode(certificate) });
    controller
        .ports
        .writer
        .patch_status::<SigningRequestKind>(&request.meta, status)
        .await?;
    for warning in warnings {
        publish(
            controller,
            request,
            &Notice::warning(warning.reason, warning.message.as_str()),
        );
    }
    publish(controller, request, &Notice::normal("CertificateIssued", sentence));
    Ok(Next::OnChange)
}

async fn fail(
    controller: &SigningRequests,
    request: &SigningRequestSeen,
    reason: &'static str,
    message: &str,
) -> Result<Next, ControllerError> {
    let conditions = request.failed(reason, message, controller.ports.now());
    controller
        .ports
        .writer
        .patch_status::<SigningRequestKind>(&request.meta, json!({ "conditions": conditions }))
        .await?;
    publish(controller, request, &Notice::warning(reason, message));
    Ok(Next::OnChange)
}

/// Publishes an Event, once until the text changes.
fn publish(controller: &SigningRequests, request: &SigningRequestSeen, notice: &Notice) {
    let message = std::slice::from_ref(&notice.message);
    if controller.reported.is_new(&request.meta, message) {
        controller
            .ports
            .events
            .publish::<SigningRequestKind>(&request.meta, notice);
    }
}

/// Those that are not finished.
pub(crate) fn waiting(index: &Index) -> Vec<ObjectKey> {
    let waiting = index.signing_requests.linked(&Link::Waiting).into_iter();
    waiting.map(|request| request.meta.key.clone()).collect()
}
