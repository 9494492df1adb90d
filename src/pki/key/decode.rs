//! Parsing of private keys.

use aws_lc_rs::rsa;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair};

use super::{CURVES, KeyEncoding, Pair, PrivateKey};
use crate::pki::der::Tag;
use crate::pki::{Error, der, oid, pem};

/// As [`PrivateKey::from_pem`].
///
/// # Errors
/// As there.
pub(super) fn from_pem(text: &[u8]) -> Result<(PrivateKey, KeyEncoding), Error> {
    let pem::Scan { blocks, skipped } = pem::scan(text)?;
    let block = blocks.iter().find(|block| block.label.ends_with("PRIVATE KEY"));
    let before = |line| block.is_none_or(|block| line < block.line);
    if let Some(damaged) = skipped
        .iter()
        .find(|skipped| skipped.label.ends_with("KEY") && before(skipped.line))
    {
        return Err(Error::Pem(damaged.to_string()));
    }
    let Some(block) = block else {
        let found: Vec<&str> = blocks.iter().map(|block| block.label.as_str()).collect();
        return Err(Error::Pem(match found.as_slice() {
            [] => {
                "the text holds no PEM block; a private key begins with -----BEGIN PRIVATE KEY----- or the like".into()
            }
            found => format!("the text holds no private key, only: {}", found.join(", ")),
        }));
    };
    let der = block.der.expose();
    if block.is_encrypted || block.label == "ENCRYPTED PRIVATE KEY" {
        return Err(Error::Key(
            "the private key is encrypted with a passphrase; store it without one: \"openssl pkey -in FILE -out NEW\" asks for the \
             passphrase and takes it away"
                .into(),
        ));
    }
    let (pair, encoding) = match block.label.as_str() {
        "RSA PRIVATE KEY" => (rsa_pkcs1(der)?, KeyEncoding::Pkcs1),
        "EC PRIVATE KEY" => (ecdsa(der)?, KeyEncoding::Pkcs1),
        "PRIVATE KEY" => (pkcs8(der)?, KeyEncoding::Pkcs8),
        label => {
            return Err(Error::Key(format!(
                "a {label:?} cannot be used; RSA, ECDSA and Ed25519 keys can"
            )));
        }
    };
    Ok((PrivateKey::from_pair(pair), encoding))
}

/// As [`PrivateKey::from_pkcs8`].
///
/// # Errors
/// As there.
pub(super) fn from_pkcs8(der: &[u8]) -> Result<PrivateKey, Error> {
    pkcs8(der).map(PrivateKey::from_pair)
}

/// The `privateKey` field of a `PrivateKeyInfo` (RFC 5208 section 5).
pub(super) fn pkcs8_body(pkcs8: &[u8]) -> Option<&[u8]> {
    let fields = der::read_all(pkcs8, Tag::Sequence)?.children()?;
    fields
        .get(2)
        .filter(|field| field.tag == Tag::OctetString)
        .map(|field| field.content)
}

fn pkcs8(der: &[u8]) -> Result<Pair, Error> {
    let algorithm =
        algorithm(der).ok_or_else(|| Error::Key("the PRIVATE KEY block is not PKCS#8 (RFC 5208)".into()))?;
    match algorithm.as_str() {
        oid::RSA => match rsa::KeyPair::from_pkcs8(der) {
            Ok(pair) => Ok(Pair::Rsa(pair)),
            Err(error) => Err(rejected("RSA", error)),
        },
        oid::EC => ecdsa(der),
        oid::ED25519 => match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            Ok(pair) => Ok(Pair::Ed25519(pair)),
            Err(error) => Err(rejected("Ed25519", error)),
        },
        other => Err(Error::Key(format!(
            "keys of the algorithm {other} cannot be used; RSA, ECDSA and Ed25519 can"
        ))),
    }
}

fn algorithm(pkcs8: &[u8]) -> Option<String> {
    let fields = der::read_all(pkcs8, Tag::Sequence)?.children()?;
    let identifier = fields.get(1)?.children()?;
    der::dotted(
        identifier
            .first()
            .filter(|oid| oid.tag == Tag::ObjectIdentifier)?
            .content,
    )
}

fn rsa_pkcs1(der: &[u8]) -> Result<Pair, Error> {
    rsa::KeyPair::from_der(der)
        .map(Pair::Rsa)
        .map_err(|error| rejected("RSA", error))
}

fn ecdsa(der: &[u8]) -> Result<Pair, Error> {
    CURVES
        .iter()
        .find_map(|curve| EcdsaKeyPair::from_private_key_der(curve.signing, der).ok())
        .map(Pair::Ecdsa)
        .ok_or_else(|| {
            Error::Key("the EC private key is damaged, or on a curve other than P-256, P-384 and P-521".into())
        })
}

/// The library's reasons are names of its variants, so they are replaced by sentences.
fn rejected(kind: &str, reason: impl std::fmt::Display) -> Error {
    Error::Key(match reason.to_string().as_str() {
        "TooSmall" => format!("the {kind} private key is too short (RSA: 2048 to 8192 bits)"),
        "TooLarge" => format!("the {kind} private key is too long (RSA: 2048 to 8192 bits)"),
        _ => format!("the {kind} private key is damaged or outside of what is supported (RSA: 2048 to 8192 bits)"),
    })
}
