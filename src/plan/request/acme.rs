//! A request for an ACME issuer becomes an Order, and the Order's end becomes the request's (AOR-01..03).

use jiff::{SignedDuration, Timestamp};

use super::{Plan, Seen, Step, Verdict};
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

/// An Order that takes longer than this gets its state written into the request. Most are done sooner, and spare that
/// write.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);

/// Reason of the event for an Order that is waited for.
const PENDING: &str = "OrderPending";

pub(super) fn order(now: Timestamp, seen: &Seen<'_>, acme: &AcmeIssuer) -> Plan {
    let desired = match desired::desired_order(seen.request, acme, seen.replaces) {
        Ok(desired) => desired,
        Err(error) => {
            return settle(Verdict::Failed {
                reason: error.reason(),
                message: error.to_string(),
            });
        }
    };
    if let Some(order) = desired::elected(seen.request, acme, seen.orders) {
        return follow(now, seen, order);
    }
    // Of the same name and owned by this request, but for something else: the issuer was edited, or it is forged.
    if let Some(wrong) = seen.orders.iter().find(|order| order.meta.name() == desired.name) {
        return Plan::only(Step::DeleteOrder(wrong.meta.clone()));
    }
    let announce = created(seen.request, &desired);
    Plan::only(Step::Order {
        order: desired,
        announce,
    })
}

fn settle(verdict: Verdict) -> Plan {
    Plan::only(Step::Settle(verdict))
}

/// "Created Order resource", before it is: the Order's name is known, and one write is enough.
fn created(request: &RequestSeen, order: &DesiredOrder) -> Verdict {
    let message = format!("Created Order resource {}/{}", request.meta.namespace(), order.name);
    Verdict::Pending {
        reason: "OrderCreated",
        message,
    }
}

fn follow(now: Timestamp, seen: &Seen<'_>, order: &Object<OrderKind>) -> Plan {
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
                return settle(Verdict::Pending {
                    reason: PENDING,
                    message,
                });
            };
            let key = CertificateInfo::parse_pem(&pem.0).map(|leaf| leaf.key_hash).ok();
            let wanted = request.csr.as_ref().ok().map(|csr| csr.key_hash());
            if key.is_some() && key == wanted {
                return Plan::only(Step::TakeFromOrder(order.meta.clone()));
            }
            // A certificate for another key is useless: order again (AOR-03), but not for ever.
            if seen.reordered {
                return settle(Verdict::Failed {
                    reason: "OrderBadCertificate",
                    message: format!(
                        "The certificate of order {place} cannot be used: it is not for the key of the request, and ordering again has not helped"
                    ),
                });
            }
            Plan::only(Step::DeleteOrder(order.meta.clone()))
        }
        Some(State::Invalid | State::Expired | State::Errored) => settle(Verdict::Failed {
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

fn wait(now: Timestamp, request: &RequestSeen, order: &Object<OrderKind>, message: String) -> Plan {
    let until = order.meta.created.saturating_add(PATIENCE).unwrap_or(now);
    let said = request.condition(condition::READY);
    // Whoever waits already, with whatever words, is not told sooner; a request without any condition is.
    if said.is_some() && now < until {
        return Plan {
            next: Next::At(until),
            ..Plan::nothing()
        };
    }
    settle(Verdict::Pending {
        reason: PENDING,
        message,
    })
}
