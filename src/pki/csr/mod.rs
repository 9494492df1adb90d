//! Certificate signing requests (RFC 2986).

mod parse;
#[cfg(test)]
mod tests;
mod text;

use super::constraints::NameConstraints;
use super::extension::{self, BasicConstraints, RawExtension};
use super::key::{KeyHash, KeySpec, PrivateKey, PublicKey};
use super::name::{Name, SubjectAltNames};
use super::signature::SignatureAlgorithm;
use super::usage::UsageSet;
use super::{Error, der, oid, pem};
use serde::{Deserialize, Serialize};

/// The content of a CSR.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CsrTemplate {
    /// The subject, from its parts ([`super::name::Subject::to_name`]) or from `literalSubject` ([`Name::from_literal`]).
    pub subject: Name,
    /// The alternative names. The common name is not added to them (CRT-03).
    pub sans: SubjectAltNames,
    /// The usages, defaults applied ([`UsageSet::new`]).
    pub usages: UsageSet,
    /// Whether the usages are written into the CSR (CRT-23).
    pub encode_usages: bool,
    /// Whether the certificate shall be a CA's.
    pub is_ca: bool,
    /// Whether `is_ca` is written into the CSR as `BasicConstraints` (CRT-16).
    pub encode_basic_constraints: bool,
    /// Name constraints of a CA (CRT-26).
    pub name_constraints: Option<NameConstraints>,
    /// How the CSR is signed; by size of the key when not given (CRT-22).
    pub signature_algorithm: Option<SignatureAlgorithm>,
}

/// Makes a CSR, as PEM.
///
/// # Errors
/// [`Error::Name`] for names that cannot be written, [`Error::Signing`] when the signature algorithm does not fit the key.
pub fn build(template: &CsrTemplate, key: &PrivateKey) -> Result<Vec<u8>, Error> {
    Ok(pem::encode("CERTIFICATE REQUEST", &build_der(template, key)?))
}

/// Makes a CSR, as DER.
///
/// # Errors
/// As [`build`].
pub fn build_der(template: &CsrTemplate, key: &PrivateKey) -> Result<Vec<u8>, Error> {
    let extensions = requested_extensions(template)?;
    let attributes = if extensions.is_empty() {
        Vec::new()
    } else {
        let extensions = der::sequence(&extensions);
        vec![der::sequence(&[
            der::oid(oid::EXTENSION_REQUEST),
            der::set_of(vec![extensions]),
        ])]
    };
    let info = der::sequence(&[
        der::integer(0).as_slice(),
        template.subject.der(),
        key.spki_der(),
        &der::context(0, &attributes),
    ]);
    let algorithm = template
        .signature_algorithm
        .unwrap_or_else(|| SignatureAlgorithm::default_for(key.spec()));
    let signature = key.sign(algorithm, &info)?;
    Ok(der::sequence(&[
        info,
        algorithm.identifier(),
        der::bit_string(&signature),
    ]))
}

/// Whether a CSR can be made of this, with any key.
///
/// # Errors
/// As [`build`], for names that cannot be written.
pub fn check(template: &CsrTemplate) -> Result<(), Error> {
    requested_extensions(template).map(drop)
}

/// The DER of the only CSR in a text, which is approved, signed, and sent to a CA.
///
/// # Errors
/// [`Error::Request`] if the text is not exactly one PEM block `CERTIFICATE REQUEST` or `NEW CERTIFICATE REQUEST` for
/// every parser. Text around it is skipped, if it does not resemble another block.
pub fn only_request(text: &[u8]) -> Result<Vec<u8>, Error> {
    parse::only_request(text)
}

/// As [`only_request`], with a limit for the text in bytes.
///
/// # Errors
/// As [`only_request`], and [`Error::TooLarge`] for a text of more than `limit` bytes.
pub fn only_request_within(text: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    parse::only_request_within(text, limit)
}

/// A CSR's DER as PEM, the form in which a waiting request is stored.
pub fn to_pem(der: &[u8]) -> Vec<u8> {
    pem::encode("CERTIFICATE REQUEST", der)
}

/// The parsed fields of a CSR, owned.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct CsrInfo {
    /// The subject.
    pub subject: Name,
    /// The alternative names.
    pub sans: SubjectAltNames,
    /// The key for the certificate.
    pub public_key: PublicKey,
    /// The requested usages; `None` without usage extensions.
    pub usages: Option<UsageSet>,
    /// `BasicConstraints`; `None` without the extension.
    pub basic_constraints: Option<BasicConstraints>,
    /// Name constraints, as they are in the CSR.
    pub name_constraints: Option<RawExtension>,
}

impl CsrInfo {
    /// Parses the only CSR of a text ([`only_request`]) and verifies its signature: RSA, ECDSA and Ed25519 with all
    /// hashes of [`SignatureAlgorithm`]. Unknown extensions are skipped.
    ///
    /// # Errors
    /// [`Error::Pem`], [`Error::Request`] or [`Error::Key`], as a sentence for the author of the CSR.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        Self::from_der(&only_request(text)?)
    }

    /// As [`CsrInfo::parse`], for the DER of a CSR.
    ///
    /// # Errors
    /// As [`CsrInfo::parse`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        parse::parse_der(der, parse::Signature::Check)
    }

    /// As [`CsrInfo::from_der`], without a verification of the signature, for a CSR that will not be signed any more.
    ///
    /// # Errors
    /// As [`CsrInfo::parse`].
    pub fn from_der_unverified(der: &[u8]) -> Result<Self, Error> {
        parse::parse_der(der, parse::Signature::Skip)
    }

    /// Parses the only CSR of a user's file: as [`CsrInfo::parse`], also after a byte order mark, or as DER.
    ///
    /// # Errors
    /// As [`CsrInfo::parse`].
    pub fn of_file(content: &[u8]) -> Result<Self, Error> {
        // A SEQUENCE. DER with a PEM block in one of its values would be two requests.
        if content.starts_with(b"\x30") && !text::has_marker(content) {
            return Self::from_der(content);
        }
        Self::parse(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content))
    }

    /// The parsed fields of a CSR from this template, to sign without a CSR.
    ///
    /// # Errors
    /// [`Error::Name`] if the name constraints cannot be encoded.
    pub fn from_template(template: &CsrTemplate, public_key: PublicKey) -> Result<Self, Error> {
        let constraints = template.name_constraints.as_ref();
        let name_constraints = match constraints.filter(|constraints| !constraints.is_empty()) {
            Some(constraints) => Some(RawExtension {
                critical: constraints.critical,
                value: constraints.to_der()?,
            }),
            None => None,
        };
        Ok(Self {
            subject: template.subject.clone(),
            sans: template.sans.clone(),
            public_key,
            usages: template.encode_usages.then(|| template.usages.clone()),
            basic_constraints: Some(BasicConstraints {
                is_ca: template.is_ca,
                path_len: None,
            }),
            name_constraints,
        })
    }

    /// The CSR fields that request an existing certificate again.
    ///
    /// # Errors
    /// [`Error::Certificate`] or [`Error::Key`] if it is unreadable.
    pub fn from_certificate(certificate_der: &[u8]) -> Result<Self, Error> {
        parse::from_certificate(certificate_der)
    }

    /// The common name.
    pub fn common_name(&self) -> Option<String> {
        self.subject.common_name()
    }

    /// Whether the CSR requests a CA certificate; `None` if it does not state that.
    pub fn is_ca(&self) -> Option<bool> {
        self.basic_constraints.map(|basic| basic.is_ca)
    }

    /// Kind and size of the key.
    pub fn key_spec(&self) -> KeySpec {
        self.public_key.spec()
    }

    /// The hash of the key.
    pub fn key_hash(&self) -> KeyHash {
        self.public_key.hash()
    }
}

fn requested_extensions(template: &CsrTemplate) -> Result<Vec<Vec<u8>>, Error> {
    let CsrTemplate {
        subject,
        sans,
        usages,
        encode_usages,
        is_ca,
        encode_basic_constraints,
        name_constraints,
        ..
    } = template;
    let mut extensions = Vec::new();
    extensions.extend(extension::san_extension(sans, subject.is_empty())?);
    if *encode_usages {
        extensions.extend(extension::usage_extensions(usages));
    }
    if *encode_basic_constraints {
        let value = extension::basic_constraints(BasicConstraints {
            is_ca: *is_ca,
            path_len: None,
        });
        extensions.push(extension::extension(oid::BASIC_CONSTRAINTS, true, &value));
    }
    if let Some(constraints) = name_constraints.as_ref().filter(|constraints| !constraints.is_empty()) {
        extensions.push(extension::extension(
            oid::NAME_CONSTRAINTS,
            constraints.critical,
            &constraints.to_der()?,
        ));
    }
    Ok(extensions)
}
