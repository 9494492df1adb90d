//! What is kept of a Secret instead of its bytes.

use super::certificate::CertificateInfo;
use super::key::{KeyEncoding, KeyHash, KeySpec};

/// A part of a Secret: not there (or empty), not readable, or what it says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part<T> {
    /// The data key is missing or empty.
    Missing,
    /// It cannot be read; why, as a sentence.
    Invalid(String),
    /// What it says.
    Valid(T),
}

impl<T> Part<T> {
    /// What it says, if it can be read.
    pub fn valid(&self) -> Option<&T> {
        match self {
            Self::Valid(value) => Some(value),
            Self::Missing | Self::Invalid(_) => None,
        }
    }
}

/// What is remembered of `tls.key`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeySummary {
    /// Kind and size.
    pub spec: KeySpec,
    /// How it is written.
    pub encoding: KeyEncoding,
    /// The hash of its public half.
    pub hash: KeyHash,
}

/// What is remembered of `tls.key`, `tls.crt` and `ca.crt`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PairSummary {
    /// `tls.key`.
    pub key: Part<KeySummary>,
    /// The first certificate of `tls.crt`.
    pub certificate: Part<Box<CertificateInfo>>,
    /// SHA-256 of all three, with their lengths: tells whether anything changed.
    pub digest: [u8; 32],
}

impl PairSummary {
    /// Reads the three data keys of a Secret.
    pub fn new(tls_key: Option<&[u8]>, tls_crt: Option<&[u8]>, ca_crt: Option<&[u8]>) -> Self {
        let _ = (tls_key, tls_crt, ca_crt);
        todo!()
    }

    /// Whether key and certificate belong together; `None` when either cannot be read.
    pub fn matches(&self) -> Option<bool> {
        Some(self.key.valid()?.hash == self.certificate.valid()?.key_hash)
    }
}
