//! Bundles of trusted CAs that grow: what they contain, with the expiry of each certificate.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::pki::{Error, certificate, pem};

use super::{CERTIFICATE, to_pem};

/// A certificate of a bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Anchor {
    /// Its DER.
    pub der: Vec<u8>,
    /// The last second it is valid.
    pub not_after: Timestamp,
}

/// The certificates of a bundle that must be readable as a whole: nothing but certificates, each of them readable. Text between the
/// blocks is allowed.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Pem`] or [`Error::Certificate`]. A text without certificates is an error.
pub fn anchors(text: &[u8], limit: usize) -> Result<Vec<Anchor>, Error> {
    if text.len() > limit {
        return Err(Error::TooLarge {
            what: "bundle of CA certificates",
            size: text.len(),
            limit,
        });
    }
    let blocks = pem::parse_all(text)?;
    if blocks.is_empty() {
        return Err(Error::Pem("the text holds no certificate".into()));
    }
    blocks.iter().map(anchor).collect()
}

/// The certificates of a bundle that can be read, without the rest.
pub fn readable_anchors(text: &[u8]) -> Vec<Anchor> {
    let blocks = pem::scan(text).map(|scan| scan.blocks).unwrap_or_default();
    blocks.iter().filter_map(|block| anchor(block).ok()).collect()
}

fn anchor(block: &pem::Block) -> Result<Anchor, Error> {
    if block.label != CERTIFICATE {
        return Err(Error::Pem(format!(
            "the PEM block {:?} in line {} is not a certificate",
            block.label.chars().take(64).collect::<String>(),
            block.line
        )));
    }
    let der = block.der.expose().clone();
    Ok(Anchor {
        not_after: certificate::not_after(&der)?,
        der,
    })
}

/// A bundle that keeps what it has and gets what it lacks: the certificates of `there`, then those of `added`, each once and none that
/// has expired. While it is larger than `limit` bytes of PEM, the first of those that `added` lacks is left out.
pub fn extended(now: Timestamp, there: &[Anchor], added: &[Anchor], limit: usize) -> Vec<Vec<u8>> {
    let new: HashSet<&[u8]> = added.iter().map(|anchor| anchor.der.as_slice()).collect();
    let mut known = HashSet::new();
    let all = there.iter().chain(added).map(|anchor| (anchor, anchor.der.as_slice()));
    let valid: Vec<(&[u8], usize)> = all
        .filter(|(anchor, der)| anchor.not_after >= now && known.insert(*der))
        .map(|(_, der)| (der, to_pem(&[der]).len()))
        .collect();
    // each certificate is encoded once: others may have filled a bundle with thousands
    let mut size: usize = valid.iter().map(|(_, size)| size).sum();
    let mut extended = Vec::new();
    for (der, of_this) in valid {
        if size > limit && !new.contains(der) {
            size -= of_this;
        } else {
            extended.push(der.to_vec());
        }
    }
    extended
}
