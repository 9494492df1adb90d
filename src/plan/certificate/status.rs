//! The status that a Certificate should have (CST rows).

use jiff::Timestamp;

use super::{InvalidSpec, Notice, Violation, unsettled, view::View};
use crate::api::{
    CertificateStatus, Time,
    certificate_status::CertificateAcmeStatus,
    condition::{self, Condition, ConditionStatus, ISSUING, READY, whole_second},
};

/// Reason of condition and Event where a spec cannot be used.
pub(super) const INVALID_SPEC: &str = "InvalidSpec";

/// The status that follows from the Secret alone: Ready, validity, renewal time, renewal information. `note` says what holds things up.
pub(super) fn base(view: &View<'_>, note: Option<&str>) -> CertificateStatus {
    let (value, reason, message) = ready(view, note);
    with_ready(view, Condition::new(READY, value, reason, message))
}

/// The same, but not Ready for a reason that is not in the Secret. Ready is set once: a look at it must not make it look new (NB-40).
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
    status.not_before = view.validity.map(|validity| whole_second(validity.not_before));
    status.not_after = view.validity.map(|validity| whole_second(validity.not_after));
    status.renewal_time = view.renewal_time().map(whole_second);
    status.acme = view
        .renewal_information()
        .map(|ari| CertificateAcmeStatus { ari: Some(ari) });
    status
}

/// The status of a Certificate whose spec cannot even be read: everything else stays as it is.
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

/// What is told of a spec that cannot be used: once for each time that it is edited, and is still wrong.
pub(super) fn events_of_invalid(
    before: &CertificateStatus,
    after: &CertificateStatus,
    invalid: &InvalidSpec,
) -> Vec<Notice> {
    let event = Notice::warning(INVALID_SPEC, invalid.to_string());
    is_news(before, after).then_some(event).into_iter().collect()
}

/// Whether the condition Ready does not say yet what it is about to say.
pub(super) fn is_news(before: &CertificateStatus, after: &CertificateStatus) -> bool {
    condition::get(&before.conditions, READY) != condition::get(&after.conditions, READY)
}

/// Issuing=True, with the next key.
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

/// Issuing=False after a failure at `failed` (CST-02, CST-03).
pub(super) fn set_failed(
    status: &mut CertificateStatus,
    view: &View<'_>,
    reason: &str,
    message: &str,
    failed: Timestamp,
) {
    let issuing = Condition::new(ISSUING, ConditionStatus::False, reason, message).observed(Some(view.generation()));
    condition::set(&mut status.conditions, issuing, view.now);
    // A request that failed by a clock ahead of ours must not count as a new failure each time it is looked at.
    status.last_failure_time = Some(whole_second(view.now.max(failed)));
    status.failed_issuance_attempts = Some(status.failed_issuance_attempts.unwrap_or(0).saturating_add(1));
    status.next_private_key_secret_name = None;
}

/// The issuance is over: Issuing goes, it does not become False (NB-01).
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

/// A time as cert-manager prints it in messages.
pub(super) fn go_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()
}

/// When a time in status is.
pub(super) fn instant(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}
