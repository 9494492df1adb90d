//! Parsing of X.509 certificates (RFC 5280).

#[cfg(test)]
mod tests;
mod urls;

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::extension::Extensions;
use super::key::{KeyHash, KeySpec, PublicKey, sha256};
use super::name::{Name, Subject, SubjectAltNames};
use super::usage::{Usage, UsageSet};
use super::{Error, chain, der, signature};
use crate::pki::der::Tag;

pub use super::der::END_OF_TIME;
pub use urls::{CertificateUrls, urls};

/// The parsed fields of a certificate, owned. The certificate itself is not kept.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct CertificateInfo {
    /// Whose certificate it is.
    pub subject: Name,
    /// Who signed it.
    pub issuer: Name,
    /// The alternative names.
    pub sans: SubjectAltNames,
    /// The content of the serial number's INTEGER, with a leading zero byte where DER has one.
    pub serial: Vec<u8>,
    /// The first second it is valid.
    pub not_before: Timestamp,
    /// The last second it is valid.
    pub not_after: Timestamp,
    /// Algorithm and size of its key; `None` for unknown algorithms.
    pub key_spec: Option<KeySpec>,
    /// The hash of its key.
    pub key_hash: KeyHash,
    /// Whether it may sign certificates.
    pub is_ca: bool,
    /// How many CAs may follow below it.
    pub path_len: Option<u32>,
    /// The key identifier of its issuer.
    pub authority_key_id: Option<Vec<u8>>,
    /// Its own key identifier.
    pub subject_key_id: Option<Vec<u8>>,
    /// Its usages; `None` without usage extensions.
    pub usages: Option<UsageSet>,
    /// Whether it is signed by its own key. This is verified, except for obsolete algorithms (SHA-1, MD5): then
    /// names and key identifiers decide.
    pub self_signed: bool,
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
}

impl CertificateInfo {
    /// Whether its key usage forbids to sign certificates. Without the extension, everything is allowed (RFC 5280
    /// section 4.2.1.3).
    pub fn lacks_cert_sign(&self) -> bool {
        let named = self.usages.as_ref().filter(|usages| usages.has_bits());
        named.is_some_and(|usages| !usages.contains(Usage::CertSign))
    }

    /// Parses a certificate's DER.
    ///
    /// # Errors
    /// [`Error::Certificate`] or [`Error::Name`] if it, or one of the known extensions, is damaged.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::Certificate("the certificate is damaged: its DER cannot be read".into());
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| damaged())?;
        if !rest.is_empty() {
            return Err(damaged());
        }
        let subject = Name::from_der(certificate.subject().as_raw())?;
        let issuer = Name::from_der(certificate.issuer().as_raw())?;
        let spki = certificate.public_key().raw;
        let key = PublicKey::from_spki_der(spki).ok();
        let extensions = Extensions::read(certificate.extensions())?;
        Ok(Self {
            self_signed: subject == issuer
                && match key.as_ref().map(|key| check_signature(der, key)) {
                    Some(Signature::Good) => true,
                    // the signature of an old root cannot be verified, so the identifiers decide
                    Some(Signature::Unknown) => {
                        let (own, above) = (&extensions.subject_key_id, &extensions.authority_key_id);
                        above.is_none() || own == above
                    }
                    Some(Signature::Wrong) | None => false,
                },
            sans: extensions.sans,
            serial: certificate.raw_serial().to_vec(),
            not_before: bounded(certificate.validity().not_before.timestamp()),
            not_after: bounded(certificate.validity().not_after.timestamp()),
            key_spec: key.as_ref().map(PublicKey::spec),
            key_hash: KeyHash::of(spki),
            is_ca: extensions.basic.is_some_and(|basic| basic.is_ca),
            path_len: extensions.basic.and_then(|basic| basic.path_len),
            authority_key_id: extensions.authority_key_id,
            subject_key_id: extensions.subject_key_id,
            usages: extensions.usages,
            fingerprint: sha256(der),
            subject,
            issuer,
        })
    }

    /// Parses the first certificate of a PEM text: the leaf of a chain.
    ///
    /// # Errors
    /// [`Error::Pem`] if there is none, otherwise as [`CertificateInfo::parse`].
    pub fn parse_pem(text: &[u8]) -> Result<Self, Error> {
        let chain = chain::parse_chain(text, text.len())?;
        Self::parse(chain.first().map(Vec::as_slice).unwrap_or_default())
    }

    /// Whether it has no expiry (RFC 5280 section 4.1.2.5).
    pub fn is_endless(&self) -> bool {
        self.not_after >= END_OF_TIME
    }

    /// The common name of the subject.
    pub fn common_name(&self) -> Option<String> {
        self.subject.common_name()
    }

    /// The parts of the subject that the API has fields for.
    pub fn subject_parts(&self) -> Subject {
        Subject::from_name(&self.subject)
    }

    /// The identifier of the certificate for renewal information (RFC 9773 section 4.1). `None` without an
    /// authority key identifier.
    pub fn ari_id(&self) -> Option<String> {
        let authority = URL_SAFE_NO_PAD.encode(self.authority_key_id.as_ref()?);
        Some(format!("{authority}.{}", URL_SAFE_NO_PAD.encode(&self.serial)))
    }

    /// The serial number in hexadecimal digits, without leading zeros.
    pub fn serial_hex(&self) -> String {
        let digits = self.serial.iter().fold(String::new(), |mut digits, byte| {
            let _infallible = write!(digits, "{byte:02x}");
            digits
        });
        match digits.trim_start_matches('0') {
            "" => "0".into(),
            digits => digits.into(),
        }
    }
}

/// Whether a certificate was signed with this key.
pub fn is_signed_by(certificate_der: &[u8], key: &PublicKey) -> bool {
    check_signature(certificate_der, key) == Signature::Good
}

/// The result of the verification of a certificate's signature.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Signature {
    Good,
    Wrong,
    /// Made with an obsolete algorithm, which is not verified.
    Unknown,
}

fn check_signature(certificate_der: &[u8], key: &PublicKey) -> Signature {
    let fields = der::read_all(certificate_der, Tag::Sequence).and_then(|certificate| certificate.children());
    let Some([info, algorithm, bits]) = fields.as_deref() else {
        return Signature::Wrong;
    };
    let signature = bits.content.get(1..).unwrap_or_default();
    if signature::verify(key, algorithm.raw, info.raw, signature).is_ok() {
        Signature::Good
    } else if signature::is_out_of_use(algorithm.raw) {
        Signature::Unknown
    } else {
        Signature::Wrong
    }
}

/// A time from seconds since 1970, limited to the range of [`Timestamp`].
pub(in crate::pki) fn bounded(second: i64) -> Timestamp {
    let end = if second > 0 { END_OF_TIME } else { Timestamp::MIN };
    Timestamp::from_second(second).map_or(end, |time| time.min(END_OF_TIME))
}

/// The last second that a certificate is valid, without a look at anything else.
///
/// # Errors
/// [`Error::Certificate`] if it is damaged.
pub fn not_after(certificate_der: &[u8]) -> Result<Timestamp, Error> {
    match X509Certificate::from_der(certificate_der) {
        Ok(([], certificate)) => Ok(bounded(certificate.validity().not_after.timestamp())),
        Ok(_) | Err(_) => Err(Error::Certificate(
            "the certificate is damaged: its DER cannot be read".into(),
        )),
    }
}

/// The public key of a certificate. `None` for unknown algorithms and damaged bytes.
pub fn public_key(certificate_der: &[u8]) -> Option<PublicKey> {
    let (_, certificate) = X509Certificate::from_der(certificate_der).ok()?;
    PublicKey::from_spki_der(certificate.public_key().raw).ok()
}
