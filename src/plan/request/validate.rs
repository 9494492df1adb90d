//! What cert-manager's webhook refuses and the API server's own rules cannot see: what the CSR says (VAL-31, CRQ-03). Requests of
//! Kubernetes' own kind are judged alike.

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

/// RSA keys below this are broken, or nearly.
const LEAST_RSA_BITS: u32 = 2048;
/// How much of a CSR is repeated in a message (VAL-31).
const SHOWN: usize = 100;

type Check = fn(&RequestSeen, &CsrInfo) -> Result<(), String>;

const CHECKS: &[Check] = &[issuer_kind, basic_constraints, usages, key];

/// Judges a request; the first thing wrong with it is named as the webhook would name it.
pub fn validate(request: &RequestSeen) -> Result<(), String> {
    let csr = request.csr.as_deref().map_err(ToString::to_string)?;
    CHECKS.iter().try_for_each(|check| check(request, csr))
}

/// Why the signing request in this text cannot be read, with the beginning of the text.
pub fn unreadable(text: &[u8], error: &Error) -> Box<str> {
    // no more than is shown is looked at: a character has four bytes at most
    let begin = String::from_utf8_lossy(text.get(..4 * SHOWN + 4).unwrap_or(text)).into_owned();
    let shown = if begin.chars().count() <= SHOWN {
        format!("{begin:?}")
    } else {
        format!("{:?}…", begin.chars().take(SHOWN).collect::<String>())
    };
    format!("spec.request: Invalid value: {shown}: {error}").into()
}

/// VAL-02.
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
    // purposes that have no name in the API are left to the CA, as cert-manager does
    Ok(())
}

/// The usages that are extended ones, or those that are not.
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

/// As cert-manager prints them: `[ 'digital signature', 'key encipherment' ]`.
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
            "spec.request: Invalid value: the CSR is for an RSA key of {} bits, which can be broken: make one of at least {LEAST_RSA_BITS}",
            spec.size
        ));
    }
    Ok(())
}
