//! The ordered checks that decide whether a certificate is re-issued and whether it is Ready (POL-01 to POL-12).

use jiff::Timestamp;

use super::{
    fallback::{FallbackPolicy, expected_issuer},
    matching::{certificate_differences, key_differences, request_differences},
};
use crate::{
    api::{CertificateSpec, IssuerRef, names::annotation},
    pki::{certificate::CertificateInfo, summary::Part},
    plan::seen::{RequestSeen, SecretSeen},
};

/// A violation of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The reason. Tools depend on cert-manager's spelling.
    pub reason: &'static str,
    /// The message.
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

/// The input of the checks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    pub(super) name: &'a str,
    pub(super) spec: &'a CertificateSpec,
    pub(super) secret: Option<&'a SecretSeen>,
    /// The request of the certificate in the Secret, if it still exists.
    pub(super) current: Option<&'a RequestSeen>,
    /// The fallback issuers (POL-17).
    pub(super) fallback: Option<&'a FallbackPolicy>,
}

type Check = fn(&Input<'_>) -> Option<Violation>;

/// The order is part of the contract: the first violation is reported.
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

/// The checks for a temporary certificate (POL-14).
const TEMPORARY_CHECKS: &[Check] = &[
    secret_missing,
    data_missing,
    key_unreadable,
    certificate_unreadable,
    pair_differs,
];

/// The first violation of the Secret's content. Expiry and renewal are not included.
pub(super) fn content(input: &Input<'_>) -> Option<Violation> {
    CHECKS.iter().find_map(|check| check(input))
}

/// Whether to issue a temporary certificate: the Secret has no usable content.
pub(super) fn wants_temporary(input: &Input<'_>) -> bool {
    unusable(input).is_some()
}

/// Why no program can use the content of the Secret.
pub(super) fn unusable(input: &Input<'_>) -> Option<Violation> {
    TEMPORARY_CHECKS.iter().find_map(|check| check(input))
}

/// The certificate has expired (POL-12).
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

/// Whether this is a temporary certificate (SEC-06). Only the common name of its issuer distinguishes it.
pub fn is_temporary(certificate: &CertificateInfo) -> bool {
    certificate.issuer.common_name().as_deref() == Some(TEMPORARY_CA)
}

/// Common name of the discarded CA of temporary certificates.
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

/// The issuer of the Secret differs. A Secret without these annotations matches only an Issuer of our group (NB-08).
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
    if input
        .fallback
        .is_some_and(|policy| policy.explains(&stored, annotations))
    {
        return None;
    }
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
    let current = input.current?;
    let issuer = expected_issuer(input.fallback, input.spec, current);
    let fields = request_differences(current, input.spec, issuer).ok()?;
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
