//! PKCS#12 and JKS, for programs that want their keys in one file (CRT-14, CRT-15).

use super::Error;
use super::hidden::Hidden;
use super::key::PrivateKey;

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
    /// As `Modern2023`, with the PBMAC1 of RFC 9579.
    Modern2026,
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

/// Random bytes for salts; fresh ones for every keystore.
pub type Salt = [u8; 64];

/// `keystore.p12`.
///
/// # Errors
/// [`Error::Keystore`] for a password with characters that cannot be written, [`Error::Pem`] for certificates that cannot be read.
pub fn pkcs12_keystore(
    contents: &Contents<'_>,
    password: &str,
    profile: Profile,
    salt: &Salt,
) -> Result<Hidden<Vec<u8>>, Error> {
    let _ = (contents, password, profile, salt);
    todo!()
}

/// `truststore.p12`: the CAs only.
///
/// # Errors
/// As [`pkcs12_keystore`].
pub fn pkcs12_truststore(
    ca_pem: &[u8],
    password: &str,
    profile: Profile,
    salt: &Salt,
) -> Result<Hidden<Vec<u8>>, Error> {
    let _ = (ca_pem, password, profile, salt);
    todo!()
}

/// `keystore.jks`; `alias` is the name of the key entry, `certificate` by default (CRT-14).
///
/// # Errors
/// As [`pkcs12_keystore`].
pub fn jks_keystore(
    contents: &Contents<'_>,
    password: &str,
    alias: &str,
    now: jiff::Timestamp,
    salt: &Salt,
) -> Result<Hidden<Vec<u8>>, Error> {
    let _ = (contents, password, alias, now, salt);
    todo!()
}

/// `truststore.jks`: the CAs, named `ca`, `ca-1` ….
///
/// # Errors
/// As [`pkcs12_keystore`].
pub fn jks_truststore(ca_pem: &[u8], password: &str, now: jiff::Timestamp) -> Result<Hidden<Vec<u8>>, Error> {
    let _ = (ca_pem, password, now);
    todo!()
}
