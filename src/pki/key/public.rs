//! Public keys of CSRs and certificates.

use spki::SubjectPublicKeyInfoRef;

use super::{CURVES, KeyAlgorithm, KeyHash, KeySpec};
use crate::pki::der::Tag;
use crate::pki::{Error, der, oid};
use serde::{Deserialize, Serialize};

/// A public key: its `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7) as it was found, and its algorithm and size.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PublicKey {
    spki: Vec<u8>,
    spec: KeySpec,
}

impl PublicKey {
    /// Parses the DER of a `SubjectPublicKeyInfo`. Weak RSA keys are parsed too; the caller decides whether they
    /// may be used.
    ///
    /// # Errors
    /// [`Error::Key`] for other algorithms and curves, and for damaged bytes.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::Key("the public key is damaged".into());
        let (algorithm, parameters, key) = split(spki).ok_or_else(damaged)?;
        let spec = match algorithm.as_str() {
            oid::RSA => KeySpec {
                algorithm: KeyAlgorithm::Rsa,
                size: rsa_bits(key).ok_or_else(damaged)?,
            },
            oid::EC => {
                let name = parameters.ok_or_else(damaged)?;
                let curve = CURVES.iter().find(|curve| curve.oid == name).ok_or_else(|| {
                    Error::Key(format!(
                        "the public key is on the curve {name}; P-256, P-384 and P-521 can be used"
                    ))
                })?;
                KeySpec {
                    algorithm: KeyAlgorithm::Ecdsa,
                    size: curve.bits,
                }
            }
            oid::ED25519 => KeySpec {
                algorithm: KeyAlgorithm::Ed25519,
                size: 0,
            },
            other => {
                return Err(Error::Key(format!(
                    "public keys of the algorithm {other} cannot be used; RSA, ECDSA and Ed25519 can"
                )));
            }
        };
        Ok(Self {
            spki: spki.to_vec(),
            spec,
        })
    }

    /// The DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Algorithm and size.
    pub fn spec(&self) -> KeySpec {
        self.spec
    }

    /// The hash of the DER.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.spki)
    }

    /// The key without its algorithm: `RSAPublicKey`, a point, or 32 bytes.
    pub(crate) fn bits(&self) -> &[u8] {
        split(&self.spki).map_or(&[], |(_, _, key)| key)
    }

    /// A key whose algorithm and size are known.
    pub(super) fn known(spki: Vec<u8>, spec: KeySpec) -> Self {
        Self { spki, spec }
    }
}

/// Bits of the modulus of an `RSAPublicKey` (RFC 8017 appendix A.1.1).
pub(super) fn rsa_bits(key: &[u8]) -> Option<u32> {
    let fields = der::read_all(key, Tag::Sequence)?.children()?;
    let modulus = fields.first().filter(|field| field.tag == Tag::Integer)?.content;
    let significant: Vec<u8> = modulus.iter().copied().skip_while(|byte| *byte == 0).collect();
    let first = significant.first()?;
    u32::try_from(significant.len())
        .ok()?
        .checked_mul(8)?
        .checked_sub(first.leading_zeros())
}

/// Algorithm, named curve, and the bits of the key.
fn split(spki: &[u8]) -> Option<(String, Option<String>, &[u8])> {
    let SubjectPublicKeyInfoRef {
        algorithm,
        subject_public_key,
    } = spki.try_into().ok()?;
    let curve = algorithm.parameters_oid().ok().map(|curve| curve.to_string());
    Some((algorithm.oid.to_string(), curve, subject_public_key.as_bytes()?))
}
