//! Observation of the issuers of a Certificate.

use std::{collections::BTreeMap, sync::Arc};

use super::state::Certificates;
use crate::{
    api::{
        IssuerRef,
        condition::{self, READY},
        order::OrderSpec,
    },
    cluster::issuers,
    plan::{
        certificate::{FallbackPolicy, FallbackSeen, IssuerState},
        issuer::{Backend, FoundIssuer, IssuerId, IssuerType, Lookup, Reach},
        kinds::CertificateKind,
        order::identifiers::identifiers,
        seen::{Object, Pairs, RequestSeen},
        settings::Settings,
    },
    solver::select::{NoSolver, OrderMeta, Wanted, select},
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
            .map(|reference| fallback_state(controller, certificate, reference))
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

/// The state of a fallback issuer. An order is not begun there that no solver of it can finish.
fn fallback_state(
    controller: &Certificates,
    certificate: &Object<CertificateKind>,
    reference: &IssuerRef,
) -> IssuerState {
    let lookup = issuers::find(&controller.ports.index, reference, certificate.meta.namespace());
    let unproved = lookup.found().and_then(|issuer| unproved(issuer, certificate));
    let state = state_of(controller, lookup);
    match (state, unproved) {
        (IssuerState::Ready(_), Some(no_solver)) => IssuerState::Unfit(no_solver.to_string()),
        (state, _) => state,
    }
}

/// Why no solver of an ACME issuer proves one of the names. An issuer without solvers is not judged: its CA may ask for no proof.
fn unproved(issuer: &FoundIssuer, certificate: &Object<CertificateKind>) -> Option<NoSolver> {
    let solvers = issuer.spec.acme.as_ref().map(|acme| acme.solvers.as_slice());
    let solvers = solvers.filter(|solvers| !solvers.is_empty())?;
    let owned = |pairs: &Pairs| -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let Object { meta, spec, .. } = certificate;
    let (labels, annotations) = (owned(&meta.labels), owned(&meta.annotations));
    let order = OrderMeta {
        namespace: meta.namespace(),
        labels: &labels,
        annotations: &annotations,
    };
    let ordered = identifiers(&OrderSpec {
        common_name: spec.common_name.clone(),
        dns_names: spec.dns_names.clone(),
        ip_addresses: spec.ip_addresses.clone(),
        ..OrderSpec::default()
    });
    let mut names = ordered.into_iter().map(|name| name.authorized(false).to_string());
    names.find_map(|name| select(solvers, order, Wanted::unasked(&name)).err())
}

/// The state of an issuer that a Certificate may name.
pub(super) fn issuer_state(
    controller: &Certificates,
    certificate: &Object<CertificateKind>,
    reference: &IssuerRef,
) -> IssuerState {
    let lookup = issuers::find(&controller.ports.index, reference, certificate.meta.namespace());
    state_of(controller, lookup)
}

fn state_of(controller: &Certificates, lookup: Lookup) -> IssuerState {
    let issuer = match lookup {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        api::{CertificateStatus, IssuerStatus},
        plan::seen::Meta,
    };

    /// Why such an issuer cannot prove the names of a Certificate with a label.
    fn why(issuer: serde_json::Value, certificate: serde_json::Value) -> Option<NoSolver> {
        let issuer = FoundIssuer {
            meta: Meta::default(),
            spec: serde_json::from_value(issuer).unwrap(),
            status: IssuerStatus::default(),
        };
        let certificate = Object {
            meta: Meta {
                labels: [("team", "red")].into_iter().collect(),
                ..Meta::default()
            },
            spec: serde_json::from_value(certificate).unwrap(),
            status: CertificateStatus::default(),
        };
        unproved(&issuer, &certificate)
    }

    fn acme(solvers: &serde_json::Value) -> serde_json::Value {
        json!({"acme": {"server": "https://ca.example", "privateKeySecretRef": {"name": "k"}, "solvers": solvers}})
    }

    fn certificate(names: &[&str]) -> serde_json::Value {
        json!({"secretName": "s", "issuerRef": {"name": "other"}, "commonName": "not a host", "dnsNames": names})
    }

    #[test]
    fn an_acme_issuer_needs_a_solver_for_each_name_and_others_need_none() {
        let http = json!([{"http01": {"ingress": {}}}]);
        assert_eq!(why(acme(&http), certificate(&["a.example", "b.example"])), None);
        assert!(matches!(
            why(acme(&http), certificate(&["a.example", "*.b.example"])),
            Some(NoSolver::WildcardNeedsDns01(name)) if name == "*.b.example"
        ));
        let selector = |selector: serde_json::Value| json!([{"http01": {"ingress": {}}, "selector": selector}]);
        let elsewhere = selector(json!({"dnsZones": ["b.example"]}));
        assert!(matches!(
            why(acme(&elsewhere), certificate(&["a.example"])),
            Some(NoSolver::NoMatch(_))
        ));
        let labelled = |team: &str| selector(json!({"matchLabels": {"team": team}}));
        assert_eq!(why(acme(&labelled("red")), certificate(&["a.example"])), None);
        assert!(why(acme(&labelled("blue")), certificate(&["a.example"])).is_some());
        assert_eq!(why(acme(&json!([])), certificate(&["a.example"])), None);
        assert_eq!(
            why(json!({"ca": {"secretName": "ca"}}), certificate(&["a.example"])),
            None
        );
    }
}
