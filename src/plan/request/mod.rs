//! What to do for a CertificateRequest: approve it, refuse it, have it signed, order it (CRQ rows, NB-26..28, NB-41).
//!
//! Approval and whatever else is known at once go into one status write. Requests for issuers of other API groups are
//! approved and otherwise left alone: another controller signs them (CRQ-02, SGN-06).

mod acme;
mod status;
mod validate;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use status::{StatusWrite, Verdict, status_write};
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

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The request.
    pub request: &'a RequestSeen,
    /// The issuer that it names.
    pub issuer: &'a Lookup,
    /// Orders that the request owns, by uid.
    pub orders: &'a [Object<OrderKind>],
    /// Identifier of the certificate that this one replaces (ARI-05).
    pub replaces: Option<&'a str>,
    /// Whether an Order of this request came out wrong before, or was lost, and was made again by this process.
    pub reordered: bool,
    /// What the administrator set.
    pub settings: &'a Settings,
}

/// What to do about a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Whether the next status write approves it.
    pub approve: bool,
    /// What else is to be done.
    pub step: Step,
    /// Events that belong to no status write.
    pub notices: Vec<Notice>,
    /// When to look again.
    pub next: Next,
}

/// The next step for a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing but the approval, if that is due.
    Nothing,
    /// Write this down.
    Settle(Verdict),
    /// Ask the signer of its issuer, which is of this type.
    Sign(IssuerType),
    /// Write `announce` down, then create the Order.
    Order {
        /// The Order.
        order: DesiredOrder,
        /// Said first, so that it is one write with the approval.
        announce: Verdict,
    },
    /// The Order is valid: its certificate is the answer.
    TakeFromOrder(Meta),
    /// Delete an Order that stands in the way or came out wrong (AOR-03), and plan again.
    DeleteOrder(Meta),
}

impl Plan {
    fn nothing() -> Self {
        Self {
            approve: false,
            step: Step::Nothing,
            notices: Vec::new(),
            next: Next::OnChange,
        }
    }

    fn only(step: Step) -> Self {
        Self {
            step,
            ..Self::nothing()
        }
    }

    /// Whether there is nothing to write and nothing to sign.
    pub fn is_nothing(&self) -> bool {
        !self.approve && self.step == Step::Nothing
    }

    /// Whether carrying it out would change anything: what `request` says already is not written again.
    pub fn changes_something(&self, now: Timestamp, request: &RequestSeen) -> bool {
        let verdict = match &self.step {
            Step::Nothing => None,
            Step::Settle(verdict) => Some(verdict),
            Step::Sign(_) | Step::Order { .. } | Step::TakeFromOrder(_) | Step::DeleteOrder(_) => {
                return true;
            }
        };
        status_write(now, request, self.approve, verdict).is_some()
    }
}

/// Decides about a request.
pub fn plan(now: Timestamp, seen: &Seen<'_>) -> Plan {
    let Seen { request, settings, .. } = *seen;
    if request.meta.deleting.is_some() || is_finished(request) {
        return Plan::nothing();
    }
    let denied = request.is_true(condition::DENIED);
    let approved = request.is_true(condition::APPROVED);
    let approve = settings.controllers.approver() && !approved && !denied;
    if !request.issuer_ref.is_ours() {
        return Plan {
            approve,
            ..Plan::nothing()
        };
    }
    if denied {
        return Plan::only(Step::Settle(Verdict::Denied));
    }
    if request.is_true(condition::INVALID_REQUEST) || request.certificate.is_some() {
        return Plan::nothing();
    }
    if let Err(refusal) = validate(request) {
        return Plan::only(Step::Settle(Verdict::Failed {
            reason: "BadConfig",
            message: format!("resource validation failed: {refusal}"),
        }));
    }
    if !approved && !approve {
        let notice = Notice::normal(
            "WaitingForApproval",
            "Not signing CertificateRequest until it is Approved",
        );
        return Plan {
            notices: vec![notice],
            ..Plan::nothing()
        };
    }
    Plan {
        approve,
        ..sign(now, seen)
    }
}

/// Whether somebody has said the last word about a request: issued, failed, or denied.
pub fn is_finished(request: &RequestSeen) -> bool {
    request
        .condition(condition::READY)
        .is_some_and(|ready| ready.is_true() || matches!(ready.reason(), "Failed" | "Denied"))
}

/// What the Orders of an approved request for a Ready ACME issuer lead to.
pub fn follow_orders(now: Timestamp, seen: &Seen<'_>, acme: &AcmeIssuer) -> Step {
    acme::order(now, seen, acme).step
}

/// The signer's part, for a request that is approved or about to be.
fn sign(now: Timestamp, seen: &Seen<'_>) -> Plan {
    let reference = &seen.request.issuer_ref;
    let issuer = match seen.issuer {
        // nobody asks for it: another controller signs
        Lookup::External => return Plan::nothing(),
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
            return pending("IssuerNotReady", format!("Referenced issuer cannot be read: {why}"));
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
        return Plan::nothing();
    }
    let once_ready = |plan: &dyn Fn() -> Plan| {
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
        Way::Sign(_) => once_ready(&|| Plan::only(Step::Sign(issuer_type))),
        Way::NotSupported(issuer_type) => not_supported(issuer_type),
    }
}

fn pending(reason: &'static str, message: String) -> Plan {
    Plan::only(Step::Settle(Verdict::Pending { reason, message }))
}

fn not_supported(issuer_type: IssuerType) -> Plan {
    let field = issuer_type.field();
    pending(
        "IssuerNotSupported",
        format!(
            "Issuers of type {field} are not supported by certlet yet: use one of type acme, ca or selfSigned, or an external issuer"
        ),
    )
}
