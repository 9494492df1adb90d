//! Private keys and the hash of a public key.

mod decode;
mod public;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

use super::hidden::Hidden;
use super::signature::SignatureAlgorithm;
use super::{Error, der, oid, pem};

pub use public::PublicKey;

/// The key algorithms of the API (CRT-20).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub enum KeyAlgorithm {
    /// RSA, 2048 to 8192 bits.
    Rsa,
    /// ECDSA on P-256, P-384 or P-521.
    Ecdsa,
    /// Ed25519 (RFC 8032).
    Ed25519,
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "RSA",
            Self::Ecdsa => "ECDSA",
            Self::Ed25519 => "Ed25519",
        })
    }
}

impl FromStr for KeyAlgorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "RSA" => Ok(Self::Rsa),
            "ECDSA" => Ok(Self::Ecdsa),
            "Ed25519" => Ok(Self::Ed25519),
            other => Err(Error::Key(format!(
                "{other:?} is no key algorithm; use RSA, ECDSA or Ed25519"
            ))),
        }
    }
}

/// Algorithm and size of a key. The size is in bits; it is 0 for Ed25519, which has only one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct KeySpec {
    /// The algorithm.
    pub algorithm: KeyAlgorithm,
    /// Bits of the modulus (RSA) or of the curve (ECDSA), 0 for Ed25519.
    pub size: u32,
}

impl KeySpec {
    /// Whether the generation of such a key, and a signature with it, take milliseconds instead of microseconds.
    pub fn is_slow(self) -> bool {
        self.algorithm == KeyAlgorithm::Rsa
    }

    /// The default size of the API (CRT-21): RSA 2048, ECDSA 256. A size for Ed25519 is ignored.
    pub fn new(algorithm: KeyAlgorithm, size: Option<u32>) -> Self {
        let size = match (algorithm, size.filter(|size| *size != 0)) {
            (KeyAlgorithm::Rsa, size) => size.unwrap_or(2048),
            (KeyAlgorithm::Ecdsa, size) => size.unwrap_or(256),
            (KeyAlgorithm::Ed25519, _) => 0,
        };
        Self { algorithm, size }
    }
}

impl fmt::Display for KeySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.algorithm {
            KeyAlgorithm::Ed25519 => write!(f, "{}", self.algorithm),
            KeyAlgorithm::Rsa | KeyAlgorithm::Ecdsa => write!(f, "{} {}", self.algorithm, self.size),
        }
    }
}

/// The encoding of a private key (CRT-19).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub enum KeyEncoding {
    /// `RSA PRIVATE KEY` (RFC 8017) or `EC PRIVATE KEY` (RFC 5915).
    Pkcs1,
    /// `PRIVATE KEY` (RFC 5208).
    Pkcs8,
}

impl fmt::Display for KeyEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs1 => "PKCS1",
            Self::Pkcs8 => "PKCS8",
        })
    }
}

/// SHA-256 of the DER of a `SubjectPublicKeyInfo`. It shows whether a key, a CSR and a certificate belong together.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Hashes the DER of a `SubjectPublicKeyInfo`.
    pub fn of(spki_der: &[u8]) -> Self {
        Self(sha256(spki_der))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A private key. Its `Debug` shows only the algorithm and the public key's hash.
pub struct PrivateKey {
    spec: KeySpec,
    spki: Vec<u8>,
    pair: Pair,
}

enum Pair {
    Rsa(rsa::KeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// Generates a key. CPU work: an RSA key of 8192 bits takes seconds to minutes.
    ///
    /// # Errors
    /// [`Error::Key`] for an unsupported size: RSA other than 2048, 3072, 4096 and 8192, ECDSA other than 256, 384
    /// and 521.
    pub fn generate(spec: KeySpec) -> Result<Self, Error> {
        let failed = |_| Error::Key(format!("the {spec} key could not be made"));
        let pair = match (spec.algorithm, spec.size) {
            (KeyAlgorithm::Rsa, size) => Pair::Rsa(rsa::KeyPair::generate(rsa_size(size)?).map_err(failed)?),
            (KeyAlgorithm::Ecdsa, size) => Pair::Ecdsa(EcdsaKeyPair::generate(curve(size)?.signing).map_err(failed)?),
            (KeyAlgorithm::Ed25519, _) => Pair::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
        };
        Ok(Self::from_pair(pair))
    }

    /// Parses the first private key of a PEM text, and returns it with its encoding. RSA up to 8192 bits, ECDSA on
    /// P-256, P-384 and P-521, Ed25519; `RSA PRIVATE KEY`, `EC PRIVATE KEY` (with or without `EC PARAMETERS` before
    /// it) or `PRIVATE KEY`.
    ///
    /// # Errors
    /// [`Error::Pem`] or [`Error::Key`]. The error names what was found instead.
    pub fn from_pem(text: &[u8]) -> Result<(Self, KeyEncoding), Error> {
        decode::from_pem(text)
    }

    /// Parses a `PrivateKeyInfo` (RFC 5208), DER.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pem`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, Error> {
        decode::from_pkcs8(der)
    }

    /// The key as PEM. An Ed25519 key is always PKCS#8 (CRT-19).
    ///
    /// # Errors
    /// [`Error::Key`] if the crypto library refuses to export the key.
    pub fn to_pem(&self, encoding: KeyEncoding) -> Result<Hidden<Vec<u8>>, Error> {
        let (label, der) = match (encoding, &self.pair) {
            (KeyEncoding::Pkcs1, Pair::Rsa(pair)) => ("RSA PRIVATE KEY", pkcs1(pair)?),
            (KeyEncoding::Pkcs1, Pair::Ecdsa(pair)) => ("EC PRIVATE KEY", sec1(pair, self.spec.size, true)?),
            (KeyEncoding::Pkcs8, _) | (KeyEncoding::Pkcs1, Pair::Ed25519(_)) => ("PRIVATE KEY", self.pkcs8_der()?),
        };
        Ok(Hidden::new(pem::encode(label, der.expose())))
    }

    /// The key as PKCS#8 version 1 (RFC 5208).
    ///
    /// # Errors
    /// [`Error::Key`] if the crypto library refuses to export the key.
    pub fn pkcs8_der(&self) -> Result<Hidden<Vec<u8>>, Error> {
        match &self.pair {
            Pair::Rsa(pair) => Ok(pkcs8(&rsa_algorithm(), &pkcs1(pair)?)),
            Pair::Ecdsa(pair) => {
                let algorithm = der::sequence(&[der::oid(oid::EC), der::oid(curve(self.spec.size)?.oid)]);
                Ok(pkcs8(&algorithm, &sec1(pair, self.spec.size, false)?))
            }
            Pair::Ed25519(pair) => {
                let seed = pair.seed().map_err(|_| not_exported())?;
                let seed: EcSeed = seed.as_be_bytes().map_err(|_| not_exported())?;
                let seed = Hidden::new(der::octet_string(seed.as_ref()));
                Ok(pkcs8(&der::algorithm(oid::ED25519), &seed))
            }
        }
    }

    /// The `SubjectPublicKeyInfo` of the public key, as DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::known(self.spki.clone(), self.spec)
    }

    /// The hash of the public key.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.spki)
    }

    /// Algorithm and size.
    pub fn spec(&self) -> KeySpec {
        self.spec
    }

    /// Signs a message, and returns the signature.
    ///
    /// # Errors
    /// [`Error::Signing`] if the algorithm is for another kind of key.
    pub fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        match &self.pair {
            Pair::Rsa(pair) => super::signature::sign_rsa(pair, algorithm, message),
            Pair::Ecdsa(pair) => super::signature::sign_ecdsa(pair, self.spec.size, algorithm, message),
            Pair::Ed25519(pair) => super::signature::sign_ed25519(pair, algorithm, message),
        }
    }

    fn from_pair(pair: Pair) -> Self {
        let (spec, spki) = match &pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key().as_ref();
                let spki = der::sequence(&[rsa_algorithm(), der::bit_string(public)]);
                (
                    KeySpec {
                        algorithm: KeyAlgorithm::Rsa,
                        size: public::rsa_bits(public).unwrap_or_default(),
                    },
                    spki,
                )
            }
            Pair::Ecdsa(pair) => {
                let point = pair.public_key().as_ref();
                let curve = curve_of(pair);
                let algorithm = der::sequence(&[der::oid(oid::EC), der::oid(curve.oid)]);
                let spki = der::sequence(&[algorithm, der::bit_string(point)]);
                (
                    KeySpec {
                        algorithm: KeyAlgorithm::Ecdsa,
                        size: curve.bits,
                    },
                    spki,
                )
            }
            Pair::Ed25519(pair) => {
                let public = der::bit_string(pair.public_key().as_ref());
                let spki = der::sequence(&[der::algorithm(oid::ED25519), public]);
                (
                    KeySpec {
                        algorithm: KeyAlgorithm::Ed25519,
                        size: 0,
                    },
                    spki,
                )
            }
        };
        Self { spec, spki, pair }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, public key {})", self.spec, self.hash())
    }
}

/// SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

type EcSeed = aws_lc_rs::encoding::Curve25519SeedBin<'static>;

/// A supported curve.
pub(crate) struct Curve {
    pub(crate) bits: u32,
    pub(crate) oid: &'static str,
    pub(crate) signing: &'static signature::EcdsaSigningAlgorithm,
}

pub(crate) static CURVES: [Curve; 3] = [
    Curve {
        bits: 256,
        oid: oid::P256,
        signing: &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
    },
    Curve {
        bits: 384,
        oid: oid::P384,
        signing: &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
    },
    Curve {
        bits: 521,
        oid: oid::P521,
        signing: &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
    },
];

fn curve(bits: u32) -> Result<&'static Curve, Error> {
    CURVES
        .iter()
        .find(|curve| curve.bits == bits)
        .ok_or_else(|| Error::Key(format!("there is no ECDSA key of {bits} bits; use 256, 384 or 521")))
}

fn curve_of(pair: &EcdsaKeyPair) -> &'static Curve {
    let [p256, p384, p521] = &CURVES;
    // An uncompressed point is a byte 4 and two coordinates.
    match pair.public_key().as_ref().len() {
        0..=65 => p256,
        66..=97 => p384,
        _ => p521,
    }
}

fn rsa_size(bits: u32) -> Result<KeySize, Error> {
    match bits {
        2048 => Ok(KeySize::Rsa2048),
        3072 => Ok(KeySize::Rsa3072),
        4096 => Ok(KeySize::Rsa4096),
        8192 => Ok(KeySize::Rsa8192),
        0..2048 => Err(Error::Key(format!(
            "an RSA key of {bits} bits is too weak; use 2048, 3072, 4096 or 8192"
        ))),
        _ => Err(Error::Key(format!(
            "RSA keys of {bits} bits cannot be made; use 2048, 3072, 4096 or 8192"
        ))),
    }
}

fn rsa_algorithm() -> Vec<u8> {
    der::sequence(&[der::oid(oid::RSA), der::null()])
}

/// `RSAPrivateKey` (RFC 8017 appendix A.1.2): the body of the PKCS#8 that the crypto library writes.
fn pkcs1(pair: &rsa::KeyPair) -> Result<Hidden<Vec<u8>>, Error> {
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| not_exported())?;
    decode::pkcs8_body(pkcs8.as_ref())
        .map(|body| Hidden::new(body.to_vec()))
        .ok_or_else(not_exported)
}

/// `ECPrivateKey` (RFC 5915 section 3). It names the curve only outside of PKCS#8.
fn sec1(pair: &EcdsaKeyPair, bits: u32, with_curve: bool) -> Result<Hidden<Vec<u8>>, Error> {
    let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(|_| not_exported())?;
    let scalar = Hidden::new(der::octet_string(scalar.as_ref()));
    let parameters = if with_curve {
        der::context(0, &[der::oid(curve(bits)?.oid)])
    } else {
        Vec::new()
    };
    let point = der::context(1, &[der::bit_string(pair.public_key().as_ref())]);
    let version = der::integer(1);
    Ok(Hidden::new(der::sequence(&[
        version.as_slice(),
        scalar.expose(),
        &parameters,
        &point,
    ])))
}

fn pkcs8(algorithm: &[u8], body: &Hidden<Vec<u8>>) -> Hidden<Vec<u8>> {
    let body = Hidden::new(der::octet_string(body.expose()));
    Hidden::new(der::sequence(&[der::integer(0).as_slice(), algorithm, body.expose()]))
}

fn not_exported() -> Error {
    Error::Key("the crypto library does not export this private key".into())
}
