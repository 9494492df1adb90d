//! Signature algorithms: their names in the API, signing and verification.

use std::fmt;
use std::str::FromStr;

use ::der::{Reader as _, TagMode, TagNumber, asn1::AnyRef};
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self as lc, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair, VerificationAlgorithm};
use spki::AlgorithmIdentifierRef;

use super::key::{KeyAlgorithm, KeySpec, PublicKey};
use super::{Error, der, oid};

/// The signature algorithms of the API (CRT-22).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Sha256WithRsa,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Sha384WithRsa,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Sha512WithRsa,
    /// ECDSA with SHA-256.
    EcdsaWithSha256,
    /// ECDSA with SHA-384.
    EcdsaWithSha384,
    /// ECDSA with SHA-512.
    EcdsaWithSha512,
    /// Ed25519 (RFC 8410).
    PureEd25519,
}

impl SignatureAlgorithm {
    /// All, in the order of the API.
    pub const ALL: [Self; 7] = [
        Self::Sha256WithRsa,
        Self::Sha384WithRsa,
        Self::Sha512WithRsa,
        Self::EcdsaWithSha256,
        Self::EcdsaWithSha384,
        Self::EcdsaWithSha512,
        Self::PureEd25519,
    ];

    /// The default algorithm for a key (CRT-22).
    pub fn default_for(spec: KeySpec) -> Self {
        match (spec.algorithm, spec.size) {
            (KeyAlgorithm::Rsa, 4096..) => Self::Sha512WithRsa,
            (KeyAlgorithm::Rsa, 3072..) => Self::Sha384WithRsa,
            (KeyAlgorithm::Rsa, _) => Self::Sha256WithRsa,
            (KeyAlgorithm::Ecdsa, 521..) => Self::EcdsaWithSha512,
            (KeyAlgorithm::Ecdsa, 384..) => Self::EcdsaWithSha384,
            (KeyAlgorithm::Ecdsa, _) => Self::EcdsaWithSha256,
            (KeyAlgorithm::Ed25519, _) => Self::PureEd25519,
        }
    }

    /// The kind of key that it needs.
    pub fn key_algorithm(self) -> KeyAlgorithm {
        match self {
            Self::Sha256WithRsa | Self::Sha384WithRsa | Self::Sha512WithRsa => KeyAlgorithm::Rsa,
            Self::EcdsaWithSha256 | Self::EcdsaWithSha384 | Self::EcdsaWithSha512 => KeyAlgorithm::Ecdsa,
            Self::PureEd25519 => KeyAlgorithm::Ed25519,
        }
    }

    /// The `AlgorithmIdentifier`: RSA with NULL parameters (RFC 4055), the others without any (RFC 5758, RFC 8410).
    pub(crate) fn identifier(self) -> Vec<u8> {
        match self.key_algorithm() {
            KeyAlgorithm::Rsa => der::sequence(&[der::oid(self.oid()), der::null()]),
            KeyAlgorithm::Ecdsa | KeyAlgorithm::Ed25519 => der::algorithm(self.oid()),
        }
    }

    fn oid(self) -> &'static str {
        match self {
            Self::Sha256WithRsa => oid::SHA256_WITH_RSA,
            Self::Sha384WithRsa => oid::SHA384_WITH_RSA,
            Self::Sha512WithRsa => oid::SHA512_WITH_RSA,
            Self::EcdsaWithSha256 => oid::ECDSA_WITH_SHA256,
            Self::EcdsaWithSha384 => oid::ECDSA_WITH_SHA384,
            Self::EcdsaWithSha512 => oid::ECDSA_WITH_SHA512,
            Self::PureEd25519 => oid::ED25519,
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256WithRsa => "SHA256WithRSA",
            Self::Sha384WithRsa => "SHA384WithRSA",
            Self::Sha512WithRsa => "SHA512WithRSA",
            Self::EcdsaWithSha256 => "ECDSAWithSHA256",
            Self::EcdsaWithSha384 => "ECDSAWithSHA384",
            Self::EcdsaWithSha512 => "ECDSAWithSHA512",
            Self::PureEd25519 => "PureEd25519",
        })
    }
}

impl FromStr for SignatureAlgorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.to_string() == text)
            .ok_or_else(|| Error::Signing(format!("{text:?} is no signature algorithm that is known here")))
    }
}

/// Checks a signature made with any algorithm that a key of ours can make, RSASSA-PSS with a salt as long as its hash (what TLS and
/// RFC 8555 use), and RSA keys from 1024 bits on.
///
/// # Errors
/// [`Error::Signing`] when the algorithm is not known, does not fit the key, or the signature is not of this message by this key.
pub(crate) fn verify(key: &PublicKey, identifier: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
    let algorithm = verifier(key.spec(), identifier)?;
    lc::UnparsedPublicKey::new(algorithm, key.bits())
        .verify(message, signature)
        .map_err(|_| Error::Signing("the signature does not belong to the public key and the content".into()))
}

/// Whether an `AlgorithmIdentifier` names RSA or ECDSA with MD5 or SHA-1.
pub(super) fn is_out_of_use(identifier: &[u8]) -> bool {
    const NAMES: [&str; 4] = [
        "1.2.840.113549.1.1.4",
        "1.2.840.113549.1.1.5",
        "1.3.14.3.2.29",
        "1.2.840.10045.4.1",
    ];
    split(identifier).is_some_and(|(name, _)| NAMES.contains(&name.as_str()))
}

/// As [`verify`], for the signature of a signing request, which proves possession of the key. SHA-1 is accepted: appliances and
/// old scripts use it, and no third party relies on this signature. MD5 is rejected, as by Go.
///
/// # Errors
/// As [`verify`].
pub(crate) fn verify_possession(
    key: &PublicKey,
    identifier: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    let spec = key.spec();
    let name = split(identifier).map(|(name, _)| name).unwrap_or_default();
    let wrong = |_| Error::Signing("the signature does not belong to the public key and the content".into());
    match (spec.algorithm, name.as_str()) {
        (KeyAlgorithm::Rsa, oid::SHA1_WITH_RSA) => {
            let algorithm = match spec.size {
                0..2048 => &lc::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
                _ => &lc::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            };
            let key = lc::UnparsedPublicKey::new(algorithm, key.bits());
            key.verify(message, signature).map_err(wrong)
        }
        (KeyAlgorithm::Ecdsa, oid::ECDSA_WITH_SHA1) => {
            let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, message);
            let (native, algorithm) = match spec.size {
                256 => (&digest::SHA256, &lc::ECDSA_P256_SHA256_ASN1),
                384 => (&digest::SHA384, &lc::ECDSA_P384_SHA384_ASN1),
                _ => (&digest::SHA512, &lc::ECDSA_P521_SHA512_ASN1),
            };
            let hash = fitted(hash.as_ref(), native)?;
            let key = lc::UnparsedPublicKey::new(algorithm, key.bits());
            key.verify_digest(&hash, signature).map_err(wrong)
        }
        (_, oid::MD5_WITH_RSA | oid::MD2_WITH_RSA) => Err(Error::Signing(
            "it is made with MD5, which is broken: make the request with SHA-256".into(),
        )),
        _ => verify(key, identifier, message, signature),
    }
}

/// Signs with RSA.
///
/// # Errors
/// [`Error::Signing`] if the algorithm is for another kind of key.
pub(super) fn sign_rsa(pair: &RsaKeyPair, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
    let padding = match algorithm {
        SignatureAlgorithm::Sha256WithRsa => &lc::RSA_PKCS1_SHA256,
        SignatureAlgorithm::Sha384WithRsa => &lc::RSA_PKCS1_SHA384,
        SignatureAlgorithm::Sha512WithRsa => &lc::RSA_PKCS1_SHA512,
        SignatureAlgorithm::EcdsaWithSha256
        | SignatureAlgorithm::EcdsaWithSha384
        | SignatureAlgorithm::EcdsaWithSha512
        | SignatureAlgorithm::PureEd25519 => return Err(unfit(algorithm, KeyAlgorithm::Rsa)),
    };
    let mut signature = vec![0; pair.public_modulus_len()];
    match pair.sign(padding, &SystemRandom::new(), message, &mut signature) {
        Ok(()) => Ok(signature),
        Err(_) => Err(not_signed()),
    }
}

/// Signs with ECDSA. The crypto library signs with one hash for each curve, while ECDSA allows any. The signature covers the
/// leftmost bits of the hash, as many as the order of the curve has (FIPS 186-5 section 6.4.1). So a longer hash is truncated,
/// and a shorter one is padded with zeros in front.
///
/// # Errors
/// [`Error::Signing`] if the algorithm is for another kind of key.
pub(super) fn sign_ecdsa(
    pair: &EcdsaKeyPair,
    bits: u32,
    algorithm: SignatureAlgorithm,
    message: &[u8],
) -> Result<Vec<u8>, Error> {
    let hash = match algorithm {
        SignatureAlgorithm::EcdsaWithSha256 => digest::digest(&digest::SHA256, message),
        SignatureAlgorithm::EcdsaWithSha384 => digest::digest(&digest::SHA384, message),
        SignatureAlgorithm::EcdsaWithSha512 => digest::digest(&digest::SHA512, message),
        SignatureAlgorithm::Sha256WithRsa
        | SignatureAlgorithm::Sha384WithRsa
        | SignatureAlgorithm::Sha512WithRsa
        | SignatureAlgorithm::PureEd25519 => return Err(unfit(algorithm, KeyAlgorithm::Ecdsa)),
    };
    let native = match bits {
        256 => &digest::SHA256,
        384 => &digest::SHA384,
        _ => &digest::SHA512,
    };
    match pair.sign_digest(&fitted(hash.as_ref(), native)?) {
        Ok(signature) => Ok(signature.as_ref().to_vec()),
        Err(_) => Err(not_signed()),
    }
}

/// A hash as one of the length that the crypto library wants for a curve.
fn fitted(hash: &[u8], native: &'static digest::Algorithm) -> Result<Digest, Error> {
    let mut fitted = hash.to_vec();
    fitted.truncate(native.output_len);
    let missing = native.output_len - fitted.len();
    fitted.splice(0..0, std::iter::repeat_n(0, missing));
    Digest::import_less_safe(&fitted, native).map_err(|_| not_signed())
}

/// Signs with Ed25519.
///
/// # Errors
/// [`Error::Signing`] if the algorithm is for another kind of key.
pub(super) fn sign_ed25519(
    pair: &Ed25519KeyPair,
    algorithm: SignatureAlgorithm,
    message: &[u8],
) -> Result<Vec<u8>, Error> {
    match algorithm {
        SignatureAlgorithm::PureEd25519 => Ok(pair.sign(message).as_ref().to_vec()),
        SignatureAlgorithm::Sha256WithRsa
        | SignatureAlgorithm::Sha384WithRsa
        | SignatureAlgorithm::Sha512WithRsa
        | SignatureAlgorithm::EcdsaWithSha256
        | SignatureAlgorithm::EcdsaWithSha384
        | SignatureAlgorithm::EcdsaWithSha512 => Err(unfit(algorithm, KeyAlgorithm::Ed25519)),
    }
}

fn verifier(spec: KeySpec, identifier: &[u8]) -> Result<&'static dyn VerificationAlgorithm, Error> {
    let (name, parameters) =
        split(identifier).ok_or_else(|| Error::Signing("the signature algorithm is damaged".into()))?;
    let algorithm: &'static dyn VerificationAlgorithm = match (spec.algorithm, spec.size, name.as_str()) {
        (KeyAlgorithm::Rsa, 0..2048, oid::SHA256_WITH_RSA) => &lc::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (KeyAlgorithm::Rsa, 0..2048, oid::SHA512_WITH_RSA) => &lc::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (KeyAlgorithm::Rsa, _, oid::SHA256_WITH_RSA) => &lc::RSA_PKCS1_2048_8192_SHA256,
        (KeyAlgorithm::Rsa, _, oid::SHA384_WITH_RSA) => &lc::RSA_PKCS1_2048_8192_SHA384,
        (KeyAlgorithm::Rsa, _, oid::SHA512_WITH_RSA) => &lc::RSA_PKCS1_2048_8192_SHA512,
        (KeyAlgorithm::Rsa, _, oid::RSA_PSS) => match parameters.and_then(pss_hash).as_deref() {
            Some(oid::SHA256) => &lc::RSA_PSS_2048_8192_SHA256,
            Some(oid::SHA384) => &lc::RSA_PSS_2048_8192_SHA384,
            Some(oid::SHA512) => &lc::RSA_PSS_2048_8192_SHA512,
            _ => {
                return Err(Error::Signing(
                    "RSASSA-PSS is accepted with SHA-256, SHA-384 and SHA-512 only".into(),
                ));
            }
        },
        (KeyAlgorithm::Ecdsa, 256, oid::ECDSA_WITH_SHA256) => &lc::ECDSA_P256_SHA256_ASN1,
        (KeyAlgorithm::Ecdsa, 256, oid::ECDSA_WITH_SHA384) => &lc::ECDSA_P256_SHA384_ASN1,
        (KeyAlgorithm::Ecdsa, 256, oid::ECDSA_WITH_SHA512) => &lc::ECDSA_P256_SHA512_ASN1,
        (KeyAlgorithm::Ecdsa, 384, oid::ECDSA_WITH_SHA256) => &lc::ECDSA_P384_SHA256_ASN1,
        (KeyAlgorithm::Ecdsa, 384, oid::ECDSA_WITH_SHA384) => &lc::ECDSA_P384_SHA384_ASN1,
        (KeyAlgorithm::Ecdsa, 384, oid::ECDSA_WITH_SHA512) => &lc::ECDSA_P384_SHA512_ASN1,
        (KeyAlgorithm::Ecdsa, 521, oid::ECDSA_WITH_SHA256) => &lc::ECDSA_P521_SHA256_ASN1,
        (KeyAlgorithm::Ecdsa, 521, oid::ECDSA_WITH_SHA384) => &lc::ECDSA_P521_SHA384_ASN1,
        (KeyAlgorithm::Ecdsa, 521, oid::ECDSA_WITH_SHA512) => &lc::ECDSA_P521_SHA512_ASN1,
        (KeyAlgorithm::Ed25519, _, oid::ED25519) => &lc::ED25519,
        (_, _, name) => {
            return Err(Error::Signing(format!(
                "a signature with the algorithm {name} by a key of type {spec} cannot be checked"
            )));
        }
    };
    Ok(algorithm)
}

fn split(identifier: &[u8]) -> Option<(String, Option<AnyRef<'_>>)> {
    let AlgorithmIdentifierRef { oid, parameters } = identifier.try_into().ok()?;
    Some((oid.to_string(), parameters))
}

/// The hash of `RSASSA-PSS-params` (RFC 4055 section 3.1); SHA-1 when it names none.
fn pss_hash(parameters: AnyRef<'_>) -> Option<String> {
    let named = parameters.sequence(|fields| {
        let hash = fields.context_specific::<AlgorithmIdentifierRef<'_>>(TagNumber(0), TagMode::Explicit)?;
        fields.drain(fields.remaining_len())?;
        Ok::<_, ::der::Error>(hash)
    });
    Some(
        named
            .ok()?
            .map_or_else(|| oid::SHA1.into(), |hash| hash.oid.to_string()),
    )
}

fn unfit(algorithm: SignatureAlgorithm, key: KeyAlgorithm) -> Error {
    Error::Signing(format!(
        "the signature algorithm {algorithm} cannot be used with an {key} key"
    ))
}

fn not_signed() -> Error {
    Error::Signing("the crypto library could not sign with this key".into())
}
