//! Keystores in PKCS#12 and JKS, for programs that read their keys from one file (CRT-14, CRT-15).

mod jks;
mod jks_reader;
mod legacy;
mod pkcs12;
mod pkcs12_reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::Error;
use super::chain::parse_certificates;
use super::hidden::Hidden;
use super::key::{KeyHash, PrivateKey, sha256};

/// The algorithms of a PKCS#12 file (CRT-15).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// RC2-40 and 3DES, SHA-1: readable by all programs, and broken.
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

/// The largest chain or bundle in bytes. The content of a keystore is in the same Secret too, and a Secret holds 1 MiB.
/// The administrator's limit was checked at the issuance.
const MOST_BYTES: usize = 1 << 20;

/// The content of a keystore.
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
        parse_certificates(self.chain_pem, MOST_BYTES)
    }

    fn cas(&self) -> Result<Vec<Vec<u8>>, Error> {
        if self.ca_pem.is_empty() {
            Ok(Vec::new())
        } else {
            cas(self.ca_pem)
        }
    }
}

/// An entry of a truststore whose names are given.
#[derive(Clone, Debug)]
pub struct Trusted<'a> {
    /// Its name.
    pub alias: String,
    /// The certificate.
    pub der: &'a [u8],
    /// The date of the entry, which only JKS has.
    pub created: Timestamp,
}

/// Random bytes for the salts. Each keystore needs its own.
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub [u8; 32]);

impl Seed {
    /// A salt of 32 bytes for one purpose.
    fn salt(&self, purpose: &str) -> [u8; 32] {
        sha256(&[self.0.as_slice(), purpose.as_bytes()].concat())
    }
}

/// The format of a keystore.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Format {
    /// Java's own.
    Jks {
        /// The name of the key's entry, `certificate` by default (CRT-14). The CAs are `ca`, `ca-1` …, except
        /// for that name.
        alias: String,
    },
    /// PKCS#12.
    Pkcs12(Profile),
}

impl Format {
    /// The key with its chain and the CAs: `keystore.jks`, `keystore.p12`. `now` is the creation date of JKS entries.
    ///
    /// # Errors
    /// [`Error::Keystore`] for a password or an alias with characters that cannot be encoded, [`Error::Pem`] for
    /// unreadable certificates.
    pub fn keystore(
        &self,
        contents: &Contents<'_>,
        password: &str,
        now: Timestamp,
        seed: &Seed,
    ) -> Result<Hidden<Vec<u8>>, Error> {
        match self {
            Self::Jks { alias } => jks::keystore(contents, password, alias, now, seed),
            Self::Pkcs12(profile) => pkcs12::keystore(contents, password, *profile, seed),
        }
    }

    /// The CAs only: `truststore.jks`, `truststore.p12`.
    ///
    /// # Errors
    /// As [`Format::keystore`].
    pub fn truststore(
        &self,
        ca_pem: &[u8],
        password: &str,
        now: Timestamp,
        seed: &Seed,
    ) -> Result<Hidden<Vec<u8>>, Error> {
        match self {
            Self::Jks { .. } => jks::truststore(&cas(ca_pem)?, password, now),
            Self::Pkcs12(profile) => pkcs12::truststore(&cas(ca_pem)?, password, *profile, seed),
        }
    }

    /// Certificates under given names. Nothing of it is secret: without a password, PKCS#12 is neither encrypted nor protected against
    /// changes. JKS has no salts.
    ///
    /// # Errors
    /// [`Error::Keystore`] for a password or a name that cannot be encoded.
    pub fn trusted(&self, entries: &[Trusted<'_>], password: &str, seed: &Seed) -> Result<Vec<u8>, Error> {
        let file = match self {
            Self::Jks { .. } => jks::trusted(entries, password)?,
            Self::Pkcs12(profile) => pkcs12::trusted(entries, password, *profile, seed)?,
        };
        Ok(file.expose().clone())
    }

    /// Checks a file against the output of [`Format::keystore`]. Another program may have written it.
    ///
    /// # Errors
    /// [`Error::Keystore`] if the password is wrong, or if the file has another format or content. The message is a
    /// sentence about "it".
    pub fn check_keystore(&self, file: &[u8], contents: &Contents<'_>, password: &str) -> Result<(), Error> {
        let opened = self.open(file, password)?;
        if opened.key != Some(contents.key.hash()) {
            return Err(Error::Keystore("it holds another private key".into()));
        }
        opened.holds(contents.chain()?.into_iter().chain(contents.cas()?))
    }

    /// Checks a file against the output of [`Format::truststore`]. Another program may have written it.
    ///
    /// # Errors
    /// As [`Format::check_keystore`].
    pub fn check_truststore(&self, file: &[u8], ca_pem: &[u8], password: &str) -> Result<(), Error> {
        self.open(file, password)?.holds(cas(ca_pem)?.into_iter())
    }

    fn open(&self, file: &[u8], password: &str) -> Result<Opened, Error> {
        match self {
            Self::Jks { alias } => jks_reader::open(file, password, alias),
            Self::Pkcs12(profile) => pkcs12_reader::open(file, password, *profile),
        }
    }
}

/// The content of a file.
#[derive(Default)]
struct Opened {
    key: Option<KeyHash>,
    certificates: BTreeSet<Vec<u8>>,
}

impl Opened {
    fn holds(&self, wanted: impl Iterator<Item = Vec<u8>>) -> Result<(), Error> {
        if self.certificates == wanted.collect() {
            Ok(())
        } else {
            Err(Error::Keystore("it holds other certificates".into()))
        }
    }
}

fn unreadable() -> Error {
    Error::Keystore("it cannot be read".into())
}

fn wrong_password() -> Error {
    Error::Keystore("it does not open with the password".into())
}

fn cas(ca_pem: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    parse_certificates(ca_pem, MOST_BYTES)
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
