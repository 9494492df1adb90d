//! The extensions of CSRs and certificates.

use serde::{Deserialize, Serialize};
use x509_parser::extensions::X509Extension;

use super::der::Tag;
use super::name::SubjectAltNames;
use super::usage::UsageSet;
use super::{Error, der, oid};

/// An extension that is copied as it is.
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
    /// How many CAs may follow below it.
    pub path_len: Option<u32>,
}

/// The known extensions of a list. Others are skipped.
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
    /// Parses the extensions of a certificate.
    ///
    /// # Errors
    /// [`Error::Certificate`], [`Error::Name`].
    pub(super) fn read(list: &[X509Extension<'_>]) -> Result<Self, Error> {
        let found = list.iter().map(|extension| Found {
            oid: extension.oid.to_id_string(),
            critical: extension.critical,
            value: extension.value,
        });
        Self::of(found)
    }

    /// Parses the extensions of a signing request: the DER of `Extensions` (RFC 5280 section 4.1).
    ///
    /// # Errors
    /// [`Error::Certificate`], [`Error::Name`].
    pub(super) fn read_der(list: der::Value<'_>) -> Result<Self, Error> {
        let damaged = || Error::Certificate("the list of extensions is damaged".into());
        let elements = list.children().filter(|_| list.tag == Tag::Sequence);
        let found: Option<Vec<Found<'_>>> = elements.ok_or_else(damaged)?.iter().map(Found::read).collect();
        Self::of(found.ok_or_else(damaged)?)
    }

    /// An extension that is there twice is an error, because no rule says which one counts (RFC 5280 section 4.2).
    fn of<'a>(extensions: impl IntoIterator<Item = Found<'a>>) -> Result<Self, Error> {
        let mut found = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for extension in extensions {
            found.add(&extension)?;
            if seen.contains(&extension.oid) {
                let oid = extension.oid;
                return Err(Error::Certificate(format!(
                    "the extension {oid} is there more than once"
                )));
            }
            seen.push(extension.oid);
        }
        Ok(found)
    }

    fn add(&mut self, extension: &Found<'_>) -> Result<(), Error> {
        let damaged = |what| Error::Certificate(format!("the {what} extension is damaged"));
        match extension.oid.as_str() {
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
                let basic = read_basic_constraints(extension.value);
                self.basic = Some(basic.ok_or_else(|| damaged("basic constraints"))?);
            }
            oid::SUBJECT_KEY_IDENTIFIER => {
                let id = der::read_all(extension.value, Tag::OctetString);
                self.subject_key_id = Some(id.ok_or_else(|| damaged("subject key identifier"))?.content.to_vec());
            }
            oid::AUTHORITY_KEY_IDENTIFIER => {
                let fields = der::read_all(extension.value, Tag::Sequence).and_then(|value| value.children());
                let fields = fields.ok_or_else(|| damaged("authority key identifier"))?;
                let id = fields.iter().find(|field| field.tag == der::implicit(0));
                self.authority_key_id = id.map(|id| id.content.to_vec());
            }
            _ => {}
        }
        Ok(())
    }
}

/// One parsed `Extension`.
struct Found<'a> {
    oid: String,
    critical: bool,
    value: &'a [u8],
}

impl<'a> Found<'a> {
    fn read(extension: &der::Value<'a>) -> Option<Self> {
        let fields = extension.children().filter(|_| extension.tag == Tag::Sequence)?;
        let (oid, critical, value) = match fields.as_slice() {
            [oid, value] => (oid, false, value),
            [oid, critical, value] => (oid, read_boolean(critical)?, value),
            _ => return None,
        };
        ((oid.tag, value.tag) == (Tag::ObjectIdentifier, Tag::OctetString)).then_some(())?;
        Some(Self {
            oid: der::dotted(oid.content)?,
            critical,
            value: value.content,
        })
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

/// `KeyUsage` and `ExtendedKeyUsage`, if they are not empty.
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

/// Subject alternative names, critical only without a subject (CRT-11). `None` if there are none.
///
/// # Errors
/// [`Error::Name`] for a name that cannot be encoded.
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

fn read_boolean(value: &der::Value<'_>) -> Option<bool> {
    match (value.tag, value.content) {
        (Tag::Boolean, [0]) => Some(false),
        (Tag::Boolean, [0xff]) => Some(true),
        _ => None,
    }
}

fn read_basic_constraints(value: &[u8]) -> Option<BasicConstraints> {
    let fields = der::read_all(value, Tag::Sequence)?.children()?;
    let (is_ca, path_len) = match fields.as_slice() {
        [] => (false, None),
        [only] if only.tag == Tag::Boolean => (read_boolean(only)?, None),
        [only] => (false, Some(only)),
        [is_ca, path_len] => (read_boolean(is_ca)?, Some(path_len)),
        _ => return None,
    };
    let path_len = match path_len {
        None => None,
        // not negative, and not too large
        Some(len) if len.tag == Tag::Integer && (1..=5).contains(&len.content.len()) => {
            let negative = len.content.first().is_some_and(|first| first & 0x80 != 0);
            let number = len
                .content
                .iter()
                .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            Some(u32::try_from(number).ok().filter(|_| !negative)?)
        }
        Some(_) => return None,
    };
    Some(BasicConstraints { is_ca, path_len })
}

fn read_key_usage(value: &[u8]) -> Option<u16> {
    let (unused, bytes) = der::read_all(value, Tag::BitString)?.content.split_first()?;
    let low = bytes.first().copied().unwrap_or_default();
    let high = bytes.get(1).copied().unwrap_or_default();
    (*unused < 8).then(|| u16::from_le_bytes([low.reverse_bits(), high.reverse_bits()]))
}

fn read_purposes(value: &[u8]) -> Option<Vec<String>> {
    let purposes = der::read_all(value, Tag::Sequence)?.children()?;
    purposes
        .iter()
        .map(|purpose| der::dotted((purpose.tag == Tag::ObjectIdentifier).then_some(purpose.content)?))
        .collect()
}
