//! What is switched on and off by name: controllers and feature gates (CTL-11, GAT rows).

use std::collections::BTreeMap;

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

/// Every feature gate that cert-manager has or had (GAT rows, NB-31), and what it is here where that cannot be changed.
const GATES: [(&str, Option<bool>); 22] = [
    ("ExperimentalCertificateSigningRequestControllers", None),
    ("ExperimentalGatewayAPISupport", None),
    ("ListenerSets", None),
    ("AdditionalCertificateOutputFormats", Some(true)),
    ("ServerSideApply", None),
    ("LiteralCertificateSubject", None),
    ("StableCertificateRequestName", None),
    ("UseCertificateRequestBasicConstraints", None),
    ("SecretsFilteredCaching", None),
    ("DisallowInsecureCSRUsageDefinition", Some(true)),
    ("NameConstraints", None),
    ("OtherNames", None),
    ("UseDomainQualifiedFinalizer", Some(true)),
    ("DefaultPrivateKeyRotationPolicyAlways", Some(true)),
    ("ACMEHTTP01IngressPathTypeExact", None),
    ("ACMEUseARI", None),
    ("ValidateCAA", Some(false)),
    ("CAInjectorMerging", None),
    ("UseCertificateRequestNameConstraints", Some(true)),
    ("ExperimentalCertificateControllers", None),
    ("AllAlpha", None),
    ("AllBeta", None),
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
    Ok(Controllers {
        disabled: disabled.collect(),
    })
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

pub(super) fn gate(given: &[(String, String)], name: &str, default: bool) -> Result<bool, ArgsError> {
    let given: BTreeMap<&str, &str> = given.iter().map(|(key, value)| (key.trim(), value.trim())).collect();
    let known = |name: &&str| GATES.iter().any(|(known, _)| known == name);
    if let Some(unknown) = given.keys().find(|name| !known(name)) {
        return Err(ArgsError::Gate((*unknown).to_owned()));
    }
    given.get(name).map_or(Ok(default), |value| truth(name, value))
}

/// As Go reads it.
fn truth(name: &str, value: &str) -> Result<bool, ArgsError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(ArgsError::GateValue(name.to_owned(), value.to_owned())),
    }
}

pub(super) fn gates(given: &[(String, String)]) -> Result<Gates, ArgsError> {
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
pub(super) fn path_type_exact(given: &[(String, String)]) -> Result<bool, ArgsError> {
    gate(given, "ACMEHTTP01IngressPathTypeExact", gate(given, "AllBeta", true)?)
}

/// Gates that are asked for with another value than they always have here.
pub(super) fn fixed_gates(given: &[(String, String)]) -> Vec<String> {
    let differs = |name: &str, value: &str| {
        let fixed = GATES.iter().find(|(known, _)| *known == name)?.1?;
        (truth(name, value).ok()? != fixed)
            .then(|| format!("--feature-gates={name}={value}: it is always {fixed} here"))
    };
    given
        .iter()
        .filter_map(|(name, value)| differs(name.trim(), value.trim()))
        .collect()
}
