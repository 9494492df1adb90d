//! The certificates of a text. What trust-manager refuses is refused, so that neither program writes what the other would not.

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::Anchor;
use crate::pki::Error;
use crate::pki::certificate::bounded;
use crate::pki::key::sha256;
use crate::pki::name::Name;
use crate::pki::pem::{self, Block};

/// The one public root with a negative serial number (EC-ACC). Go cannot read it, and trust-manager leaves it out of bundles, which
/// would be refused otherwise.
const EC_ACC: [u8; 32] = [
    0x88, 0x49, 0x7f, 0x01, 0x60, 0x2f, 0x31, 0x54, 0x24, 0x6a, 0xe2, 0x8c, 0x4d, 0x5a, 0xef, 0x10, 0xf1, 0xd8, 0x7e,
    0xbb, 0x76, 0x62, 0x6f, 0x4a, 0xe0, 0xb7, 0xf9, 0x5b, 0xa7, 0x96, 0x87, 0x99,
];

/// The content of a text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// Its certificates, in their order.
    pub anchors: Vec<Anchor>,
    /// Sentences about blocks that cannot be read. trust-manager passes them over without a word.
    pub passed_over: Vec<String>,
}

/// Reads a text that has nothing but certificates. Text between the blocks is allowed.
///
/// # Errors
/// [`Error::Pem`] or [`Error::Certificate`] for a block that is no certificate, as a private key, for header lines, and for a
/// certificate that cannot be read. Content is in no message.
pub fn read(text: &[u8]) -> Result<Found, Error> {
    let pem::Scan { blocks, skipped } = pem::scan(text)?;
    let mut found = Found {
        anchors: Vec::with_capacity(blocks.len()),
        passed_over: skipped.iter().map(ToString::to_string).collect(),
    };
    for block in blocks {
        let line = block.line;
        let refused = |why: &str| Error::Pem(format!("the PEM block in line {line} {why}"));
        let Block {
            label,
            der,
            has_headers,
            ..
        } = block;
        if label != CERTIFICATE {
            let label: String = label.chars().take(64).collect();
            return Err(refused(&format!(
                "is {label:?}; a trust bundle may have certificates only"
            )));
        }
        if has_headers {
            return Err(refused("has header lines; remove them"));
        }
        let der = der.expose();
        if sha256(der) == EC_ACC {
            found.passed_over.push(format!(
                "the certificate EC-ACC in line {line} has a negative serial number, which programs in Go refuse"
            ));
            continue;
        }
        let anchor = anchor(der).map_err(|error| refused(&format!("is no usable certificate: {error}")))?;
        found.anchors.push(anchor);
    }
    Ok(found)
}

const CERTIFICATE: &str = "CERTIFICATE";

fn anchor(der: &[u8]) -> Result<Anchor, Error> {
    let Ok(([], certificate)) = X509Certificate::from_der(der) else {
        return Err(Error::Certificate("its DER cannot be read".into()));
    };
    if certificate.raw_serial().first().is_some_and(|byte| byte & 0x80 != 0) {
        return Err(Error::Certificate("its serial number is negative".into()));
    }
    let time = |second: i64| -> Timestamp { bounded(second) };
    Ok(Anchor {
        subject: Name::from_der(certificate.subject().as_raw())?.to_go_string(),
        not_before: time(certificate.validity().not_before.timestamp()),
        not_after: time(certificate.validity().not_after.timestamp()),
        is_ca: certificate.is_ca(),
        fingerprint: sha256(der),
        der: der.to_vec(),
    })
}
