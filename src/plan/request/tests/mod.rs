//! Scenes: a request, its issuer, its Orders.

mod approval;
mod ordering;
mod properties;
mod signing;
mod validation;

use jiff::Timestamp;

use super::{RequestObservation, RequestPlan, RequestStep, RequestVerdict, fixture, plan, status_write};
use crate::{
    api::{
        acme_issuer::AcmeIssuer,
        issuer::{CaIssuer, IssuerSpec, SelfSignedIssuer},
        vault::VaultIssuer,
        venafi::VenafiIssuer,
    },
    plan::{
        issuer::{IssuerId, Lookup},
        kinds::OrderKind,
        seen::{Object, ObjectKey, RequestSeen},
        settings::Settings,
    },
};

#[derive(Debug)]
pub(super) struct Scene {
    pub(super) request: RequestSeen,
    pub(super) issuer: Lookup,
    pub(super) orders: Vec<Object<OrderKind>>,
    pub(super) reordered: bool,
    pub(super) settings: Settings,
    pub(super) now: Timestamp,
}

/// A fresh request with an issuer of this type that is ready.
pub(super) fn with_issuer(spec: IssuerSpec) -> Scene {
    Scene {
        request: fixture::request(),
        issuer: Lookup::Found(Box::new(fixture::issuer("le", spec))),
        orders: Vec::new(),
        reordered: false,
        settings: Settings::default(),
        now: fixture::noon(),
    }
}

pub(super) fn ca() -> IssuerSpec {
    IssuerSpec {
        ca: Some(CaIssuer {
            secret_name: "root".into(),
            ..CaIssuer::default()
        }),
        ..IssuerSpec::default()
    }
}

pub(super) fn self_signed() -> IssuerSpec {
    IssuerSpec {
        self_signed: Some(SelfSignedIssuer::default()),
        ..IssuerSpec::default()
    }
}

pub(super) fn acme() -> IssuerSpec {
    IssuerSpec {
        acme: Some(AcmeIssuer::default()),
        ..IssuerSpec::default()
    }
}

pub(super) fn venafi() -> IssuerSpec {
    IssuerSpec {
        venafi: Some(VenafiIssuer::default()),
        ..IssuerSpec::default()
    }
}

pub(super) fn vault() -> IssuerSpec {
    IssuerSpec {
        vault: Some(VaultIssuer::default()),
        ..IssuerSpec::default()
    }
}

impl Scene {
    pub(super) fn request(mut self, edit: impl FnOnce(RequestSeen) -> RequestSeen) -> Self {
        self.request = edit(self.request);
        self
    }

    /// Without its issuer.
    pub(super) fn orphaned(mut self) -> Self {
        self.issuer = Lookup::Missing(IssuerId(ObjectKey::new("shop", "le")));
        self
    }

    /// With its issuer ready, or not.
    pub(super) fn ready(mut self, ready: bool) -> Self {
        if let Lookup::Found(issuer) = self.issuer {
            self.issuer = Lookup::Found(Box::new(issuer.ready(ready)));
        }
        self
    }

    pub(super) fn without_approver(mut self) -> Self {
        self.settings
            .controllers
            .disabled
            .push("certificaterequests-approver".into());
        self
    }

    pub(super) fn plan(&self) -> RequestPlan {
        let Self {
            request,
            issuer,
            orders,
            reordered,
            settings,
            now,
        } = self;
        plan(
            *now,
            &RequestObservation {
                request,
                issuer,
                orders,
                replaces: None,
                reordered: *reordered,
                settings,
            },
        )
    }

    /// The message with which the request waits.
    pub(super) fn pending(&self) -> String {
        let step = self.plan().step;
        let RequestStep::Settle(RequestVerdict::Pending { message, .. }) = step else {
            panic!("expected Pending, got {step:?}")
        };
        message
    }

    /// Reason of the event and message with which the request fails.
    pub(super) fn failed(&self) -> (&'static str, String) {
        let step = self.plan().step;
        let RequestStep::Settle(RequestVerdict::Failed { reason, message }) = step else {
            panic!("expected Failed, got {step:?}")
        };
        (reason, message)
    }

    /// The same after the status write that the plan asks for.
    pub(super) fn settled(mut self) -> Self {
        let plan = self.plan();
        let verdict = match &plan.step {
            RequestStep::Settle(verdict) | RequestStep::Order { announce: verdict, .. } => Some(verdict),
            RequestStep::Nothing
            | RequestStep::Sign(_)
            | RequestStep::TakeFromOrder(_)
            | RequestStep::DeleteOrder(_) => None,
        };
        if let Some(write) = status_write(self.now, &self.request, plan.approve, verdict) {
            if let Some(conditions) = write.patch.get("conditions") {
                self.request.conditions = serde_json::from_value(conditions.clone()).unwrap();
            }
            if write.patch.get("failureTime").is_some() {
                self.request.failure_time = Some(self.now);
            }
        }
        self
    }
}
