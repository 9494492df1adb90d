//! Certificates that are issued again and again, because what is issued does not last (BKO-07).
//!
//! A second issuance in a row is immediate; each further one waits, twice as long each time. What counts stands in status, so a restart
//! changes nothing: the condition [`UNSETTLED`], and beside it `failedIssuanceAttempts` and `lastFailureTime`, which cert-manager
//! obeys as well.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    Effect, Notice, Plan, Violation, failure, issuance,
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

/// Type of the condition of a Certificate whose last certificate did not last. It is absent from all others.
pub(super) const UNSETTLED: &str = "Unsettled";
/// Reason where something changes or deletes the Secret.
pub const SECRET_NOT_KEPT: &str = "SecretNotKept";
/// Reason where each new certificate is due for renewal as soon as it is there.
pub const DUE_AT_ONCE: &str = "DueAtOnce";

/// The wait before the third issuance in a row; doubled before each further one.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// A certificate that was good for this long has lasted.
const LASTING: SignedDuration = SignedDuration::from_hours(1);
/// A renewal that is due this long after the issuance is what the spec asks for.
const SHORTEST_RENEWAL: SignedDuration = SignedDuration::from_mins(1);

/// Why a certificate is issued anew, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Its Secret is not what it should be.
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

/// How many certificates in a row did not last.
fn count(status: &CertificateStatus) -> i64 {
    if condition::is_true(&status.conditions, UNSETTLED) {
        status.failed_issuance_attempts.unwrap_or(1).max(1)
    } else {
        0
    }
}

/// Whether the attempts that the status counts are certificates that did not last, and not requests that failed.
pub(super) fn is_counted(view: &View<'_>) -> bool {
    count(view.status()) > 0 && !is_attempted(view.status())
}

/// Until when the next issuance waits, because the last ones did not last.
pub(super) fn waits_until(view: &View<'_>) -> Option<Timestamp> {
    if !is_counted(view) || is_edited(view) || has_lasted(view) {
        return None;
    }
    let until = retry_at(view, issued_at(view)?, count(view.status()));
    (view.now < until).then_some(until)
}

/// Whether the issuance that is about to begin follows one that did not last, and nothing says so yet.
pub(super) fn is_again(view: &View<'_>) -> bool {
    view.status().revision.is_some() && !is_attempted(view.status()) && !is_edited(view) && !has_lasted(view)
}

/// Counts the issuance that `first`, its first step, begins. What is issued in one pass is counted before that pass.
pub(super) fn begin(view: &View<'_>, trigger: &Violation, first: Plan) -> Plan {
    let at_once = first
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::IssueAtOnce { .. }));
    let mut plan = if at_once {
        let mut status = status::base(view, None);
        let next_key = view.status().next_private_key_secret_name.clone();
        status::set_issuing(&mut status, view, trigger, next_key.as_deref().unwrap_or_default());
        status.next_private_key_secret_name = next_key;
        let is_of_request = |event: &Notice| ["Requested", "Reused"].contains(&&*event.reason);
        Plan {
            status,
            events: first.events.into_iter().filter(|event| !is_of_request(event)).collect(),
            ..Plan::nothing(view.status())
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
pub(super) fn hold(view: &View<'_>, until: Timestamp) -> Plan {
    let secret = &view.spec().secret_name;
    let times = count(view.status()).saturating_add(1);
    let (reason, why) = match cause(view) {
        Cause::Content => (
            SECRET_NOT_KEPT,
            format!("something changes or deletes Secret {secret:?} each time: find out what does, and stop it"),
        ),
        Cause::Renewal => (
            DUE_AT_ONCE,
            "each new certificate is due for renewal at once: check spec.renewBefore, and what the issuer makes of spec.duration"
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
    Plan {
        status,
        events,
        next: view.wake(Some(until)),
        ..Plan::nothing(view.status())
    }
}

/// Takes the mark off a Certificate whose certificate has lasted; otherwise says when that will be.
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

/// What an issuance leaves in the status: the count if it followed one that did not last, nothing otherwise.
pub(super) fn issued(status: &mut CertificateStatus, now: Timestamp) {
    if count(status) > 0 && is_attempted(status) {
        status.last_failure_time = Some(condition::whole_second(now));
    } else {
        clear(status);
    }
}

/// The issuance that begins follows one that has lasted.
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

/// Whether an attempt at the next revision is under way, or has failed: the rules for failures hold then.
fn is_attempted(status: &CertificateStatus) -> bool {
    condition::get(&status.conditions, ISSUING).is_some()
}

/// Whether the spec was edited since it was last judged, so that something else is asked for.
fn is_edited(view: &View<'_>) -> bool {
    let observed = condition::get(&view.status().conditions, READY).and_then(|ready| ready.observed_generation);
    let edited = observed.is_none_or(|observed| observed < view.generation());
    edited
        && view
            .input()
            .current
            .is_none_or(|request| failure::asks_else(view, request))
}

/// When the certificate of the present revision was issued, as far as that can be told.
fn issued_at(view: &View<'_>) -> Option<Timestamp> {
    let status = view.status();
    let counted = instant(status.last_failure_time.as_ref()).filter(|_| count(status) > 0);
    let requested = view.input().current.map(|request| request.meta.created);
    let ready = condition::get(&status.conditions, READY).filter(|ready| ready.is_true());
    let became_ready = ready.and_then(|ready| instant(ready.last_transition_time.as_ref()));
    counted.max(requested).or(became_ready)
}

/// Whether the certificate of the present revision was good for long enough to call its issuance a success.
fn has_lasted(view: &View<'_>) -> bool {
    // that the CA gets another key pair is no fault of the certificate
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

/// When the renewal that is due was due, and how long after the issuance that is what was asked for. A CA that suggests a time is not
/// asked: only what the spec says may be as short as that.
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

/// How long a certificate has to be good before it counts as a success: the longer, the more did not.
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
