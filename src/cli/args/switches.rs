//! Parsers for `--controllers` and `--feature-gates` (CTL-11, GAT rows).

use std::collections::BTreeMap;

use super::go::boolean;
use crate::plan::settings::{Controllers, Gates, controller};

/// All controller names of cert-manager. They are public (CTL rows, NB-31).
const CONTROLLERS: [&str; 25] = [
    controller::ISSUERS,
    controller::CLUSTER_ISSUERS,
    "certificates-metrics",
    controller::INGRESS_SHIM,
    controller::GATEWAY_SHIM,
    controller::ORDERS,
    "challenges",
    "certificaterequests-issuer-acme",
    "certificaterequests-approver",
    "certificaterequests-issuer-ca",
    "certificaterequests-issuer-selfsigned",
    "certificaterequests-issuer-vault",
    "certificaterequests-issuer-venafi",
    controller::TRIGGER,
    controller::ISSUING,
    "certificates-key-manager",
    "certificates-request-manager",
    "certificates-readiness",
    controller::REVISION_MANAGER,
    "certificatesigningrequests-issuer-acme",
    "certificatesigningrequests-issuer-ca",
    "certificatesigningrequests-issuer-selfsigned",
    "certificatesigningrequests-issuer-venafi",
    "certificatesigningrequests-issuer-vault",
    controller::LISTENER_SETS,
];

/// The controllers of cert-manager that are one controller in certlet.
const CERTIFICATES: [&str; 4] = [
    controller::ISSUING,
    "certificates-key-manager",
    "certificates-request-manager",
    "certificates-readiness",
];

/// Signers of Kubernetes CSRs. `*` does not include them; their gate or their names enable them (CTL-10).
const SIGNING_REQUESTS: [&str; 5] = [
    "certificatesigningrequests-issuer-acme",
    "certificatesigningrequests-issuer-ca",
    "certificatesigningrequests-issuer-selfsigned",
    "certificatesigningrequests-issuer-venafi",
    "certificatesigningrequests-issuer-vault",
];

/// The effect of a feature gate of cert-manager in certlet.
#[derive(Clone, Copy, Debug)]
enum GateState {
    /// It has cert-manager's effect.
    Works,
    /// It always has this value.
    Fixed(bool),
    /// It has no effect, for this reason.
    Idle(&'static str),
}
use GateState::{Fixed, Idle, Works};

/// All feature gates of cert-manager, removed ones included (GAT rows, NB-31).
const GATES: [(&str, GateState); 22] = [
    ("ExperimentalCertificateSigningRequestControllers", Works),
    ("ExperimentalGatewayAPISupport", Works),
    ("ListenerSets", Works),
    ("AdditionalCertificateOutputFormats", Fixed(true)),
    (
        "ServerSideApply",
        Idle("Secrets always use server-side apply, and all other objects use patches"),
    ),
    ("LiteralCertificateSubject", Works),
    ("StableCertificateRequestName", Works),
    ("UseCertificateRequestBasicConstraints", Works),
    (
        "SecretsFilteredCaching",
        Idle("certlet caches no Secrets, only summaries of those that it wrote"),
    ),
    ("DisallowInsecureCSRUsageDefinition", Fixed(true)),
    ("NameConstraints", Works),
    ("OtherNames", Works),
    ("UseDomainQualifiedFinalizer", Fixed(true)),
    ("DefaultPrivateKeyRotationPolicyAlways", Fixed(true)),
    ("ACMEHTTP01IngressPathTypeExact", Works),
    ("ACMEUseARI", Works),
    ("ValidateCAA", Fixed(false)),
    ("CAInjectorMerging", Fixed(true)),
    ("UseCertificateRequestNameConstraints", Fixed(true)),
    (
        "ExperimentalCertificateControllers",
        Idle("cert-manager has removed this gate"),
    ),
    ("AllAlpha", Works),
    ("AllBeta", Works),
];

/// An invalid flag value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    /// Unknown controller (CTL-11).
    #[error("--controllers: unknown controller {0:?}; the controllers are {known}", known = CONTROLLERS.join(", "))]
    Controller(String),
    /// Only a part of a group that is one controller in certlet.
    #[error("--controllers: {off} off but {on} on: these are one controller in certlet. Disable all of {all}, or none")]
    Together {
        /// The disabled ones.
        off: String,
        /// The enabled ones.
        on: String,
        /// The whole group.
        all: String,
    },
    /// Unknown feature gate (GAT-20).
    #[error("--feature-gates: unknown gate {0:?}")]
    Gate(String),
    /// A value of a gate that is not a boolean.
    #[error("--feature-gates: {0}={1}: the value of a gate must be true or false")]
    GateValue(String, String),
    /// Durations with which leader election would not work.
    #[error("leader election requires retry period < renew deadline < lease duration")]
    Election,
    /// A size limit of 0.
    #[error("--{0}: the limit must be greater than 0")]
    Size(&'static str),
    /// A minimum above the maximum.
    #[error(
        "--certificate-request-minimum-backoff-duration is longer than --certificate-request-maximum-backoff-duration"
    )]
    Backoff,
    /// TLS of the metrics server (FLG-27).
    #[error("{flag}: {why}")]
    MetricsTls {
        /// The flag.
        flag: &'static str,
        /// Why its value is not accepted, and what to do.
        why: String,
    },
}

/// The controllers to run. The gate for Kubernetes CSRs adds its controllers to any list. Naming one of them enables the gate
/// (CTL-10), which is set in `gates`.
pub(super) fn controllers(list: &[String], gates: &mut Gates) -> Result<Controllers, ArgsError> {
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
    // a list that contains only exclusions implies `*`
    let all = names.contains(&"*") || names.iter().all(|name| name.starts_with('-'));
    let on = |controller: &str| {
        let excepted = names.iter().any(|name| name.strip_prefix('-') == Some(controller));
        let implied = if SIGNING_REQUESTS.contains(&controller) {
            gates.certificate_signing_requests
        } else {
            all
        };
        !excepted && (implied || names.contains(&controller))
    };
    together(&CERTIFICATES, &on)?;
    together(&[controller::ORDERS, "challenges"], &on)?;
    if !on(controller::ISSUING) {
        // without the issuing controller, trigger and revision manager have nothing to work on
        let mut whole = CERTIFICATES.to_vec();
        whole.extend([controller::TRIGGER, controller::REVISION_MANAGER]);
        together(&whole, &on)?;
    }
    let disabled = CONTROLLERS
        .iter()
        .filter(|controller| !on(controller))
        .map(ToString::to_string);
    let disabled = disabled.collect();
    gates.certificate_signing_requests = SIGNING_REQUESTS.iter().any(|name| on(name));
    Ok(Controllers { disabled })
}

fn together(names: &[&str], on: &impl Fn(&str) -> bool) -> Result<(), ArgsError> {
    let (on, off): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| on(name));
    if on.is_empty() || off.is_empty() {
        return Ok(());
    }
    Err(ArgsError::Together {
        off: off.join(", "),
        on: on.join(", "),
        all: names.join(", "),
    })
}

fn gate(given: &BTreeMap<String, String>, name: &str, default: bool) -> Result<bool, ArgsError> {
    let known = |name: &String| GATES.iter().any(|(known, _)| known == name);
    if let Some(unknown) = given.keys().find(|name| !known(name)) {
        return Err(ArgsError::Gate(unknown.clone()));
    }
    given.get(name).map_or(Ok(default), |value| truth(name, value))
}

fn truth(name: &str, value: &str) -> Result<bool, ArgsError> {
    boolean(value).map_err(|_| ArgsError::GateValue(name.to_owned(), value.to_owned()))
}

pub(super) fn gates(given: &BTreeMap<String, String>) -> Result<Gates, ArgsError> {
    // GAT-19: applies to the alpha gates that are not set explicitly
    let alpha = |default: bool| Ok::<_, ArgsError>(gate(given, "AllAlpha", false)? || default);
    let beta = gate(given, "AllBeta", true)?;
    Ok(Gates {
        literal_subject: gate(given, "LiteralCertificateSubject", beta)?,
        stable_request_name: gate(given, "StableCertificateRequestName", beta)?,
        basic_constraints_in_request: gate(given, "UseCertificateRequestBasicConstraints", alpha(false)?)?,
        name_constraints: gate(given, "NameConstraints", beta)?,
        other_names: gate(given, "OtherNames", beta)?,
        ari: gate(given, "ACMEUseARI", alpha(true)?)?,
        certificate_signing_requests: gate(given, "ExperimentalCertificateSigningRequestControllers", alpha(false)?)?,
        gateway_api: gate(given, "ExperimentalGatewayAPISupport", beta)?,
        listener_sets: gate(given, "ListenerSets", alpha(false)?)?,
    })
}

/// The gate for the path type of temporary Ingresses (GAT-15).
pub(super) fn path_type_exact(given: &BTreeMap<String, String>) -> Result<bool, ArgsError> {
    gate(given, "ACMEHTTP01IngressPathTypeExact", gate(given, "AllBeta", true)?)
}

/// Gates that have no effect: those set to a value that certlet does not support, and those without a function. Each with the
/// reason.
pub(super) fn idle_gates(given: &BTreeMap<String, String>) -> Vec<String> {
    let idle = |name: &str, value: &str| {
        let (_, state) = GATES.iter().find(|(known, _)| *known == name)?;
        let why = match state {
            Works => None,
            Fixed(fixed) => (truth(name, value).ok()? != *fixed).then(|| format!("it is always {fixed} in certlet")),
            Idle(why) => Some((*why).to_owned()),
        }?;
        Some(format!("--feature-gates={name}={value}: {why}"))
    };
    given.iter().filter_map(|(name, value)| idle(name, value)).collect()
}
