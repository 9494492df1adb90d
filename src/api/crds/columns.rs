//! What `kubectl get` prints, in order; `-o wide` adds the columns marked `*` (CRD-01..06).

use serde_json::{Value, json};

/// Name and JSON path; a name with `*` is for `-o wide` only.
type Column = (&'static str, &'static str);

const READY: Column = ("Ready", r#".status.conditions[?(@.type == "Ready")].status"#);
const STATUS: Column = ("*Status", r#".status.conditions[?(@.type == "Ready")].message"#);
const STATE: Column = ("State", ".status.state");
const REASON: Column = ("*Reason", ".status.reason");
const AGE: Column = ("Age", ".metadata.creationTimestamp");

const CERTIFICATE: &[Column] = &[
    READY,
    ("Secret", ".spec.secretName"),
    ("*Issuer", ".spec.issuerRef.name"),
    STATUS,
    ("*Expiration", ".status.notAfter"),
    AGE,
];
const CERTIFICATE_REQUEST: &[Column] = &[
    ("Approved", r#".status.conditions[?(@.type == "Approved")].status"#),
    ("Denied", r#".status.conditions[?(@.type == "Denied")].status"#),
    READY,
    ("Issuer", ".spec.issuerRef.name"),
    ("Requester", ".spec.username"),
    STATUS,
    AGE,
];
const ISSUER: &[Column] = &[READY, STATUS, AGE];
const ORDER: &[Column] = &[STATE, ("*Issuer", ".spec.issuerRef.name"), REASON, AGE];
const CHALLENGE: &[Column] = &[STATE, ("Domain", ".spec.dnsName"), REASON, AGE];

/// The columns of `kind` as a CustomResourceDefinition has them.
pub(super) fn of(kind: &str) -> Value {
    let columns = match kind {
        "Certificate" => CERTIFICATE,
        "CertificateRequest" => CERTIFICATE_REQUEST,
        "Order" => ORDER,
        "Challenge" => CHALLENGE,
        _ => ISSUER,
    };
    columns.iter().map(column).collect()
}

fn column((name, path): &Column) -> Value {
    let kind = match *path {
        // kubectl prints a date as an age, and a future one as <invalid>: the expiry is printed as it is
        ".metadata.creationTimestamp" => "date",
        _ => "string",
    };
    match name.strip_prefix('*') {
        Some(name) => json!({ "name": name, "type": kind, "jsonPath": path, "priority": 1 }),
        None => json!({ "name": name, "type": kind, "jsonPath": path }),
    }
}
