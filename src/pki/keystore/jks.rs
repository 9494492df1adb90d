//! Writing of Java's own keystore format: version 2 of `sun.security.provider.JavaKeyStore`, which every Java reads.
//! The protection of the key and the checksum are SHA-1 constructions of the 1990s: they do not resist an attacker.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Contents, Seed, Trusted, sha1};
use crate::pki::hidden::Hidden;
use crate::pki::{Error, der};

pub(super) const MAGIC: u32 = 0xfeed_feed;
pub(super) const VERSION: u32 = 2;
pub(super) const PRIVATE_KEY: u32 = 1;
pub(super) const TRUSTED_CERTIFICATE: u32 = 2;
/// "Proprietary" algorithm of Sun's key protector.
pub(super) const KEY_PROTECTOR: &str = "1.3.6.1.4.1.42.2.17.1.1";
/// Bytes of the salt before a protected key, and of the checksum after it.
pub(super) const SALT: usize = 20;
/// The prefix of the checksum's input, after the password.
pub(super) const WHITENER: &[u8] = b"Mighty Aphrodite";

/// The file `keystore.jks`.
///
/// # Errors
/// As [`super::Format::keystore`].
pub(super) fn keystore(
    contents: &Contents<'_>,
    password: &str,
    alias: &str,
    now: Timestamp,
    seed: &Seed,
) -> Result<Hidden<Vec<u8>>, Error> {
    let password = password_bytes(password);
    let cas = contents.cas()?;
    let mut file = Writer::new(1 + cas.len())?;
    file.number(PRIVATE_KEY);
    file.entry(alias, now)?;
    file.bytes(&protect(&contents.key.pkcs8_der()?, &password, seed))?;
    let chain = contents.chain()?;
    file.number(length(chain.len())?);
    for certificate in &chain {
        file.certificate(certificate)?;
    }
    file.trusted(&cas, Some(alias), now)?;
    Ok(file.finish(&password))
}

/// The file `truststore.jks`.
///
/// # Errors
/// As [`super::Format::keystore`].
pub(super) fn truststore(cas: &[Vec<u8>], password: &str, now: Timestamp) -> Result<Hidden<Vec<u8>>, Error> {
    let mut file = Writer::new(cas.len())?;
    file.trusted(cas, None, now)?;
    Ok(file.finish(&password_bytes(password)))
}

/// A truststore with given names, in the order of the names, as keystore-go writes it. Of two entries with one name the last stays.
///
/// # Errors
/// As [`super::Format::trusted`].
pub(super) fn trusted(entries: &[Trusted<'_>], password: &str) -> Result<Hidden<Vec<u8>>, Error> {
    let by_alias: BTreeMap<String, &Trusted<'_>> = entries.iter().map(|entry| (lower(&entry.alias), entry)).collect();
    let mut file = Writer::new(by_alias.len())?;
    for (alias, Trusted { der, created, .. }) in by_alias {
        file.number(TRUSTED_CERTIFICATE);
        file.text(&alias)?;
        file.date(*created);
        // the other spelling of the type: Java knows both
        file.text("X509")?;
        file.bytes(der)?;
    }
    Ok(file.finish(&password_bytes(password)))
}

/// The text in lower case as Go makes it: each character by itself.
fn lower(text: &str) -> String {
    text.chars()
        .filter_map(|character| character.to_lowercase().next())
        .collect()
}

struct Writer(Vec<u8>);

impl Writer {
    fn new(entries: usize) -> Result<Self, Error> {
        let mut file = Self(Vec::new());
        file.number(MAGIC);
        file.number(VERSION);
        file.number(length(entries)?);
        Ok(file)
    }

    /// The CAs as `ca`, `ca-1` …, without the alias of the key: Java keeps only the last of two entries with one alias.
    fn trusted(&mut self, cas: &[Vec<u8>], taken: Option<&str>, now: Timestamp) -> Result<(), Error> {
        let taken = taken.map(str::to_lowercase);
        let aliases = (0..).map(|at| if at == 0 { "ca".to_owned() } else { format!("ca-{at}") });
        let free = aliases.filter(|alias| Some(alias) != taken.as_ref());
        for (certificate, alias) in cas.iter().zip(free) {
            self.number(TRUSTED_CERTIFICATE);
            self.entry(&alias, now)?;
            self.certificate(certificate)?;
        }
        Ok(())
    }

    /// Alias and date. Java compares aliases in lower case.
    fn entry(&mut self, alias: &str, now: Timestamp) -> Result<(), Error> {
        self.text(&alias.to_lowercase())?;
        self.date(now);
        Ok(())
    }

    fn date(&mut self, date: Timestamp) {
        self.0.extend_from_slice(&date.as_millisecond().to_be_bytes());
    }

    fn certificate(&mut self, der: &[u8]) -> Result<(), Error> {
        self.text("X.509")?;
        self.bytes(der)
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        // Java's "modified UTF-8" equals UTF-8 without NUL and characters beyond U+FFFF.
        if text.chars().any(|c| c == '\0' || c > '\u{ffff}') {
            return Err(Error::Keystore(format!(
                "the alias {text:?} has characters that a JKS keystore cannot hold"
            )));
        }
        let size = u16::try_from(text.len()).map_err(|_| Error::Keystore("the alias is too long".into()))?;
        self.0.extend_from_slice(&size.to_be_bytes());
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.number(length(bytes.len())?);
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn finish(mut self, password: &Hidden<Vec<u8>>) -> Hidden<Vec<u8>> {
        let checksum = sha1(&[password.expose(), WHITENER, &self.0]);
        self.0.extend_from_slice(&checksum);
        Hidden::new(self.0)
    }
}

/// The key, masked with a stream of hashes of password and salt, between the salt and a checksum, as an
/// `EncryptedPrivateKeyInfo`.
fn protect(key: &Hidden<Vec<u8>>, password: &Hidden<Vec<u8>>, seed: &Seed) -> Vec<u8> {
    let salt: Vec<u8> = seed.salt("jks key").into_iter().take(SALT).collect();
    let mut protected = salt.clone();
    protected.extend_from_slice(masked(key.expose(), password, salt).expose());
    protected.extend_from_slice(&sha1(&[password.expose(), key.expose()]));
    let algorithm = der::sequence(&[der::oid(KEY_PROTECTOR), der::null()]);
    der::sequence(&[algorithm, der::octet_string(&protected)])
}

/// Masks or unmasks bytes with the stream.
pub(super) fn masked(bytes: &[u8], password: &Hidden<Vec<u8>>, salt: Vec<u8>) -> Hidden<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut stream = salt;
    for block in bytes.chunks(SALT) {
        stream = sha1(&[password.expose(), &stream]).to_vec();
        out.extend(block.iter().zip(&stream).map(|(byte, mask)| byte ^ mask));
    }
    Hidden::new(out)
}

/// Java's `char`s, high byte first.
pub(super) fn password_bytes(password: &str) -> Hidden<Vec<u8>> {
    Hidden::new(password.encode_utf16().flat_map(u16::to_be_bytes).collect())
}

fn length(size: usize) -> Result<u32, Error> {
    u32::try_from(size).map_err(|_| Error::Keystore("the keystore is too large".into()))
}
