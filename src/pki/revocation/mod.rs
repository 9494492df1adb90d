//! Revocation of certificates: OCSP (RFC 6960) and lists (RFC 5280 section 5). Only the formats and their signatures: answers are
//! fetched elsewhere.
//!
//! An answer counts if the issuer of the certificate has signed it, or for OCSP a responder that the issuer has named, and if it
//! is valid now. An answer that does not count is an error, never "good".

mod list;
mod ocsp;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use super::{
    Error,
    certificate::{CertificateInfo, is_signed_by, public_key},
    der::{self, Tag},
    key::PublicKey,
};

pub use list::in_list;
pub use ocsp::{OcspRequest, in_response};

/// Difference of clocks that is tolerated.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// How long an answer that does not say when the next one comes counts after its `thisUpdate`. Without a limit, an old "good" could be
/// replayed for ever.
const WITHOUT_NEXT_UPDATE: SignedDuration = SignedDuration::from_hours(24);

/// The status of a certificate in a valid answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is not revoked.
    Good,
    /// It is revoked.
    Revoked {
        /// Since when.
        at: Timestamp,
        /// The reason, in the words of RFC 5280 section 5.3.1.
        reason: Option<&'static str>,
    },
    /// The responder does not know it.
    Unknown,
}

/// A certificate whose status is asked for, and its issuer.
#[derive(Clone, Debug)]
pub struct Subject {
    certificate: CertificateInfo,
    issuer: CertificateInfo,
    issuer_name: Vec<u8>,
    issuer_key: PublicKey,
}

impl Subject {
    /// A certificate and its issuer, both in DER.
    ///
    /// # Errors
    /// [`Error::Certificate`] if one cannot be read, or `issuer` did not sign `certificate`.
    pub fn new(certificate: &[u8], issuer: &[u8]) -> Result<Self, Error> {
        let info = CertificateInfo::parse(certificate)?;
        let issuer_info = CertificateInfo::parse(issuer)?;
        let issuer_key = public_key(issuer)
            .filter(|key| info.issuer == issuer_info.subject && is_signed_by(certificate, key))
            .ok_or_else(|| Error::Certificate("this is not the issuer of the certificate".into()))?;
        let issuer_name = name_of(issuer).ok_or_else(|| Error::Certificate("the issuer has no name".into()))?;
        Ok(Self {
            certificate: info,
            issuer: issuer_info,
            issuer_name,
            issuer_key,
        })
    }
}

/// The DER of the subject of a certificate.
fn name_of(certificate: &[u8]) -> Option<Vec<u8>> {
    let fields = der::read_all(certificate, Tag::Sequence)?.children()?;
    let info = fields.first()?.children()?;
    // the version is optional: version, serial number, algorithm, issuer, validity, subject
    let first = usize::from(info.first()?.tag == der::explicit(0));
    Some(info.get(first + 4)?.raw.to_vec())
}

/// Whether an answer is valid now.
///
/// # Errors
/// [`Error::Certificate`] if it is not yet, or no longer.
fn is_current(now: Timestamp, from: Timestamp, until: Option<Timestamp>) -> Result<(), Error> {
    let late = |time: Timestamp, by: SignedDuration| time.checked_add(by).unwrap_or(time);
    if from > late(now, SKEW) {
        return Err(Error::Certificate(format!("it is not valid before {from}")));
    }
    match until {
        Some(until) if late(until, SKEW) < now => Err(Error::Certificate(format!(
            "it is out of date: a newer one was due on {until}"
        ))),
        None if late(from, WITHOUT_NEXT_UPDATE) < now => Err(Error::Certificate(format!(
            "it is of {from}, and does not say when a newer one is due: it counts for {} hours",
            WITHOUT_NEXT_UPDATE.as_hours()
        ))),
        Some(_) | None => Ok(()),
    }
}

/// The words for a `CRLReason` (RFC 5280 section 5.3.1).
fn reason(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "keyCompromise",
        2 => "cACompromise",
        3 => "affiliationChanged",
        4 => "superseded",
        5 => "cessationOfOperation",
        6 => "certificateHold",
        8 => "removeFromCRL",
        9 => "privilegeWithdrawn",
        10 => "aACompromise",
        _ => return None,
    })
}
