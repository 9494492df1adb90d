//! Signing with a CA whose key pair is in a Secret (SGN-02), and the check of that pair (RDY-02).

use jiff::Timestamp;

use super::{Issued, Refusal, Request, Warning, checked_csr, validity};
use crate::pki::Error;
use crate::pki::certificate::CertificateInfo;
use crate::pki::chain::{self, SizeLimits, to_pem};
use crate::pki::key::PrivateKey;
use crate::pki::sign::{self, Extras, Issuer};

/// The content of the Secret of a CA issuer.
#[derive(Clone, Copy)]
pub(crate) struct SecretData<'a> {
    /// Its namespace, for messages.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// `tls.key`.
    pub tls_key: Option<&'a [u8]>,
    /// `tls.crt`.
    pub tls_crt: Option<&'a [u8]>,
    /// `ca.crt`.
    pub ca_crt: Option<&'a [u8]>,
}

/// URLs that the issuer adds to its certificates (ISS-03).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Urls {
    /// CRL distribution points.
    pub crl_distribution_points: Vec<String>,
    /// OCSP servers.
    pub ocsp_servers: Vec<String>,
    /// URLs of the issuer's own certificate.
    #[expect(clippy::struct_field_names, reason = "named as the field of the issuer")]
    pub issuing_certificate_urls: Vec<String>,
}

/// How to treat a leaf that would outlive its CA.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Outliving {
    /// Sign it as requested, with a warning (SGN-02 forbids silent shortening).
    #[default]
    State,
    /// Shorten it to the lifetime of the CA, with a warning.
    Clamp,
}

/// A usable key pair. `Debug` prints no key material; the key is wiped on drop.
#[derive(Debug)]
pub(crate) struct CertificateAuthority {
    issuer: Issuer,
    /// The certificates after the leaf in its chain: the CA and those above it, without the root.
    tail_pem: Vec<u8>,
    /// `status.ca` of all signed requests.
    ca_pem: Vec<u8>,
}

/// Why a Secret cannot be used as a CA. `Display` is the sentence.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum UnusablePair {
    /// A data key is missing or cannot be parsed.
    #[error("{0}")]
    Unreadable(String),
    /// The content is valid, but it is not a CA that can sign.
    #[error("{0}")]
    Invalid(String),
    /// The CA is not valid at this time.
    #[error("{0}")]
    NotNow(String),
}

impl UnusablePair {
    /// The refusal for a request that waits for this pair (SGN-02).
    pub(crate) fn refusal(&self, secret: &SecretData<'_>) -> Refusal {
        let SecretData { namespace, name, .. } = secret;
        let message = format!("Failed to parse signing CA keypair from secret {namespace}/{name}: {self}");
        Refusal::pending(INVALID_DATA, message)
    }
}

/// The refusal if the Secret does not exist.
pub(crate) fn missing_secret(namespace: &str, name: &str) -> Refusal {
    let message = format!("Referenced secret {namespace}/{name} not found: secret {name:?} not found");
    Refusal::pending("SecretMissing", message)
}

/// Reason of [`UnusablePair::refusal`].
pub(crate) const INVALID_DATA: &str = "SecretInvalidData";

/// Reason of [`secret_not_read`].
pub(crate) const NOT_READ: &str = "SecretGetError";

/// The refusal if the Secret could not be read.
pub(crate) fn secret_not_read(namespace: &str, name: &str, why: &str) -> Refusal {
    let message = format!("Failed to get certificate key pair from secret {namespace}/{name}: {why}");
    Refusal::pending(NOT_READ, message)
}

impl CertificateAuthority {
    /// Parses the key pair of a Secret: the key, the chain of the CA, and `ca.crt`, which is added at the end of the chain.
    ///
    /// # Errors
    /// [`UnusablePair`]: no key, no certificate, invalid content, a leaf instead of a CA, a key of another certificate, not valid
    /// yet or expired.
    pub(crate) fn read(secret: &SecretData<'_>, now: Timestamp, limits: &SizeLimits) -> Result<Self, UnusablePair> {
        let issuer = read_pair(secret, limits)?;
        check(&issuer, now)?;
        let mut chain = issuer.chain.clone();
        if let Some(text) = secret.ca_crt.filter(|text| !text.is_empty()) {
            let ca = chain::parse_certificates(text, limits.bundle).map_err(|error| unreadable("ca.crt", &error))?;
            chain.extend(next_above(&chain, ca));
        }
        let mut ordered = chain::order(chain).map_err(|error| UnusablePair::Invalid(error.to_string()))?;
        if ordered.first() != issuer.chain.first() {
            let message = "the first certificate of tls.crt is not the one at the beginning of the chain";
            return Err(UnusablePair::Invalid(message.into()));
        }
        let ca_pem = to_pem(ordered.last().as_slice());
        let last = ordered.last().and_then(|der| CertificateInfo::parse(der).ok());
        if last.is_some_and(|info| info.self_signed) {
            ordered.pop();
        }
        Ok(Self {
            issuer,
            tail_pem: to_pem(&ordered),
            ca_pem,
        })
    }

    /// The CA's own certificate.
    pub(crate) fn info(&self) -> &CertificateInfo {
        &self.issuer.info
    }

    /// The certificate by which leaves are trusted, as PEM.
    pub(crate) fn ca_pem(&self) -> &[u8] {
        &self.ca_pem
    }

    /// Its key pair.
    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The certificates after the leaf in the chains that it signs, as PEM; empty below a root.
    pub(crate) fn tail_pem(&self) -> &[u8] {
        &self.tail_pem
    }

    /// The key identifier that all signed certificates contain.
    pub(crate) fn key_identifier(&self) -> Vec<u8> {
        self.issuer.key_identifier()
    }

    /// Signs a request.
    ///
    /// # Errors
    /// A permanent [`Refusal`], `SigningError`: a CSR that cannot be used, or a CA below a CA with path length 0.
    pub(crate) fn sign(
        &self,
        request: &Request<'_>,
        urls: &Urls,
        outliving: Outliving,
        now: Timestamp,
        serial: [u8; 16],
    ) -> Result<Issued, Refusal> {
        let (csr, usages) = checked_csr(request).map_err(|error| {
            Refusal::failed(
                "SigningError",
                format!("Error generating certificate template: {error}"),
            )
        })?;
        let not_signed = |error: Error| Refusal::failed("SigningError", format!("Error signing certificate: {error}"));
        let mut validity = validity(now, request.duration).map_err(not_signed)?;
        let warnings: Vec<Warning> = self.outlived(&mut validity, outliving).into_iter().collect();
        let extras = Extras {
            usages,
            is_ca: request.is_ca,
            max_path_len: self.path_len_below(request.is_ca).map_err(not_signed)?,
            subject_key_id: None,
            crl_distribution_points: urls.crl_distribution_points.clone(),
            ocsp_servers: urls.ocsp_servers.clone(),
            issuing_certificate_urls: urls.issuing_certificate_urls.clone(),
        };
        let leaf = sign::sign(&csr, &self.issuer, validity, serial, &extras).map_err(not_signed)?;
        Ok(Issued {
            certificate: [to_pem(&[leaf]), self.tail_pem.clone()].concat(),
            ca: self.ca_pem.clone(),
            warnings,
        })
    }

    fn outlived(&self, validity: &mut sign::Validity, outliving: Outliving) -> Option<Warning> {
        let (asked, end) = (validity.not_after, self.issuer.info.not_after);
        if asked <= end {
            return None;
        }
        let ca = self.issuer.info.subject.to_string();
        let message = match outliving {
            Outliving::State => format!(
                "the certificate is valid until {asked}, but its CA {ca:?} expires on {end}: clients reject it after that"
            ),
            Outliving::Clamp => {
                validity.not_after = end;
                format!("the certificate was requested until {asked}; it expires with its CA {ca:?} on {end}")
            }
        };
        Some(Warning {
            reason: "OutlivesCA",
            message,
        })
    }

    /// The path length of a signed CA: one less than that of this CA (RFC 5280 section 4.2.1.9).
    fn path_len_below(&self, is_ca: bool) -> Result<Option<u32>, Error> {
        match self.issuer.info.path_len.filter(|_| is_ca) {
            None => Ok(None),
            Some(0) => Err(Error::Signing(format!(
                "the CA {:?} must not issue CA certificates: its path length is 0",
                self.issuer.info.subject.to_string()
            ))),
            Some(above) => Ok(Some(above - 1)),
        }
    }
}

fn read_pair(secret: &SecretData<'_>, limits: &SizeLimits) -> Result<Issuer, UnusablePair> {
    let missing = |key: &str| {
        UnusablePair::Unreadable(format!(
            "no data for {key:?} in secret '{}/{}'",
            secret.namespace, secret.name
        ))
    };
    let present = |data: Option<&'_ [u8]>| data.filter(|data| !data.is_empty()).map(<[u8]>::to_vec);
    let certificate = present(secret.tls_crt).ok_or_else(|| missing("tls.crt"))?;
    let key = secret
        .tls_key
        .filter(|data| !data.is_empty())
        .ok_or_else(|| missing("tls.key"))?;
    if key.len() > limits.key {
        let (size, limit) = (key.len(), limits.key);
        let what = "private key";
        return Err(unreadable("tls.key", &Error::TooLarge { what, size, limit }));
    }
    let (key, _) = PrivateKey::from_pem(key).map_err(|error| unreadable("tls.key", &error))?;
    let chain = chain::parse_chain(&certificate, limits.chain).map_err(|error| unreadable("tls.crt", &error))?;
    let first = chain.first().map(Vec::as_slice).unwrap_or_default();
    let info = CertificateInfo::parse(first).map_err(|error| unreadable("tls.crt", &error))?;
    Ok(Issuer { chain, info, key })
}

/// The certificate in `ca.crt` that signed the last certificate of `chain`. There are several while the CA above is rotated. The
/// first one if none signed it, so that the error is about that one.
fn next_above(chain: &[Vec<u8>], mut trusted: Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let at = chain
        .last()
        .and_then(|last| chain::signer_of(last, &trusted))
        .unwrap_or(0);
    (!trusted.is_empty()).then(|| trusted.swap_remove(at))
}

/// The requirements for a CA. The most relevant violation is returned.
fn check(issuer: &Issuer, now: Timestamp) -> Result<(), UnusablePair> {
    let Issuer { info, key, .. } = issuer;
    let subject = info.subject.to_string();
    let problem = if !info.is_ca {
        "certificate is not a CA".to_owned()
    } else if info.key_hash != key.hash() {
        format!("tls.key is not the key of the certificate {subject:?} in tls.crt: store a matching pair")
    } else if info.lacks_cert_sign() {
        format!("the key usage of the CA {subject:?} does not allow it to sign certificates (\"cert sign\" is missing)")
    } else if info.not_after < now {
        let expired = format!(
            "the CA {subject:?} expired on {}: renew it and store the new certificate",
            info.not_after
        );
        return Err(UnusablePair::NotNow(expired));
    } else if info.not_before > now {
        let early = format!("the CA {subject:?} is not valid before {}", info.not_before);
        return Err(UnusablePair::NotNow(early));
    } else {
        return Ok(());
    };
    Err(UnusablePair::Invalid(problem))
}

fn unreadable(key: &str, error: &Error) -> UnusablePair {
    UnusablePair::Unreadable(format!("{key}: {error}"))
}
