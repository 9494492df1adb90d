//! Private keys: algorithm, encoding and rotation (CRT-18..22).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire_enum::wire_enum;

/// How the private key of a certificate is made and stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrivateKey {
    /// Kind of key; RSA if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<KeyAlgorithm>,
    /// How the key is written to the Secret; PKCS1 if not set. Ed25519 keys are always PKCS8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<KeyEncoding>,
    /// Whether each issuance makes a new key (Always, if not set) or keeps the one in the Secret (Never).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_policy: Option<RotationPolicy>,
    /// Bits of the key: 2048 to 8192 for RSA (2048 if not set), 256, 384 or 521 for ECDSA (256 if not set).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::integer")]
    pub size: Option<i64>,
}

wire_enum! {
    /// Kind of a private key.
    #[derive(Default)]
    pub enum KeyAlgorithm {
        /// RSA, the default.
        #[default]
        Rsa = "RSA",
        /// ECDSA on a NIST curve.
        Ecdsa = "ECDSA",
        /// Ed25519.
        Ed25519 = "Ed25519",
    }
}

wire_enum! {
    /// How a private key is written.
    #[derive(Default)]
    pub enum KeyEncoding {
        /// PKCS#1 for RSA, SEC 1 for ECDSA; the default.
        #[default]
        Pkcs1 = "PKCS1",
        /// PKCS#8.
        Pkcs8 = "PKCS8",
    }
}

wire_enum! {
    /// Whether a re-issuance makes a new key.
    #[derive(Default)]
    pub enum RotationPolicy {
        /// Keep the key that the Secret holds.
        Never = "Never",
        /// A new key each time, the default.
        #[default]
        Always = "Always",
    }
}

wire_enum! {
    /// How the certificate signing request is signed (CRT-22).
    pub enum SignatureAlgorithm {
        /// RSA PKCS#1 v1.5 with SHA-256.
        Sha256WithRsa = "SHA256WithRSA",
        /// RSA PKCS#1 v1.5 with SHA-384.
        Sha384WithRsa = "SHA384WithRSA",
        /// RSA PKCS#1 v1.5 with SHA-512.
        Sha512WithRsa = "SHA512WithRSA",
        /// ECDSA with SHA-256.
        EcdsaWithSha256 = "ECDSAWithSHA256",
        /// ECDSA with SHA-384.
        EcdsaWithSha384 = "ECDSAWithSHA384",
        /// ECDSA with SHA-512.
        EcdsaWithSha512 = "ECDSAWithSHA512",
        /// Ed25519.
        PureEd25519 = "PureEd25519",
    }
}
