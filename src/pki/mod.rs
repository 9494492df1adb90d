//! Bytes: keys, names, CSRs, certificates, chains and keystores. No Kubernetes, no async, no clock.
//!
//! | module | what it is |
//! |---|---|
//! | [`hidden`] | the wrapper that key material lives in |
//! | [`key`] | private keys and the hash of a public key |
//! | [`signature`] | signature algorithms: names, making, checking |
//! | [`usage`] | the key usages of the API and their X.509 bits and OIDs |
//! | [`name`] | subjects and subject alternative names |
//! | [`constraints`] | name constraints of a CA |
//! | [`csr`] | certificate signing requests |
//! | [`certificate`] | what can be read from a certificate |
//! | [`chain`] | bundles: order, roots, size limits |
//! | [`sign`] | making certificates |
//! | [`keystore`] | PKCS#12 and JKS |
//! | [`tls`] | what a TLS client believes |
//! | [`summary`] | what is kept of a Secret instead of its bytes |

pub mod certificate;
pub mod chain;
pub mod constraints;
pub mod csr;
mod der;
mod error;
mod extension;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod foreign;
pub mod hidden;
pub mod key;
pub mod keystore;
pub mod name;
mod oid;
#[cfg(test)]
pub(crate) mod oracle;
pub mod pem;
pub mod sign;
pub mod signature;
pub mod summary;
pub mod tls;
pub mod usage;

pub use error::Error;
pub use extension::{BasicConstraints, RawExtension};
