//! The status of a Certificate (CST rows).

use jiff::Timestamp;

use super::{InvalidSpec, Notice, Violation, fallback, unsettled, view::View};
use crate::api::{
    CertificateStatus, Time,
    certificate_status::CertificateAcmeStatus,
    condition::{self, Condition, ConditionStatus, ISSUING, READY, whole_second},
};

/// Reason of condition and Event for an invalid spec.
pub(super) const INVALID_SPEC: &str = "InvalidSpec";

/// The status that follows from the Secret: Ready, validity, renewal time, renewal information. `note` reports what blocks
/// progress.
pub(super) fn base(view: &View<'_>, note: Option<&str>) -> CertificateStatus {
    let (value, reason, message) = ready(view, note);
    with_ready(view, Condition::new(READY, value, reason, message))
}

/// Like [`base`], but not Ready for another reason. Ready is set once, so that a reconcile does not change its times (NB-40).
pub(super) fn not_ready(view: &View<'_>, violation: Violation) -> CertificateStatus {
    let Violation { reason, message } = violation;
    with_ready(view, Condition::new(READY, ConditionStatus::False, reason, message))
}

fn with_ready(view: &View<'_>, ready: Condition) -> CertificateStatus {
    let mut status = view.status().clone();
    condition::set(
        &mut status.conditions,
        ready.observed(Some(view.generation())),
        view.now,
    );
    fallback::report(view, &mut status);
    status.not_before = view.validity.map(|validity| whole_second(validity.not_before));
    status.not_after = view.validity.map(|validity| whole_second(validity.not_after));
    status.renewal_time = view.renewal_time().map(whole_second);
    status.acme = view
        .renewal_information()
        .map(|ari| CertificateAcmeStatus { ari: Some(ari) });
    status
}

/// The status of a Certificate whose spec cannot be decoded. Everything else stays unchanged.
pub(super) fn unreadable(
    status: &CertificateStatus,
    generation: i64,
    invalid: &InvalidSpec,
    now: Timestamp,
) -> CertificateStatus {
    let mut status = status.clone();
    let condition =
        Condition::new(READY, ConditionStatus::False, INVALID_SPEC, invalid.to_string()).observed(Some(generation));
    condition::set(&mut status.conditions, condition, now);
    status
}

/// The Event for an invalid spec, once per edit.
pub(super) fn events_of_invalid(
    before: &CertificateStatus,
    after: &CertificateStatus,
    invalid: &InvalidSpec,
) -> Vec<Notice> {
    let event = Notice::warning(INVALID_SPEC, invalid.to_string());
    is_news(before, after).then_some(event).into_iter().collect()
}

/// Whether the condition Ready will change.
pub(super) fn is_news(before: &CertificateStatus, after: &CertificateStatus) -> bool {
    condition::get(&before.conditions, READY) != condition::get(&after.conditions, READY)
}

/// Sets Issuing=True, with the next key.
pub(super) fn set_issuing(status: &mut CertificateStatus, view: &View<'_>, trigger: &Violation, next_key: &str) {
    if !condition::is_true(&status.conditions, ISSUING) {
        unsettled::begin_afresh(status);
        let issuing = Condition::new(ISSUING, ConditionStatus::True, trigger.reason, trigger.message.clone());
        condition::set(
            &mut status.conditions,
            issuing.observed(Some(view.generation())),
            view.now,
        );
    }
    status.next_private_key_secret_name = Some(next_key.to_owned());
}

/// Sets Issuing=False after a failure at `failed` (CST-02, CST-03).
pub(super) fn set_failed(
    status: &mut CertificateStatus,
    view: &View<'_>,
    reason: &str,
    message: &str,
    failed: Timestamp,
) {
    let issuing = Condition::new(ISSUING, ConditionStatus::False, reason, message).observed(Some(view.generation()));
    condition::set(&mut status.conditions, issuing, view.now);
    // a failure time in the future, due to clock skew, must not count as a new failure in each reconcile
    status.last_failure_time = Some(whole_second(view.now.max(failed)));
    status.failed_issuance_attempts = Some(status.failed_issuance_attempts.unwrap_or(0).saturating_add(1));
    status.next_private_key_secret_name = None;
}

/// Ends the issuance: the condition Issuing is removed and does not become False (NB-01).
pub(super) fn set_issued(status: &mut CertificateStatus, revision: i64, now: Timestamp) {
    unsettled::issued(status, now);
    condition::remove(&mut status.conditions, ISSUING);
    status.revision = Some(revision);
    status.next_private_key_secret_name = None;
}

fn ready(view: &View<'_>, note: Option<&str>) -> (ConditionStatus, String, String) {
    let window_error = || {
        let error = view.schedule.as_ref().and_then(|schedule| schedule.as_ref().err())?;
        Some(Violation::new(
            "WindowError",
            format!("Could not calculate renewal time: {error}"),
        ))
    };
    let violation = window_error()
        .or_else(|| view.content.clone())
        .or_else(|| view.expired());
    let (value, reason, message) = match violation {
        Some(Violation { reason, message }) => (ConditionStatus::False, reason, message),
        None => (
            ConditionStatus::True,
            "Ready",
            "Certificate is up to date and has not expired".to_owned(),
        ),
    };
    let message = match note {
        Some(note) => format!("{}. {note}", message.trim_end_matches('.')),
        None => message,
    };
    (value, reason.to_owned(), message)
}

/// A time in the format of cert-manager's messages.
pub(super) fn go_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()
}

/// The time in a status field.
pub(super) fn instant(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}
