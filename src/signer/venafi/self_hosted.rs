//! Certificate Manager, Self-Hosted (once Trust Protection Platform): policy, reset, request and retrieval.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    CustomField, Order, Retrieved,
    fault::words,
    policy::{Keys, Part, Policy, Rule, Rules, Sizes, curve_bits},
    server::{Call, Server},
};
use crate::{
    pki::{csr::CsrInfo, key::KeyAlgorithm},
    signer::fault::{Fault, FaultKind},
};

/// Where policy folders are.
const ROOT: &str = r"\VED\Policy";
/// What requests are marked with, as by cert-manager.
const ORIGIN: &str = "cert-manager";
/// The attributes of CAs for the end of a certificate: those of all CAs are sent, and each takes its own.
const ENDS: [&str; 4] = [
    "Microsoft CA:Specific End Date",
    "DigiCert CA:Specific End Date",
    "EntrustNET CA:Specific End Date",
    "Specific End Date",
];
/// The answers to a reset of what needs none.
const NOT_RESET: &str = "Reset is not completed. No reset is required for the certificate.";
const NOT_THERE: &str = "does not exist or you do not have sufficient rights to the object.";
/// The type of user principal names among the names of other types.
const UPN: &str = "1.3.6.1.4.1.311.20.2.3";

/// The distinguished name of a policy folder.
pub(super) fn folder(zone: &str) -> String {
    if zone.starts_with(ROOT) {
        return zone.to_owned();
    }
    format!(r"{ROOT}\{}", zone.strip_prefix('\\').unwrap_or(zone))
}

/// Whether the server is awake (`vedsdk/`).
pub(super) async fn ping(server: &Server) -> Result<(), Fault> {
    let call = Call::get(&["vedsdk", ""]);
    let response = server.call(&call).await?;
    if response.status == StatusCode::OK {
        return Ok(());
    }
    Err(server.refused(&call, &response))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Answer {
    policy: Option<ServerPolicy>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ServerPolicy {
    key_pair: KeyPair,
    subj_alt_name_dns_allowed: bool,
    subject: Subject,
    whitelisted_domains: Option<Vec<String>>,
    wildcards_allowed: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct KeyPair {
    key_algorithm: Setting<Option<String>>,
    key_size: Setting<Option<u32>>,
    elliptic_curve: Setting<Option<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Subject {
    city: Setting<Option<String>>,
    country: Setting<Option<String>>,
    organization: Setting<Option<String>>,
    organizational_unit: Settings,
    state: Setting<Option<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Setting<T: Default> {
    locked: bool,
    value: T,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Settings {
    locked: bool,
    values: Option<Vec<String>>,
}

impl From<Settings> for Part {
    fn from(Settings { locked, values }: Settings) -> Self {
        let values = values.unwrap_or_default();
        let rules = if locked {
            Rules(values.iter().cloned().map(Rule::Exactly).collect())
        } else {
            Rules::any()
        };
        Self { default: values, rules }
    }
}

impl From<Setting<Option<String>>> for Part {
    fn from(Setting { locked, value }: Setting<Option<String>>) -> Self {
        let value = value.unwrap_or_default();
        let rules = if locked {
            Rules(vec![Rule::Exactly(value.clone())])
        } else {
            Rules::any()
        };
        Self {
            default: Some(value).filter(|value| !value.is_empty()).into_iter().collect(),
            rules,
        }
    }
}

impl From<ServerPolicy> for Policy {
    fn from(policy: ServerPolicy) -> Self {
        let ServerPolicy {
            key_pair,
            subj_alt_name_dns_allowed,
            subject,
            whitelisted_domains,
            wildcards_allowed,
        } = policy;
        let domains = whitelisted_domains.unwrap_or_default();
        let named = |anything: bool| match (domains.is_empty(), anything) {
            (true, true) => Rules::any(),
            (true, false) => Rules::default(),
            (false, _) => Rules::domains(&domains, wildcards_allowed),
        };
        Self {
            common_name: named(true),
            dns: named(subj_alt_name_dns_allowed),
            organization: subject.organization.into(),
            organizational_unit: subject.organizational_unit.into(),
            province: subject.state.into(),
            locality: subject.city.into(),
            country: subject.country.into(),
            rsa_bits: key_pair.key_size.value.filter(|bits| *bits != 0),
            keys: Some(key_pair.into()),
        }
    }
}

impl From<KeyPair> for Keys {
    fn from(pair: KeyPair) -> Self {
        let KeyPair {
            key_algorithm,
            key_size,
            elliptic_curve,
        } = pair;
        let algorithm = key_algorithm.value.unwrap_or_default().to_ascii_uppercase();
        let only = |name: &str| key_algorithm.locked && algorithm == name;
        let curve = elliptic_curve.value.unwrap_or_default();
        let curves = if elliptic_curve.locked {
            vec![curve_bits(&curve)]
        } else {
            vec![256, 384, 521, 0]
        };
        let bits = if key_size.locked {
            key_size.value.unwrap_or(0)
        } else {
            0
        };
        let only_curves = ["ECC", "EC", "ECDSA"].into_iter().any(only);
        Self {
            rsa: (!only_curves).then_some(Sizes::AtLeast(bits)),
            curves: (!only("RSA")).then_some(Sizes::OneOf(curves)),
        }
    }
}

/// The policy of a folder.
pub(super) async fn policy(server: &Server, zone: &str) -> Result<Policy, Fault> {
    let folder = folder(zone);
    let body = json!({ "PolicyDN": folder });
    let call = Call::post(&["vedsdk", "certificates", "checkpolicy"], &body);
    let response = server.call(&call).await?;
    let read: Result<Answer, Fault> = server.read(&call, &response, &[StatusCode::OK]);
    let answer = read.map_err(|fault| match response.status {
        // whatever is wrong with a folder is not a matter of the requester
        StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Fault {
            kind: FaultKind::Settings,
            sentence: format!("{} (spec.venafi.zone is the folder {folder:?})", fault.sentence),
        },
        _ => fault,
    })?;
    let policy = answer.policy.ok_or_else(|| server.foreign(&call.text()))?;
    Ok(policy.into())
}

/// Requests a certificate. Returns the distinguished name of its object.
pub(super) async fn request(server: &Server, order: &Order<'_>, now: Timestamp) -> Result<String, Fault> {
    reset(server, order).await?;
    let body = body(order, now);
    let call = Call::post(&["vedsdk", "certificates", "request"], &body);
    let response = server.call(&call).await?;
    let answer: Value = server.read(&call, &response, &[StatusCode::OK, StatusCode::CREATED])?;
    let name = answer.get("CertificateDN").and_then(Value::as_str);
    let name = name.ok_or_else(|| server.foreign(&call.text()))?;
    Ok(name.to_owned())
}

/// Resets an object whose last request has failed: the server accepts no other one before. A certificate that it has is not affected.
async fn reset(server: &Server, order: &Order<'_>) -> Result<(), Fault> {
    let body = json!({ "CertificateDN": format!(r"{}\{}", folder(order.zone), order.name) });
    let call = Call::post(&["vedsdk", "certificates", "reset"], &body);
    let response = server.call(&call).await?;
    if response.status == StatusCode::OK {
        return Ok(());
    }
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let why = answer.get("Error").and_then(Value::as_str).unwrap_or_default();
    if response.status == StatusCode::BAD_REQUEST && (why == NOT_RESET || why.ends_with(NOT_THERE)) {
        return Ok(());
    }
    Err(server.refused(&call, &response))
}

fn body(order: &Order<'_>, now: Timestamp) -> Value {
    let ends = now.saturating_add(order.duration).unwrap_or(Timestamp::MAX);
    let pair = |name: &str, value: &str| json!({"Name": name, "Value": value});
    let ends = format!("{ends:.0}");
    let mut attributes = vec![pair("Origin", ORIGIN)];
    attributes.extend(ENDS.map(|name| pair(name, &ends)));
    let mut body = Map::new();
    let mut add = |name: &str, value: Value| body.insert(name.to_owned(), value);
    add("PolicyDN", json!(folder(order.zone)));
    add("ObjectName", json!(order.name));
    add("PKCS10", json!(order.csr_pem));
    add("CASpecificAttributes", json!(attributes));
    add("Origin", json!(ORIGIN));
    add("CertificateType", json!("AUTO"));
    add("DisableAutomaticRenewal", json!(true));
    add("Reenable", json!(true));
    let names = alternative_names(order.csr);
    if !names.is_empty() {
        add("SubjectAltNames", json!(names));
    }
    let fields: Vec<Value> = order.fields.iter().map(named_values).collect();
    if !fields.is_empty() {
        add("CustomFields", json!(fields));
    }
    let key = order.csr.key_spec();
    match key.algorithm {
        KeyAlgorithm::Rsa => {
            add("KeyAlgorithm", json!("RSA"));
            add("KeyBitSize", json!(key.size.max(order.policy.rsa_bits.unwrap_or(0))));
        }
        KeyAlgorithm::Ecdsa => {
            add("KeyAlgorithm", json!("ECC"));
            add("EllipticCurve", json!(format!("P{}", key.size)));
        }
        KeyAlgorithm::Ed25519 => {}
    }
    Value::Object(body)
}

fn named_values(field: &CustomField) -> Value {
    json!({"Name": field.name, "Values": [field.value]})
}

fn alternative_names(csr: &CsrInfo) -> Vec<Value> {
    let sans = &csr.sans;
    let item = |kind: u8, name: String| json!({"Type": kind, "Name": name});
    let emails = sans.emails.iter().map(|name| item(1, name.clone()));
    let dns = sans.dns.iter().map(|name| item(2, name.clone()));
    let ips = sans.ips.iter().map(|ip| item(7, ip.to_string()));
    let uris = sans.uris.iter().map(|uri| item(6, uri.clone()));
    let others = sans.others.iter().filter(|other| other.oid == UPN);
    let others = others.map(|other| item(0, other.value.clone()));
    emails.chain(dns).chain(ips).chain(uris).chain(others).collect()
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Certificate {
    #[serde(rename = "CertificateData")]
    data: Option<String>,
    status: Option<String>,
    stage: Option<i64>,
}

/// Fetches the certificate of an object.
pub(super) async fn retrieve(server: &Server, name: &str) -> Result<Retrieved, Fault> {
    let body = json!({"CertificateDN": name, "Format": "base64", "IncludeChain": true});
    let call = Call::post(&["vedsdk", "certificates", "retrieve"], &body);
    let response = server.call(&call).await?;
    if response.status == StatusCode::INTERNAL_SERVER_ERROR {
        return Err(stopped(server.refused(&call, &response), &response.body));
    }
    let Certificate { data, status, stage: _ } =
        server.read(&call, &response, &[StatusCode::OK, StatusCode::ACCEPTED])?;
    let Some(data) = data.filter(|data| !data.is_empty()) else {
        return Ok(Retrieved::Pending(status.unwrap_or_default()));
    };
    let data: String = data.chars().filter(|one| !one.is_ascii_whitespace()).collect();
    let pem = BASE64_STANDARD.decode(data).map_err(|_| server.foreign(&call.text()))?;
    Ok(Retrieved::Chain(pem))
}

/// The server answers with status 500 about an object whose request has failed, and tells the stage: then it is not the server that fails.
fn stopped(fault: Fault, body: &[u8]) -> Fault {
    let Certificate { status, stage, .. } = serde_json::from_slice(body).unwrap_or_default();
    if stage.is_none() && words(body).is_empty() {
        return fault;
    }
    let status = status.map(|status| format!(": {}", crate::text::excerpt(&status)));
    Fault {
        kind: FaultKind::Request,
        sentence: format!("{}{}", fault.sentence, status.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_folder_below_the_root_of_policies() {
        for (zone, wanted) in [
            (r"Certificates\Web", r"\VED\Policy\Certificates\Web"),
            (r"\Certificates", r"\VED\Policy\Certificates"),
            (r"\VED\Policy\Certificates", r"\VED\Policy\Certificates"),
        ] {
            assert_eq!(folder(zone), wanted);
        }
    }

    fn policy(text: &str) -> Policy {
        serde_json::from_str::<Answer>(text).unwrap().policy.unwrap().into()
    }

    #[test]
    fn locked_settings_restrict_and_others_are_defaults() {
        let free = policy(
            r#"{"Policy":{"SubjAltNameDnsAllowed":true,"Subject":{"OrganizationalUnit":{"Locked":false,"Values":null}}}}"#,
        );
        let (rsa, curves) = (Some(Sizes::AtLeast(0)), Some(Sizes::OneOf(vec![256, 384, 521, 0])));
        assert_eq!(free.keys, Some(Keys { rsa, curves }));
        assert!(matches!(free.dns.0.as_slice(), [Rule::Any]) && free.organization.default.is_empty());
        let strict = policy(
            r#"{"Policy":{"WhitelistedDomains":["example.com"],"WildcardsAllowed":false,"Subject":{
                "Organization":{"Locked":true,"Value":"Example"},"City":{"Locked":false,"Value":"Bonn"}},
                "KeyPair":{"KeyAlgorithm":{"Locked":true,"Value":"RSA"},"KeySize":{"Locked":true,"Value":3072}}}}"#,
        );
        assert_eq!(
            strict.keys,
            Some(Keys {
                rsa: Some(Sizes::AtLeast(3072)),
                curves: None
            })
        );
        assert_eq!(
            (strict.rsa_bits, strict.locality.default.as_slice()),
            (Some(3072), ["Bonn".to_owned()].as_slice())
        );
        assert!(matches!(strict.organization.rules.0.as_slice(), [Rule::Exactly(name)] if name == "Example"));
        let closed = policy(
            r#"{"Policy":{"KeyPair":{"KeyAlgorithm":{"Locked":true,"Value":"ECC"},"EllipticCurve":{"Locked":true,"Value":"P384"}}}}"#,
        );
        assert!(closed.dns.0.is_empty(), "no DNS names");
        assert_eq!(closed.keys.unwrap().curves, Some(Sizes::OneOf(vec![384])));
    }

    #[test]
    fn a_failed_object_is_told_from_a_failing_server() {
        let fault = || Fault {
            kind: FaultKind::Unavailable,
            sentence: "answered with 500".to_owned(),
        };
        let of_object = stopped(fault(), br#"{"Stage":500,"Status":"Post CSR failed"}"#);
        assert_eq!(
            (of_object.kind, of_object.sentence.as_str()),
            (FaultKind::Request, "answered with 500: Post CSR failed")
        );
        assert_eq!(stopped(fault(), b"<html>").kind, FaultKind::Unavailable);
    }
}
