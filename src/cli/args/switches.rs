//! What is switched on and off by name: controllers and feature gates (CTL-11, GAT rows).

use std::collections::BTreeMap;

use crate::plan::settings::{Controllers, Gates};

/// Every controller that cert-manager has: its names are public (CTL rows, NB-31).
const CONTROLLERS: [&str; 26] = [
    "issuers",
    "clusterissuers",
    "certificates-metrics",
    "ingress-shim",
    "gateway-shim",
    "orders",
    "challenges",
    "certificaterequests-issuer-acme",
    "certificaterequests-approver",
    "certificaterequests-issuer-ca",
    "certificaterequests-issuer-selfsigned",
    "certificaterequests-issuer-vault",
    "certificaterequests-issuer-venafi",
    "certificates-trigger",
    "certificates-issuing",
    "certificates-key-manager",
    "certificates-request-manager",
    "certificates-readiness",
    "certificates-revision-manager",
    "certificatesigningrequests-issuer-acme",
    "certificatesigningrequests-issuer-ca",
    "certificatesigningrequests-issuer-selfsigned",
    "certificatesigningrequests-issuer-venafi",
    "certificatesigningrequests-issuer-vault",
    "certificatesigningrequests-issuer",
    "listenerset",
];

/// Every feature gate that cert-manager has or had (GAT rows, NB-31).
const GATES: [&str; 22] = [
    "ExperimentalCertificateSigningRequestControllers",
    "ExperimentalGatewayAPISupport",
    "ListenerSets",
    "AdditionalCertificateOutputFormats",
    "ServerSideApply",
    "LiteralCertificateSubject",
    "StableCertificateRequestName",
    "UseCertificateRequestBasicConstraints",
    "SecretsFilteredCaching",
    "DisallowInsecureCSRUsageDefinition",
    "NameConstraints",
    "OtherNames",
    "UseDomainQualifiedFinalizer",
    "DefaultPrivateKeyRotationPolicyAlways",
    "ACMEHTTP01IngressPathTypeExact",
    "ACMEUseARI",
    "ValidateCAA",
    "CAInjectorMerging",
    "UseCertificateRequestNameConstraints",
    "ExperimentalCertificateControllers",
    "AllAlpha",
    "AllBeta",
];

/// A flag whose value makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// CTL-11: an unknown name is an error at the start.
    #[error("--controllers: there is no controller {0:?}; known are {known}", known = CONTROLLERS.join(", "))]
    Controller(String),
    /// GAT-20.
    #[error("--feature-gates: there is no gate {0:?}")]
    Gate(String),
    /// Neither true nor false.
    #[error("--feature-gates: {0}={1}: a gate is true or false")]
    GateValue(String, String),
    /// The election would not work.
    #[error("leader election needs: retry period < renew deadline < lease duration")]
    Election,
}

pub(super) fn controllers(list: &[String]) -> Result<Controllers, ArgsError> {
    let names: Vec<&str> = list
        .iter()
        .map(String::as_str)
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    for name in &names {
        let bare = name.strip_prefix('-').unwrap_or(name);
        if bare != "*" && !CONTROLLERS.contains(&bare) {
            return Err(ArgsError::Controller(bare.to_owned()));
        }
    }
    // a list of nothing but exceptions implies all
    let all = names.contains(&"*") || names.iter().all(|name| name.starts_with('-'));
    let on = |controller: &str| {
        let excepted = names.iter().any(|name| name.strip_prefix('-') == Some(controller));
        !excepted && (all || names.contains(&controller))
    };
    let disabled = CONTROLLERS
        .iter()
        .filter(|controller| !on(controller))
        .map(ToString::to_string);
    Ok(Controllers {
        disabled: disabled.collect(),
    })
}

pub(super) fn gate(given: &[(String, String)], name: &str, default: bool) -> Result<bool, ArgsError> {
    let given: BTreeMap<&str, &str> = given.iter().map(|(key, value)| (key.trim(), value.trim())).collect();
    if let Some(unknown) = given.keys().find(|name| !GATES.contains(name)) {
        return Err(ArgsError::Gate((*unknown).to_owned()));
    }
    match given.get(name) {
        None => Ok(default),
        Some(value) => value
            .to_lowercase()
            .parse()
            .map_err(|_| ArgsError::GateValue(name.to_owned(), (*value).to_owned())),
    }
}

pub(super) fn gates(given: &[(String, String)]) -> Result<Gates, ArgsError> {
    Ok(Gates {
        literal_subject: gate(given, "LiteralCertificateSubject", true)?,
        stable_request_name: gate(given, "StableCertificateRequestName", true)?,
        basic_constraints_in_request: gate(given, "UseCertificateRequestBasicConstraints", false)?,
        name_constraints: gate(given, "NameConstraints", true)?,
        other_names: gate(given, "OtherNames", true)?,
        ari: gate(given, "ACMEUseARI", true)?,
        certificate_signing_requests: gate(given, "ExperimentalCertificateSigningRequestControllers", false)?,
    })
}
