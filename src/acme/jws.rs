//! Account keys and their signatures (RFC 8555 section 6.2, RFC 7638 thumbprints).
//!
//! Account keys are RSA in PKCS#1. cert-manager writes and reads no other kind, so an account survives a take-over in
//! both directions. An existing P-256 key is used as it is.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, encoding::AsDer, hmac};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD as BASE64_URL};
use serde_json::{Value, json};

use crate::pki::key::{KeyAlgorithm, KeyEncoding, KeySpec, PrivateKey};
use crate::pki::{self, hidden::Hidden};

/// Why a key cannot be an account key. No variant carries key material.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// There is no private key in PEM form.
    #[error("it is not a private key in PEM form")]
    NotPem,
    /// It is encrypted, in one of the two ways of PEM.
    #[error("it is encrypted with a passphrase; store it without one")]
    Encrypted,
    /// A key of another kind: ACC-02.
    #[error("it is not of type RSA (nor ECDSA P-256)")]
    NotRsa,
    /// An RSA key below 2048 or above 8192 bits.
    #[error("it is an RSA key of an unsupported size; 2048 to 8192 bits are accepted")]
    Size,
    /// The key's encoding or its numbers are wrong.
    #[error("it is a damaged private key")]
    Damaged,
    /// Key generation or signing failed in the crypto library.
    #[error("the crypto library failed")]
    Crypto,
    /// The MAC key of an external account is not base64url.
    #[error("the key of the external account binding is not base64url")]
    MacKey,
}

/// The private key of an ACME account. Cheap to clone. `Debug` shows only the thumbprint.
#[derive(Clone)]
pub struct AccountKey(Arc<Parsed>);

struct Parsed {
    pair: Pair,
    /// The public key in the form of RFC 7638. Its SHA-256 is the thumbprint.
    jwk: String,
    thumbprint: String,
    hash: String,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
}

impl AccountKey {
    /// Parses the first private key of `pem`: RSA (PKCS#1, PKCS#8) of at least 2048 bits, or P-256 (SEC1, PKCS#8).
    ///
    /// # Errors
    /// [`KeyError`] as a sentence that follows the name of the Secret.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let blocks = pki::pem::parse(pem).map_err(|_| KeyError::NotPem)?;
        let key = blocks.iter().find(|block| block.label.ends_with("PRIVATE KEY"));
        let key = key.ok_or(KeyError::NotPem)?;
        if key.is_encrypted || key.label == "ENCRYPTED PRIVATE KEY" {
            return Err(KeyError::Encrypted);
        }
        let der = key.der.expose();
        match key.label.as_str() {
            "RSA PRIVATE KEY" => Self::from_rsa_der(der),
            "EC PRIVATE KEY" => Self::from_sec1_der(der),
            "PRIVATE KEY" => {
                let info = pkcs8::PrivateKeyInfoRef::try_from(der.as_slice()).map_err(|_| KeyError::Damaged)?;
                match info.algorithm.oid.to_string().as_str() {
                    "1.2.840.113549.1.1.1" => Self::from_rsa_der(info.private_key.as_bytes()),
                    "1.2.840.10045.2.1" => Self::from_pkcs8_ec(der),
                    _ => Err(KeyError::NotRsa),
                }
            }
            _ => Err(KeyError::NotRsa),
        }
    }

    fn from_rsa_der(pkcs1: &[u8]) -> Result<Self, KeyError> {
        let pair = RsaKeyPair::from_der(pkcs1).map_err(|rejected| match rejected.to_string().as_str() {
            "TooSmall" | "TooLarge" => KeyError::Size,
            _ => KeyError::Damaged,
        })?;
        if pair.public_modulus_len() < 256 {
            return Err(KeyError::Size);
        }
        let [e, n] = [pair.public_key().exponent(), pair.public_key().modulus()]
            .map(|number| BASE64_URL.encode(number.big_endian_without_leading_zero()));
        let jwk = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        Ok(Self::parsed(Pair::Rsa(Box::new(pair)), jwk, pkcs1))
    }

    fn from_sec1_der(sec1: &[u8]) -> Result<Self, KeyError> {
        // The library reports another curve and a damaged key in the same way. Another curve is the likelier cause.
        let pair =
            EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, sec1).map_err(|_| KeyError::NotRsa)?;
        Self::from_ec(pair)
    }

    fn from_pkcs8_ec(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| KeyError::NotRsa)?;
        Self::from_ec(pair)
    }

    fn from_ec(pair: EcdsaKeyPair) -> Result<Self, KeyError> {
        let point = pair.public_key().as_ref();
        let (x, y) = point
            .get(1..)
            .and_then(|point| point.split_at_checked(32))
            .ok_or(KeyError::Damaged)?;
        let (x, y) = (BASE64_URL.encode(x), BASE64_URL.encode(y));
        let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let der = pair.private_key().as_der().map_err(|_| KeyError::Crypto)?;
        Ok(Self::parsed(Pair::P256(pair), jwk, der.as_ref()))
    }

    fn parsed(pair: Pair, jwk: String, der: &[u8]) -> Self {
        let thumbprint = BASE64_URL.encode(digest::digest(&digest::SHA256, jwk.as_bytes()));
        let hash = BASE64_STANDARD.encode(digest::digest(&digest::SHA256, der));
        Self(Arc::new(Parsed {
            pair,
            jwk,
            thumbprint,
            hash,
        }))
    }

    /// The JWK thumbprint (RFC 7638) in base64url. Two keys with the same thumbprint have the same account.
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    /// The key authorization for a challenge with this token (RFC 8555 section 8.1).
    pub fn key_authorization(&self, token: &str) -> String {
        format!("{token}.{}", self.0.thumbprint)
    }

    /// The value of `status.acme.lastPrivateKeyHash` (NB-22): base64 of the SHA-256 of the PKCS#1 DER. For a P-256
    /// key, which cert-manager does not have, of the SEC1 DER.
    pub fn private_key_hash(&self) -> &str {
        &self.0.hash
    }

    /// The body of a signed request (flattened JWS, RFC 8555 section 6.2).
    ///
    /// `kid` is the account's URL; without it the header carries the public key. `payload` is JSON, or empty for a
    /// POST-as-GET (section 6.3).
    ///
    /// # Errors
    /// [`KeyError::Crypto`].
    pub fn sign(&self, kid: Option<&str>, nonce: &str, url: &str, payload: &str) -> Result<String, KeyError> {
        let algorithm = match self.0.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
        };
        let mut header = json!({"alg": algorithm, "nonce": nonce, "url": url});
        let (name, key) = match kid {
            Some(kid) => ("kid", Value::from(kid)),
            None => ("jwk", serde_json::from_str(&self.0.jwk).map_err(|_| KeyError::Crypto)?),
        };
        if let Value::Object(header) = &mut header {
            header.insert(name.to_owned(), key);
        }
        let protected = BASE64_URL.encode(header.to_string());
        let payload = BASE64_URL.encode(payload);
        let signature = self.signature(format!("{protected}.{payload}").as_bytes())?;
        Ok(json!({"protected": protected, "payload": payload, "signature": BASE64_URL.encode(signature)}).to_string())
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.0.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| KeyError::Crypto)?;
                Ok(signature)
            }
            Pair::P256(pair) => Ok(pair
                .sign(&random, message)
                .map_err(|_| KeyError::Crypto)?
                .as_ref()
                .to_vec()),
        }
    }

    /// The `externalAccountBinding` of a registration at `new_account` (RFC 8555 section 7.3.4), always HS256.
    pub fn bind(&self, external: &ExternalAccount, new_account: &str) -> Value {
        let header = BASE64_URL.encode(json!({"alg": "HS256", "kid": external.key_id, "url": new_account}).to_string());
        let payload = BASE64_URL.encode(&self.0.jwk);
        let key = hmac::Key::new(hmac::HMAC_SHA256, external.mac_key.expose());
        let tag = hmac::sign(&key, format!("{header}.{payload}").as_bytes());
        json!({"protected": header, "payload": payload, "signature": BASE64_URL.encode(tag)})
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey({})", self.0.thumbprint)
    }
}

/// Generates an account key as cert-manager does: RSA-2048, PKCS#1 PEM (ACC-01).
///
/// It takes tenths of a second of CPU time: call it on a blocking thread.
///
/// # Errors
/// [`KeyError::Crypto`] if the crypto library fails.
pub fn generate_rsa_2048_pem() -> Result<Hidden<Vec<u8>>, KeyError> {
    let key = PrivateKey::generate(KeySpec {
        algorithm: KeyAlgorithm::Rsa,
        size: 2048,
    })
    .map_err(|_| KeyError::Crypto)?;
    key.to_pem(KeyEncoding::Pkcs1).map_err(|_| KeyError::Crypto)
}

/// The credentials of an external account binding (RFC 8555 section 7.3.4), as a CA gives them to its customer.
#[derive(Clone)]
pub struct ExternalAccount {
    key_id: String,
    mac_key: Hidden<Vec<u8>>,
}

impl ExternalAccount {
    /// Reads `keyID` and the content of the Secret: base64url without padding (ACC-08). Padding, the other alphabet
    /// and surrounding white space are accepted, because CAs' consoles print them.
    ///
    /// # Errors
    /// [`KeyError::MacKey`].
    pub fn new(key_id: &str, mac_key: &[u8]) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(mac_key).map_err(|_| KeyError::MacKey)?.trim();
        let unpadded = text.trim_end_matches('=');
        let bytes = BASE64_URL
            .decode(unpadded)
            .or_else(|_| BASE64_URL_SAFE.decode(text))
            .or_else(|_| base64::prelude::BASE64_STANDARD_NO_PAD.decode(unpadded))
            .map_err(|_| KeyError::MacKey)?;
        if bytes.is_empty() {
            return Err(KeyError::MacKey);
        }
        Ok(Self {
            key_id: key_id.to_owned(),
            mac_key: Hidden::new(bytes),
        })
    }
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "jws_tests.rs"]
mod tests;
