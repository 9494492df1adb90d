//! Decisions about a request for an ACME issuer: its Order, and the result of the Order (AOR-01..03).

use jiff::{SignedDuration, Timestamp};

use super::{RequestObservation, RequestPlan, RequestStep, RequestVerdict};
use crate::{
    api::{
        AcmeIssuer, condition,
        order::{OrderStatus, State},
    },
    pki::certificate::CertificateInfo,
    plan::{
        kinds::OrderKind,
        order::desired::{self, DesiredOrder},
        seen::{Next, Object, RequestSeen},
    },
};

/// Duration of an Order after which its state is written to the request. Most Orders are faster and save that write.
const PENDING_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// Reason of the Event for a pending Order.
const PENDING: &str = "OrderPending";

pub(super) fn order(now: Timestamp, seen: &RequestObservation<'_>, acme: &AcmeIssuer) -> RequestPlan {
    let desired = match desired::desired_order(seen.request, acme, seen.replaces) {
        Ok(desired) => desired,
        Err(error) => {
            return settle(RequestVerdict::Failed {
                reason: error.reason(),
                message: error.to_string(),
            });
        }
    };
    if let Some(order) = desired::elected(seen.request, acme, seen.orders) {
        return follow(now, seen, order);
    }
    // it has our name and owner, but another content: the issuer was edited, or it is forged
    if let Some(wrong) = seen.orders.iter().find(|order| order.meta.name() == desired.name) {
        return RequestPlan::only(RequestStep::DeleteOrder(wrong.meta.clone()));
    }
    let announce = created(seen.request, &desired);
    RequestPlan::only(RequestStep::Order {
        order: desired,
        announce,
    })
}

fn settle(verdict: RequestVerdict) -> RequestPlan {
    RequestPlan::only(RequestStep::Settle(verdict))
}

/// The verdict "Created Order resource", before it is created: the name is known, so one write is sufficient.
fn created(request: &RequestSeen, order: &DesiredOrder) -> RequestVerdict {
    let message = format!("Created Order resource {}/{}", request.meta.namespace(), order.name);
    RequestVerdict::Pending {
        reason: "OrderCreated",
        message,
    }
}

fn follow(now: Timestamp, seen: &RequestObservation<'_>, order: &Object<OrderKind>) -> RequestPlan {
    let request = seen.request;
    let OrderStatus {
        state,
        reason,
        certificate,
        ..
    } = &order.status;
    let shown = state.map(State::as_str).unwrap_or_default();
    let place = &order.meta.key;
    match state {
        Some(State::Valid) => {
            let Some(pem) = certificate.as_ref().filter(|pem| !pem.0.is_empty()) else {
                let message = format!("Waiting for order-controller to add certificate data to Order {place}");
                return settle(RequestVerdict::Pending {
                    reason: PENDING,
                    message,
                });
            };
            let key = CertificateInfo::parse_pem(&pem.0).map(|leaf| leaf.key_hash).ok();
            let wanted = request.csr.as_ref().ok().map(|csr| csr.key_hash());
            if key.is_some() && key == wanted {
                return RequestPlan::only(RequestStep::TakeFromOrder(order.meta.clone()));
            }
            // a certificate for another key is useless: order again (AOR-03), but only once
            if seen.reordered {
                return settle(RequestVerdict::Failed {
                    reason: "OrderBadCertificate",
                    message: format!(
                        "The certificate of order {place} cannot be used: it is for another key than that of the request, and a second order had the same result"
                    ),
                });
            }
            RequestPlan::only(RequestStep::DeleteOrder(order.meta.clone()))
        }
        Some(State::Invalid | State::Expired | State::Errored) => settle(RequestVerdict::Failed {
            reason: "OrderFailed",
            message: format!(
                "Failed to wait for order resource {:?} to become ready: order is in {shown:?} state: {}",
                order.meta.name(),
                reason.as_deref().unwrap_or_default()
            ),
        }),
        Some(State::Pending | State::Ready | State::Processing) | None => {
            let message = format!("Waiting on certificate issuance from order {place}: {shown:?}");
            wait(now, request, order, message)
        }
    }
}

fn wait(now: Timestamp, request: &RequestSeen, order: &Object<OrderKind>, message: String) -> RequestPlan {
    let until = order.meta.created.saturating_add(PENDING_AFTER).unwrap_or(now);
    let ready = request.condition(condition::READY);
    // a request that waits already, whatever its message, is updated later; one without a condition is updated now
    if ready.is_some() && now < until {
        return RequestPlan {
            next: Next::At(until),
            ..RequestPlan::nothing()
        };
    }
    settle(RequestVerdict::Pending {
        reason: PENDING,
        message,
    })
}
