//! Writing of PKCS#12 files (RFC 7292).

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{digest, hmac, pbkdf2};

use super::legacy::{self, Cipher, Input, Purpose};
use super::{Contents, Profile, Seed, Trusted, sha1};
use crate::pki::certificate::CertificateInfo;
use crate::pki::der::Tag;
use crate::pki::hidden::Hidden;
use crate::pki::{Error, der, oid};

pub(super) const DATA: &str = "1.2.840.113549.1.7.1";
pub(super) const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";
pub(super) const SHROUDED_KEY_BAG: &str = "1.2.840.113549.1.12.10.1.2";
pub(super) const CERTIFICATE_BAG: &str = "1.2.840.113549.1.12.10.1.3";
const X509_CERTIFICATE: &str = "1.2.840.113549.1.9.22.1";
const FRIENDLY_NAME: &str = "1.2.840.113549.1.9.20";
const LOCAL_KEY_ID: &str = "1.2.840.113549.1.9.21";
/// Java trusts a certificate with this attribute.
const JAVA_TRUSTED_KEY_USAGE: &str = "2.16.840.1.113894.746875.1.1";
const ANY_EXTENDED_KEY_USAGE: &str = "2.5.29.37.0";
pub(super) const PBES2: &str = "1.2.840.113549.1.5.13";
pub(super) const PBKDF2: &str = "1.2.840.113549.1.5.12";
pub(super) const PBMAC1: &str = "1.2.840.113549.1.5.14";
pub(super) const HMAC_SHA256: &str = "1.2.840.113549.2.9";
pub(super) const AES_256_CBC: &str = "2.16.840.1.101.3.4.1.42";

/// The number of iterations of OpenSSL and Java.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(2048).unwrap();

/// The file `keystore.p12`.
///
/// # Errors
/// As [`super::Format::keystore`].
pub(super) fn keystore(
    contents: &Contents<'_>,
    password: &str,
    profile: Profile,
    seed: &Seed,
) -> Result<Hidden<Vec<u8>>, Error> {
    let writer = Writer::new(password, profile, seed)?;
    let chain = contents.chain()?;
    let local_key_id = chain.first().map(|leaf| sha1(&[leaf])).unwrap_or_default();
    let id = attribute(LOCAL_KEY_ID, der::octet_string(&local_key_id));
    let mut bags: Vec<Vec<u8>> = Vec::new();
    for (at, certificate) in chain.iter().chain(&contents.cas()?).enumerate() {
        let attributes = if at == 0 { vec![id.clone()] } else { vec![] };
        bags.push(certificate_bag(certificate, attributes));
    }
    let certificates = writer.encrypted(&der::sequence(&bags))?;
    let key = writer.encrypt("key", contents.key.pkcs8_der()?.expose(), profile.key_cipher())?;
    let shrouded = der::sequence(&[key.algorithm, der::octet_string(&key.content)]);
    let key_bag = der::sequence(&[
        der::oid(SHROUDED_KEY_BAG),
        der::context(0, &[shrouded]),
        der::set_of(vec![id]),
    ]);
    let keys = data(&der::sequence(&[key_bag]));
    Ok(writer.seal(&der::sequence(&[certificates, keys])))
}

/// The file `truststore.p12`.
///
/// # Errors
/// As [`super::Format::keystore`].
pub(super) fn truststore(
    cas: &[Vec<u8>],
    password: &str,
    profile: Profile,
    seed: &Seed,
) -> Result<Hidden<Vec<u8>>, Error> {
    let writer = Writer::new(password, profile, seed)?;
    let mut bags = Vec::new();
    for (at, certificate) in cas.iter().enumerate() {
        let mut name = CertificateInfo::parse(certificate)?.subject.to_string();
        // Java ignores entries with a name that is already used.
        if at > 0 {
            name = format!("{name} ({at})");
        }
        bags.push(trusted_bag(certificate, &name));
    }
    let certificates = writer.encrypted(&der::sequence(&bags))?;
    Ok(writer.seal(&der::sequence(&[certificates])))
}

/// A truststore with given names. Without a password it has neither encryption nor `MacData`.
///
/// # Errors
/// As [`super::Format::trusted`].
pub(super) fn trusted(
    entries: &[Trusted<'_>],
    password: &str,
    profile: Profile,
    seed: &Seed,
) -> Result<Hidden<Vec<u8>>, Error> {
    let bags: Vec<Vec<u8>> = entries
        .iter()
        .map(|entry| trusted_bag(entry.der, &entry.alias))
        .collect();
    let bags = der::sequence(&bags);
    if password.is_empty() {
        let safe = der::sequence(&[data(&bags)]);
        return Ok(Hidden::new(der::sequence(&[der::integer(3), data(&safe)])));
    }
    let writer = Writer::new(password, profile, seed)?;
    Ok(writer.seal(&der::sequence(&[writer.encrypted(&bags)?])))
}

/// A certificate that Java trusts under this name.
fn trusted_bag(certificate: &[u8], name: &str) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let attributes = vec![
        attribute(FRIENDLY_NAME, der::tlv(Tag::BmpString, &name)),
        attribute(JAVA_TRUSTED_KEY_USAGE, der::oid(ANY_EXTENDED_KEY_USAGE)),
    ];
    certificate_bag(certificate, attributes)
}

impl Profile {
    /// The cipher for certificates; `None` is PBES2 with AES-256.
    pub(super) fn certificate_cipher(self) -> Option<Cipher> {
        match self {
            Self::LegacyRc2 => Some(Cipher::Rc2With40Bits),
            Self::LegacyDes => Some(Cipher::TripleDes),
            Self::Modern2023 | Self::Modern2026 => None,
        }
    }

    /// The cipher for the key.
    pub(super) fn key_cipher(self) -> Option<Cipher> {
        self.certificate_cipher().map(|_| Cipher::TripleDes)
    }
}

struct Writer<'a> {
    password: &'a str,
    /// The password as the older algorithms hash it.
    bmp: Hidden<Vec<u8>>,
    profile: Profile,
    seed: &'a Seed,
}

struct Encrypted {
    algorithm: Vec<u8>,
    content: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(password: &'a str, profile: Profile, seed: &'a Seed) -> Result<Self, Error> {
        Ok(Self {
            password,
            bmp: legacy::bmp_password(password)?,
            profile,
            seed,
        })
    }

    /// `ContentInfo` with `EncryptedData` (RFC 5652 section 8).
    fn encrypted(&self, safe_contents: &[u8]) -> Result<Vec<u8>, Error> {
        let Encrypted { algorithm, content } =
            self.encrypt("certificates", safe_contents, self.profile.certificate_cipher())?;
        let info = der::sequence(&[der::oid(DATA), algorithm, der::context_primitive(0, &content)]);
        let encrypted = der::sequence(&[der::integer(0), info]);
        Ok(der::sequence(&[
            der::oid(ENCRYPTED_DATA),
            der::context(0, &[encrypted]),
        ]))
    }

    /// Encrypts with one of the old ciphers, or with PBES2 (RFC 8018 section 6.2) for `None`.
    fn encrypt(&self, purpose: &str, plain: &[u8], cipher: Option<Cipher>) -> Result<Encrypted, Error> {
        let salt = self.seed.salt(purpose);
        let iterations = der::integer(u64::from(ITERATIONS.get()));
        if let Some(cipher) = cipher {
            let (salt, _) = salt.split_at(8);
            let parameters = der::sequence(&[der::octet_string(salt), iterations]);
            let algorithm = der::sequence(&[der::oid(cipher.oid()), parameters]);
            let input = Input {
                password: self.bmp.expose(),
                salt,
                iterations: ITERATIONS.get(),
            };
            let content = cipher.encrypt(plain, &input)?;
            return Ok(Encrypted { algorithm, content });
        }
        let (salt, iv) = salt.split_at(16);
        let function = pbkdf2_algorithm(salt, None);
        let scheme = der::sequence(&[der::oid(AES_256_CBC), der::octet_string(iv)]);
        let algorithm = der::sequence(&[der::oid(PBES2), der::sequence(&[function, scheme])]);
        Ok(Encrypted {
            algorithm,
            content: aes_256_cbc(plain, derived(self.password, salt, ITERATIONS).expose(), iv)?,
        })
    }

    /// `PFX` (RFC 7292 section 4).
    fn seal(&self, authenticated_safe: &[u8]) -> Hidden<Vec<u8>> {
        let mac = self.mac(authenticated_safe);
        Hidden::new(der::sequence(&[der::integer(3), data(authenticated_safe), mac]))
    }

    /// `MacData`.
    fn mac(&self, content: &[u8]) -> Vec<u8> {
        let salt = self.seed.salt("mac");
        let (salt, _) = salt.split_at(16);
        let (hash, algorithm) = match self.profile {
            Profile::LegacyRc2 | Profile::LegacyDes => (Mac::Sha1, der::sequence(&[der::oid(oid::SHA1), der::null()])),
            Profile::Modern2023 => (Mac::Sha256, der::sequence(&[der::oid(oid::SHA256), der::null()])),
            Profile::Modern2026 => {
                let function = pbkdf2_algorithm(salt, Some(32));
                let parameters = der::sequence(&[function, hmac_sha256_algorithm()]);
                (Mac::Pbmac1, der::sequence(&[der::oid(PBMAC1), parameters]))
            }
        };
        let key = hash.key(self.password, &self.bmp, salt, ITERATIONS);
        let digest_info = der::sequence(&[algorithm, der::octet_string(hmac::sign(&key, content).as_ref())]);
        der::sequence(&[
            digest_info,
            der::octet_string(salt),
            der::integer(u64::from(ITERATIONS.get())),
        ])
    }
}

/// The algorithm of the MAC over the whole file.
#[derive(Clone, Copy)]
pub(super) enum Mac {
    Sha1,
    Sha256,
    /// RFC 9579.
    Pbmac1,
}

impl Mac {
    /// `bmp` is the password as the older algorithms hash it.
    pub(super) fn key(self, password: &str, bmp: &Hidden<Vec<u8>>, salt: &[u8], iterations: NonZeroU32) -> hmac::Key {
        let input = Input {
            password: bmp.expose(),
            salt,
            iterations: iterations.get(),
        };
        match self {
            Self::Sha1 => {
                let key = legacy::derive(&digest::SHA1_FOR_LEGACY_USE_ONLY, Purpose::Mac, &input, 20);
                hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.expose())
            }
            Self::Sha256 => {
                let key = legacy::derive(&digest::SHA256, Purpose::Mac, &input, 32);
                hmac::Key::new(hmac::HMAC_SHA256, key.expose())
            }
            Self::Pbmac1 => hmac::Key::new(hmac::HMAC_SHA256, derived(password, salt, iterations).expose()),
        }
    }
}

/// 32 bytes of PBKDF2 with HMAC-SHA-256.
pub(super) fn derived(password: &str, salt: &[u8], iterations: NonZeroU32) -> Hidden<Vec<u8>> {
    let mut key = vec![0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        password.as_bytes(),
        &mut key,
    );
    Hidden::new(key)
}

/// `AlgorithmIdentifier` of PBKDF2 with HMAC-SHA-256 (RFC 8018 appendix A.2). The key length is only stated for PBMAC1
/// (RFC 9579 section 4).
fn pbkdf2_algorithm(salt: &[u8], key_length: Option<u64>) -> Vec<u8> {
    let mut parameters = vec![der::octet_string(salt), der::integer(u64::from(ITERATIONS.get()))];
    parameters.extend(key_length.map(der::integer));
    parameters.push(hmac_sha256_algorithm());
    der::sequence(&[der::oid(PBKDF2), der::sequence(&parameters)])
}

fn hmac_sha256_algorithm() -> Vec<u8> {
    der::sequence(&[der::oid(HMAC_SHA256), der::null()])
}

fn aes_256_cbc(plain: &[u8], key: &[u8], iv: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = || Error::Keystore("the keystore could not be encrypted".into());
    let iv: [u8; 16] = iv.try_into().map_err(|_| failed())?;
    let key = UnboundCipherKey::new(&AES_256, key).map_err(|_| failed())?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(|_| failed())?;
    let mut content = plain.to_vec();
    match key.less_safe_encrypt(&mut content, EncryptionContext::Iv128(FixedLength::from(iv))) {
        Ok(_) => Ok(content),
        Err(_) => Err(failed()),
    }
}

/// `ContentInfo` with plain data.
fn data(content: &[u8]) -> Vec<u8> {
    der::sequence(&[der::oid(DATA), der::context(0, &[der::octet_string(content)])])
}

/// `SafeBag` with a certificate (RFC 7292 section 4.2.3).
fn certificate_bag(der: &[u8], attributes: Vec<Vec<u8>>) -> Vec<u8> {
    let bag = der::sequence(&[der::oid(X509_CERTIFICATE), der::context(0, &[der::octet_string(der)])]);
    let mut fields = vec![der::oid(CERTIFICATE_BAG), der::context(0, &[bag])];
    if !attributes.is_empty() {
        fields.push(der::set_of(attributes));
    }
    der::sequence(&fields)
}

fn attribute(oid: &'static str, value: Vec<u8>) -> Vec<u8> {
    der::sequence(&[der::oid(oid), der::set_of(vec![value])])
}
