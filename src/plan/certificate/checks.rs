//! The ordered checks that decide whether a certificate is re-issued, and whether it is Ready (POL-01 to POL-12).

use jiff::Timestamp;

use super::matching::{certificate_differences, key_differences, request_differences};
use crate::{
    api::{CertificateSpec, IssuerRef, names::annotation},
    pki::{certificate::CertificateInfo, summary::Part},
    plan::seen::{RequestSeen, SecretSeen},
};

/// Why a certificate is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// One word, as cert-manager writes it: tools read it.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

impl Violation {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// What the checks look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    pub(super) name: &'a str,
    pub(super) spec: &'a CertificateSpec,
    pub(super) secret: Option<&'a SecretSeen>,
    /// The request that the certificate in the Secret was issued for, if it still exists.
    pub(super) current: Option<&'a RequestSeen>,
}

type Check = fn(&Input<'_>) -> Option<Violation>;

/// The order is the contract: the first violation is the one that is told.
const CHECKS: &[Check] = &[
    secret_missing,
    data_missing,
    key_unreadable,
    certificate_unreadable,
    pair_differs,
    temporary,
    issuer_differs,
    certificate_name_differs,
    key_differs_from_spec,
    key_differs_from_request,
    request_differs_from_spec,
    certificate_differs_from_spec,
];

/// What makes a temporary certificate worth keeping until the real one comes (POL-14).
const TEMPORARY_CHECKS: &[Check] = &[
    secret_missing,
    data_missing,
    key_unreadable,
    certificate_unreadable,
    pair_differs,
];

/// The first thing that is wrong with the Secret, apart from time.
pub(super) fn content(input: &Input<'_>) -> Option<Violation> {
    CHECKS.iter().find_map(|check| check(input))
}

/// Whether a temporary certificate is wanted: there is nothing usable in the Secret.
pub(super) fn wants_temporary(input: &Input<'_>) -> bool {
    unusable(input).is_some()
}

/// Why no program can use what is in the Secret.
pub(super) fn unusable(input: &Input<'_>) -> Option<Violation> {
    TEMPORARY_CHECKS.iter().find_map(|check| check(input))
}

/// POL-12.
pub(super) fn expired(certificate: &CertificateInfo, now: Timestamp) -> Option<Violation> {
    (now > certificate.not_after).then(|| {
        Violation::new(
            "Expired",
            format!(
                "Certificate expired on {}",
                certificate.not_after.strftime("%a, %d %b %Y %H:%M:%S UTC")
            ),
        )
    })
}

/// Whether this is a certificate that was only made for the time until the real one comes (SEC-06). The common name of its issuer is all
/// that tells.
pub fn is_temporary(certificate: &CertificateInfo) -> bool {
    certificate.issuer.common_name().as_deref() == Some(TEMPORARY_CA)
}

/// Common name of the throw-away CA of temporary certificates.
pub const TEMPORARY_CA: &str = "cert-manager.local";

fn secret_missing(input: &Input<'_>) -> Option<Violation> {
    input
        .secret
        .is_none()
        .then(|| Violation::new("DoesNotExist", "Issuing certificate as Secret does not exist"))
}

fn data_missing(input: &Input<'_>) -> Option<Violation> {
    let secret = input.secret?;
    let what = match (&secret.pair.key, &secret.pair.certificate) {
        _ if secret.data_keys.is_empty() => "any data",
        (Part::Missing, _) => "a private key",
        (_, Part::Missing) => "a certificate",
        (Part::Invalid(_) | Part::Valid(_), Part::Invalid(_) | Part::Valid(_)) => return None,
    };
    Some(Violation::new(
        "MissingData",
        format!("Issuing certificate as Secret does not contain {what}"),
    ))
}

fn key_unreadable(input: &Input<'_>) -> Option<Violation> {
    match &input.secret?.pair.key {
        Part::Invalid(why) => Some(Violation::new(
            "InvalidKeyPair",
            format!("Issuing certificate as Secret contains invalid private key data: {why}"),
        )),
        Part::Missing | Part::Valid(_) => None,
    }
}

fn certificate_unreadable(input: &Input<'_>) -> Option<Violation> {
    match &input.secret?.pair.certificate {
        Part::Invalid(why) => Some(Violation::new(
            "InvalidCertificate",
            format!("Issuing certificate as Secret contains an invalid certificate: {why}"),
        )),
        Part::Missing | Part::Valid(_) => None,
    }
}

fn pair_differs(input: &Input<'_>) -> Option<Violation> {
    (input.secret?.pair.matches() == Some(false)).then(|| {
        Violation::new(
            "InvalidKeyPair",
            "Issuing certificate as Secret contains a private key that does not match the certificate",
        )
    })
}

fn temporary(input: &Input<'_>) -> Option<Violation> {
    let certificate = input.secret?.pair.certificate.valid()?;
    is_temporary(certificate).then(|| {
        Violation::new(
            "TemporaryCertificate",
            "Issuing certificate as Secret contains only a temporary certificate",
        )
    })
}

/// NB-08: a Secret without these annotations matches only an Issuer of our own group.
fn issuer_differs(input: &Input<'_>) -> Option<Violation> {
    let annotations = &input.secret?.meta.annotations;
    let value = |key: &str| annotations.get(key).unwrap_or_default().to_owned();
    let stored = IssuerRef {
        name: value(annotation::ISSUER_NAME),
        kind: Some(value(annotation::ISSUER_KIND)),
        group: Some(value(annotation::ISSUER_GROUP)),
    };
    let wanted = &input.spec.issuer_ref;
    let annotated = [
        annotation::ISSUER_NAME,
        annotation::ISSUER_KIND,
        annotation::ISSUER_GROUP,
    ]
    .iter()
    .any(|key| annotations.contains(key));
    let name_differs = annotated && stored.name != wanted.name;
    let kind_differs = stored.kind_or_default() != wanted.kind_or_default();
    let group_differs = stored.group_or_default() != wanted.group_or_default();
    (name_differs || kind_differs || group_differs).then(|| {
        Violation::new(
            "IncorrectIssuer",
            format!("Issuing certificate as Secret was previously issued by \"{stored}\""),
        )
    })
}

fn certificate_name_differs(input: &Input<'_>) -> Option<Violation> {
    let name = input.secret?.meta.annotations.get(annotation::CERTIFICATE_NAME)?;
    (name != input.name).then(|| {
        Violation::new(
            "IncorrectCertificate",
            format!(
                "Secret was issued for {name:?}. If this message is not transient, you might have two conflicting Certificates \
                 pointing to the same secret."
            ),
        )
    })
}

fn key_differs_from_spec(input: &Input<'_>) -> Option<Violation> {
    let fields = key_differences(input.secret?.pair.key.valid()?.spec, input.spec);
    (!fields.is_empty()).then(|| {
        Violation::new(
            "SecretMismatch",
            format!(
                "Existing private key is not up to date for spec: [{}]",
                fields.join(" ")
            ),
        )
    })
}

fn key_differs_from_request(input: &Input<'_>) -> Option<Violation> {
    let key = input.secret?.pair.key.valid()?;
    match &input.current?.csr {
        Err(why) => Some(Violation::new(
            "InvalidCertificateRequest",
            format!("Failed to decode current CertificateRequest: {why}"),
        )),
        Ok(csr) if csr.key_hash() != key.hash => Some(Violation::new(
            "SecretMismatch",
            "Secret contains a private key that does not match the current CertificateRequest",
        )),
        Ok(_) => None,
    }
}

fn request_differs_from_spec(input: &Input<'_>) -> Option<Violation> {
    let fields = request_differences(input.current?, input.spec).ok()?;
    (!fields.is_empty()).then(|| {
        Violation::new(
            "RequestChanged",
            format!(
                "Fields on existing CertificateRequest resource not up to date: [{}]",
                fields.join(" ")
            ),
        )
    })
}

fn certificate_differs_from_spec(input: &Input<'_>) -> Option<Violation> {
    if input.current.is_some() {
        return None;
    }
    let fields = certificate_differences(input.secret?.pair.certificate.valid()?, input.spec);
    (!fields.is_empty()).then(|| {
        Violation::new(
            "SecretMismatch",
            format!(
                "Issuing certificate as Existing issued Secret is not up to date for spec: [{}]",
                fields.join(" ")
            ),
        )
    })
}
