//! Parsing of Java's own keystore format, to check whether a file is still right.

use super::jks::{
    KEY_PROTECTOR, MAGIC, PRIVATE_KEY, SALT, TRUSTED_CERTIFICATE, VERSION, WHITENER, masked, password_bytes,
};
use super::{Opened, sha1, unreadable, wrong_password};
use crate::pki::der::Tag;
use crate::pki::hidden::Hidden;
use crate::pki::key::PrivateKey;
use crate::pki::{Error, der};

/// The entries of a file, if its checksum matches the password. A key with another name than `alias` is ignored.
///
/// # Errors
/// [`Error::Keystore`], as a sentence about "it".
pub(super) fn open(file: &[u8], password: &str, alias: &str) -> Result<Opened, Error> {
    let password = password_bytes(password);
    let split = file.len().checked_sub(SALT).ok_or_else(unreadable)?;
    let (content, checksum) = file.split_at_checked(split).ok_or_else(unreadable)?;
    if content.get(..4) != Some(MAGIC.to_be_bytes().as_slice()) {
        return Err(unreadable());
    }
    if checksum != sha1(&[password.expose(), WHITENER, content]) {
        return Err(wrong_password());
    }
    Reader(content)
        .entries(&password, &alias.to_lowercase())
        .unwrap_or_else(|| Err(unreadable()))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The entries; `None` if the file is truncated.
    fn entries(mut self, password: &Hidden<Vec<u8>>, alias: &str) -> Option<Result<Opened, Error>> {
        let _magic = self.number()?;
        if self.number()? != VERSION {
            return None;
        }
        let mut opened = Opened::default();
        for _ in 0..self.number()? {
            let kind = self.number()?;
            let name = self.text()?;
            let _date = self.take(8)?;
            match kind {
                PRIVATE_KEY => {
                    let protected = self.bytes()?;
                    if name == alias.as_bytes() && opened.key.is_some() {
                        return Some(Err(Error::Keystore(
                            "it holds more than one private key of this name".into(),
                        )));
                    } else if name == alias.as_bytes() {
                        match key(protected, password) {
                            Ok(key) => opened.key = Some(key.hash()),
                            Err(error) => return Some(Err(error)),
                        }
                    }
                    for _ in 0..self.number()? {
                        opened.certificates.insert(self.certificate()?);
                    }
                }
                TRUSTED_CERTIFICATE => {
                    opened.certificates.insert(self.certificate()?);
                }
                _ => return None,
            }
        }
        Some(Ok(opened))
    }

    fn certificate(&mut self) -> Option<Vec<u8>> {
        let _type = self.text()?;
        self.bytes().map(<[u8]>::to_vec)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let size = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        self.take(usize::from(size))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let size = self.number()?;
        self.take(usize::try_from(size).ok()?)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(taken)
    }
}

/// The key in an `EncryptedPrivateKeyInfo` of Sun's key protector.
fn key(protected: &[u8], password: &Hidden<Vec<u8>>) -> Result<PrivateKey, Error> {
    let masked_key = || {
        let fields = der::read_all(protected, Tag::Sequence)?.children()?;
        let [algorithm, content] = fields.as_slice() else {
            return None;
        };
        let algorithm = algorithm.children()?.first()?.content;
        if der::dotted(algorithm)? != KEY_PROTECTOR || content.tag != Tag::OctetString {
            return None;
        }
        let (salt, rest) = content.content.split_at_checked(SALT)?;
        let (key, checksum) = rest.split_at_checked(rest.len().checked_sub(SALT)?)?;
        Some((masked(key, password, salt.to_vec()), checksum))
    };
    let (key, checksum) = masked_key().ok_or_else(unreadable)?;
    if checksum != sha1(&[password.expose(), key.expose()]) {
        return Err(wrong_password());
    }
    PrivateKey::from_pkcs8(key.expose()).map_err(|_| unreadable())
}
