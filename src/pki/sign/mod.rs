//! Signing of certificates (SGN-01, SGN-02).

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::certificate::CertificateInfo;
use super::csr::CsrInfo;
use super::extension::{self, BasicConstraints, extension};
use super::key::{PrivateKey, PublicKey, sha256};
use super::name::Name;
use super::signature::SignatureAlgorithm;
use super::usage::UsageSet;
use super::{Error, der, oid};

/// The validity of a certificate in whole seconds, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

/// The content of a certificate beside its names and its key.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Extras {
    /// The usages, defaults applied.
    pub usages: UsageSet,
    /// Whether it is a CA certificate.
    pub is_ca: bool,
    /// How many CAs may follow below it; only for a CA.
    pub max_path_len: Option<u32>,
    /// The key identifier; computed from the key for `None`. A renewed CA keeps the one that its certificates name.
    pub subject_key_id: Option<Vec<u8>>,
    /// URLs of revocation lists (ISS-01, ISS-03).
    pub crl_distribution_points: Vec<String>,
    /// URLs of OCSP responders (ISS-03).
    pub ocsp_servers: Vec<String>,
    /// URLs of the issuer's certificate (ISS-03).
    pub issuing_certificate_urls: Vec<String>,
}

/// A CA that can sign: its key, and its chain with its own certificate first.
#[derive(Debug)]
pub struct Issuer {
    /// The chain as DER, the CA's own certificate first.
    pub chain: Vec<Vec<u8>>,
    /// The parsed certificate of the CA.
    pub info: CertificateInfo,
    /// The key.
    pub key: PrivateKey,
}

impl Issuer {
    /// The identifier of its key for the certificates that it signs (RFC 5280 section 4.2.1.1). It is computed if
    /// its own certificate has none.
    pub fn key_identifier(&self) -> Vec<u8> {
        let stated = self.info.subject_key_id.clone();
        stated.unwrap_or_else(|| key_identifier(&self.key.public_key()))
    }
}

/// Signs a certificate, and returns its DER. `serial` is a random number, of which a positive one is made.
///
/// Names, key and name constraints come from the request, everything else from `extras`. `BasicConstraints` and key
/// identifiers are always included. The issuer's key decides the signature algorithm. The caller checks that the issuer
/// is a CA and still valid.
///
/// # Errors
/// [`Error::Name`] for names or URLs that cannot be encoded, [`Error::Signing`] if the crypto library fails.
pub fn sign(
    request: &CsrInfo,
    issuer: &Issuer,
    validity: Validity,
    serial: [u8; 16],
    extras: &Extras,
) -> Result<Vec<u8>, Error> {
    let authority = issuer.key_identifier();
    let signer = Signer {
        name: &issuer.info.subject,
        key: &issuer.key,
        authority: Some(&authority),
    };
    signer.sign(request, validity, serial, extras)
}

/// Signs a certificate with its own key, and returns its DER.
///
/// # Errors
/// As [`sign`], and [`Error::Signing`] if the key is not the one of the request.
pub fn self_sign(
    request: &CsrInfo,
    key: &PrivateKey,
    validity: Validity,
    serial: [u8; 16],
    extras: &Extras,
) -> Result<Vec<u8>, Error> {
    if key.hash() != request.key_hash() {
        return Err(Error::Signing(
            "the private key is not the one of the certificate signing request".into(),
        ));
    }
    Signer {
        name: &request.subject,
        key,
        authority: None,
    }
    .sign(request, validity, serial, extras)
}

/// A random serial number (RFC 5280 section 4.1.2.2), for [`sign`].
///
/// # Errors
/// [`Error::Signing`] if the system has no random numbers: a serial number must not be guessable.
pub fn random_serial() -> Result<[u8; 16], Error> {
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial)
        .map_err(|_| Error::Signing("the system gives no random numbers for a serial number".into()))?;
    Ok(serial)
}

struct Signer<'a> {
    name: &'a Name,
    key: &'a PrivateKey,
    /// The key identifier of the issuer; `None` if the certificate is self-signed.
    authority: Option<&'a [u8]>,
}

impl Signer<'_> {
    fn sign(&self, request: &CsrInfo, validity: Validity, serial: [u8; 16], extras: &Extras) -> Result<Vec<u8>, Error> {
        let Self { name, key, authority } = self;
        let algorithm = SignatureAlgorithm::default_for(key.spec());
        let extensions = der::sequence(&extensions(request, *authority, extras)?);
        let info = der::sequence(&[
            der::context(0, &[der::integer(2)]).as_slice(),
            &serial_number(serial),
            &algorithm.identifier(),
            name.der(),
            &der::sequence(&[der::time(validity.not_before), der::time(validity.not_after)]),
            request.subject.der(),
            request.public_key.spki_der(),
            &der::context(3, &[extensions]),
        ]);
        let signature = key.sign(algorithm, &info)?;
        Ok(der::sequence(&[
            info,
            algorithm.identifier(),
            der::bit_string(&signature),
        ]))
    }
}

/// The extensions, in the order of other issuers of Kubernetes certificates.
fn extensions(request: &CsrInfo, authority: Option<&[u8]>, extras: &Extras) -> Result<Vec<Vec<u8>>, Error> {
    let Extras {
        usages,
        is_ca,
        max_path_len,
        subject_key_id,
        crl_distribution_points,
        ocsp_servers,
        issuing_certificate_urls,
    } = extras;
    let mut extensions = extension::usage_extensions(usages);
    let basic = BasicConstraints {
        is_ca: *is_ca,
        path_len: max_path_len.filter(|_| *is_ca),
    };
    extensions.push(extension(
        oid::BASIC_CONSTRAINTS,
        true,
        &extension::basic_constraints(basic),
    ));
    let id = subject_key_id
        .clone()
        .unwrap_or_else(|| key_identifier(&request.public_key));
    extensions.push(extension(oid::SUBJECT_KEY_IDENTIFIER, false, &der::octet_string(&id)));
    if let Some(id) = authority {
        let value = der::sequence(&[der::context_primitive(0, id)]);
        extensions.push(extension(oid::AUTHORITY_KEY_IDENTIFIER, false, &value));
    }
    let mut access = Vec::new();
    for (method, urls) in [
        (oid::ACCESS_OCSP, ocsp_servers),
        (oid::ACCESS_CA_ISSUERS, issuing_certificate_urls),
    ] {
        for url in urls {
            access.push(der::sequence(&[der::oid(method), uri(url)?]));
        }
    }
    if !access.is_empty() {
        extensions.push(extension(oid::AUTHORITY_INFO_ACCESS, false, &der::sequence(&access)));
    }
    extensions.extend(extension::san_extension(&request.sans, request.subject.is_empty())?);
    if let Some(constraints) = &request.name_constraints {
        extensions.push(extension(
            oid::NAME_CONSTRAINTS,
            constraints.critical,
            &constraints.value,
        ));
    }
    let mut points = Vec::new();
    for url in crl_distribution_points {
        // DistributionPoint { distributionPoint [0] { fullName [0] { URI } } } (RFC 5280 section 4.2.1.13)
        points.push(der::sequence(&[der::context(0, &[der::context(0, &[uri(url)?])])]));
    }
    if !points.is_empty() {
        extensions.push(extension(oid::CRL_DISTRIBUTION_POINTS, false, &der::sequence(&points)));
    }
    Ok(extensions)
}

/// The leftmost 160 bits of the SHA-256 of the key (RFC 7093 section 2, method 1).
fn key_identifier(key: &PublicKey) -> Vec<u8> {
    sha256(key.bits()).into_iter().take(20).collect()
}

/// A positive number of at most 17 octets (RFC 5280 section 4.1.2.2).
fn serial_number(random: [u8; 16]) -> Vec<u8> {
    if random == [0; 16] {
        der::integer(1)
    } else {
        der::unsigned(&random)
    }
}

fn uri(url: &str) -> Result<Vec<u8>, Error> {
    if url.is_ascii() && !url.is_empty() {
        Ok(der::context_primitive(6, url.as_bytes()))
    } else {
        Err(Error::Name(format!(
            "{url:?} cannot be written as a URL: it is empty or not ASCII"
        )))
    }
}
