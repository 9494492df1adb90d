//! The planner of CertificateRequests: approval, rejection, signing, Orders (CRQ rows, NB-26..28, NB-41).
//!
//! Approval and any other known result go into one status write. Requests for issuers of other API groups are only approved;
//! another controller signs them (CRQ-02, SGN-06).

mod acme;
mod status;
mod validate;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use status::{RequestVerdict, StatusWrite, status_write};
pub use validate::{unreadable, validate};

use jiff::Timestamp;

use crate::{
    api::{AcmeIssuer, condition},
    plan::{
        issuer::{IssuerType, Lookup, Way},
        kinds::OrderKind,
        notice::Notice,
        order::desired::DesiredOrder,
        seen::{Meta, Next, Object, RequestSeen},
        settings::Settings,
    },
};

/// The observation of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestObservation<'a> {
    /// The request.
    pub request: &'a RequestSeen,
    /// The issuer.
    pub issuer: &'a Lookup,
    /// Orders that the request owns (by uid).
    pub orders: &'a [Object<OrderKind>],
    /// The ARI identifier of the certificate that this one replaces (ARI-05).
    pub replaces: Option<&'a str>,
    /// Whether this process replaced an Order of this request already, because it was wrong or lost.
    pub reordered: bool,
    /// What the administrator set.
    pub settings: &'a Settings,
}

/// The plan for a request.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestPlan {
    /// Whether the next status write approves the request.
    pub approve: bool,
    /// The next step.
    pub step: RequestStep,
    /// Events without a status write.
    pub notices: Vec<Notice>,
    /// When to reconcile again.
    pub next: Next,
}

/// The next step for a request.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestStep {
    /// Nothing, except the approval if it is due.
    Nothing,
    /// Write this verdict.
    Settle(RequestVerdict),
    /// Call the signer of its issuer, which has this type.
    Sign(IssuerType),
    /// Write `announce`, then create the Order.
    Order {
        /// The Order.
        order: DesiredOrder,
        /// Written first, together with the approval.
        announce: RequestVerdict,
    },
    /// The Order is valid: take its certificate.
    TakeFromOrder(Meta),
    /// Delete an Order that is wrong or blocks the name (AOR-03), and plan again.
    DeleteOrder(Meta),
}

impl RequestPlan {
    fn nothing() -> Self {
        Self {
            approve: false,
            step: RequestStep::Nothing,
            notices: Vec::new(),
            next: Next::OnChange,
        }
    }

    fn only(step: RequestStep) -> Self {
        Self {
            step,
            ..Self::nothing()
        }
    }

    /// Whether there is nothing to write and nothing to sign.
    pub fn is_nothing(&self) -> bool {
        !self.approve && self.step == RequestStep::Nothing
    }

    /// Whether applying it would change anything compared with `request`.
    pub fn changes_something(&self, now: Timestamp, request: &RequestSeen) -> bool {
        let verdict = match &self.step {
            RequestStep::Nothing => None,
            RequestStep::Settle(verdict) => Some(verdict),
            RequestStep::Sign(_)
            | RequestStep::Order { .. }
            | RequestStep::TakeFromOrder(_)
            | RequestStep::DeleteOrder(_) => {
                return true;
            }
        };
        status_write(now, request, self.approve, verdict).is_some()
    }
}

/// Plans the next step of a request.
pub fn plan(now: Timestamp, seen: &RequestObservation<'_>) -> RequestPlan {
    let RequestObservation { request, settings, .. } = *seen;
    if request.meta.deleting.is_some() || is_finished(request) {
        return RequestPlan::nothing();
    }
    let denied = request.is_true(condition::DENIED);
    let approved = request.is_true(condition::APPROVED);
    let approve = settings.controllers.approver() && !approved && !denied;
    if !request.issuer_ref.is_ours() {
        return RequestPlan {
            approve,
            ..RequestPlan::nothing()
        };
    }
    if denied {
        return RequestPlan::only(RequestStep::Settle(RequestVerdict::Denied));
    }
    if request.is_true(condition::INVALID_REQUEST) || request.certificate.is_some() {
        return RequestPlan::nothing();
    }
    if let Err(refusal) = validate(request) {
        return RequestPlan::only(RequestStep::Settle(RequestVerdict::Failed {
            reason: "BadConfig",
            message: format!("resource validation failed: {refusal}"),
        }));
    }
    if !approved && !approve {
        let notice = Notice::normal(
            "WaitingForApproval",
            "Not signing CertificateRequest until it is Approved",
        );
        return RequestPlan {
            notices: vec![notice],
            ..RequestPlan::nothing()
        };
    }
    RequestPlan {
        approve,
        ..sign(now, seen)
    }
}

/// Whether a request is final: issued, failed, or denied.
pub fn is_finished(request: &RequestSeen) -> bool {
    request
        .condition(condition::READY)
        .is_some_and(|ready| ready.is_true() || matches!(ready.reason(), "Failed" | "Denied"))
}

/// The step for an approved request for a Ready ACME issuer.
pub fn follow_orders(now: Timestamp, seen: &RequestObservation<'_>, acme: &AcmeIssuer) -> RequestStep {
    acme::order(now, seen, acme).step
}

/// The step for signing a request that is approved, or will be by this plan.
fn sign(now: Timestamp, seen: &RequestObservation<'_>) -> RequestPlan {
    let reference = &seen.request.issuer_ref;
    let issuer = match seen.issuer {
        // another controller signs it
        Lookup::External => return RequestPlan::nothing(),
        Lookup::Missing(_) => {
            let kind = reference.kind_or_default();
            let lower = kind.to_ascii_lowercase();
            return pending(
                "IssuerNotFound",
                format!(
                    "Referenced {kind:?} not found: {lower}.cert-manager.io {:?} not found",
                    reference.name
                ),
            );
        }
        Lookup::Unreadable(_, why) => {
            return pending("IssuerNotReady", format!("Referenced issuer cannot be decoded: {why}"));
        }
        Lookup::Found(issuer) => issuer,
    };
    let Some(backend) = issuer.backend() else {
        let key = &issuer.meta.key;
        return pending(
            "IssuerTypeMissing",
            format!(
                "Missing issuer type: no issuer specified for {} '{}/{}'",
                reference.kind_or_default(),
                key.namespace,
                key.name
            ),
        );
    };
    let issuer_type = backend.issuer_type();
    if !seen.settings.controllers.enabled(issuer_type.request_controller()) {
        return RequestPlan::nothing();
    }
    let once_ready = |plan: &dyn Fn() -> RequestPlan| {
        if issuer.is_ready() {
            return plan();
        }
        pending(
            "IssuerNotReady",
            "Referenced issuer does not have a Ready status condition".to_owned(),
        )
    };
    match backend.way() {
        Way::Order(spec) => once_ready(&|| acme::order(now, seen, spec)),
        Way::Sign(_) => once_ready(&|| RequestPlan::only(RequestStep::Sign(issuer_type))),
    }
}

fn pending(reason: &'static str, message: String) -> RequestPlan {
    RequestPlan::only(RequestStep::Settle(RequestVerdict::Pending { reason, message }))
}
