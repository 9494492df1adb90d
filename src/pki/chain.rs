//! Bundles of certificates: order, roots, size limits (SEC-08, SEC-09).

use super::Error;

/// The largest inputs that are read, in bytes (SEC-08).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SizeLimits {
    /// One certificate, as PEM.
    pub certificate: usize,
    /// A private key, as PEM.
    pub key: usize,
    /// A chain, as PEM.
    pub chain: usize,
    /// A bundle of trusted CAs, as PEM.
    pub bundle: usize,
}

impl Default for SizeLimits {
    fn default() -> Self {
        Self {
            certificate: 36_500,
            key: 13_000,
            chain: 95_000,
            bundle: 330_000,
        }
    }
}

/// A chain as it goes into a Secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chain {
    /// `tls.crt`: the leaf, then its issuers; without the root, unless there is nothing else.
    pub chain_pem: Vec<u8>,
    /// `ca.crt`: the root where the bundle has one, otherwise the certificate nearest to it.
    pub ca_pem: Vec<u8>,
}

/// The certificates of a PEM text as DER, in their order; blocks of other kinds are passed over.
///
/// # Errors
/// [`Error::TooLarge`] or [`Error::Pem`]; a text without certificates is an error.
pub fn parse_certificates(text: &[u8], limits: &SizeLimits) -> Result<Vec<Vec<u8>>, Error> {
    let _ = (text, limits);
    todo!()
}

/// Orders the certificates of a bundle from leaf to root and parts the root from them (SEC-09). Duplicates are dropped.
///
/// # Errors
/// As [`parse_certificates`], and [`Error::Chain`] when they do not form exactly one chain.
pub fn arrange(text: &[u8], limits: &SizeLimits) -> Result<Chain, Error> {
    let _ = (text, limits);
    todo!()
}

/// The common name of the issuer of the last certificate of a chain: what `preferredChain` is compared with (ISS-18).
///
/// # Errors
/// As [`parse_certificates`].
pub fn issuer_common_name_of_last(text: &[u8], limits: &SizeLimits) -> Result<Option<String>, Error> {
    let _ = (text, limits);
    todo!()
}
