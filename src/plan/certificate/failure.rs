//! Requests that have failed for good, and how long to wait after them (BKO rows).

use jiff::Timestamp;

use super::{matching::request_differences, status::instant, view::View};
use crate::{
    api::condition::{self, Condition, DENIED, INVALID_REQUEST, ISSUING, READY},
    plan::{backoff::Backoff, seen::RequestSeen},
};

/// How a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) at: Timestamp,
}

/// Whether a request is at its end without a certificate, and why: denied, invalid, or failed (BKO-03, NB-27). Denied outranks all: an
/// issuer that signs what was denied does not count.
pub(super) fn of_request(request: &RequestSeen) -> Option<Failure> {
    let held = |kind: &str| request.condition(kind).filter(|condition| condition.is_true());
    let failed = || {
        request
            .condition(READY)
            .filter(|condition| !condition.is_true() && ["Failed", "Denied"].contains(&condition.reason()))
    };
    let condition: &Condition = held(DENIED).or_else(|| held(INVALID_REQUEST)).or_else(failed)?;
    let told = request
        .failure_time
        .or_else(|| instant(condition.last_transition_time.as_ref()));
    // By whatever clock it was told: not before the request was there.
    let at = told.unwrap_or(request.meta.created).max(request.meta.created);
    let reason = Some(condition.reason())
        .filter(|reason| !reason.is_empty())
        .unwrap_or(&condition.type_);
    Some(Failure {
        reason: reason.to_owned(),
        message: condition.message().to_owned(),
        at,
    })
}

/// Whether this failure stands in the status already, so that its request is only in the way of the next attempt (BKO-04).
pub(super) fn is_recorded(view: &View<'_>, failure: &Failure) -> bool {
    let issuing = condition::get(&view.status().conditions, ISSUING);
    let began = issuing
        .filter(|issuing| issuing.is_true())
        .and_then(|issuing| instant(issuing.last_transition_time.as_ref()));
    let recorded = instant(view.status().last_failure_time.as_ref());
    recorded.is_some_and(|recorded| recorded >= failure.at) || began.is_some_and(|began| failure.at < began)
}

/// When the next attempt may begin, if it may not begin now. An edit of the spec ends the wait (BKO-02).
pub(super) fn waits_until(view: &View<'_>) -> Option<Timestamp> {
    let status = view.status();
    let failed = instant(status.last_failure_time.as_ref())?;
    let seen_generation = condition::get(&status.conditions, ISSUING).and_then(|issuing| issuing.observed_generation);
    let edited = seen_generation.is_some_and(|generation| generation < view.generation());
    let mut next = view
        .next_requests()
        .map(|request| request_differences(request, view.spec()));
    if edited || next.any(|differences| differences.map_or(true, |differences| !differences.is_empty())) {
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
