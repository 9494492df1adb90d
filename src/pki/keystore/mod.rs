//! PKCS#12 and JKS, for programs that want their keys in one file (CRT-14, CRT-15).

mod jks;
mod legacy;
mod pkcs12;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

use super::Error;
use super::chain::{SizeLimits, parse_certificates};
use super::hidden::Hidden;
use super::key::{PrivateKey, sha256};

/// Which algorithms a PKCS#12 file is made with (CRT-15).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// RC2-40 and 3DES, SHA-1: what everything can read, and anybody can break.
    #[default]
    LegacyRc2,
    /// 3DES, SHA-1.
    LegacyDes,
    /// AES-256 with PBKDF2 and HMAC-SHA-256.
    Modern2023,
    /// As `Modern2023`, with the PBMAC1 of RFC 9579: OpenSSL from 3.4, Java from 26.
    Modern2026,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LegacyRc2 => "LegacyRC2",
            Self::LegacyDes => "LegacyDES",
            Self::Modern2023 => "Modern2023",
            Self::Modern2026 => "Modern2026",
        })
    }
}

impl FromStr for Profile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::LegacyRc2, Self::LegacyDes, Self::Modern2023, Self::Modern2026]
            .into_iter()
            .find(|profile| profile.to_string() == text)
            .ok_or_else(|| {
                Error::Keystore(format!(
                    "{text:?} is no PKCS#12 profile; use LegacyRC2, LegacyDES, Modern2023 or Modern2026"
                ))
            })
    }
}

/// What goes into a keystore.
#[derive(Debug)]
pub struct Contents<'a> {
    /// The private key.
    pub key: &'a PrivateKey,
    /// Its chain as PEM, leaf first (`tls.crt`).
    pub chain_pem: &'a [u8],
    /// The trusted CAs as PEM (`ca.crt`); empty when there are none.
    pub ca_pem: &'a [u8],
}

impl Contents<'_> {
    fn chain(&self) -> Result<Vec<Vec<u8>>, Error> {
        parse_certificates(self.chain_pem, SizeLimits::default().bundle)
    }

    fn cas(&self) -> Result<Vec<Vec<u8>>, Error> {
        if self.ca_pem.is_empty() {
            Ok(Vec::new())
        } else {
            cas(self.ca_pem)
        }
    }
}

/// Random bytes that salts are derived from; fresh ones for every keystore.
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub [u8; 32]);

impl Seed {
    /// 32 bytes for one purpose.
    fn salt(&self, purpose: &str) -> [u8; 32] {
        sha256(&[self.0.as_slice(), purpose.as_bytes()].concat())
    }
}

/// `keystore.p12`: the key with its chain, and the CAs.
///
/// # Errors
/// [`Error::Keystore`] for a password with characters that cannot be written, [`Error::Pem`] for certificates that cannot be read.
pub fn pkcs12_keystore(
    contents: &Contents<'_>,
    password: &str,
    profile: Profile,
    seed: &Seed,
) -> Result<Hidden<Vec<u8>>, Error> {
    pkcs12::keystore(contents, password, profile, seed)
}

/// `truststore.p12`: the CAs only.
///
/// # Errors
/// As [`pkcs12_keystore`].
pub fn pkcs12_truststore(
    ca_pem: &[u8],
    password: &str,
    profile: Profile,
    seed: &Seed,
) -> Result<Hidden<Vec<u8>>, Error> {
    pkcs12::truststore(&cas(ca_pem)?, password, profile, seed)
}

/// `keystore.jks`: the key with its chain, and the CAs as `ca`, `ca-1` …; `alias` is the name of the key entry, `certificate` by
/// default (CRT-14). `now` becomes the creation date of the entries.
///
/// # Errors
/// As [`pkcs12_keystore`].
pub fn jks_keystore(
    contents: &Contents<'_>,
    password: &str,
    alias: &str,
    now: jiff::Timestamp,
    seed: &Seed,
) -> Result<Hidden<Vec<u8>>, Error> {
    jks::keystore(contents, password, alias, now, seed)
}

/// `truststore.jks`: the CAs, named `ca`, `ca-1` ….
///
/// # Errors
/// As [`pkcs12_keystore`].
pub fn jks_truststore(ca_pem: &[u8], password: &str, now: jiff::Timestamp) -> Result<Hidden<Vec<u8>>, Error> {
    jks::truststore(&cas(ca_pem)?, password, now)
}

fn cas(ca_pem: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    parse_certificates(ca_pem, SizeLimits::default().bundle)
}

fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 20];
    out.copy_from_slice(context.finish().as_ref());
    out
}
