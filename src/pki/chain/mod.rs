//! Bundles of certificates: order, roots, size limits (SEC-08, SEC-09).

mod anchors;
mod order;
#[cfg(test)]
mod tests;

use super::certificate::CertificateInfo;
use super::{Error, pem};

pub use anchors::{Anchor, anchors, extended, readable_anchors};
pub use order::{order, signer_of, signers};

/// The largest inputs, in bytes (SEC-08).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SizeLimits {
    /// One certificate, as PEM.
    pub certificate: usize,
    /// A private key, as PEM.
    pub key: usize,
    /// A chain, as PEM.
    pub chain: usize,
    /// A bundle of trusted CAs, as PEM.
    pub bundle: usize,
}

impl SizeLimits {
    /// The limit of a signing request with the text around it, in bytes: 64 KiB, and the names of a certificate
    /// that fits into a chain.
    pub fn request(&self) -> usize {
        (64 << 10) + self.chain
    }
}

impl Default for SizeLimits {
    fn default() -> Self {
        Self {
            certificate: 36_500,
            key: 13_000,
            chain: 95_000,
            bundle: 330_000,
        }
    }
}

/// A chain in the form in which a Secret stores it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chain {
    /// `tls.crt`: the leaf, then its issuers; without the root, unless there is nothing else.
    pub chain_pem: Vec<u8>,
    /// `ca.crt`: the root if the bundle has one, otherwise the certificate nearest to it. `None` if there is only a
    /// leaf.
    pub ca_pem: Option<Vec<u8>>,
}

/// The certificates of a PEM text as DER, in their order. Blocks of other kinds and unreadable ones are skipped
/// (POL-04).
///
/// # Errors
/// [`Error::TooLarge`] or [`Error::Pem`]. A text without certificates is an error.
pub fn parse_certificates(text: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, Error> {
    if text.len() > limit {
        return Err(Error::TooLarge {
            what: "certificate chain",
            size: text.len(),
            limit,
        });
    }
    certificates(&pem::scan(text)?)
}

/// As [`parse_certificates`], but an unreadable block before the first certificate is an error. Later ones are skipped,
/// as Go does.
///
/// # Errors
/// As [`parse_certificates`].
pub fn parse_chain(text: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, Error> {
    let certificates = parse_certificates(text, limit)?;
    let pem::Scan { blocks, skipped } = pem::scan(text)?;
    let first = blocks.iter().find(|block| block.label == CERTIFICATE);
    match skipped
        .first()
        .filter(|skipped| first.is_some_and(|first| skipped.line < first.line))
    {
        Some(skipped) => Err(Error::Pem(skipped.to_string())),
        None => Ok(certificates),
    }
}

fn certificates(scan: &pem::Scan) -> Result<Vec<Vec<u8>>, Error> {
    let found = scan.blocks.iter().filter(|block| block.label == CERTIFICATE);
    let certificates: Vec<Vec<u8>> = found.map(|block| block.der.expose().clone()).collect();
    match scan.skipped.first() {
        _ if !certificates.is_empty() => Ok(certificates),
        Some(skipped) => Err(Error::Pem(skipped.to_string())),
        None => Err(Error::Pem(
            "the text holds no certificate; one begins with -----BEGIN CERTIFICATE-----".into(),
        )),
    }
}

const CERTIFICATE: &str = "CERTIFICATE";

/// Certificates as PEM, one after the other.
pub fn to_pem<C: AsRef<[u8]>>(certificates: &[C]) -> Vec<u8> {
    certificates
        .iter()
        .flat_map(|der| pem::encode("CERTIFICATE", der.as_ref()))
        .collect()
}

/// A bundle of trusted CAs as PEM: the certificates of `text` in their order, then those of `others` that it lacks.
/// With `only`, certificates that `others` lacks are left out. An unreadable text counts as empty.
pub fn merge(text: &[u8], others: &[Vec<u8>], only: bool, limit: usize) -> Vec<u8> {
    let mut merged: Vec<Vec<u8>> = Vec::new();
    let kept = parse_certificates(text, limit).unwrap_or_default().into_iter();
    let kept = kept.filter(|der| !only || others.contains(der));
    for der in kept.chain(others.iter().cloned()) {
        if !merged.contains(&der) {
            merged.push(der);
        }
    }
    to_pem(&merged)
}

/// Orders the certificates of a bundle from leaf to root, and separates the root (SEC-09). Duplicates are removed.
///
/// # Errors
/// As [`parse_certificates`] and [`order`].
pub fn arrange(text: &[u8], limits: &SizeLimits) -> Result<Chain, Error> {
    split(order(parse_certificates(text, limits.chain)?)?)
}

/// Separates the root of an ordered chain (SEC-09).
///
/// # Errors
/// [`Error::Chain`] if it is empty, [`Error::Certificate`] if its last certificate is damaged.
pub fn split(mut ordered: Vec<Vec<u8>>) -> Result<Chain, Error> {
    let Some(last) = ordered.last() else {
        return Err(Error::Chain("the chain holds no certificate".into()));
    };
    let (is_root, is_alone) = (CertificateInfo::parse(last)?.self_signed, ordered.len() == 1);
    let ca_pem = (is_root || !is_alone).then(|| to_pem(&[last]));
    if is_root && !is_alone {
        ordered.pop();
    }
    Ok(Chain {
        chain_pem: to_pem(&ordered),
        ca_pem,
    })
}

/// The common name of the issuer of a chain's last certificate. `preferredChain` is compared with it (ISS-18).
///
/// # Errors
/// As [`parse_certificates`], and [`Error::Certificate`] if that certificate is damaged.
pub fn issuer_common_name_of_last(text: &[u8], limits: &SizeLimits) -> Result<Option<String>, Error> {
    match parse_certificates(text, limits.chain)?.last() {
        Some(der) => Ok(CertificateInfo::parse(der)?.issuer.common_name()),
        None => Ok(None),
    }
}

/// The most certificates of a bundle: more than any chain has.
const MAX_CERTIFICATES: usize = 100;
