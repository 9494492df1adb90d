//! Subjects and subject alternative names.

mod go;
mod literal;
mod sans;
mod show;
#[cfg(test)]
mod tests;

use super::{Error, der, oid};
use crate::pki::der::Tag;
use serde::{Deserialize, Serialize};

pub use sans::{OtherName, SubjectAltNames};

/// The parts of a subject that the API has fields for (CRT-03, CRT-04). Every part may be empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subject {
    /// CN.
    pub common_name: String,
    /// O.
    pub organizations: Vec<String>,
    /// OU.
    pub organizational_units: Vec<String>,
    /// C.
    pub countries: Vec<String>,
    /// L.
    pub localities: Vec<String>,
    /// ST.
    pub provinces: Vec<String>,
    /// STREET.
    pub street_addresses: Vec<String>,
    /// postalCode.
    pub postal_codes: Vec<String>,
    /// serialNumber.
    pub serial_number: String,
}

impl Subject {
    /// A subject with only a common name.
    pub fn of_common_name(common_name: &str) -> Self {
        Self {
            common_name: common_name.to_owned(),
            ..Self::default()
        }
    }

    /// The distinguished name. The order is C, ST, L, STREET, postalCode, O, OU, CN, serialNumber, as in Go's
    /// crypto/x509. Several values of one kind are in one `RelativeDistinguishedName`.
    pub fn to_name(&self) -> Name {
        let Self {
            common_name,
            organizations,
            organizational_units,
            countries,
            localities,
            provinces,
            street_addresses,
            postal_codes,
            serial_number,
        } = self;
        let one = |value: &String| if value.is_empty() { vec![] } else { vec![value.clone()] };
        let parts = [
            (oid::COUNTRY, countries.clone()),
            (oid::PROVINCE, provinces.clone()),
            (oid::LOCALITY, localities.clone()),
            (oid::STREET_ADDRESS, street_addresses.clone()),
            (oid::POSTAL_CODE, postal_codes.clone()),
            (oid::ORGANIZATION, organizations.clone()),
            (oid::ORGANIZATIONAL_UNIT, organizational_units.clone()),
            (oid::COMMON_NAME, one(common_name)),
            (oid::SERIAL_NUMBER, one(serial_number)),
        ];
        let rdns: Vec<Vec<u8>> = parts
            .into_iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(oid, values)| der::set_of(values.iter().map(|value| attribute(&der::oid(oid), value)).collect()))
            .collect();
        Name {
            der: der::sequence(&rdns),
        }
    }

    /// The parts of a distinguished name that the API has fields for. Other attributes are left out. Of several
    /// common names or serial numbers, the last one counts.
    pub fn from_name(name: &Name) -> Self {
        let mut subject = Self::default();
        for Attribute { oid, value } in name.attributes() {
            match oid.as_str() {
                oid::COMMON_NAME => subject.common_name = value,
                oid::SERIAL_NUMBER => subject.serial_number = value,
                oid::ORGANIZATION => subject.organizations.push(value),
                oid::ORGANIZATIONAL_UNIT => subject.organizational_units.push(value),
                oid::COUNTRY => subject.countries.push(value),
                oid::LOCALITY => subject.localities.push(value),
                oid::PROVINCE => subject.provinces.push(value),
                oid::STREET_ADDRESS => subject.street_addresses.push(value),
                oid::POSTAL_CODE => subject.postal_codes.push(value),
                _ => {}
            }
        }
        subject
    }
}

/// A distinguished name (RFC 5280 section 4.1.2.4), kept as its DER.
///
/// `Display` writes it as RFC 4514 does: the last part first, `CN=a.example,O=Example`.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Name {
    der: Vec<u8>,
}

/// One attribute of a distinguished name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attribute {
    /// Its type, dotted.
    pub oid: String,
    /// Its value as text; `#` and hexadecimal digits if it is not a string (RFC 4514 section 2.4).
    pub value: String,
}

impl Name {
    /// Parses `literalSubject` (CRT-05): RFC 4514, so the first part of the text is the last one of the
    /// certificate. Keys are C, O, OU, CN, SERIALNUMBER, L, ST, STREET, DC, UID or a dotted OID.
    ///
    /// # Errors
    /// [`Error::Name`] with the fault and its position.
    pub fn from_literal(text: &str) -> Result<Self, Error> {
        literal::parse(text)
    }

    /// Parses the DER of a `Name`.
    ///
    /// # Errors
    /// [`Error::Name`] if it is damaged.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let name = Self { der: der.to_vec() };
        match name.read() {
            Some(_) => Ok(name),
            None => Err(Error::Name("the distinguished name is damaged".into())),
        }
    }

    /// The DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it has no parts.
    pub fn is_empty(&self) -> bool {
        self.read().is_none_or(|rdns| rdns.is_empty())
    }

    /// All attributes, in the order of the certificate.
    pub fn attributes(&self) -> Vec<Attribute> {
        self.read().unwrap_or_default().into_iter().flatten().collect()
    }

    /// The common name; of several, the last one.
    pub fn common_name(&self) -> Option<String> {
        self.attributes()
            .into_iter()
            .rfind(|attribute| attribute.oid == oid::COMMON_NAME)
            .map(|attribute| attribute.value)
    }

    /// The same name with further attributes at its end. Each is a dotted OID and a value.
    ///
    /// # Errors
    /// [`Error::Name`] for an invalid OID.
    pub fn with_attributes(&self, attributes: &[(String, String)]) -> Result<Self, Error> {
        let name = der::read_all(&self.der, Tag::Sequence).and_then(|name| name.children());
        let mut rdns: Vec<Vec<u8>> = name.iter().flatten().map(|rdn| rdn.raw.to_vec()).collect();
        for (oid, value) in attributes {
            let oid = der::try_oid(oid)
                .ok_or_else(|| Error::Name(format!("{oid:?} is no object identifier for a part of the subject")))?;
            rdns.push(der::set_of(vec![attribute(&oid, value)]));
        }
        Ok(Self::from_rdns(&rdns))
    }

    /// The same name with a serialNumber at its end.
    #[must_use]
    pub fn with_serial_number(&self, serial_number: &str) -> Self {
        let names = self.read().unwrap_or_default();
        let name = der::read_all(&self.der, Tag::Sequence).and_then(|name| name.children());
        let is_serial = |rdn: &[Attribute]| rdn.iter().all(|attribute| attribute.oid == oid::SERIAL_NUMBER);
        let others = name.iter().flatten().zip(&names).filter(|(_, rdn)| !is_serial(rdn));
        let mut rdns: Vec<Vec<u8>> = others.map(|(value, _)| value.raw.to_vec()).collect();
        rdns.push(der::set_of(vec![attribute(
            &der::oid(oid::SERIAL_NUMBER),
            serial_number,
        )]));
        Self::from_rdns(&rdns)
    }

    /// The `RelativeDistinguishedNames` in the order of the certificate.
    fn read(&self) -> Option<Vec<Vec<Attribute>>> {
        let rdns = der::read_all(&self.der, Tag::Sequence)?.children()?;
        rdns.iter()
            .map(|rdn| rdn.children()?.iter().map(read_attribute).collect())
            .collect()
    }

    fn from_rdns(rdns: &[Vec<u8>]) -> Self {
        Self {
            der: der::sequence(rdns),
        }
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::from_rdns(&[])
    }
}

/// `AttributeTypeAndValue` with a `PrintableString` if the characters allow it, and a `UTF8String` otherwise.
fn attribute(oid: &[u8], value: &str) -> Vec<u8> {
    der::sequence(&[oid, &der::tlv(string_tag(value), value.as_bytes())])
}

/// `PrintableString` if the characters allow it, and `UTF8String` otherwise, as in Go.
fn string_tag(value: &str) -> Tag {
    let printable = value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte));
    if printable {
        Tag::PrintableString
    } else {
        Tag::Utf8String
    }
}

fn read_attribute(value: &der::Value<'_>) -> Option<Attribute> {
    let fields = value.children()?;
    let [oid, value] = fields.as_slice() else { return None };
    let oid = der::dotted((oid.tag == Tag::ObjectIdentifier).then_some(oid.content)?)?;
    Some(Attribute {
        oid,
        value: read_string(value).unwrap_or_else(|| show::hex(value.raw)),
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other tag is no string, also one that comes to be known"
)]
fn read_string(value: &der::Value<'_>) -> Option<String> {
    match value.tag {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            std::str::from_utf8(value.content).ok().map(str::to_owned)
        }
        Tag::TeletexString => Some(value.content.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let units = value.content.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}
