//! Keys that sign requests and verify the responses (RFC 8945).
//!
//! hickory has the wire format, but signs with SHA-2 only. cert-manager's default is HMAC-MD5, so the MAC is computed here.

#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::op::{Header, Query};
use hickory_proto::rr::rdata::TSIG;
use hickory_proto::rr::rdata::tsig::{TsigAlgorithm, TsigError, make_tsig_record};
use hickory_proto::rr::{self, DNSClass, Name, RData};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder};
use zeroize::Zeroizing;

use crate::dns::name::{InvalidName, parse_name, shown};
use crate::text::short_line;

/// How far the clocks of both sides may differ, in seconds (RFC 8945 section 10).
pub(super) const FUDGE: u16 = 300;

/// Where the count of additional records is in a message.
const ADDITIONAL_COUNT: std::ops::Range<usize> = 10..12;

/// The block size of MD5, in bytes.
const MD5_BLOCK: usize = 64;

/// How much of an unknown algorithm is quoted.
const QUOTED: usize = 40;

/// The algorithms of `tsigAlgorithm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-MD5, cert-manager's default.
    #[default]
    HmacMd5,
    /// HMAC-SHA1.
    HmacSha1,
    /// HMAC-SHA256.
    HmacSha256,
    /// HMAC-SHA512.
    HmacSha512,
}

/// A key that client and server share.
#[derive(Clone)]
pub struct Key {
    name: Name,
    algorithm: Algorithm,
    secret: Zeroizing<Vec<u8>>,
}

/// Why an issuer's key cannot be used. The sentences contain nothing of the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// `tsigKeyName` is no name.
    #[error("tsigKeyName: {0}")]
    Name(#[from] InvalidName),
    /// `tsigAlgorithm` is not known.
    #[error("tsigAlgorithm: {0:?} is not one of HMACMD5, HMACSHA1, HMACSHA256, HMACSHA512")]
    Algorithm(String),
    /// The secret is empty.
    #[error("the TSIG secret is empty")]
    Empty,
    /// The secret is not base64.
    #[error(
        "the TSIG secret is not base64 ({0}); it has to be the text after `secret` in the configuration of the DNS server, and not \
         its decoded bytes"
    )]
    Base64(String),
}

impl Algorithm {
    /// Reads `tsigAlgorithm`, in any case; HMAC-MD5 if it is empty.
    ///
    /// # Errors
    /// If the algorithm is not known.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        match text.to_ascii_uppercase().as_str() {
            "" | "HMACMD5" => Ok(Self::HmacMd5),
            "HMACSHA1" => Ok(Self::HmacSha1),
            "HMACSHA256" => Ok(Self::HmacSha256),
            "HMACSHA512" => Ok(Self::HmacSha512),
            _ => Err(InvalidKey::Algorithm(short_line(text, QUOTED))),
        }
    }

    fn wire(self) -> TsigAlgorithm {
        match self {
            Self::HmacMd5 => TsigAlgorithm::HmacMd5,
            Self::HmacSha1 => TsigAlgorithm::HmacSha1,
            Self::HmacSha256 => TsigAlgorithm::HmacSha256,
            Self::HmacSha512 => TsigAlgorithm::HmacSha512,
        }
    }

    fn mac(self, secret: &[u8], data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::HmacMd5 => return hmac_md5(secret, data).to_vec(),
            Self::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::HmacSha256 => hmac::HMAC_SHA256,
            Self::HmacSha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, secret), data).as_ref().to_vec()
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HmacMd5 => "HMACMD5",
            Self::HmacSha1 => "HMACSHA1",
            Self::HmacSha256 => "HMACSHA256",
            Self::HmacSha512 => "HMACSHA512",
        })
    }
}

impl Key {
    /// A key from `tsigKeyName`, `tsigAlgorithm` (empty for the default) and the value in the Secret: base64, in which line breaks do
    /// not count, as for cert-manager.
    ///
    /// # Errors
    /// If one of them cannot be used.
    pub fn new(name: &str, algorithm: &str, secret: &[u8]) -> Result<Self, InvalidKey> {
        let name = parse_name(name)?;
        let algorithm = Algorithm::parse(algorithm)?;
        let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let text: Zeroizing<Vec<u8>> = Zeroizing::new(secret.iter().copied().filter(|byte| !is_break(byte)).collect());
        if text.is_empty() {
            return Err(InvalidKey::Empty);
        }
        let secret = Zeroizing::new(
            STANDARD
                .decode(&text)
                .map_err(|error| InvalidKey::Base64(what(&error)))?,
        );
        if secret.is_empty() {
            return Err(InvalidKey::Empty);
        }
        Ok(Self {
            name,
            algorithm,
            secret,
        })
    }

    /// Its name, as a sentence says it.
    pub fn name(&self) -> String {
        shown(&self.name)
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs a request at a time, in seconds since 1970. `None` if it becomes too large for a message.
    pub(super) fn sign(&self, request: &[u8], time: u64) -> Option<Signed> {
        let id = u16::from_be_bytes([*request.first()?, *request.get(1)?]);
        let tsig = TSIG::new(self.algorithm.wire(), time, FUDGE, Vec::new(), id, None, Vec::new());
        let mut data = request.to_vec();
        data.extend(self.variables(&tsig)?);
        let mac = self.algorithm.mac(&self.secret, &data);
        let record = make_tsig_record(self.name.clone(), tsig.set_mac(mac.clone()))
            .to_bytes()
            .ok()?;
        let mut bytes = counting(request, 1)?;
        bytes.extend(record);
        u16::try_from(bytes.len()).is_ok().then_some(Signed { bytes, mac })
    }

    /// What the TSIG record of a response says, and whether it is true. `None` if there is no such record of this key.
    pub(super) fn verify(&self, request_mac: &[u8], response: &[u8]) -> Option<Verified> {
        let (start, name, tsig) = tsig_of(response)?;
        let same_algorithm = tsig
            .algorithm
            .to_name()
            .eq_ignore_root(&self.algorithm.wire().to_name());
        if name != self.name || !same_algorithm {
            return None;
        }
        let mut unsigned = counting(response.get(..start)?, -1)?;
        unsigned.get_mut(..2)?.copy_from_slice(&tsig.oid.to_be_bytes());
        let mut data = u16::try_from(request_mac.len()).ok()?.to_be_bytes().to_vec();
        data.extend_from_slice(request_mac);
        data.extend(unsigned);
        data.extend(self.variables(&tsig)?);
        let mac = self.algorithm.mac(&self.secret, &data);
        Some(Verified {
            valid: constant_time::verify_slices_are_equal(&mac, &tsig.mac).is_ok(),
            error: tsig.error,
            time: tsig.time,
            server_time: server_time(&tsig.other),
        })
    }

    /// The part of the signed data that is not the message (RFC 8945 section 4.3.3).
    fn variables(&self, tsig: &TSIG) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = BinEncoder::new(&mut bytes);
        tsig.emit_tsig_for_mac(&mut encoder, &self.name).ok()?;
        Some(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("name", &self.name())
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// A request with its TSIG record.
pub(super) struct Signed {
    /// The message.
    pub(super) bytes: Vec<u8>,
    /// Its MAC, which the MAC of the response covers.
    pub(super) mac: Vec<u8>,
}

/// What the TSIG record of a response says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verified {
    /// Whether the MAC is right. Without a MAC it is not.
    pub(super) valid: bool,
    /// The error of the record.
    pub(super) error: Option<TsigError>,
    /// When the response was signed, in seconds since 1970.
    pub(super) time: u64,
    /// The time of the server, which it adds to BADTIME.
    pub(super) server_time: Option<u64>,
}

/// Where the TSIG record of a message begins, its key and its data. It is the last record.
fn tsig_of(message: &[u8]) -> Option<(usize, Name, TSIG)> {
    let mut decoder = BinDecoder::new(message);
    let counts = Header::read(&mut decoder).ok()?.counts;
    for _ in 0..counts.queries {
        Query::read(&mut decoder).ok()?;
    }
    let before = [counts.answers, counts.authorities, counts.additionals.checked_sub(1)?];
    for _ in 0..before.into_iter().map(u32::from).sum() {
        rr::Record::read(&mut decoder).ok()?;
    }
    let start = decoder.index();
    let record = rr::Record::read(&mut decoder).ok()?;
    // class and time to live are signed as constants (RFC 8945 section 4.2), so that other ones would pass unseen
    let is_whole = decoder.is_empty() && record.dns_class == DNSClass::ANY && record.ttl == 0;
    if let RData::TSIG(tsig) = record.data
        && is_whole
    {
        Some((start, record.name, tsig))
    } else {
        None
    }
}

/// A message with another count of additional records.
fn counting(message: &[u8], more: i16) -> Option<Vec<u8>> {
    let mut message = message.to_vec();
    let count: [u8; 2] = message.get(ADDITIONAL_COUNT)?.try_into().ok()?;
    let count = u16::from_be_bytes(count).checked_add_signed(more)?;
    message.get_mut(ADDITIONAL_COUNT)?.copy_from_slice(&count.to_be_bytes());
    Some(message)
}

fn server_time(other: &[u8]) -> Option<u64> {
    let other: [u8; 6] = other.try_into().ok()?;
    Some(other.iter().fold(0, |time, byte| time << 8 | u64::from(*byte)))
}

/// HMAC (RFC 2104) with MD5, which the crypto library does not have.
fn hmac_md5(secret: &[u8], data: &[u8]) -> [u8; 16] {
    let mut block = Zeroizing::new([0; MD5_BLOCK]);
    let hashed = (secret.len() > MD5_BLOCK).then(|| md5::compute(secret));
    let secret = hashed.as_ref().map_or(secret, |digest| digest.as_slice());
    for (byte, key) in block.iter_mut().zip(secret) {
        *byte = *key;
    }
    let padded = |pad: u8| {
        let mut context = md5::Context::new();
        context.consume(Zeroizing::new(block.map(|byte| byte ^ pad)).as_slice());
        context
    };
    let mut inner = padded(0x36);
    inner.consume(data);
    let mut outer = padded(0x5c);
    outer.consume(inner.finalize().as_slice());
    outer.finalize().0
}

/// What is wrong with a base64 text, without any of its characters.
fn what(error: &base64::DecodeError) -> String {
    match error {
        base64::DecodeError::InvalidByte(at, _) => format!("character {} does not belong there", at + 1),
        base64::DecodeError::InvalidLength(length) => format!("{length} characters are no whole number of bytes"),
        base64::DecodeError::InvalidLastSymbol(at, _) => format!("character {} cannot be the last one", at + 1),
        base64::DecodeError::InvalidPadding => "the `=` at the end are missing".to_owned(),
    }
}
