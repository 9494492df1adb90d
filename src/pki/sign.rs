//! Making certificates (SGN-01, SGN-02).

use jiff::Timestamp;

use super::Error;
use super::certificate::CertificateInfo;
use super::csr::CsrInfo;
use super::key::PrivateKey;
use super::usage::UsageSet;

/// The time a certificate is valid, both ends included, whole seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

/// What a certificate says beside its names and its key.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Extras {
    /// The usages, defaults applied.
    pub usages: UsageSet,
    /// Whether it is a CA's.
    pub is_ca: bool,
    /// How many CAs may follow below it.
    pub max_path_len: Option<u32>,
    /// Where revocation lists are (ISS-01, ISS-03).
    pub crl_distribution_points: Vec<String>,
    /// Where revocation is answered (ISS-03).
    pub ocsp_servers: Vec<String>,
    /// Where the issuer's certificate is (ISS-03).
    pub issuing_certificate_urls: Vec<String>,
}

/// A CA that can sign: its chain, beginning with its own certificate, and its key.
#[derive(Debug)]
pub struct Issuer {
    /// The chain as DER, the CA's own certificate first.
    pub chain: Vec<Vec<u8>>,
    /// What the CA's own certificate says.
    pub info: CertificateInfo,
    /// The key.
    pub key: PrivateKey,
}

/// Signs a certificate, as DER. `serial` is a random number; the value is used as a positive one.
///
/// # Errors
/// [`Error::Signing`] or [`Error::Name`].
pub fn sign(
    request: &CsrInfo,
    issuer: &Issuer,
    validity: Validity,
    serial: [u8; 16],
    extras: &Extras,
) -> Result<Vec<u8>, Error> {
    let _ = (request, issuer, validity, serial, extras);
    todo!()
}

/// Signs a certificate with its own key, as DER.
///
/// # Errors
/// [`Error::Signing`] when the key is not the one of the request.
pub fn self_sign(
    request: &CsrInfo,
    key: &PrivateKey,
    validity: Validity,
    serial: [u8; 16],
    extras: &Extras,
) -> Result<Vec<u8>, Error> {
    let _ = (request, key, validity, serial, extras);
    todo!()
}
