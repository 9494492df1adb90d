//! Permanently failed requests and the back-off after them (BKO rows).

use jiff::Timestamp;

use super::{
    matching::{is_requested, key_differences},
    request,
    status::instant,
    view::View,
};
use crate::{
    api::{
        condition::{self, Condition, DENIED, INVALID_REQUEST, ISSUING, READY},
        key::RotationPolicy,
    },
    pki::csr::CsrInfo,
    plan::{backoff::Backoff, seen::RequestSeen},
};

/// The failure of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) at: Timestamp,
}

/// The failure of a request: denied, invalid, or failed (BKO-03, NB-27); `None` if it has not failed. Denied takes precedence,
/// even if an issuer signs a denied request.
pub(super) fn of_request(request: &RequestSeen) -> Option<Failure> {
    let held = |kind: &str| request.condition(kind).filter(|condition| condition.is_true());
    let failed = || {
        request
            .condition(READY)
            .filter(|condition| !condition.is_true() && ["Failed", "Denied"].contains(&condition.reason()))
    };
    let Some(condition) = held(DENIED).or_else(|| held(INVALID_REQUEST)).or_else(failed) else {
        return without_a_word(request);
    };
    let transition = request
        .failure_time
        .or_else(|| instant(condition.last_transition_time.as_ref()));
    // the issuer's clock may differ: not before the request existed
    let at = transition.unwrap_or(request.meta.created).max(request.meta.created);
    let reason = Some(condition.reason())
        .filter(|reason| !reason.is_empty())
        .unwrap_or(&condition.type_);
    Some(Failure {
        reason: reason.to_owned(),
        message: condition.message().to_owned(),
        at,
    })
}

/// An external issuer may only set the time of the failure.
fn without_a_word(request: &RequestSeen) -> Option<Failure> {
    let at = request.failure_time.filter(|_| !request.is_true(READY))?;
    let text = request.condition(READY).map(Condition::message).unwrap_or_default();
    let message = if text.is_empty() {
        "the issuer has set status.failureTime and gives no reason"
    } else {
        text
    };
    Some(Failure {
        reason: "Failed".into(),
        message: message.to_owned(),
        at: at.max(request.meta.created),
    })
}

/// Whether the status contains this failure already, so that the request only blocks the next attempt (BKO-04).
pub(super) fn is_recorded(view: &View<'_>, failure: &Failure) -> bool {
    let issuing = condition::get(&view.status().conditions, ISSUING);
    let began = issuing
        .filter(|issuing| issuing.is_true())
        .and_then(|issuing| instant(issuing.last_transition_time.as_ref()));
    let recorded = instant(view.status().last_failure_time.as_ref());
    recorded.is_some_and(|recorded| recorded >= failure.at) || began.is_some_and(|began| failure.at < began)
}

/// The time of the next attempt, if there is a back-off. An edit of the spec ends it only if the request would differ (BKO-02),
/// so that repeated edits of the Secret template do not cause a request each time.
pub(super) fn waits_until(view: &View<'_>) -> Option<Timestamp> {
    let status = view.status();
    let failed = instant(status.last_failure_time.as_ref())?;
    let seen_generation = condition::get(&status.conditions, ISSUING).and_then(|issuing| issuing.observed_generation);
    let edited = seen_generation.is_some_and(|generation| generation < view.generation());
    let mut failed_ones = view.next_requests().peekable();
    let nothing_asked = failed_ones.peek().is_none();
    let differs = |request: &RequestSeen| {
        if edited {
            asks_else(view, request)
        } else {
            !fulfils(view, request)
        }
    };
    if nothing_asked && edited || failed_ones.any(differs) {
        return None;
    }
    let ladder = Backoff {
        first: view.settings.minimum_backoff,
        longest: view.settings.maximum_backoff,
    };
    let lifetime = view.validity.map(crate::plan::renewal::Validity::lifetime);
    let until = ladder.retry_at(failed, status.failed_issuance_attempts, lifetime);
    (view.now < until).then_some(until)
}

/// Whether an edit of the spec has changed the request.
pub(super) fn asks_else(view: &View<'_>, request: &RequestSeen) -> bool {
    !fulfils(view, request) || would_ask_otherwise(view, request)
}

fn fulfils(view: &View<'_>, request: &RequestSeen) -> bool {
    is_requested(request, view.spec(), view.expected_issuer(request))
}

/// Whether the spec may request something that the request does not, in fields that [`is_requested`] ignores because they
/// do not cause a re-issuance.
fn would_ask_otherwise(view: &View<'_>, request: &RequestSeen) -> bool {
    let spec = view.spec();
    let Ok(asked) = &request.csr else { return true };
    let key = spec.private_key.as_ref();
    let keeps_key = key.and_then(|key| key.rotation_policy) == Some(RotationPolicy::Never);
    let present = view.seen.secret.as_ref().and_then(|secret| secret.pair.key.valid());
    let kept_key = present.is_some_and(|present| present.hash == asked.key_hash());
    let would_say = request::template(spec, view.settings);
    let would_say = would_say.and_then(|template| CsrInfo::from_template(&template, asked.public_key.clone()));
    let says_otherwise = would_say.map_or(true, |would_say| {
        (would_say.usages, would_say.name_constraints) != (asked.usages.clone(), asked.name_constraints.clone())
    });
    says_otherwise
        || request.duration != spec.duration
        || !key_differences(asked.key_spec(), spec).is_empty()
        || (keeps_key && present.is_some()) != kept_key
        // a request does not show how it was signed
        || spec.signature_algorithm.is_some()
}
