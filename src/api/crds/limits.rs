//! Constraints that Rust types cannot express: patterns, lengths, stored defaults (CRD-09).

use serde_json::{Value, json};

use super::path;

/// A constraint: kinds, field, key, JSON.
type Limit = (&'static [&'static str], &'static str, &'static str, &'static str);

const CERTIFICATE: &[&str] = &["Certificate"];
const ORDER: &[&str] = &["Order"];
const ISSUERS: &[&str] = &["Issuer", "ClusterIssuer"];

/// Constraints of cert-manager's own definitions.
const SAME: &[Limit] = &[
    (CERTIFICATE, "spec.renewal.windows[].cron", "minLength", "1"),
    (CERTIFICATE, "spec.renewal.windows[].timezone", "minLength", "1"),
    (
        CERTIFICATE,
        "spec.renewal.windows[].windowDuration",
        "pattern",
        r#""^([0-9]+(\\.[0-9]+)?(s|m|h))+$""#,
    ),
    (ISSUERS, "spec.acme.preferredChain", "maxLength", "64"),
    (ISSUERS, "spec.vault.auth.aws.role", "minLength", "1"),
];

/// Constraints that cert-manager's definitions lack. The API server computes the cost of a rule from the largest size
/// of its fields, and these keep it within the limit.
const BOUNDS: &[Limit] = &[
    // A longer name cannot be a Secret's.
    (CERTIFICATE, "spec.secretName", "maxLength", "253"),
    (CERTIFICATE, "spec.duration", "maxLength", NAME_LENGTH),
    (CERTIFICATE, "spec.renewBefore", "maxLength", NAME_LENGTH),
    (CERTIFICATE, "spec.emailAddresses", "maxItems", NAMES),
    // RFC 5321 ends at 320.
    (CERTIFICATE, "spec.emailAddresses[]", "maxLength", SHORT),
    (CERTIFICATE, "spec.ipAddresses", "maxItems", NAMES),
    // A longer text is not an IP address.
    (CERTIFICATE, "spec.ipAddresses[]", "maxLength", "64"),
    (CERTIFICATE, "spec.otherNames", "maxItems", NAMES),
    (CERTIFICATE, "spec.otherNames[].oid", "maxLength", TEXT_LENGTH),
    // each reconcile of the Certificate searches a calendar for each
    (CERTIFICATE, "spec.renewal.windows", "maxItems", "100"),
    (CERTIFICATE, "spec.renewal.windows[].cron", "maxLength", "1024"),
    (CERTIFICATE, "spec.renewal.windows[].timezone", "maxLength", "255"),
    (ISSUERS, "spec.acme.solvers", "maxItems", "1000"),
    (
        ISSUERS,
        "spec.acme.solvers[].waitInsteadOfSelfCheck",
        "maxLength",
        TEXT_LENGTH,
    ),
    // A longer name cannot be an IngressClass's.
    (
        ISSUERS,
        "spec.acme.solvers[].http01.ingress.ingressClassName",
        "maxLength",
        "253",
    ),
    (
        ISSUERS,
        "spec.acme.solvers[].http01.ingress.serviceType",
        "maxLength",
        NAME_LENGTH,
    ),
    (
        ISSUERS,
        "spec.acme.solvers[].http01.gatewayHTTPRoute.serviceType",
        "maxLength",
        NAME_LENGTH,
    ),
    (
        ISSUERS,
        "spec.acme.solvers[].dns01.rfc2136.nameserver",
        "maxLength",
        SHORT,
    ),
    (
        ISSUERS,
        "spec.acme.solvers[].dns01.rfc2136.tsigAlgorithm",
        "maxLength",
        NAME_LENGTH,
    ),
    (ORDER, "status.authorizations", "maxItems", NAMES),
    (ORDER, "status.authorizations[].url", "maxLength", NAME_LENGTH),
    (ORDER, "status.authorizations[].identifier", "maxLength", NAME_LENGTH),
    (ORDER, "status.authorizations[].challenges", "maxItems", "100"),
];

const NAMES: &str = "2000";
const NAME_LENGTH: &str = "2048";
const TEXT_LENGTH: &str = "1024";
const SHORT: &str = "512";

const GATEWAY: &str = "http01.gatewayHTTPRoute";

/// Adds the constraints of `kind`.
///
/// # Errors
/// A sentence with the name of a field that does not exist.
pub(super) fn apply(kind: &str, schema: &mut Value) -> Result<(), String> {
    for (kinds, field, key, value) in SAME.iter().chain(BOUNDS).filter(|(kinds, ..)| kinds.contains(&kind)) {
        let value: Value = serde_json::from_str(value).map_err(|error| format!("{kinds:?} {field} {key}: {error}"))?;
        path::field(schema, field)?.insert((*key).to_owned(), value);
    }
    match kind {
        "CertificateRequest" => {
            // Conditions of requests have no observedGeneration (NB-40).
            let condition = path::field(schema, "status.conditions[]")?;
            if let Some(properties) = condition.get_mut("properties").and_then(Value::as_object_mut) {
                properties.remove("observedGeneration");
            }
            Ok(())
        }
        "Issuer" | "ClusterIssuer" => solver(schema, "spec.acme.solvers[]"),
        "Challenge" => solver(schema, "spec.solver"),
        _ => Ok(()),
    }
}

/// The constraints of an HTTPRoute's parent are those of the Gateway API.
fn solver(schema: &mut Value, solver: &str) -> Result<(), String> {
    const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    let subdomain = format!(r"^{LABEL}(\.{LABEL})*$");
    let of_parent = [
        (
            "group",
            json!({ "default": "gateway.networking.k8s.io", "maxLength": 253, "pattern": format!("^$|{subdomain}") }),
        ),
        (
            "kind",
            json!({ "default": "Gateway", "minLength": 1, "maxLength": 63, "pattern": "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$" }),
        ),
        ("name", json!({ "minLength": 1, "maxLength": 253 })),
        (
            "namespace",
            json!({ "minLength": 1, "maxLength": 63, "pattern": format!("^{LABEL}$") }),
        ),
        ("port", json!({ "minimum": 1, "maximum": 65535 })),
        (
            "sectionName",
            json!({ "minLength": 1, "maxLength": 253, "pattern": subdomain }),
        ),
    ];
    for (field, constraints) in of_parent {
        let Value::Object(constraints) = constraints else {
            continue;
        };
        path::field(schema, &format!("{solver}.{GATEWAY}.parentRefs[].{field}"))?.extend(constraints);
    }
    for template in [GATEWAY, "http01.ingress"] {
        let secret = path::field(
            schema,
            &format!("{solver}.{template}.podTemplate.spec.imagePullSecrets[]"),
        )?;
        secret.remove("required");
        secret.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
        let name = path::field(
            schema,
            &format!("{solver}.{template}.podTemplate.spec.imagePullSecrets[].name"),
        )?;
        name.insert("default".to_owned(), json!(""));
    }
    Ok(())
}
