//! Validation of the CSR, which cert-manager's webhook does and the API server's rules cannot do (VAL-31, CRQ-03). It also
//! applies to Kubernetes CSRs.

use std::str::FromStr;

use crate::{
    api::reference::{CLUSTER_ISSUER_KIND, ISSUER_KIND},
    pki::{
        Error,
        csr::CsrInfo,
        key::KeyAlgorithm,
        usage::{Usage, UsageSet},
    },
    plan::seen::RequestSeen,
};

/// Minimum size of RSA keys.
const LEAST_RSA_BITS: u32 = 2048;
/// How much of a CSR is quoted in a message, in characters (VAL-31).
const QUOTED: usize = 100;
/// The beginning of a PEM block, and what its label ends with.
const PEM_BEGIN: &str = "-----BEGIN ";
const PEM_DASHES: &str = "-----";
/// How much is quoted of a label, which may have no end.
const LONGEST_LABEL: usize = 32;

type Check = fn(&RequestSeen, &CsrInfo) -> Result<(), String>;

const CHECKS: &[Check] = &[issuer_kind, basic_constraints, usages, key];

/// Validates a request. The error is the first violation in the webhook's words.
pub fn validate(request: &RequestSeen) -> Result<(), String> {
    let csr = request.csr.as_deref().map_err(ToString::to_string)?;
    CHECKS.iter().try_for_each(|check| check(request, csr))
}

/// Why the CSR in this text cannot be parsed, with the beginning of the text; of PEM, only the label is quoted.
pub fn unreadable(text: &[u8], error: &Error) -> Box<str> {
    // only the quoted part is examined: a character has at most four bytes
    let begin = String::from_utf8_lossy(text.get(..4 * QUOTED + 4).unwrap_or(text)).into_owned();
    let quoted: String = without_body(&begin).chars().take(QUOTED).collect();
    let more = if quoted.len() < begin.len() { "…" } else { "" };
    format!("spec.request: Invalid value: {quoted:?}{more}: {error}").into()
}

/// A text up to the label of its first PEM block: what follows may be a private key that was mistaken for a CSR.
fn without_body(text: &str) -> &str {
    let Some(label) = text.find(PEM_BEGIN).map(|at| at + PEM_BEGIN.len()) else {
        return text;
    };
    let rest = text.get(label..).unwrap_or_default();
    let closed = rest.find(PEM_DASHES).filter(|at| *at <= LONGEST_LABEL);
    let length = closed.map(|at| at + PEM_DASHES.len()).or_else(|| {
        let (at, _) = rest.char_indices().nth(LONGEST_LABEL)?;
        Some(at)
    });
    text.get(..label + length.unwrap_or(rest.len())).unwrap_or_default()
}

/// Validates the issuer kind (VAL-02).
fn issuer_kind(request: &RequestSeen, _: &CsrInfo) -> Result<(), String> {
    let kind = request.issuer_ref.kind_or_default();
    if matches!(kind, ISSUER_KIND | CLUSTER_ISSUER_KIND) {
        return Ok(());
    }
    let hint = match request.issuer_ref.group.as_deref() {
        None | Some("") => " (did you forget to set spec.issuerRef.group?)",
        Some(_) => "",
    };
    Err(format!(
        "spec.issuerRef.kind: Invalid value: {kind:?}: must be one of Issuer or ClusterIssuer{hint}"
    ))
}

fn basic_constraints(request: &RequestSeen, csr: &CsrInfo) -> Result<(), String> {
    match csr.is_ca() {
        Some(is_ca) if is_ca != request.is_ca => Err(format!(
            "spec.request: Invalid value: encoded CSR error: IsCA {is_ca} does not match expected IsCA {}",
            request.is_ca
        )),
        _ => Ok(()),
    }
}

fn usages(request: &RequestSeen, csr: &CsrInfo) -> Result<(), String> {
    let named = request.usages.iter().map(|usage| Usage::from_str(usage));
    let named: Vec<Usage> = named
        .collect::<Result<_, _>>()
        .map_err(|error| format!("spec.usages: Invalid value: unknown key usage: {error}"))?;
    let expected = request.usage_set(&named);
    let Some(encoded) = &csr.usages else { return Ok(()) };
    for (what, of_this_sort) in [("KeyUsages", false), ("ExtKeyUsages", true)] {
        let (is, should) = (sorted_out(encoded, of_this_sort), sorted_out(&expected, of_this_sort));
        if is != should {
            return Err(format!(
                "spec.request: Invalid value: encoded CSR error: the {what} {} do not match the expected {what} {}",
                listed(&is),
                listed(&should)
            ));
        }
    }
    // purposes without a name in the API are left to the CA, as in cert-manager
    Ok(())
}

/// The extended usages, or the others.
fn sorted_out(set: &UsageSet, extended: bool) -> Vec<Usage> {
    set.usages()
        .into_iter()
        .filter(|usage| is_extended(*usage) == extended)
        .collect()
}

fn is_extended(usage: Usage) -> bool {
    !matches!(
        usage,
        Usage::Signing
            | Usage::DigitalSignature
            | Usage::ContentCommitment
            | Usage::KeyEncipherment
            | Usage::KeyAgreement
            | Usage::DataEncipherment
            | Usage::CertSign
            | Usage::CrlSign
            | Usage::EncipherOnly
            | Usage::DecipherOnly
    )
}

/// In cert-manager's format: `[ 'digital signature', 'key encipherment' ]`.
fn listed(usages: &[Usage]) -> String {
    if usages.is_empty() {
        return "[]".to_owned();
    }
    let quoted: Vec<String> = usages.iter().map(|usage| format!("'{usage}'")).collect();
    format!("[ {} ]", quoted.join(", "))
}

fn key(_: &RequestSeen, csr: &CsrInfo) -> Result<(), String> {
    let spec = csr.key_spec();
    if spec.algorithm == KeyAlgorithm::Rsa && spec.size < LEAST_RSA_BITS {
        return Err(format!(
            "spec.request: Invalid value: the CSR has an RSA key of {} bits, which is too weak: use at least {LEAST_RSA_BITS}",
            spec.size
        ));
    }
    Ok(())
}
