//! Parsing of signing requests (RFC 2986 section 4).

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::{CsrInfo, text};
use crate::pki::der::Tag;
use crate::pki::extension::Extensions;
use crate::pki::key::PublicKey;
use crate::pki::name::Name;
use crate::pki::{Error, der, oid, signature};

/// The largest CSR in bytes: more than one of 2,000 names with a key of 8,192 bits.
const MAX_SIZE: usize = 1 << 20;

/// The deepest nesting of values. A name has the deepest, with five.
const MAX_DEPTH: usize = 16;

/// Whether the signature is verified, which costs more than all the rest.
#[derive(Clone, Copy)]
pub(super) enum Signature {
    Check,
    Skip,
}

/// As [`super::only_request`].
///
/// # Errors
/// As there.
pub(super) fn only_request(input: &[u8]) -> Result<Vec<u8>, Error> {
    only_request_within(input, MAX_SIZE)
}

/// As [`super::only_request_within`].
///
/// # Errors
/// As there.
pub(super) fn only_request_within(input: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    if input.len() > limit {
        return Err(Error::TooLarge {
            what: "certificate signing request",
            size: input.len(),
            limit,
        });
    }
    text::only_block(input)
}

/// As [`CsrInfo::from_certificate`].
///
/// # Errors
/// As there.
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

/// Parses the DER of a CSR, and verifies its signature if `signature` demands it.
///
/// # Errors
/// As [`CsrInfo::parse`].
pub(super) fn parse_der(input: &[u8], signature: Signature) -> Result<CsrInfo, Error> {
    let request = der::read_all(input, Tag::Sequence).ok_or_else(|| damaged("its DER cannot be read"))?;
    if !is_strict(request, MAX_DEPTH) {
        return Err(damaged("it is not encoded in DER"));
    }
    let fields = request.children().unwrap_or_default();
    let [info, algorithm, bits] = fields.as_slice() else {
        return Err(damaged("it has not three parts"));
    };
    let parts = info.children().unwrap_or_default();
    let [version, subject, key, attributes] = parts.as_slice() else {
        return Err(damaged("it has not version, subject, key and attributes"));
    };
    if (info.tag, version.tag, attributes.tag) != (Tag::Sequence, Tag::Integer, der::explicit(0)) {
        return Err(damaged("version or attributes have the wrong type"));
    }
    let public_key = PublicKey::from_spki_der(key.raw)?;
    if let Signature::Check = signature {
        check_signature(&public_key, *info, *algorithm, *bits)?;
    }
    let requested = requested_extensions(*attributes)?;
    let extensions = match &requested {
        Some(list) => read_extensions(*list)?,
        None => Extensions::default(),
    };
    Ok(CsrInfo {
        subject: Name::from_der(subject.raw)?,
        sans: extensions.sans,
        public_key,
        usages: extensions.usages,
        basic_constraints: extensions.basic,
        name_constraints: extensions.name_constraints,
    })
}

/// The value of the attribute `extensionRequest` (RFC 2985 section 5.4.2).
///
/// Parsers differ in which of two they use, and whether they combine them. Attributes of other types are skipped,
/// Microsoft's older list of extensions among them, as Go does.
fn requested_extensions(attributes: der::Value<'_>) -> Result<Option<der::Value<'_>>, Error> {
    let mut types: Vec<String> = Vec::new();
    let mut requested = None;
    for attribute in attributes.children().unwrap_or_default() {
        let fields = attribute.children().unwrap_or_default();
        let (Tag::Sequence, [name, values]) = (attribute.tag, fields.as_slice()) else {
            return Err(damaged("one of its attributes is none"));
        };
        let listed = values.children().unwrap_or_default();
        if name.tag != Tag::ObjectIdentifier || values.tag != Tag::Set || listed.is_empty() {
            return Err(damaged("one of its attributes is none"));
        }
        let dotted = der::dotted(name.content).ok_or_else(|| damaged("one of its attributes has no type"))?;
        if types.contains(&dotted) {
            return Err(Error::Request(format!(
                "the certificate signing request has the attribute {dotted} more than once"
            )));
        }
        if dotted == oid::EXTENSION_REQUEST {
            let [list] = listed.as_slice() else {
                return Err(Error::Request(
                    "the certificate signing request has more than one list of requested extensions".into(),
                ));
            };
            requested = Some(*list);
        }
        types.push(dotted);
    }
    Ok(requested)
}

fn read_extensions(list: der::Value<'_>) -> Result<Extensions, Error> {
    Extensions::read_der(list).map_err(|error| Error::Request(format!("in the certificate signing request {error}")))
}

fn check_signature(
    key: &PublicKey,
    info: der::Value<'_>,
    algorithm: der::Value<'_>,
    bits: der::Value<'_>,
) -> Result<(), Error> {
    let (Tag::BitString, Some((0, signature))) = (bits.tag, bits.content.split_first()) else {
        return Err(damaged("its signature is none"));
    };
    signature::verify_possession(key, algorithm.raw, info.raw, signature).map_err(|error| {
        Error::Request(format!(
            "the signature of the certificate signing request cannot be accepted: {error}"
        ))
    })
}

/// Whether all nested values are DER too, because subject and key are copied into the certificate as they are.
fn is_strict(value: der::Value<'_>, depth: usize) -> bool {
    if !value.tag.is_constructed() {
        return true;
    }
    let children = value.children().filter(|_| depth > 0);
    children.is_some_and(|children| children.into_iter().all(|child| is_strict(child, depth - 1)))
}

fn damaged(how: &str) -> Error {
    Error::Request(format!("the certificate signing request is damaged: {how}"))
}
