//! Certificate revocation lists (RFC 5280 section 5).

use jiff::Timestamp;
use x509_parser::extensions::{DistributionPointName, GeneralName, IssuingDistributionPoint, ParsedExtension};
use x509_parser::prelude::{ASN1Time, FromDer as _};
use x509_parser::revocation_list::{CertificateRevocationList, RevokedCertificate};

use super::{Status, Subject, is_current, reason};
use crate::pki::{
    Error,
    der::{self, Tag},
    signature,
};

/// The status of the certificate in the list that was fetched from `url`, which the certificate names.
///
/// # Errors
/// [`Error::Certificate`] if the list does not count: damaged, of another issuer, out of date, or with a wrong signature.
pub fn in_list(now: Timestamp, list: &[u8], url: &str, subject: &Subject) -> Result<Status, Error> {
    let not = |why: &str| Error::Certificate(why.to_owned());
    verify(list, subject)?;
    let (rest, parsed) =
        CertificateRevocationList::from_der(list).map_err(|_| not("the answer is no certificate revocation list"))?;
    if !rest.is_empty() {
        return Err(not("bytes follow the certificate revocation list"));
    }
    if parsed.issuer().as_raw() != subject.issuer_name.as_slice() {
        return Err(not("the revocation list is of another issuer"));
    }
    let from = time(parsed.last_update()).ok_or_else(|| not("the revocation list has no valid time"))?;
    let until = parsed
        .next_update()
        .map(|until| time(until).ok_or_else(|| not("the revocation list has no valid time")));
    is_current(now, from, until.transpose()?)?;
    for extension in parsed.extensions() {
        if let ParsedExtension::IssuingDistributionPoint(scope) = extension.parsed_extension() {
            covers(scope, url, subject.certificate.is_ca)?;
        } else if extension.critical {
            return Err(Error::Certificate(format!(
                "the revocation list has the critical extension {}, which is not known",
                extension.oid
            )));
        }
    }
    let serial = significant(&subject.certificate.serial);
    let mut entries = parsed.iter_revoked_certificates();
    match entries.find(|entry| significant(entry.raw_serial()) == serial) {
        Some(entry) => revoked(entry).ok_or_else(|| not("the entry in the revocation list has no valid time")),
        None => Ok(Status::Good),
    }
}

/// Verifies the signature with the issuer's key.
fn verify(list: &[u8], subject: &Subject) -> Result<(), Error> {
    let fields = der::read_all(list, Tag::Sequence).and_then(|list| list.children());
    let Some([info, algorithm, bits]) = fields.as_deref() else {
        return Err(Error::Certificate(
            "the answer is no certificate revocation list in DER".into(),
        ));
    };
    let signature = bits.content.get(1..).unwrap_or_default();
    signature::verify(&subject.issuer_key, algorithm.raw, info.raw, signature)
        .map_err(|_| Error::Certificate("the revocation list is not signed by the issuer of the certificate".into()))
}

/// Whether a list of this scope says everything about the certificate (RFC 5280 section 5.2.5).
fn covers(scope: &IssuingDistributionPoint<'_>, url: &str, is_ca: bool) -> Result<(), Error> {
    let others = scope.only_contains_attribute_certs
        || scope.indirect_crl
        || scope.only_some_reasons.is_some()
        || (scope.only_contains_ca_certs && !is_ca)
        || (scope.only_contains_user_certs && is_ca);
    let elsewhere = match &scope.distribution_point {
        Some(DistributionPointName::FullName(names)) => !names
            .iter()
            .any(|name| matches!(name, GeneralName::URI(uri) if *uri == url)),
        Some(DistributionPointName::NameRelativeToCRLIssuer(_)) => true,
        None => false,
    };
    if others || elsewhere {
        return Err(Error::Certificate(
            "the revocation list is for other certificates than this one".into(),
        ));
    }
    Ok(())
}

fn revoked(entry: &RevokedCertificate<'_>) -> Option<Status> {
    Some(Status::Revoked {
        at: time(entry.revocation_date)?,
        reason: entry.reason_code().and_then(|(_, code)| reason(code.0)),
    })
}

fn time(time: ASN1Time) -> Option<Timestamp> {
    Timestamp::from_second(time.timestamp()).ok()
}

/// A serial number without leading zeros.
fn significant(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    serial.get(zeros..).unwrap_or_default()
}
