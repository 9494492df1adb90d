//! Observation of the issuers of a Certificate.

use std::sync::Arc;

use super::state::Certificates;
use crate::{
    api::{
        IssuerRef,
        condition::{self, READY},
    },
    cluster::issuers,
    plan::{
        certificate::{FallbackPolicy, FallbackSeen, IssuerState},
        issuer::{Backend, FoundIssuer, IssuerId, IssuerType, Lookup, Reach},
        kinds::CertificateKind,
        seen::{Object, RequestSeen},
        settings::Settings,
    },
};

/// The other issuers of a Certificate with fallback issuers, and what is known of the servers.
pub(super) fn fallback(
    controller: &Certificates,
    certificate: &Object<CertificateKind>,
    requests: &[Arc<RequestSeen>],
) -> FallbackSeen {
    let Ok(Some(policy)) = FallbackPolicy::of(certificate) else {
        return FallbackSeen::default();
    };
    let server = |reference: &IssuerRef| {
        let issuer = IssuerId::of(reference, certificate.meta.namespace());
        issuer
            .map(|issuer| controller.outages.of_issuer(&issuer))
            .unwrap_or_default()
    };
    let listed = policy.issuers.iter();
    FallbackSeen {
        states: listed
            .clone()
            .map(|reference| issuer_state(controller, certificate, reference))
            .collect(),
        servers: std::iter::once(&certificate.spec.issuer_ref)
            .chain(listed)
            .map(server)
            .collect(),
        requests: requests
            .iter()
            .map(|request| {
                let uid = &request.meta.uid;
                (uid.clone(), controller.outages.of_request(uid))
            })
            .collect(),
    }
}

/// The state of an issuer that a Certificate may name.
pub(super) fn issuer_state(
    controller: &Certificates,
    certificate: &Object<CertificateKind>,
    reference: &IssuerRef,
) -> IssuerState {
    let issuer = match issuers::find(&controller.ports.index, reference, certificate.meta.namespace()) {
        Lookup::External => return IssuerState::External,
        Lookup::Missing(_) => return IssuerState::Missing,
        Lookup::Unreadable(_, why) => return IssuerState::NotReady(why.to_string()),
        Lookup::Found(issuer) => issuer,
    };
    match condition::get(&issuer.status.conditions, READY) {
        Some(ready) if ready.is_true() => IssuerState::Ready(reach(&issuer, &controller.ports.settings)),
        Some(ready) if !ready.message().is_empty() => IssuerState::NotReady(ready.message().to_owned()),
        Some(_) | None => IssuerState::NotReady("it has not been checked yet".to_owned()),
    }
}

/// How soon the issuer can sign. `Later` if another controller signs.
fn reach(issuer: &FoundIssuer, settings: &Settings) -> Reach {
    let ours = issuer.backend().map(Backend::issuer_type);
    let ours = ours.filter(|ours| settings.controllers.enabled(ours.request_controller()));
    ours.map_or(Reach::Later, IssuerType::reach)
}
