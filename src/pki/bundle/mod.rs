//! Trust bundles: the certificates of many sources, each once, and the files that are made of them, as trust-manager makes them.
//!
//! | module | what it is |
//! |---|---|
//! | [`read`] | which certificates a text has, and which texts are refused |
//! | [`Pool`] | each certificate once, in the order of their digests |
//! | `files` | the pool as PEM, JKS and PKCS#12 |

mod files;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::read::{Found, read};

/// A certificate that is to be trusted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Anchor {
    /// Its DER.
    pub der: Vec<u8>,
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
    /// Its subject, as Go prints it.
    pub subject: String,
    /// The first second it is valid.
    pub not_before: Timestamp,
    /// The last second it is valid.
    pub not_after: Timestamp,
    /// Whether it may sign certificates.
    pub is_ca: bool,
}

/// Certificates, each once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pool {
    by_fingerprint: BTreeMap<[u8; 32], Anchor>,
    size: usize,
}

impl Pool {
    /// Adds a certificate, unless it is there.
    pub fn add(&mut self, anchor: Anchor) {
        let size = anchor.der.len();
        if self.by_fingerprint.insert(anchor.fingerprint, anchor).is_none() {
            self.size += size;
        }
    }

    /// The certificates in the order of their digests, in which every file has them.
    pub fn anchors(&self) -> impl ExactSizeIterator<Item = &Anchor> {
        self.by_fingerprint.values()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_fingerprint.is_empty()
    }

    /// The bytes of all in DER.
    pub const fn size(&self) -> usize {
        self.size
    }
}
