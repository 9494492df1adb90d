//! Subject alternative names (RFC 5280 section 4.2.1.6).

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

use crate::pki::der::Tag;
use crate::pki::{Error, der};

/// The alternatives of `GeneralName` (RFC 5280 section 4.2.1.6).
const OTHER: Tag = der::explicit(0);
const EMAIL: Tag = der::implicit(1);
const DNS: Tag = der::implicit(2);
const X400: Tag = der::explicit(3);
const DIRECTORY: Tag = der::explicit(4);
const EDI: Tag = der::explicit(5);
const URI: Tag = der::implicit(6);
const IP: Tag = der::implicit(7);
const REGISTERED: Tag = der::implicit(8);

/// A name of a type that is given by an OID, with a UTF-8 value (CRT-12).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct OtherName {
    /// The type, dotted.
    pub oid: String,
    /// The value.
    pub value: String,
}

/// The names of a certificate by type, each list in the order of the certificate.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct SubjectAltNames {
    /// Host names, wildcards included.
    pub dns: Vec<String>,
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// IP addresses.
    pub ips: Vec<IpAddr>,
    /// URIs.
    pub uris: Vec<String>,
    /// Names of other types with a UTF-8 value.
    pub others: Vec<OtherName>,
    /// Names of types that the API does not have (directory names, registered IDs …), as DER.
    pub foreign: Vec<Vec<u8>>,
}

impl SubjectAltNames {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The value of the extension, as DER: DNS, e-mail, IP, URI, otherName (CRT-11).
    ///
    /// # Errors
    /// [`Error::Name`] for a name that cannot be encoded, such as one with characters outside of ASCII.
    pub fn to_der(&self) -> Result<Vec<u8>, Error> {
        let Self {
            dns,
            emails,
            ips,
            uris,
            others,
            foreign,
        } = self;
        let mut names = Vec::new();
        for name in dns {
            names.push(der::tlv(DNS, ascii("DNS name", name)?));
        }
        for email in emails {
            names.push(der::tlv(EMAIL, ascii("e-mail address", email)?));
        }
        for ip in ips {
            names.push(der::tlv(IP, &octets(*ip)));
        }
        for uri in uris {
            names.push(der::tlv(URI, ascii("URI", uri)?));
        }
        for other in others {
            names.push(other.to_der()?);
        }
        names.extend(foreign.iter().cloned());
        Ok(der::sequence(&names))
    }

    /// Parses the value of the extension.
    ///
    /// # Errors
    /// [`Error::Name`] if a name is damaged: a certificate must not be trusted for a part of its names.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "every other tag is refused, also one that comes to be known"
    )]
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let damaged = |what: &str| Error::Name(format!("the subject alternative names hold a damaged {what}"));
        let values = der::read_all(der, Tag::Sequence)
            .and_then(|names| names.children())
            .ok_or_else(|| damaged("list"))?;
        let mut names = Self::default();
        for value in values {
            match value.tag {
                DNS => names.dns.push(text(value.content).ok_or_else(|| damaged("DNS name"))?),
                EMAIL => names
                    .emails
                    .push(text(value.content).ok_or_else(|| damaged("e-mail address"))?),
                URI => names.uris.push(text(value.content).ok_or_else(|| damaged("URI"))?),
                IP => names
                    .ips
                    .push(address(value.content).ok_or_else(|| damaged("IP address"))?),
                OTHER => match OtherName::read(&value) {
                    Some(other) => names.others.push(other),
                    None => names.foreign.push(value.raw.to_vec()),
                },
                X400 | DIRECTORY | EDI | REGISTERED => names.foreign.push(value.raw.to_vec()),
                _ => return Err(damaged("name of an unknown kind")),
            }
        }
        Ok(names)
    }
}

impl OtherName {
    fn to_der(&self) -> Result<Vec<u8>, Error> {
        let oid = der::try_oid(&self.oid)
            .ok_or_else(|| Error::Name(format!("{:?} is no object identifier for an other name", self.oid)))?;
        let value = der::context(0, &[der::tlv(Tag::Utf8String, self.value.as_bytes())]);
        Ok(der::tlv_of(OTHER, &[oid, value]))
    }

    fn read(value: &der::Value<'_>) -> Option<Self> {
        let fields = value.children()?;
        let [oid, value] = fields.as_slice() else { return None };
        let inner = value.children()?;
        let [string] = inner.as_slice() else { return None };
        let (named, explicit) = (oid.tag == Tag::ObjectIdentifier, value.tag == der::explicit(0));
        (named && explicit && string.tag == Tag::Utf8String).then_some(())?;
        Some(Self {
            oid: der::dotted(oid.content)?,
            value: String::from_utf8(string.content.to_vec()).ok()?,
        })
    }
}

fn ascii<'a>(kind: &str, name: &'a str) -> Result<&'a [u8], Error> {
    if name.contains(|character: char| character.is_control()) {
        return Err(Error::Name(format!(
            "the {kind} {name:?} has control characters; no certificate is made for it"
        )));
    }
    if name.is_ascii() {
        return Ok(name.as_bytes());
    }
    Err(Error::Name(format!(
        "the {kind} {name:?} has characters outside of ASCII; write host names in their xn-- form"
    )))
}

fn text(content: &[u8]) -> Option<String> {
    std::str::from_utf8(content)
        .ok()
        .filter(|text| text.is_ascii())
        .map(str::to_owned)
}

/// Four bytes for IPv4, also for an IPv4-mapped IPv6 address.
fn octets(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

fn address(content: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(content) {
        return Some(IpAddr::from(octets));
    }
    <[u8; 16]>::try_from(content).ok().map(IpAddr::from)
}
