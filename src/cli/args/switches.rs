//! What is switched on and off by name: controllers and feature gates (CTL-11, GAT rows).

use std::collections::BTreeMap;

use super::go::boolean;
use crate::plan::settings::{Controllers, Gates, controller};

/// Every controller that cert-manager has: its names are public (CTL rows, NB-31).
const CONTROLLERS: [&str; 25] = [
    controller::ISSUERS,
    controller::CLUSTER_ISSUERS,
    "certificates-metrics",
    "ingress-shim",
    "gateway-shim",
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
    "listenerset",
];

/// One controller here: what takes these apart in cert-manager are the writes between them, which certlet spares.
const CERTIFICATES: [&str; 4] = [
    controller::ISSUING,
    "certificates-key-manager",
    "certificates-request-manager",
    "certificates-readiness",
];

/// Signers of Kubernetes CSRs: `*` does not stand for them, their gate or their names do (CTL-10).
const SIGNING_REQUESTS: [&str; 5] = [
    "certificatesigningrequests-issuer-acme",
    "certificatesigningrequests-issuer-ca",
    "certificatesigningrequests-issuer-selfsigned",
    "certificatesigningrequests-issuer-venafi",
    "certificatesigningrequests-issuer-vault",
];

/// Names that are taken and do nothing yet (CTL-04, CTL-05, CTL-07).
const ABSENT: [&str; 6] = [
    "gateway-shim",
    "listenerset",
    "certificaterequests-issuer-vault",
    "certificaterequests-issuer-venafi",
    "certificatesigningrequests-issuer-venafi",
    "certificatesigningrequests-issuer-vault",
];

/// What a feature gate of cert-manager does here.
#[derive(Clone, Copy, Debug)]
enum GateState {
    /// It switches something.
    Works,
    /// It is always this.
    Fixed(bool),
    /// It switches nothing, for this reason.
    Idle(&'static str),
}
use GateState::{Fixed, Idle, Works};

/// Every feature gate that cert-manager has or had (GAT rows, NB-31).
const GATES: [(&str, GateState); 22] = [
    ("ExperimentalCertificateSigningRequestControllers", Works),
    (
        "ExperimentalGatewayAPISupport",
        Idle("the Gateway API is not there yet"),
    ),
    ("ListenerSets", Idle("the Gateway API is not there yet")),
    ("AdditionalCertificateOutputFormats", Fixed(true)),
    (
        "ServerSideApply",
        Idle("Secrets are always applied, and everything else is always patched"),
    ),
    ("LiteralCertificateSubject", Works),
    ("StableCertificateRequestName", Works),
    ("UseCertificateRequestBasicConstraints", Works),
    (
        "SecretsFilteredCaching",
        Idle("no Secret is cached, only a summary of those that certlet wrote"),
    ),
    ("DisallowInsecureCSRUsageDefinition", Fixed(true)),
    ("NameConstraints", Works),
    ("OtherNames", Works),
    ("UseDomainQualifiedFinalizer", Fixed(true)),
    ("DefaultPrivateKeyRotationPolicyAlways", Fixed(true)),
    ("ACMEHTTP01IngressPathTypeExact", Works),
    ("ACMEUseARI", Works),
    ("ValidateCAA", Fixed(false)),
    ("CAInjectorMerging", Idle("cainjector is not part of certlet")),
    ("UseCertificateRequestNameConstraints", Fixed(true)),
    (
        "ExperimentalCertificateControllers",
        Idle("cert-manager has removed it, and it switched nothing"),
    ),
    ("AllAlpha", Works),
    ("AllBeta", Works),
];

/// A flag whose value makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// CTL-11: an unknown name is an error at the start.
    #[error("--controllers: there is no controller {0:?}; known are {known}", known = CONTROLLERS.join(", "))]
    Controller(String),
    /// Some of what is one controller here.
    #[error(
        "--controllers: {off} off but {on} on: in certlet these are one controller, which is on or off as a whole. Name all of {all} with a minus, or none"
    )]
    Together {
        /// Those that are to be off.
        off: String,
        /// Those that are to be on.
        on: String,
        /// All of them.
        all: String,
    },
    /// GAT-20.
    #[error("--feature-gates: there is no gate {0:?}")]
    Gate(String),
    /// Neither true nor false.
    #[error("--feature-gates: {0}={1}: a gate is true or false")]
    GateValue(String, String),
    /// The election would not work.
    #[error("leader election needs: retry period < renew deadline < lease duration")]
    Election,
    /// A size that nothing fits in.
    #[error("--{0}: a limit of 0 bytes lets nothing through")]
    Size(&'static str),
    /// A wait that ends before it begins.
    #[error(
        "--certificate-request-minimum-backoff-duration is longer than --certificate-request-maximum-backoff-duration"
    )]
    Backoff,
    /// FLG-27.
    #[error(
        "{0}: certlet serves metrics over plain HTTP only. Leave the flag away, and put a proxy or a NetworkPolicy before the port, or switch metrics off with --metrics-listen-address=0"
    )]
    MetricsTls(&'static str),
}

/// Which controllers run. The gate of Kubernetes CSRs adds its controllers to any list, and naming one of these is as good as the
/// gate (CTL-10): `gates` then says so.
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
    // a list of nothing but exceptions implies all
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
        // without issuing there is nothing to trigger and no past to tidy
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

/// Controllers that are asked for by name and are not there.
pub(super) fn absent_controllers(list: &[String]) -> Vec<String> {
    let named = list.iter().map(|name| name.trim());
    named
        .filter(|name| ABSENT.contains(name))
        .map(|name| format!("the controller {name} (--controllers)"))
        .collect()
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
    // GAT-19: for the gates of that stage that nobody names
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
    })
}

/// GAT-15.
pub(super) fn path_type_exact(given: &BTreeMap<String, String>) -> Result<bool, ArgsError> {
    gate(given, "ACMEHTTP01IngressPathTypeExact", gate(given, "AllBeta", true)?)
}

/// Gates that are given and change nothing: those with another value than they always have here, and those without a use.
pub(super) fn idle_gates(given: &BTreeMap<String, String>) -> Vec<String> {
    let idle = |name: &str, value: &str| {
        let (_, state) = GATES.iter().find(|(known, _)| *known == name)?;
        let why = match state {
            Works => None,
            Fixed(fixed) => (truth(name, value).ok()? != *fixed).then(|| format!("it is always {fixed} here")),
            Idle(why) => Some((*why).to_owned()),
        }?;
        Some(format!("--feature-gates={name}={value}: {why}"))
    };
    given.iter().filter_map(|(name, value)| idle(name, value)).collect()
}
