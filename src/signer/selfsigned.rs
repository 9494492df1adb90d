//! Signing with the key of the requester (SGN-01).

use jiff::Timestamp;

use super::{Issued, Refusal, Request, Warning, checked_csr, validity};
use crate::pki::Error;
use crate::pki::chain::to_pem;
use crate::pki::key::PrivateKey;
use crate::pki::sign::{Extras, self_sign};

/// The annotation that names the Secret with the key.
const KEY_ANNOTATION: &str = "cert-manager.io/private-key-secret-name";

const EMPTY_SUBJECT: &str = "Certificate will be issued with an empty Issuer DN, which contravenes RFC 5280 and could break some \
                             strict clients";

/// Signs a request with its own key. `crl_distribution_points` are those of the issuer (ISS-01).
///
/// # Errors
/// A permanent [`Refusal`]: `ErrorGenerating` for a CSR that cannot be used, `ErrorKeyMatch` for another key, `ErrorSigning`
/// otherwise.
pub(crate) fn sign(
    request: &Request<'_>,
    key: &PrivateKey,
    crl_distribution_points: &[String],
    now: Timestamp,
    serial: [u8; 16],
) -> Result<Issued, Refusal> {
    let (csr, usages) = checked_csr(request).map_err(|error| {
        Refusal::failed(
            "ErrorGenerating",
            format!("Error generating certificate template: {error}"),
        )
    })?;
    if csr.key_hash() != key.hash() {
        let message = "Error generating certificate template: CSR not signed by referenced private key";
        return Err(Refusal::failed("ErrorKeyMatch", message.into()));
    }
    let not_signed = |error: Error| Refusal::failed("ErrorSigning", format!("Error signing certificate: {error}"));
    let extras = Extras {
        usages,
        is_ca: request.is_ca,
        crl_distribution_points: crl_distribution_points.to_vec(),
        ..Extras::default()
    };
    let validity = validity(now, request.duration).map_err(not_signed)?;
    let der = self_sign(&csr, key, validity, serial, &extras).map_err(not_signed)?;
    let mut warnings = Vec::new();
    if csr.subject.is_empty() {
        warnings.push(Warning {
            reason: "BadConfig",
            message: EMPTY_SUBJECT.into(),
        });
    }
    let pem = to_pem(&[der]);
    Ok(Issued {
        certificate: pem.clone(),
        ca: pem,
        warnings,
    })
}

/// The refusal if the request does not name a Secret.
pub(crate) fn missing_annotation() -> Refusal {
    let message = format!("Annotation {KEY_ANNOTATION:?} missing or reference empty: secret name missing");
    Refusal::failed("MissingAnnotation", message)
}

/// The refusal if the Secret does not exist.
pub(crate) fn missing_secret(namespace: &str, name: &str) -> Refusal {
    let message = format!("Referenced secret {namespace}/{name} not found: secret {name:?} not found");
    Refusal::pending("MissingSecret", message)
}

/// The refusal if the `tls.key` of the Secret is missing or cannot be parsed.
pub(crate) fn unreadable_key(name: &str, why: &str) -> Refusal {
    let message = format!("Failed to get key {name:?} referenced in annotation {KEY_ANNOTATION:?}: {why}");
    Refusal::pending("ErrorParsingKey", message)
}

/// Reason of [`secret_not_read`].
pub(crate) const NOT_READ: &str = "ErrorGettingSecret";

/// The refusal if the Secret could not be read.
pub(crate) fn secret_not_read(namespace: &str, name: &str, why: &str) -> Refusal {
    let message = format!("Failed to get certificate key pair from secret {namespace}/{name}: {why}");
    Refusal::pending(NOT_READ, message)
}
