//! The certificate in the answer of a sign endpoint.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::pki::{
    certificate::CertificateInfo,
    chain::{self, SizeLimits, parse_certificates, signers, split},
};

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    certificate: String,
    #[serde(default)]
    issuing_ca: String,
    #[serde(default)]
    ca_chain: Option<Vec<String>>,
}

/// A certificate with its chain, as a Secret has them.
pub(super) struct Split {
    pub(super) certificate: Vec<u8>,
    pub(super) ca: Vec<u8>,
    pub(super) not_after: Timestamp,
}

/// The certificates of an answer, leaf first: `certificate`, `issuing_ca` and `ca_chain`, as cert-manager joins them.
pub(super) fn chain(answer: &Value, limits: &SizeLimits) -> Option<Vec<Vec<u8>>> {
    let Answer { data } = Answer::deserialize(answer).ok()?;
    let mut parts = data.ca_chain.unwrap_or_default();
    parts.push(data.issuing_ca);
    parts.push(data.certificate);
    chain::order(parse_certificates(parts.join("\n").as_bytes(), limits.chain).ok()?).ok()
}

/// Whether a chain ends with a root.
pub(super) fn has_root(chain: &[Vec<u8>]) -> bool {
    let last = chain.last().and_then(|der| CertificateInfo::parse(der).ok());
    last.is_some_and(|last| last.self_signed)
}

/// The certificates of `text` that are above a chain.
pub(super) fn above(chain: &[Vec<u8>], text: &[u8], limits: &SizeLimits) -> Vec<Vec<u8>> {
    let candidates = parse_certificates(text, limits.bundle).unwrap_or_default();
    let candidates = candidates.into_iter().filter(|der| !chain.contains(der)).collect();
    signers(chain, candidates)
}

/// Splits a chain into the content of a Secret (SEC-09).
pub(super) fn issued(chain: Vec<Vec<u8>>) -> Option<Split> {
    let leaf = CertificateInfo::parse(chain.first()?).ok()?;
    let split = split(chain).ok()?;
    Some(Split {
        certificate: split.chain_pem,
        ca: split.ca_pem.unwrap_or_default(),
        not_after: leaf.not_after,
    })
}
