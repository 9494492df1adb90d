//! What a written status of a Certificate says about its issuance, for logs and metrics.

use jiff::{SignedDuration, Timestamp};

use super::CertificateObservation;
use crate::{
    api::{
        CertificateStatus, IssuerRef,
        condition::{self, ConditionStatus, ISSUING},
        names::annotation,
    },
    pki::certificate::CertificateInfo,
    plan::seen::{Object, RequestSeen},
};

/// The end of an issuance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuanceOutcome<'a> {
    /// A certificate is in the Secret.
    Issued {
        /// Whether it replaces an earlier certificate of the same Certificate.
        is_renewal: bool,
        /// Time since the creation of the Certificate, or of the CertificateRequest for a renewal.
        took: SignedDuration,
        /// The certificate.
        certificate: Option<&'a CertificateInfo>,
    },
    /// It failed.
    Failed {
        /// Reason of the condition Issuing.
        reason: String,
        /// Its message.
        message: String,
        /// Number of failures since the last success.
        attempts: i64,
    },
}

/// The outcome, if the change from the observed status to `after` ends an issuance.
pub fn issuance_outcome<'a>(
    now: Timestamp,
    seen: &'a CertificateObservation,
    after: &CertificateStatus,
) -> Option<IssuanceOutcome<'a>> {
    let before = &seen.certificate.status;
    if let Some(revision) = after
        .revision
        .filter(|revision| before.revision.is_none_or(|old| old < *revision))
    {
        let created = match before.revision {
            None => Some(seen.certificate.meta.created),
            Some(_) => requested(seen, revision).map(|request| request.meta.created),
        };
        let took = created.map_or(SignedDuration::ZERO, |created| now.duration_since(created));
        return Some(IssuanceOutcome::Issued {
            is_renewal: before.revision.is_some(),
            took: took.max(SignedDuration::ZERO),
            certificate: seen
                .secret
                .as_ref()
                .and_then(|secret| secret.pair.certificate.valid())
                .map(|info| &**info),
        });
    }
    let failures = |status: &CertificateStatus| status.failed_issuance_attempts.unwrap_or(0);
    let issuing = condition::get(&after.conditions, ISSUING)?;
    let has_failed = issuing.status == ConditionStatus::False && failures(after) > failures(before);
    has_failed.then(|| IssuanceOutcome::Failed {
        reason: issuing.reason.clone().unwrap_or_default(),
        message: issuing.message.clone().unwrap_or_default(),
        attempts: failures(after),
    })
}

/// The issuer that was asked for the next certificate, which may be a fallback issuer.
pub fn issuer_asked(seen: &CertificateObservation) -> &IssuerRef {
    let Object { spec, status, .. } = &seen.certificate;
    let next = status.revision.unwrap_or(0).saturating_add(1);
    requested(seen, next).map_or(&spec.issuer_ref, |request| &request.issuer_ref)
}

/// The CertificateRequest of this revision: the newest one, because that of another issuer may still be being deleted.
fn requested(seen: &CertificateObservation, revision: i64) -> Option<&RequestSeen> {
    let revision = revision.to_string();
    let requests = seen.requests.iter().map(|request| &**request).filter(|request| {
        let meta = &request.meta;
        meta.owned_by(&seen.certificate.meta.uid)
            && meta.annotations.get(annotation::CERTIFICATE_REVISION) == Some(revision.as_str())
    });
    requests.max_by_key(|request| (request.meta.created, request.meta.deleting.is_none()))
}
