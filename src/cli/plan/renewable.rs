//! Certificates that this version of certlet cannot issue again, because it does not serve their issuer or the solver of one of their
//! names. cert-manager may have issued them.

use std::collections::BTreeMap;

use crate::{
    api::{CertificateSpec, http01::Routing},
    plan::{
        issuer::{Backend, IssuerId, Lookup, Way},
        settings::GatewaySettings,
    },
    solver::select::{Method, NoSolver, OrderMeta, Wanted, select},
};

/// Why a Certificate cannot be issued again, as a sentence without its full stop; `None` if certlet serves what it needs.
/// `gateway` are the settings of the installation.
pub(super) fn obstacle(
    spec: &CertificateSpec,
    labels: &BTreeMap<String, String>,
    issuer: &Lookup,
    gateway: &GatewaySettings,
) -> Option<String> {
    let found = match issuer {
        // another controller's, or reported by the plan itself
        Lookup::External | Lookup::Unreadable(..) => return None,
        Lookup::Missing(id) => return Some(format!("{id} does not exist")),
        Lookup::Found(found) => found,
    };
    match found.backend().map(Backend::way)? {
        Way::Sign(_) => None,
        Way::Order(acme) => {
            let order = OrderMeta {
                labels,
                ..OrderMeta::absent()
            };
            let names = spec.common_name.iter().chain(&spec.dns_names).chain(&spec.ip_addresses);
            names.filter(|name| !name.is_empty()).find_map(|name| {
                match select(&acme.solvers, order, Wanted::unasked(name)) {
                    Err(error @ (NoSolver::NotSupported { .. } | NoSolver::WrongConfig { .. })) => {
                        Some(format!("{error} ({})", found.id()))
                    }
                    Err(NoSolver::NoParent { index }) if !gateway.enabled => {
                        Some(switched_off(index, name, &found.id()))
                    }
                    Ok(selected) if !gateway.enabled && is_for_routes(&selected.method) => {
                        Some(switched_off(selected.index, name, &found.id()))
                    }
                    Err(_) | Ok(_) => None,
                }
            })
        }
    }
}

fn is_for_routes(method: &Method) -> bool {
    match method {
        Method::Http01(routing) => matches!(**routing, Routing::HttpRoute(_)),
        Method::Dns01 | Method::DnsPersist(_) => false,
    }
}

fn switched_off(index: usize, name: &str, issuer: &IssuerId) -> String {
    format!(
        "spec.acme.solvers[{index}] is the one for {name}, but it is a http01.gatewayHTTPRoute solver, for which certlet has to be \
         started with --enable-gateway-api ({issuer})"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        api::{IssuerSpec, IssuerStatus},
        plan::{
            issuer::{FoundIssuer, IssuerId},
            seen::{Meta, ObjectKey},
        },
    };

    fn issuer(spec: serde_json::Value) -> Lookup {
        let spec: IssuerSpec = serde_json::from_value(spec).unwrap();
        Lookup::Found(Box::new(FoundIssuer {
            meta: Meta {
                key: ObjectKey::new("shop", "old"),
                ..Meta::default()
            },
            spec,
            status: IssuerStatus::default(),
        }))
    }

    fn why(names: &[&str], issuer: &Lookup) -> Option<String> {
        let spec = CertificateSpec {
            dns_names: names.iter().map(ToString::to_string).collect(),
            ..CertificateSpec::default()
        };
        obstacle(&spec, &BTreeMap::new(), issuer, &GatewaySettings::default())
    }

    #[test]
    fn of_an_acme_issuer_only_the_names_count_that_the_unserved_solver_is_for() {
        let acme = issuer(json!({"acme": {
            "server": "https://acme.example", "privateKeySecretRef": {"name": "account"},
            "solvers": [
                {"http01": {"ingress": {}}},
                {"http01": {"gatewayHTTPRoute": {}}, "selector": {"dnsNames": ["gate.example"]}},
            ],
        }}));
        assert_eq!(why(&["a.example"], &acme), None);
        let why = why(&["a.example", "gate.example"], &acme).unwrap();
        assert!(
            why.contains("spec.acme.solvers[1]") && why.contains("gatewayHTTPRoute"),
            "{why}"
        );
    }

    #[test]
    fn an_issuer_that_does_not_exist_cannot_issue_and_one_of_another_group_is_not_ours() {
        let missing = Lookup::Missing(IssuerId(ObjectKey::new("shop", "gone")));
        assert!(why(&["a.example"], &missing).unwrap().contains("does not exist"));
        assert_eq!(why(&["a.example"], &Lookup::External), None);
        let ca = issuer(json!({"ca": {"secretName": "ca"}}));
        assert_eq!(why(&["a.example"], &ca), None);
    }
}
