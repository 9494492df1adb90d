//! The urgency of a Certificate, and its one sentence.

use jiff::{SignedDuration, Timestamp};

use super::{
    Entry, Question, Urgency,
    facts::{CertificateFacts, Facts, RequestFacts, instant, issuer_name, message, shared, since},
    relative::{relative, span},
};
use crate::{
    api::condition::{self, Condition, ISSUING, READY},
    plan::{
        certificate::{ISSUED_BY_FALLBACK, ISSUER_UNAVAILABLE, UNSETTLED, unsettled_until},
        copies::SECRET_SYNCED,
        issuer::IssuerId,
        order::persist::ends_soon,
        renewal::share,
    },
};

/// How long an issuance may take until it counts as failing.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// Minimum and maximum delay of a renewal that counts as overdue.
const OVERDUE: (SignedDuration, SignedDuration) = (SignedDuration::from_mins(1), SignedDuration::from_hours(1));

/// A Certificate with its entry.
pub(super) struct Judged {
    pub(super) entry: Entry,
    pub(super) issuer: Option<IssuerId>,
}

/// The reason for the state of a Certificate.
struct Cause {
    /// One word.
    reason: String,
    /// The sentence, without an end.
    sentence: String,
    /// The time of the next attempt.
    next: Option<Timestamp>,
    /// Whether it needs action: it has failed, or cannot begin.
    blocks: bool,
}

impl Cause {
    fn new(reason: &str, sentence: impl Into<String>, blocks: bool) -> Self {
        let sentence: String = sentence.into();
        Self {
            reason: reason.to_owned(),
            sentence: sentence.trim_end_matches('.').to_owned(),
            next: None,
            blocks,
        }
    }

    fn next(self, next: Option<Timestamp>) -> Self {
        Self { next, ..self }
    }
}

/// A Certificate, and what decides about its urgency.
struct Case<'a> {
    now: Timestamp,
    question: &'a Question,
    facts: &'a Facts,
    certificate: &'a CertificateFacts,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    renewal: Option<Timestamp>,
}

/// Judges one Certificate.
pub(super) fn certificate(now: Timestamp, question: &Question, facts: &Facts, of: &CertificateFacts) -> Judged {
    let status = &of.status;
    let case = Case {
        now,
        question,
        facts,
        certificate: of,
        not_before: instant(status.not_before.as_ref()),
        not_after: instant(status.not_after.as_ref()),
        renewal: instant(status.renewal_time.as_ref()),
    };
    let found = case.cause();
    let urgency = case.urgency(found.as_ref());
    let (namespace, name) = shared(&of.key);
    Judged {
        issuer: IssuerId::of(&of.issuer, &of.key.namespace),
        entry: Entry {
            urgency,
            kind: "Certificate",
            namespace,
            name,
            reason: found
                .as_ref()
                .map_or_else(|| word(urgency), |cause| cause.reason.clone()),
            sentence: case.sentence(urgency, found.as_ref()),
            issuer: Some(issuer_name(&of.issuer)),
            since: case.since(),
            not_after: case.not_after,
            renewal_time: case.renewal,
            next_attempt_time: found.and_then(|cause| cause.next),
            failed_issuance_attempts: status.failed_issuance_attempts.filter(|attempts| *attempts > 0),
        },
    }
}

/// The reason of an entry without a cause.
fn word(urgency: Urgency) -> String {
    let word = match urgency {
        Urgency::Expired => "Expired",
        Urgency::Expiring => "RenewalDisabled",
        Urgency::Missing | Urgency::Failing | Urgency::Waiting => "NotReady",
        Urgency::Well => "Ready",
    };
    word.to_owned()
}

impl Case<'_> {
    fn condition(&self, type_: &str) -> Option<&Condition> {
        condition::get(&self.certificate.status.conditions, type_)
    }

    fn is_true(&self, type_: &str) -> bool {
        condition::is_true(&self.certificate.status.conditions, type_)
    }

    fn is_ready(&self) -> bool {
        self.is_true(READY)
    }

    /// Since when the Certificate is in its state.
    fn since(&self) -> Option<Timestamp> {
        let ready = self.condition(READY).and_then(since);
        let issuing = self
            .condition(ISSUING)
            .filter(|issuing| issuing.is_true())
            .and_then(since);
        if self.is_ready() {
            issuing.or(ready)
        } else {
            ready.or(Some(self.certificate.created))
        }
    }

    /// Why the Certificate is not ready, or not being renewed as it should.
    fn cause(&self) -> Option<Cause> {
        const CAUSES: &[fn(&Case<'_>) -> Option<Cause>] = &[
            deleting,
            unreadable,
            unsettled,
            no_issuer,
            in_flight,
            back_off,
            not_ready,
            overdue,
            record_ends,
            not_copied,
        ];
        CAUSES.iter().find_map(|cause| cause(self))
    }

    /// The first of these that holds.
    fn urgency(&self, cause: Option<&Cause>) -> Urgency {
        let blocks = cause.is_some_and(|cause| cause.blocks);
        if self.not_after.is_some_and(|not_after| not_after <= self.now) {
            Urgency::Expired
        } else if self.expires_soon() {
            Urgency::Expiring
        } else if !self.is_ready() && self.not_after.is_none() && blocks {
            Urgency::Missing
        } else if blocks {
            Urgency::Failing
        } else if self.is_ready() {
            Urgency::Well
        } else {
            Urgency::Waiting
        }
    }

    /// Whether a third of the time for the renewal is left, or less. Without a renewal: a ninth of the lifetime, as by default.
    fn expires_soon(&self) -> bool {
        let Some(not_after) = self.not_after else { return false };
        let left = self.now.duration_until(not_after);
        match (self.renewal, self.not_before) {
            (Some(renewal), _) if renewal > self.now => false,
            (Some(renewal), _) => left <= share(renewal.duration_until(not_after), 1, 3),
            (None, Some(not_before)) => left <= share(not_before.duration_until(not_after), 1, 9),
            (None, None) => false,
        }
    }

    fn sentence(&self, urgency: Urgency, cause: Option<&Cause>) -> String {
        let at = |time: Option<Timestamp>| time.map(|time| relative(self.now, time)).unwrap_or_default();
        let head = match urgency {
            Urgency::Expired => format!("expired {}", at(self.not_after)),
            Urgency::Expiring => format!("expires {}", at(self.not_after)),
            Urgency::Missing => "no certificate".to_owned(),
            Urgency::Failing => match self.not_after {
                Some(_) => format!("expires {}", at(self.not_after)),
                None => "not ready".to_owned(),
            },
            Urgency::Waiting => "not ready yet".to_owned(),
            Urgency::Well => match (self.renewal, self.not_after) {
                (Some(_), _) => format!("renewed {}", at(self.renewal)),
                (None, Some(_)) => format!("expires {}; automatic renewal is disabled", at(self.not_after)),
                (None, None) => "ready".to_owned(),
            },
        };
        let disabled = || "automatic renewal is disabled".to_owned();
        let why = cause.map(|cause| cause.sentence.clone());
        let why = why.or_else(|| (urgency == Urgency::Expiring && self.renewal.is_none()).then(disabled));
        let why = why.or_else(|| self.condition(ISSUED_BY_FALLBACK).map(|by| by.message().to_owned()));
        let Some(why) = why.filter(|why| !why.is_empty()) else {
            return head;
        };
        let next = cause
            .and_then(|cause| cause.next)
            .filter(|next| *next > self.now)
            .map(|next| format!("; next attempt {}", relative(self.now, next)));
        format!("{head}: {why}{}", next.unwrap_or_default())
    }
}

fn deleting(case: &Case<'_>) -> Option<Cause> {
    let deleting = case.certificate.deleting;
    deleting.then(|| Cause::new("Deleting", "it is being deleted", false))
}

fn unreadable(case: &Case<'_>) -> Option<Cause> {
    let why = case.certificate.unreadable.as_ref()?;
    Some(Cause::new("InvalidSpec", why.clone(), true))
}

fn unsettled(case: &Case<'_>) -> Option<Cause> {
    let unsettled = case.condition(UNSETTLED).filter(|unsettled| unsettled.is_true())?;
    let found = Cause::new(unsettled.reason(), unsettled.message(), true);
    Some(found.next(unsettled_until(unsettled.message())))
}

/// The issuer does not exist or is not ready, and the Certificate needs it now.
fn no_issuer(case: &Case<'_>) -> Option<Cause> {
    let certificate = case.certificate;
    // a fallback issuer is asked in its place
    if (case.is_ready() && !case.is_true(ISSUING)) || case.is_true(ISSUER_UNAVAILABLE) {
        return None;
    }
    let id = IssuerId::of(&certificate.issuer, &certificate.key.namespace)?;
    let name = issuer_name(&certificate.issuer);
    let Some(issuer) = case.facts.issuers.get(&id) else {
        if case.question.unlisted.contains(&id.kind()) {
            return None;
        }
        return Some(Cause::new("IssuerNotFound", format!("the {name} does not exist"), true));
    };
    let ready = condition::get(&issuer.status.conditions, READY)?;
    let sentence = || format!("the {name} is not ready: {}", ready.message());
    (!ready.is_true()).then(|| Cause::new("IssuerNotReady", sentence(), true))
}

/// A certificate is being issued: what the innermost object reports. After [`PATIENCE`] it counts as failing.
fn in_flight(case: &Case<'_>) -> Option<Cause> {
    let issuing = case.condition(ISSUING).filter(|issuing| issuing.is_true())?;
    let late = since(issuing).is_some_and(|since| since.duration_until(case.now) > PATIENCE);
    let innermost = case
        .facts
        .request(case.certificate)
        .map(|request| of_request(case.facts, request, late));
    let alone = || {
        let words = if issuing.message().is_empty() {
            "it is being issued"
        } else {
            issuing.message()
        };
        Cause::new("Issuing", words, late)
    };
    let mut found = innermost.unwrap_or_else(alone);
    if let Some(outage) = case.condition(ISSUER_UNAVAILABLE).filter(|outage| outage.is_true()) {
        found.sentence = format!("{}: {}", outage.message(), found.sentence);
    }
    if late && let Some(since) = since(issuing) {
        let lasts = span(since.duration_until(case.now));
        found.sentence = format!("in progress for {lasts}: {}", found.sentence);
    }
    Some(found)
}

/// The cause of an unfinished request: that of its Challenge, of its Order, or its own.
fn of_request(facts: &Facts, request: &RequestFacts, late: bool) -> Cause {
    if !request.approved {
        let name = &request.key.name;
        return Cause::new(
            "WaitingForApproval",
            format!("CertificateRequest {name} waits for approval"),
            late,
        );
    }
    let Some(order) = facts.order(request) else {
        let sentence = if request.message.is_empty() {
            format!("CertificateRequest {} is pending", request.key.name)
        } else {
            request.message.clone()
        };
        return Cause::new("RequestPending", sentence, late);
    };
    let speaking = facts
        .challenges_of(order)
        .iter()
        .find(|challenge| !challenge.reason.is_empty());
    if let Some(challenge) = speaking {
        let sentence = format!("challenge for {}: {}", challenge.dns_name, challenge.reason);
        return Cause::new("ChallengePending", sentence, late);
    }
    if order.reason.is_empty() {
        let sentence = format!("Order {} is in flight at the ACME server", order.key.name);
        return Cause::new("OrderPending", sentence, late);
    }
    let reason = if order.waits_until.is_some() {
        "RateLimited"
    } else {
        "OrderPending"
    };
    Cause::new(reason, order.reason.clone(), late).next(order.waits_until)
}

/// The last issuance failed, and the next one waits.
fn back_off(case: &Case<'_>) -> Option<Cause> {
    let status = &case.certificate.status;
    let last = instant(status.last_failure_time.as_ref())?;
    let attempts = status.failed_issuance_attempts.unwrap_or(1).max(1);
    let lifetime = case.not_before.zip(case.not_after);
    let lifetime = lifetime.map(|(from, to)| from.duration_until(to));
    let next = case.question.backoff.retry_at(last, Some(attempts), lifetime);
    let issuing = case.condition(ISSUING);
    let why = issuing.map(Condition::message).filter(|message| !message.is_empty());
    let times = match attempts {
        1 => "the issuance failed".to_owned(),
        times => format!("{times} issuances in a row failed, the last"),
    };
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let sentence = format!("{times} {}{why}", relative(case.now, last));
    let reason = issuing.map(Condition::reason).filter(|reason| !reason.is_empty());
    Some(Cause::new(reason.unwrap_or("Failed"), sentence, true).next(Some(next)))
}

fn not_ready(case: &Case<'_>) -> Option<Cause> {
    let Some(ready) = case.condition(READY) else {
        let late = case.certificate.created.duration_until(case.now) > PATIENCE;
        let sentence = if late {
            "it has not been reconciled: is the controller running?"
        } else {
            "it has not been reconciled yet"
        };
        return Some(Cause::new("NotReconciled", sentence, late));
    };
    let sentence = message(&case.certificate.status.conditions, READY);
    (!ready.is_true()).then(|| Cause::new(ready.reason(), sentence, true))
}

/// The renewal is due, and has not begun.
fn overdue(case: &Case<'_>) -> Option<Cause> {
    let (renewal, not_after) = (case.renewal?, case.not_after?);
    let (least, most) = OVERDUE;
    let grace = share(renewal.duration_until(not_after), 1, 100).clamp(least, most);
    let is_overdue = renewal.duration_until(case.now) > grace;
    is_overdue.then(|| {
        let due = relative(case.now, renewal);
        let sentence = format!("its renewal was due {due} and has not begun: is the controller running?");
        Cause::new("RenewalOverdue", sentence, true)
    })
}

/// The record by which the CA knows a name ends soon: the renewal after that fails.
fn record_ends(case: &Case<'_>) -> Option<Cause> {
    let record = case.facts.record(case.certificate)?;
    let id = IssuerId::of(&record.issuer, &case.certificate.key.namespace)?;
    let warn_before = case.facts.issuers.get(&id)?.warn_before?;
    let sentence = ends_soon(case.now, &record.name, record.until, warn_before)?;
    Some(Cause::new("PersistUntil", sentence, true))
}

/// A namespace that it names has no copy of its Secret.
fn not_copied(case: &Case<'_>) -> Option<Cause> {
    let synced = case.condition(SECRET_SYNCED).filter(|synced| !synced.is_true())?;
    Some(Cause::new(synced.reason(), synced.message(), true))
}

/// Requests that no Certificate owns, and that wait.
pub(super) fn requests(facts: &Facts) -> impl Iterator<Item = Entry> {
    facts.lone_requests.iter().map(|request| {
        let cause = of_request(facts, request, false);
        let (namespace, name) = shared(&request.key);
        Entry {
            urgency: Urgency::Waiting,
            kind: "CertificateRequest",
            namespace,
            name,
            reason: cause.reason,
            sentence: format!("not ready yet: {}", cause.sentence),
            issuer: Some(issuer_name(&request.issuer)),
            since: Some(request.created),
            not_after: None,
            renewal_time: None,
            next_attempt_time: cause.next,
            failed_issuance_attempts: None,
        }
    })
}
