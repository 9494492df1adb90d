//! X.509 and its file formats: keys, names, CSRs, certificates, chains and keystores. No Kubernetes, no async, no
//! clock.
//!
//! | module | what it is |
//! |---|---|
//! | [`hidden`] | a wrapper for key material |
//! | [`key`] | private keys and the hash of a public key |
//! | [`signature`] | signature algorithms: names, signing, verification |
//! | [`usage`] | the key usages of the API and their X.509 bits and OIDs |
//! | [`name`] | subjects and subject alternative names |
//! | [`constraints`] | name constraints of a CA |
//! | [`csr`] | certificate signing requests |
//! | [`certificate`] | parsing of certificates |
//! | [`bundle`] | trust bundles: the certificates of many sources, and their formats |
//! | [`chain`] | bundles: order, roots, size limits |
//! | [`sign`] | signing of certificates |
//! | [`serving`] | TLS of servers: versions, cipher suites, key pair |
//! | [`revocation`] | OCSP and revocation lists |
//! | [`keystore`] | PKCS#12 and JKS |
//! | [`tls`] | trust of TLS clients |
//! | [`summary`] | the record of a Secret, without its bytes |

pub mod bundle;
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
pub mod revocation;
pub mod serving;
pub mod sign;
pub mod signature;
pub mod summary;
pub mod tls;
pub mod usage;

pub use error::Error;
pub use extension::{BasicConstraints, RawExtension};
