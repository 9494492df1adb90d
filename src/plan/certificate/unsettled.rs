//! Back-off for Certificates that are issued repeatedly because the issued certificate does not last (BKO-07).
//!
//! The second issuance in a row is immediate; each further one waits twice as long. The count is in the status, so a restart
//! changes nothing: the condition [`UNSETTLED`], with `failedIssuanceAttempts` and `lastFailureTime`, which cert-manager also
//! obeys.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    CertificateEffect, CertificatePlan, Notice, Violation, failure, issuance,
    status::{self, go_time, instant},
    view::View,
};
use crate::{
    api::{
        CertificateStatus,
        condition::{self, Condition, ConditionStatus, ISSUING, READY},
    },
    plan::{
        backoff::Backoff,
        renewal::{Validity, share},
    },
};

/// Condition type of a Certificate whose last certificate did not last. Otherwise it is absent.
pub const UNSETTLED: &str = "Unsettled";
/// Reason: another client changes or deletes the Secret.
pub const SECRET_NOT_KEPT: &str = "SecretNotKept";
/// Reason: each new certificate is due for renewal at once.
pub const DUE_AT_ONCE: &str = "DueAtOnce";

/// The wait before the third issuance in a row. It doubles for each further one.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// Age at which a certificate counts as having lasted.
const LASTING: SignedDuration = SignedDuration::from_hours(1);
/// A renewal that is due this long after the issuance is intended by the spec.
const SHORTEST_RENEWAL: SignedDuration = SignedDuration::from_mins(1);

/// Why a certificate is re-issued, as far as this module depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Its Secret is not current.
    Content,
    /// It is due for renewal.
    Renewal,
}

fn cause(view: &View<'_>) -> Cause {
    if view.content.is_some() {
        Cause::Content
    } else {
        Cause::Renewal
    }
}

/// The number of certificates in a row that did not last.
fn count(status: &CertificateStatus) -> i64 {
    if condition::is_true(&status.conditions, UNSETTLED) {
        status.failed_issuance_attempts.unwrap_or(1).max(1)
    } else {
        0
    }
}

/// Whether the attempts in the status are certificates that did not last, rather than failed requests.
pub(super) fn is_counted(view: &View<'_>) -> bool {
    count(view.status()) > 0 && !is_attempted(view.status())
}

/// The time until which the next issuance waits.
pub(super) fn waits_until(view: &View<'_>) -> Option<Timestamp> {
    if !is_counted(view) || is_edited(view) || has_lasted(view) {
        return None;
    }
    let until = retry_at(view, issued_at(view)?, count(view.status()));
    (view.now < until).then_some(until)
}

/// Whether the issuance that begins follows one that did not last, and is not counted yet.
pub(super) fn is_again(view: &View<'_>) -> bool {
    view.status().revision.is_some() && !is_attempted(view.status()) && !is_edited(view) && !has_lasted(view)
}

/// Counts the issuance that begins with the step `first`. An issuance in one pass is counted before the pass.
pub(super) fn begin(view: &View<'_>, trigger: &Violation, first: CertificatePlan) -> CertificatePlan {
    let at_once = first
        .effects
        .iter()
        .any(|effect| matches!(effect, CertificateEffect::IssueAtOnce { .. }));
    let mut plan = if at_once {
        let mut status = status::base(view, None);
        let next_key = view.status().next_private_key_secret_name.clone();
        status::set_issuing(&mut status, view, trigger, next_key.as_deref().unwrap_or_default());
        status.next_private_key_secret_name = next_key;
        let is_of_request = |event: &Notice| ["Requested", "Reused"].contains(&&*event.reason);
        CertificatePlan {
            status,
            events: first.events.into_iter().filter(|event| !is_of_request(event)).collect(),
            ..CertificatePlan::nothing(view.status())
        }
    } else {
        first
    };
    if condition::is_true(&plan.status.conditions, ISSUING) {
        let since = issued_at(view).unwrap_or(view.now);
        let message = format!(
            "The certificate that was issued at {} did not last: {}",
            go_time(since),
            trigger.message
        );
        let reason = match cause(view) {
            Cause::Content => SECRET_NOT_KEPT,
            Cause::Renewal => DUE_AT_ONCE,
        };
        mark(&mut plan.status, view, reason, &message);
        plan.status.failed_issuance_attempts = Some(count(view.status()).saturating_add(1));
        plan.status
            .last_failure_time
            .clone_from(&view.status().last_failure_time);
    }
    plan
}

/// The plan while the next issuance waits.
pub(super) fn hold(view: &View<'_>, until: Timestamp) -> CertificatePlan {
    let secret = &view.spec().secret_name;
    let times = count(view.status()).saturating_add(1);
    let (reason, why) = match cause(view) {
        Cause::Content => (
            SECRET_NOT_KEPT,
            format!("another client changes or deletes Secret {secret:?} each time: find that client and stop it"),
        ),
        Cause::Renewal => (
            DUE_AT_ONCE,
            "each new certificate is due for renewal at once: check spec.renewBefore, and the lifetime that the issuer grants for spec.duration"
                .to_owned(),
        ),
    };
    let note = format!(
        "{times} certificates in a row did not last, {why}. Next attempt at {}",
        go_time(until)
    );
    let mut status = status::base(view, Some(&note));
    status.next_private_key_secret_name = None;
    mark(&mut status, view, reason, &note);
    let mut events = vec![Notice::warning(reason, note)];
    issuance::only_news(view, &status, &mut events);
    CertificatePlan {
        status,
        events,
        next: view.wake(Some(until)),
        ..CertificatePlan::nothing(view.status())
    }
}

/// The time of the next attempt in the message of the condition [`UNSETTLED`].
pub fn unsettled_until(message: &str) -> Option<Timestamp> {
    let (_, time) = message.rsplit_once("Next attempt at ")?;
    time.parse().ok()
}

/// Removes the condition if the certificate has lasted; otherwise returns when it will.
pub(super) fn settle(status: &mut CertificateStatus, view: &View<'_>) -> Option<Timestamp> {
    if !is_counted(view) {
        return None;
    }
    let at = issued_at(view)?.checked_add(lasting(view, count(view.status()))).ok()?;
    if at <= view.now {
        clear(status);
        return None;
    }
    Some(at)
}

/// Updates the count in the status at the end of an issuance.
pub(super) fn issued(status: &mut CertificateStatus, now: Timestamp) {
    if count(status) > 0 && is_attempted(status) {
        status.last_failure_time = Some(condition::whole_second(now));
    } else {
        clear(status);
    }
}

/// Resets the count, because the previous certificate has lasted.
pub(super) fn begin_afresh(status: &mut CertificateStatus) {
    if count(status) > 0 && !is_attempted(status) {
        clear(status);
    }
}

fn clear(status: &mut CertificateStatus) {
    condition::remove(&mut status.conditions, UNSETTLED);
    status.last_failure_time = None;
    status.failed_issuance_attempts = None;
}

fn mark(status: &mut CertificateStatus, view: &View<'_>, reason: &str, message: &str) {
    let condition = Condition::new(UNSETTLED, ConditionStatus::True, reason, message);
    condition::set(
        &mut status.conditions,
        condition.observed(Some(view.generation())),
        view.now,
    );
}

/// Whether an attempt for the next revision is in progress or has failed. The rules for failures then apply.
fn is_attempted(status: &CertificateStatus) -> bool {
    condition::get(&status.conditions, ISSUING).is_some()
}

/// Whether an edit of the spec since the last issuance requests something else.
fn is_edited(view: &View<'_>) -> bool {
    let observed = condition::get(&view.status().conditions, READY).and_then(|ready| ready.observed_generation);
    let edited = observed.is_none_or(|observed| observed < view.generation());
    edited
        && view
            .input()
            .current
            .is_none_or(|request| failure::asks_else(view, request))
}

/// When the certificate of the current revision was issued, if known.
fn issued_at(view: &View<'_>) -> Option<Timestamp> {
    let status = view.status();
    let counted = instant(status.last_failure_time.as_ref()).filter(|_| count(status) > 0);
    let requested = view.input().current.map(|request| request.meta.created);
    let ready = condition::get(&status.conditions, READY).filter(|ready| ready.is_true());
    let became_ready = ready.and_then(|ready| instant(ready.last_transition_time.as_ref()));
    counted.max(requested).or(became_ready)
}

/// Whether the certificate of the current revision lasted long enough.
fn has_lasted(view: &View<'_>) -> bool {
    // a rotation of the CA is not a fault of the certificate
    let Some(issued) = issued_at(view).filter(|_| view.content.is_some() || !view.seen.rotation.due) else {
        return true;
    };
    let (until, enough) = match cause(view) {
        Cause::Content => {
            let ready = condition::get(&view.status().conditions, READY).filter(|ready| !ready.is_true());
            let broken = ready.and_then(|ready| instant(ready.last_transition_time.as_ref()));
            (broken.unwrap_or(view.now), lasting(view, count(view.status())))
        }
        Cause::Renewal => renewal_due(view),
    };
    issued.duration_until(until) >= enough
}

/// When the due renewal became due, and the interval after the issuance that the spec requests. A window of the CA does not
/// count, because only a spec may request a short interval.
fn renewal_due(view: &View<'_>) -> (Timestamp, SignedDuration) {
    let schedule = view
        .schedule
        .as_ref()
        .and_then(|schedule| schedule.as_ref().ok())
        .copied()
        .flatten();
    let lifetime = view.validity.map(Validity::lifetime).unwrap_or_default();
    match schedule.filter(|schedule| schedule.at <= view.now) {
        Some(schedule) if schedule.suggested => (schedule.at, share(lifetime, 1, 50).clamp(SHORTEST_RENEWAL, LASTING)),
        Some(schedule) => (schedule.at, SHORTEST_RENEWAL),
        None => (view.renewal_time().unwrap_or(view.now).min(view.now), SHORTEST_RENEWAL),
    }
}

/// How long a certificate must last. The time grows with the count.
fn lasting(view: &View<'_>, count: i64) -> SignedDuration {
    let wait = retry_at(view, Timestamp::UNIX_EPOCH, count).duration_since(Timestamp::UNIX_EPOCH);
    if count == 0 { LASTING } else { wait.max(LASTING) }
}

fn retry_at(view: &View<'_>, issued: Timestamp, count: i64) -> Timestamp {
    let ladder = Backoff {
        first: FIRST_WAIT,
        longest: view.settings.maximum_backoff,
    };
    ladder.retry_at(issued, Some(count), view.validity.map(Validity::lifetime))
}
