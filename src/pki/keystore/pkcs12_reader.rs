//! Parsing of PKCS#12 files (RFC 7292) with a profile's algorithms, to check whether a file is still right.

use std::cell::Cell;
use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::legacy::{self, Cipher, Input};
use super::pkcs12::{
    AES_256_CBC, CERTIFICATE_BAG, DATA, ENCRYPTED_DATA, HMAC_SHA256, Mac, PBES2, PBKDF2, PBMAC1, SHROUDED_KEY_BAG,
    derived,
};
use super::{Opened, Profile, unreadable, wrong_password};
use crate::pki::der::{self, Tag, Value};
use crate::pki::hidden::Hidden;
use crate::pki::key::PrivateKey;
use crate::pki::{Error, oid};

/// The most iterations for one key, salt and MAC. More would only cost processor time.
const MOST_ITERATIONS: u32 = 100_000;
/// The most iterations for a whole file. keytool's old ciphers took 100,000 for the MAC, and 50,000 each for key and
/// certificates.
pub(super) const MOST_ROUNDS: u32 = 200_000;
/// The most `SafeContents` of a file. Usual are two: one with keys and one with certificates.
const MOST_SAFES: usize = 4;

/// Keys and certificates of a file, if its MAC matches the password.
///
/// # Errors
/// [`Error::Keystore`], as a sentence about "it".
pub(super) fn open(file: &[u8], password: &str, profile: Profile) -> Result<Opened, Error> {
    open_with(file, password, profile, &Rounds::default())
}

/// Counts the iterations of a file.
#[derive(Default)]
pub(super) struct Rounds(Cell<u32>);

impl Rounds {
    /// The number of iterations.
    #[cfg(test)]
    pub(super) fn made(&self) -> u32 {
        self.0.get()
    }

    fn spend(&self, rounds: NonZeroU32) -> Result<NonZeroU32, Error> {
        let all = self.0.get().saturating_add(rounds.get());
        if all > MOST_ROUNDS {
            return Err(Error::Keystore(format!(
                "it asks for more than the {MOST_ROUNDS} rounds of key derivation that are made for one file"
            )));
        }
        self.0.set(all);
        Ok(rounds)
    }
}

/// As [`open`], and counts the iterations.
///
/// # Errors
/// As [`open`].
pub(super) fn open_with(file: &[u8], password: &str, profile: Profile, rounds: &Rounds) -> Result<Opened, Error> {
    let reader = Reader {
        password,
        bmp: legacy::bmp_password(password)?,
        profile,
        rounds,
    };
    let (content, code) = parts(file).ok_or_else(unreadable)?;
    let code = reader.code(code).ok_or_else(|| other_way(profile))?;
    let key = code
        .mac
        .key(password, &reader.bmp, code.salt, rounds.spend(code.rounds)?);
    hmac::verify(&key, content, code.expected).map_err(|_| wrong_password())?;
    let mut opened = Opened::default();
    let safes = children(content).ok_or_else(unreadable)?;
    if safes.len() > MOST_SAFES {
        return Err(Error::Keystore(format!(
            "it has {} parts; keystores have two",
            safes.len()
        )));
    }
    for info in safes {
        reader.safe(info, &mut opened)?;
    }
    Ok(opened)
}

fn other_way(profile: Profile) -> Error {
    Error::Keystore(format!("it is not made as the profile {profile} says"))
}

fn children(sequence: &[u8]) -> Option<Vec<Value<'_>>> {
    der::read_all(sequence, Tag::Sequence)?.children()
}

/// The first `N` fields of a SEQUENCE. More may follow.
fn fields<const N: usize>(value: Value<'_>) -> Option<[Value<'_>; N]> {
    let children = (value.tag == Tag::Sequence).then(|| value.children())??;
    children.get(..N)?.try_into().ok()
}

fn is(value: Value<'_>, identifier: &str) -> bool {
    value.tag == Tag::ObjectIdentifier && der::dotted(value.content).as_deref() == Some(identifier)
}

/// The content of an OCTET STRING.
fn octets(value: Value<'_>) -> Option<&[u8]> {
    (value.tag == Tag::OctetString).then_some(value.content)
}

/// The content of `[0]`.
fn explicit(value: Value<'_>) -> Option<Value<'_>> {
    (value.tag == der::explicit(0))
        .then(|| der::read(value.content))?
        .map(|(inner, _)| inner)
}

fn iterations(value: Value<'_>) -> Option<NonZeroU32> {
    let digits = (value.tag == Tag::Integer && value.content.len() <= 5).then_some(value.content)?;
    let number = digits
        .iter()
        .fold(0_u64, |number, digit| number << 8 | u64::from(*digit));
    let number = u32::try_from(number).ok().filter(|number| *number <= MOST_ITERATIONS)?;
    NonZeroU32::new(number)
}

/// `authSafe` and `macData` of a `PFX`.
fn parts(file: &[u8]) -> Option<(&[u8], Value<'_>)> {
    let [_version, safe, code] = fields(der::read_all(file, Tag::Sequence)?)?;
    let [kind, content] = fields(safe)?;
    is(kind, DATA).then_some((octets(explicit(content)?)?, code))
}

struct Reader<'a> {
    password: &'a str,
    bmp: Hidden<Vec<u8>>,
    profile: Profile,
    rounds: &'a Rounds,
}

/// The MAC over the whole file, and the derivation of its key.
struct Code<'a> {
    mac: Mac,
    salt: &'a [u8],
    rounds: NonZeroU32,
    expected: &'a [u8],
}

impl Reader<'_> {
    fn code<'v>(&self, data: Value<'v>) -> Option<Code<'v>> {
        let [info, salt] = fields(data)?;
        let rounds = match data.children()?.get(2) {
            Some(rounds) => iterations(*rounds)?,
            None => NonZeroU32::MIN,
        };
        let [algorithm, expected] = fields(info)?;
        let [identifier, ..] = fields::<1>(algorithm)?;
        let salt = octets(salt)?;
        let (mac, salt, rounds) = match self.profile {
            Profile::LegacyRc2 | Profile::LegacyDes => {
                is(identifier, oid::SHA1).then_some((Mac::Sha1, salt, rounds))?
            }
            Profile::Modern2023 => is(identifier, oid::SHA256).then_some((Mac::Sha256, salt, rounds))?,
            Profile::Modern2026 => {
                let [identifier, parameters] = fields(algorithm)?;
                let [function, scheme] = fields(parameters)?;
                let [scheme] = fields(scheme)?;
                let (salt, rounds) = pbkdf2(function)?;
                (is(identifier, PBMAC1) && is(scheme, HMAC_SHA256)).then_some((Mac::Pbmac1, salt, rounds))?
            }
        };
        Some(Code {
            mac,
            salt,
            rounds,
            expected: octets(expected)?,
        })
    }

    /// One `ContentInfo` of the authenticated safe.
    fn safe(&self, info: Value<'_>, opened: &mut Opened) -> Result<(), Error> {
        let [kind, content] = fields(info).ok_or_else(unreadable)?;
        let content = explicit(content).ok_or_else(unreadable)?;
        if is(kind, DATA) {
            return self.bags(octets(content).ok_or_else(unreadable)?, opened);
        }
        if !is(kind, ENCRYPTED_DATA) {
            return Err(unreadable());
        }
        let [_version, encrypted] = fields(content).ok_or_else(unreadable)?;
        let [_kind, algorithm, text] = fields(encrypted).ok_or_else(unreadable)?;
        let text = (text.tag == der::implicit(0))
            .then_some(text.content)
            .ok_or_else(unreadable)?;
        let plain = self.decrypt(algorithm, text, self.profile.certificate_cipher())?;
        self.bags(plain.expose(), opened)
    }

    /// `SafeContents`. Bags without keys and certificates are skipped.
    fn bags(&self, contents: &[u8], opened: &mut Opened) -> Result<(), Error> {
        for bag in children(contents).ok_or_else(unreadable)? {
            let [kind, value] = fields(bag).ok_or_else(unreadable)?;
            let value = explicit(value).ok_or_else(unreadable)?;
            if is(kind, CERTIFICATE_BAG) {
                let [_kind, certificate] = fields(value).ok_or_else(unreadable)?;
                let certificate = explicit(certificate).and_then(octets).ok_or_else(unreadable)?;
                opened.certificates.insert(certificate.to_vec());
            } else if is(kind, SHROUDED_KEY_BAG) {
                if opened.key.is_some() {
                    return Err(Error::Keystore("it holds more than one private key".into()));
                }
                let [algorithm, text] = fields(value).ok_or_else(unreadable)?;
                let text = octets(text).ok_or_else(unreadable)?;
                let key = self.decrypt(algorithm, text, self.profile.key_cipher())?;
                let key = PrivateKey::from_pkcs8(key.expose()).map_err(|_| unreadable())?;
                opened.key = Some(key.hash());
            }
        }
        Ok(())
    }

    /// Decrypts with one of the old ciphers, or with PBES2 for `None`.
    fn decrypt(&self, algorithm: Value<'_>, text: &[u8], cipher: Option<Cipher>) -> Result<Hidden<Vec<u8>>, Error> {
        let other = || other_way(self.profile);
        let [identifier, parameters] = fields(algorithm).ok_or_else(other)?;
        let Some(cipher) = cipher else {
            let (salt, rounds, iv) = pbes2(identifier, parameters).ok_or_else(other)?;
            let key = derived(self.password, salt, self.rounds.spend(rounds)?);
            return aes_256_cbc(text, key.expose(), iv).ok_or_else(wrong_password);
        };
        let [salt, rounds] = fields(parameters)
            .filter(|_| is(identifier, cipher.oid()))
            .ok_or_else(other)?;
        let input = Input {
            password: self.bmp.expose(),
            salt: octets(salt).ok_or_else(other)?,
            iterations: self.rounds.spend(iterations(rounds).ok_or_else(other)?)?.get(),
        };
        cipher.decrypt(text, &input).ok_or_else(wrong_password)
    }
}

/// Salt, iterations and initialisation vector of PBES2 with AES-256-CBC.
fn pbes2<'a>(identifier: Value<'_>, parameters: Value<'a>) -> Option<(&'a [u8], NonZeroU32, &'a [u8])> {
    let [function, scheme] = fields(parameters)?;
    let [cipher, iv] = fields(scheme)?;
    let (salt, rounds) = pbkdf2(function)?;
    (is(identifier, PBES2) && is(cipher, AES_256_CBC)).then_some((salt, rounds, octets(iv)?))
}

/// Salt and iterations of PBKDF2 with HMAC-SHA-256. The key length may be stated or not.
fn pbkdf2(function: Value<'_>) -> Option<(&[u8], NonZeroU32)> {
    let [identifier, parameters] = fields(function)?;
    let [salt, rounds] = fields(parameters)?;
    let [prf] = fields(*parameters.children()?.last()?)?;
    (is(identifier, PBKDF2) && is(prf, HMAC_SHA256)).then_some((octets(salt)?, iterations(rounds)?))
}

fn aes_256_cbc(text: &[u8], key: &[u8], iv: &[u8]) -> Option<Hidden<Vec<u8>>> {
    let iv: [u8; 16] = iv.try_into().ok()?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, key).ok()?).ok()?;
    let mut buffer = Hidden::new(text.to_vec());
    let plain = key
        .decrypt(buffer.expose_mut(), DecryptionContext::Iv128(FixedLength::from(iv)))
        .ok()?;
    Some(Hidden::new(plain.to_vec()))
}

#[cfg(test)]
#[path = "tests/bombs.rs"]
mod tests;
