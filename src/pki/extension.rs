//! The extensions that CSRs and certificates have in common.

use serde::{Deserialize, Serialize};
use x509_parser::extensions::{ParsedExtension, X509Extension};

use super::name::SubjectAltNames;
use super::usage::UsageSet;
use super::{Error, der, oid};

/// An extension that is carried over as it was found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RawExtension {
    /// Whether it is critical.
    pub critical: bool,
    /// The content of its `extnValue`.
    pub value: Vec<u8>,
}

/// `BasicConstraints` (RFC 5280 section 4.2.1.9).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct BasicConstraints {
    /// Whether the key may sign certificates.
    pub is_ca: bool,
    /// How many CAs may follow below.
    pub path_len: Option<u32>,
}

/// What is understood of a list of extensions; the others are passed over.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) sans: SubjectAltNames,
    pub(super) usages: Option<UsageSet>,
    pub(super) basic: Option<BasicConstraints>,
    pub(super) name_constraints: Option<RawExtension>,
    pub(super) subject_key_id: Option<Vec<u8>>,
    pub(super) authority_key_id: Option<Vec<u8>>,
}

impl Extensions {
    pub(super) fn read(list: &[X509Extension<'_>]) -> Result<Self, Error> {
        let mut found = Self::default();
        for extension in list {
            found.add(extension)?;
        }
        Ok(found)
    }

    fn add(&mut self, extension: &X509Extension<'_>) -> Result<(), Error> {
        let damaged = |what| Error::Certificate(format!("the {what} extension is damaged"));
        match extension.oid.to_id_string().as_str() {
            oid::SUBJECT_ALT_NAME => self.sans = SubjectAltNames::from_der(extension.value)?,
            oid::KEY_USAGE => {
                let bits = read_key_usage(extension.value).ok_or_else(|| damaged("key usage"))?;
                self.usages.get_or_insert_default().insert_bits(bits);
            }
            oid::EXTENDED_KEY_USAGE => {
                let purposes = read_purposes(extension.value).ok_or_else(|| damaged("extended key usage"))?;
                let usages = self.usages.get_or_insert_default();
                for purpose in &purposes {
                    usages.insert_purpose(purpose);
                }
            }
            oid::NAME_CONSTRAINTS => {
                self.name_constraints = Some(RawExtension {
                    critical: extension.critical,
                    value: extension.value.to_vec(),
                });
            }
            oid::BASIC_CONSTRAINTS => {
                let ParsedExtension::BasicConstraints(basic) = extension.parsed_extension() else {
                    return Err(damaged("basic constraints"));
                };
                self.basic = Some(BasicConstraints {
                    is_ca: basic.ca,
                    path_len: basic.path_len_constraint,
                });
            }
            oid::SUBJECT_KEY_IDENTIFIER => {
                let id = der::read_all(extension.value, der::OCTET_STRING);
                self.subject_key_id = Some(id.ok_or_else(|| damaged("subject key identifier"))?.content.to_vec());
            }
            oid::AUTHORITY_KEY_IDENTIFIER => {
                let fields = der::read_all(extension.value, der::SEQUENCE).and_then(|value| value.children());
                let fields = fields.ok_or_else(|| damaged("authority key identifier"))?;
                let id = fields.iter().find(|field| field.tag == 0x80);
                self.authority_key_id = id.map(|id| id.content.to_vec());
            }
            _ => {}
        }
        Ok(())
    }
}

/// One `Extension` (RFC 5280 section 4.2).
pub(super) fn extension(oid: &'static str, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut fields = vec![der::oid(oid)];
    if critical {
        fields.push(der::boolean(true));
    }
    fields.push(der::octet_string(value));
    der::sequence(&fields)
}

/// The value of `BasicConstraints`.
pub(super) fn basic_constraints(basic: BasicConstraints) -> Vec<u8> {
    let mut fields = Vec::new();
    if basic.is_ca {
        fields.push(der::boolean(true));
        fields.extend(basic.path_len.map(|len| der::integer(u64::from(len))));
    }
    der::sequence(&fields)
}

/// `KeyUsage` and `ExtendedKeyUsage`, as far as there is something in them.
pub(super) fn usage_extensions(usages: &UsageSet) -> Vec<Vec<u8>> {
    let mut extensions = Vec::new();
    if usages.has_bits() {
        extensions.push(extension(oid::KEY_USAGE, true, &usages.key_usage_der()));
    }
    if usages.has_purposes() {
        extensions.push(extension(
            oid::EXTENDED_KEY_USAGE,
            false,
            &usages.extended_key_usage_der(),
        ));
    }
    extensions
}

/// Subject alternative names, critical if and only if there is no subject to name the owner (CRT-11); `None` when there are none.
pub(super) fn san_extension(sans: &SubjectAltNames, subject_is_empty: bool) -> Result<Option<Vec<u8>>, Error> {
    if sans.is_empty() {
        return Ok(None);
    }
    Ok(Some(extension(
        oid::SUBJECT_ALT_NAME,
        subject_is_empty,
        &sans.to_der()?,
    )))
}

fn read_key_usage(value: &[u8]) -> Option<u16> {
    let (unused, bytes) = der::read_all(value, der::BIT_STRING)?.content.split_first()?;
    let low = bytes.first().copied().unwrap_or_default();
    let high = bytes.get(1).copied().unwrap_or_default();
    (*unused < 8).then(|| u16::from_le_bytes([low.reverse_bits(), high.reverse_bits()]))
}

fn read_purposes(value: &[u8]) -> Option<Vec<String>> {
    let purposes = der::read_all(value, der::SEQUENCE)?.children()?;
    purposes
        .iter()
        .map(|purpose| der::dotted((purpose.tag == der::OID).then_some(purpose.content)?))
        .collect()
}
