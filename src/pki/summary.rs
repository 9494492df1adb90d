//! What is kept of a Secret instead of its bytes.

use aws_lc_rs::digest::{self, Context};
use serde::{Deserialize, Serialize};

use super::certificate::CertificateInfo;
use super::chain::SizeLimits;
use super::key::{KeyEncoding, KeyHash, KeySpec, PrivateKey, sha256};
use super::{Error, chain};

/// A part of a Secret: missing (or empty), unreadable, or parsed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Part<T> {
    /// The data key is missing or empty.
    Missing,
    /// It cannot be read; why, as a sentence.
    Invalid(String),
    /// Parsed.
    Valid(T),
}

impl<T> Part<T> {
    /// The parsed content, if it is readable.
    pub fn valid(&self) -> Option<&T> {
        match self {
            Self::Valid(value) => Some(value),
            Self::Missing | Self::Invalid(_) => None,
        }
    }

    fn read(
        data: Option<&[u8]>,
        limit: usize,
        what: &'static str,
        parse: impl FnOnce(&[u8]) -> Result<T, Error>,
    ) -> Self {
        let Some(data) = data.filter(|data| !data.is_empty()) else {
            return Self::Missing;
        };
        let result = match data.len() {
            size if size > limit => Err(Error::TooLarge { what, size, limit }),
            _ => parse(data),
        };
        match result {
            Ok(value) => Self::Valid(value),
            Err(error) => Self::Invalid(error.to_string()),
        }
    }
}

/// What is remembered of `tls.key`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct KeySummary {
    /// Kind and size.
    pub spec: KeySpec,
    /// How it is written.
    pub encoding: KeyEncoding,
    /// The hash of its public half.
    pub hash: KeyHash,
}

/// The record of `tls.key`, `tls.crt` and `ca.crt`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PairSummary {
    /// `tls.key`.
    pub key: Part<KeySummary>,
    /// The first certificate of `tls.crt`. All of them must be readable.
    pub certificate: Part<Box<CertificateInfo>>,
    /// SHA-256 of the DER of each certificate in `ca.crt`, in its order; empty if it is unreadable.
    pub trusted: Box<[[u8; 32]]>,
    /// SHA-256 over all three, to detect changes.
    pub digest: [u8; 32],
}

impl PairSummary {
    /// Parses the three data keys of a Secret.
    pub fn new(tls_key: Option<&[u8]>, tls_crt: Option<&[u8]>, ca_crt: Option<&[u8]>, limits: &SizeLimits) -> Self {
        let key = Part::read(tls_key, limits.key, "private key", |text| {
            let (key, encoding) = PrivateKey::from_pem(text)?;
            Ok(KeySummary {
                spec: key.spec(),
                encoding,
                hash: key.hash(),
            })
        });
        let certificate = Part::read(tls_crt, limits.chain, "certificate chain", |text| {
            let chain = chain::parse_chain(text, limits.chain)?;
            let mut infos = chain
                .iter()
                .map(|der| CertificateInfo::parse(der))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Box::new(infos.swap_remove(0)))
        });
        let trusted = ca_crt.and_then(|text| chain::parse_certificates(text, limits.bundle).ok());
        Self {
            key,
            certificate,
            trusted: trusted.iter().flatten().map(|der| sha256(der)).collect(),
            digest: digest_of(&[tls_key, tls_crt, ca_crt]),
        }
    }

    /// Whether key and certificate belong together; `None` if one of them is unreadable.
    pub fn matches(&self) -> Option<bool> {
        Some(self.key.valid()?.hash == self.certificate.valid()?.key_hash)
    }
}

/// Missing and empty parts have different digests, and so have the same bytes in other parts.
fn digest_of(parts: &[Option<&[u8]>]) -> [u8; 32] {
    let mut context = Context::new(&digest::SHA256);
    for part in parts {
        context.update(&[u8::from(part.is_some())]);
        context.update(&part.unwrap_or_default().len().to_be_bytes());
        context.update(part.unwrap_or_default());
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::chain::to_pem;
    use crate::pki::fixture::{leaf, p256, root};

    #[test]
    fn a_pair_is_summed_up_and_its_parts_belong_together() {
        let (root, key) = (root("root", p256()), p256());
        let (tls_crt, ca_crt) = (to_pem(&[leaf(&root, &["a.example"], &key)]), to_pem(&root.chain));
        let tls_key = key.to_pem(KeyEncoding::Pkcs1).unwrap();
        let limits = SizeLimits::default();
        let summary = PairSummary::new(Some(tls_key.expose()), Some(&tls_crt), Some(&ca_crt), &limits);
        assert_eq!(summary.matches(), Some(true));
        assert_eq!(summary.key.valid().unwrap().encoding, KeyEncoding::Pkcs1);
        assert_eq!(
            summary.certificate.valid().unwrap().common_name().as_deref(),
            Some("leaf")
        );
        assert_eq!(*summary.trusted, [root.info.fingerprint]);
        let other = p256().to_pem(KeyEncoding::Pkcs1).unwrap();
        let mixed = PairSummary::new(Some(other.expose()), Some(&tls_crt), Some(&ca_crt), &limits);
        assert_eq!(mixed.matches(), Some(false));
        assert_ne!(mixed.digest, summary.digest);
    }

    #[test]
    fn missing_and_damaged_parts_are_told_apart() {
        let limits = SizeLimits {
            key: 10,
            ..SizeLimits::default()
        };
        let summary = PairSummary::new(Some(b"12345678901"), Some(b""), None, &limits);
        assert!(matches!(&summary.key, Part::Invalid(why) if why.contains("more than the limit of 10")));
        assert_eq!(summary.certificate, Part::Missing);
        assert_eq!(summary.matches(), None);
        assert_ne!(
            summary.digest,
            PairSummary::new(Some(b"12345678901"), None, Some(b""), &limits).digest
        );
    }
}
