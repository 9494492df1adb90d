//! Reading CSRs.

use x509_parser::certificate::X509Certificate;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::prelude::FromDer as _;

use super::CsrInfo;
use crate::pki::extension::Extensions;
use crate::pki::key::PublicKey;
use crate::pki::name::Name;
use crate::pki::{Error, der, pem, signature};

/// Larger than any CSR of 2,000 names with a key of 8,192 bits.
const MAX_SIZE: usize = 1 << 20;

/// Whether the signature is looked at, which costs more than all the rest.
#[derive(Clone, Copy)]
pub(super) enum Signature {
    Check,
    Skip,
}

pub(super) fn parse(input: &[u8], signature: Signature) -> Result<CsrInfo, Error> {
    if input.len() > MAX_SIZE {
        return Err(Error::TooLarge {
            what: "certificate signing request",
            size: input.len(),
            limit: MAX_SIZE,
        });
    }
    // DER begins with a SEQUENCE of more than 127 bytes, PEM with text.
    if input.starts_with(&[der::SEQUENCE, 0x81]) || input.starts_with(&[der::SEQUENCE, 0x82]) {
        return parse_der(input, signature);
    }
    let blocks = pem::parse(input)?;
    match blocks.iter().find(|block| block.label.ends_with("CERTIFICATE REQUEST")) {
        Some(block) => parse_der(block.der.expose(), signature),
        None => Err(Error::Request(match blocks.first() {
            Some(other) => format!("a {:?} was given where a CERTIFICATE REQUEST is expected", other.label),
            None => "no PEM block was found; a CSR begins with -----BEGIN CERTIFICATE REQUEST-----".into(),
        })),
    }
}

pub(super) fn from_certificate(input: &[u8]) -> Result<CsrInfo, Error> {
    let damaged = || Error::Certificate("the certificate is damaged: its DER cannot be read".into());
    let (_, certificate) = X509Certificate::from_der(input).map_err(|_| damaged())?;
    let extensions = Extensions::read(certificate.extensions())?;
    Ok(CsrInfo {
        subject: Name::from_der(certificate.subject().as_raw())?,
        sans: extensions.sans,
        public_key: PublicKey::from_spki_der(certificate.public_key().raw)?,
        usages: extensions.usages,
        basic_constraints: extensions.basic,
        name_constraints: extensions.name_constraints,
    })
}

fn parse_der(input: &[u8], signature: Signature) -> Result<CsrInfo, Error> {
    let damaged = || Error::Request("the certificate signing request is damaged: its DER cannot be read".into());
    let (rest, request) = X509CertificationRequest::from_der(input).map_err(|_| damaged())?;
    if !rest.is_empty() {
        return Err(damaged());
    }
    let info = &request.certification_request_info;
    let subject = Name::from_der(info.subject.as_raw())?;
    let public_key = PublicKey::from_spki_der(info.subject_pki.raw)?;
    if let Signature::Check = signature {
        check_signature(input, &public_key)?;
    }
    let extensions = info.iter_attributes().find_map(|attribute| {
        let ParsedCriAttribute::ExtensionRequest(requested) = attribute.parsed_attribute() else {
            return None;
        };
        Some(Extensions::read(&requested.extensions))
    });
    let Extensions {
        sans,
        usages,
        basic,
        name_constraints,
        ..
    } = match extensions {
        Some(Ok(extensions)) => extensions,
        Some(Err(error)) => return Err(Error::Request(format!("in the certificate signing request {error}"))),
        None => Extensions::default(),
    };
    Ok(CsrInfo {
        subject,
        sans,
        public_key,
        usages,
        basic_constraints: basic,
        name_constraints,
    })
}

fn check_signature(input: &[u8], key: &PublicKey) -> Result<(), Error> {
    let fields = der::read_all(input, der::SEQUENCE)
        .and_then(|request| request.children())
        .unwrap_or_default();
    let [info, algorithm, bits] = fields.as_slice() else {
        return Err(Error::Request("the certificate signing request is damaged".into()));
    };
    let signature = bits.content.get(1..).unwrap_or_default();
    signature::verify(key, algorithm.raw, info.raw, signature).map_err(|error| {
        Error::Request(format!(
            "the signature of the certificate signing request cannot be accepted: {error}"
        ))
    })
}
