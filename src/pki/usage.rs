//! The key usages of the API and their X.509 bits and OIDs (CRT-17).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use super::der::Tag;
use super::{Error, der};

/// One of the 23 usages that a Certificate may name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the names say it; `Display` gives the words of the API")]
pub enum Usage {
    Signing,
    DigitalSignature,
    ContentCommitment,
    KeyEncipherment,
    KeyAgreement,
    DataEncipherment,
    CertSign,
    CrlSign,
    EncipherOnly,
    DecipherOnly,
    Any,
    ServerAuth,
    ClientAuth,
    CodeSigning,
    EmailProtection,
    SMime,
    IpsecEndSystem,
    IpsecTunnel,
    IpsecUser,
    Timestamping,
    OcspSigning,
    MicrosoftSgc,
    NetscapeSgc,
}

/// The X.509 form of a usage: a bit of `KeyUsage` (RFC 5280 section 4.2.1.3) or a purpose of `ExtendedKeyUsage`
/// (4.2.1.12).
enum Meaning {
    Bit(u8),
    Purpose(&'static str),
}

impl Usage {
    /// All, in the order of the API. Of two with the same meaning, a certificate is read back with the first.
    pub const ALL: [Self; 23] = [
        Self::DigitalSignature,
        Self::Signing,
        Self::ContentCommitment,
        Self::KeyEncipherment,
        Self::KeyAgreement,
        Self::DataEncipherment,
        Self::CertSign,
        Self::CrlSign,
        Self::EncipherOnly,
        Self::DecipherOnly,
        Self::Any,
        Self::ServerAuth,
        Self::ClientAuth,
        Self::CodeSigning,
        Self::EmailProtection,
        Self::SMime,
        Self::IpsecEndSystem,
        Self::IpsecTunnel,
        Self::IpsecUser,
        Self::Timestamping,
        Self::OcspSigning,
        Self::MicrosoftSgc,
        Self::NetscapeSgc,
    ];

    /// The usages of a Certificate that names none (CRT-17).
    pub const DEFAULTS: [Self; 2] = [Self::DigitalSignature, Self::KeyEncipherment];

    fn row(self) -> (&'static str, Meaning) {
        use Meaning::{Bit, Purpose};
        match self {
            Self::Signing => ("signing", Bit(0)),
            Self::DigitalSignature => ("digital signature", Bit(0)),
            Self::ContentCommitment => ("content commitment", Bit(1)),
            Self::KeyEncipherment => ("key encipherment", Bit(2)),
            Self::DataEncipherment => ("data encipherment", Bit(3)),
            Self::KeyAgreement => ("key agreement", Bit(4)),
            Self::CertSign => ("cert sign", Bit(5)),
            Self::CrlSign => ("crl sign", Bit(6)),
            Self::EncipherOnly => ("encipher only", Bit(7)),
            Self::DecipherOnly => ("decipher only", Bit(8)),
            Self::Any => ("any", Purpose("2.5.29.37.0")),
            Self::ServerAuth => ("server auth", Purpose("1.3.6.1.5.5.7.3.1")),
            Self::ClientAuth => ("client auth", Purpose("1.3.6.1.5.5.7.3.2")),
            Self::CodeSigning => ("code signing", Purpose("1.3.6.1.5.5.7.3.3")),
            Self::EmailProtection => ("email protection", Purpose("1.3.6.1.5.5.7.3.4")),
            Self::SMime => ("s/mime", Purpose("1.3.6.1.5.5.7.3.4")),
            Self::IpsecEndSystem => ("ipsec end system", Purpose("1.3.6.1.5.5.7.3.5")),
            Self::IpsecTunnel => ("ipsec tunnel", Purpose("1.3.6.1.5.5.7.3.6")),
            Self::IpsecUser => ("ipsec user", Purpose("1.3.6.1.5.5.7.3.7")),
            Self::Timestamping => ("timestamping", Purpose("1.3.6.1.5.5.7.3.8")),
            Self::OcspSigning => ("ocsp signing", Purpose("1.3.6.1.5.5.7.3.9")),
            Self::MicrosoftSgc => ("microsoft sgc", Purpose("1.3.6.1.4.1.311.10.3.3")),
            Self::NetscapeSgc => ("netscape sgc", Purpose("2.16.840.1.113730.4.1")),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().0)
    }
}

impl FromStr for Usage {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|usage| usage.row().0 == text)
            .ok_or_else(|| Error::Usage(format!("{text:?} is no key usage")))
    }
}

/// `KeyUsage` and `ExtendedKeyUsage` together. Two sets are equal if they have the same X.509 meaning, in any order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UsageSet {
    /// Bit 0 of `KeyUsage` is the lowest bit here.
    bits: u16,
    /// Dotted OIDs in their order: cert-manager compares order and number too, when it reads a CSR.
    purposes: Vec<String>,
}

impl UsageSet {
    /// The set of a list of usages: the defaults for an empty list (CRT-17), and `cert sign` for a CA (CRT-16).
    pub fn new(usages: &[Usage], is_ca: bool) -> Self {
        let named = if usages.is_empty() {
            &Usage::DEFAULTS[..]
        } else {
            usages
        };
        let mut set: Self = named.iter().copied().collect();
        if is_ca {
            set.insert(Usage::CertSign);
        }
        set
    }

    /// Adds a usage.
    pub fn insert(&mut self, usage: Usage) {
        match usage.row().1 {
            Meaning::Bit(bit) => self.bits |= 1 << bit,
            Meaning::Purpose(oid) => self.insert_purpose(oid),
        }
    }

    /// Whether a usage is in the set.
    pub fn contains(&self, usage: Usage) -> bool {
        match usage.row().1 {
            Meaning::Bit(bit) => self.bits & (1 << bit) != 0,
            Meaning::Purpose(oid) => self.purposes.iter().any(|purpose| purpose == oid),
        }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.bits == 0 && self.purposes.is_empty()
    }

    /// The usages of the API that are in the set: bits first, then purposes; `digital signature` rather than
    /// `signing`, `email protection` rather than `s/mime`.
    pub fn usages(&self) -> Vec<Usage> {
        let twins = [Usage::Signing, Usage::SMime];
        Usage::ALL
            .into_iter()
            .filter(|usage| !twins.contains(usage) && self.contains(*usage))
            .collect()
    }

    /// Purposes that the API does not have, as dotted OIDs.
    pub fn unknown_purposes(&self) -> Vec<&str> {
        self.purposes
            .iter()
            .map(String::as_str)
            .filter(|oid| !is_known(oid))
            .collect()
    }

    /// The set without the purposes that the API does not have.
    #[must_use]
    pub fn known(&self) -> Self {
        let Self { bits, purposes } = self;
        Self {
            bits: *bits,
            purposes: purposes.iter().filter(|oid| is_known(oid)).cloned().collect(),
        }
    }

    /// The set with those purposes of another that the API does not have.
    #[must_use]
    pub fn with_unknown_of(mut self, other: &Self) -> Self {
        let unknown = other.unknown_purposes();
        self.purposes.extend(unknown.into_iter().map(str::to_owned));
        self
    }

    /// Whether a bit of `KeyUsage` is set.
    pub(crate) fn has_bits(&self) -> bool {
        self.bits != 0
    }

    /// Whether there is a purpose of `ExtendedKeyUsage`.
    pub(crate) fn has_purposes(&self) -> bool {
        !self.purposes.is_empty()
    }

    /// Adds bits of `KeyUsage`.
    pub(crate) fn insert_bits(&mut self, bits: u16) {
        self.bits |= bits & 0x1ff;
    }

    /// Adds a purpose of `ExtendedKeyUsage`, a dotted OID.
    pub(crate) fn insert_purpose(&mut self, oid: &str) {
        self.purposes.push(oid.to_owned());
    }

    /// The value of the `KeyUsage` extension: a named bit list, without trailing zeros (X.690 section 11.2.2).
    pub(crate) fn key_usage_der(&self) -> Vec<u8> {
        // Bit 0 of a BIT STRING is the highest bit of its first byte.
        let [low, high] = self.bits.to_le_bytes();
        let mut bytes = vec![low.reverse_bits(), high.reverse_bits()];
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        let unused = bytes.last().map_or(0, |last| last.trailing_zeros());
        bytes.insert(0, u8::try_from(unused).unwrap_or_default());
        der::tlv(Tag::BitString, &bytes)
    }

    /// The value of the `ExtendedKeyUsage` extension.
    pub(crate) fn extended_key_usage_der(&self) -> Vec<u8> {
        let purposes: Vec<Vec<u8>> = self.purposes.iter().filter_map(|oid| der::try_oid(oid)).collect();
        der::sequence(&purposes)
    }
}

fn is_known(oid: &str) -> bool {
    Usage::ALL
        .iter()
        .any(|usage| matches!(usage.row().1, Meaning::Purpose(known) if known == oid))
}

impl FromIterator<Usage> for UsageSet {
    fn from_iter<I: IntoIterator<Item = Usage>>(usages: I) -> Self {
        let mut set = Self::default();
        usages.into_iter().for_each(|usage| set.insert(usage));
        set
    }
}

impl PartialEq for UsageSet {
    fn eq(&self, other: &Self) -> bool {
        let within = |a: &Self, b: &Self| a.purposes.iter().all(|purpose| b.purposes.contains(purpose));
        self.bits == other.bits && within(self, other) && within(other, self)
    }
}

impl Eq for UsageSet {}
