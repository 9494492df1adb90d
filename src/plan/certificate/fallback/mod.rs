//! Fallback issuers: asked in place of the issuer of the spec while that one has an outage (ANO-16, POL-17).
//!
//! What must survive a restart is in the cluster: the request of the next revision names the issuer that is asked, and the condition
//! [`ISSUER_UNAVAILABLE`] has the time since when the issuer of the spec is unavailable. A fallback issuer is never asked because of a
//! refusal, and each renewal asks the issuer of the spec first.

mod choice;
mod policy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use policy::FallbackPolicy;

use self::choice::{Asked, Report, Situation, choose};
use super::{
    DesiredRequest, IssuerState, Notice, failure,
    matching::is_requested,
    status::{go_time, instant},
    view::View,
};
use crate::{
    api::{
        CertificateSpec, CertificateStatus, IssuerRef,
        condition::{self, Condition, ConditionStatus, READY, whole_second},
        names::annotation,
    },
    net::OutageKind,
    plan::{
        outage::Availability,
        seen::{Pairs, RequestSeen},
    },
    text::excerpt,
};
pub(super) use choice::Choice;

/// Condition type of a Certificate with fallback issuers whose issuer has an outage. Otherwise it is absent.
pub const ISSUER_UNAVAILABLE: &str = "IssuerUnavailable";
/// Condition type: True if a fallback issuer issued the certificate, False if the annotations cannot be used. Otherwise it is absent.
pub const ISSUED_BY_FALLBACK: &str = "IssuedByFallback";
/// Reasons of [`ISSUER_UNAVAILABLE`].
const UNREACHABLE: &str = "Unreachable";
const RATE_LIMITED: &str = "RateLimited";
/// Reason of [`ISSUED_BY_FALLBACK`] if the annotations cannot be used.
const INVALID: &str = "InvalidAnnotation";

/// The observation of the issuers of a Certificate with fallback issuers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FallbackSeen {
    /// The state of each issuer of the policy.
    pub states: Vec<IssuerState>,
    /// What checks of the issuers found out about their servers: of the issuer of the spec, and of each issuer of the policy.
    pub servers: Vec<Availability>,
    /// What requests found out about the servers, by uid of the request.
    pub requests: BTreeMap<Box<str>, Availability>,
}

impl<'a> View<'a> {
    /// The fallback issuers.
    pub(super) fn policy(&self) -> Option<&FallbackPolicy> {
        self.policy.as_ref().ok()?.as_ref()
    }

    /// The chosen fallback issuer.
    fn chosen(&self) -> Option<&IssuerRef> {
        self.policy()?.issuers.get(self.choice.fallback?)
    }

    /// The issuer to ask for the next certificate.
    pub(super) fn wanted(&self) -> &IssuerRef {
        self.chosen().unwrap_or_else(|| &self.spec().issuer_ref)
    }

    /// Whether a request is what the spec asks of that issuer.
    pub(super) fn is_wanted(&self, request: &RequestSeen) -> bool {
        is_requested(request, self.spec(), self.wanted())
    }

    /// See [`expected_issuer`].
    pub(super) fn expected_issuer<'b>(&self, request: &'b RequestSeen) -> &'b IssuerRef
    where
        'a: 'b,
    {
        expected_issuer(self.policy(), self.spec(), request)
    }

    /// The state of the issuer to ask for the next certificate.
    pub(super) fn issuer(&self) -> &'a IssuerState {
        let fallback = self
            .choice
            .fallback
            .and_then(|place| self.seen.fallback.states.get(place));
        fallback.unwrap_or(&self.seen.issuer)
    }
}

/// The issuer to ask for the next certificate.
pub(super) fn choice(view: &View<'_>) -> Choice {
    let Some(policy) = view.policy() else {
        return Choice::primary(Report::Nothing);
    };
    let request = asked(view, policy);
    let (asked, place) = match request {
        Some((request, Some(place))) => {
            let asked = Asked::Fallback {
                place,
                issued: request.is_true(READY),
                since: request.meta.created,
            };
            (asked, place.saturating_add(1))
        }
        Some((request, None)) => {
            let issued = request.is_true(READY);
            (Asked::Primary { issued }, 0)
        }
        None => (Asked::Nothing, 0),
    };
    let seen = &view.seen.fallback;
    let ready: Vec<bool> = seen.states.iter().map(is_ready).collect();
    let situation = Situation {
        policy,
        ready: &ready,
        asked,
        server: server(view, place, request.map(|(request, _)| request)),
        unavailable_since: unavailable(view).and_then(|found| instant(found.last_transition_time.as_ref())),
        not_after: view.validity.map(|validity| validity.not_after),
    };
    choose(view.now, &situation)
}

/// The request for the next certificate, and the place of its issuer in the policy. One that has issued comes first, then that of a
/// fallback issuer. One that has failed counts until its failure is in the status.
fn asked<'a>(view: &View<'a>, policy: &FallbackPolicy) -> Option<(&'a RequestSeen, Option<usize>)> {
    let primary = &view.spec().issuer_ref;
    let counts = |request: &RequestSeen| {
        let failure = failure::of_request(request);
        request.meta.deleting.is_none() && failure.is_none_or(|failure| !failure::is_recorded(view, &failure))
    };
    let place = |request: &'a RequestSeen| {
        let place = if request.issuer_ref.means_same(primary) {
            Some(None)
        } else {
            policy
                .explained_place(&request.issuer_ref, &request.meta.annotations)
                .map(Some)
        };
        place.map(|place| (request, place))
    };
    let requests = view.next_requests().filter(|request| counts(request));
    requests
        .filter_map(place)
        .max_by_key(|(request, place)| (request.is_true(READY), *place))
}

/// The availability of the server of the issuer at `place`, where 0 is that of the spec. An issuer that is not Ready is checked, and
/// its requests are not sent.
fn server(view: &View<'_>, place: usize, request: Option<&RequestSeen>) -> Availability {
    let seen = &view.seen.fallback;
    let state = match place.checked_sub(1) {
        None => Some(&view.seen.issuer),
        Some(place) => seen.states.get(place),
    };
    let checked = seen.servers.get(place).copied().unwrap_or_default();
    if !state.is_some_and(is_ready) && checked != Availability::Unknown {
        return checked;
    }
    let asked = request.and_then(|request| seen.requests.get(&request.meta.uid));
    asked.copied().unwrap_or_default()
}

fn is_ready(state: &IssuerState) -> bool {
    matches!(state, IssuerState::Ready(_))
}

/// The condition about the outage, unless it is about an earlier spec, which may have named another issuer.
fn unavailable<'a>(view: &View<'a>) -> Option<&'a Condition> {
    condition::get(&view.status().conditions, ISSUER_UNAVAILABLE)
        .filter(|found| found.is_true() && found.observed_generation == Some(view.generation()))
}

/// The issuer that a request is compared with: its own, if that is a fallback issuer, and otherwise that of the spec.
pub(super) fn expected_issuer<'a>(
    policy: Option<&FallbackPolicy>,
    spec: &'a CertificateSpec,
    request: &'a RequestSeen,
) -> &'a IssuerRef {
    let own = &request.issuer_ref;
    let is_fallback = policy.is_some_and(|policy| policy.explains(own, &request.meta.annotations));
    if is_fallback { own } else { &spec.issuer_ref }
}

/// Directs a request to the chosen fallback issuer, and returns the Event about it.
pub(super) fn direct(view: &View<'_>, request: &mut DesiredRequest) -> Option<Notice> {
    let (policy, issuer) = view.policy().zip(view.chosen())?;
    request.issuer_ref.clone_from(issuer);
    let others = request.annotations.iter();
    request.annotations = others
        .chain([(annotation::FALLBACK_FOR, policy.primary.as_str())])
        .collect();
    let message = format!("Asking {} because {}", name(issuer), because(view));
    Some(Notice::warning("FallbackRequested", message))
}

/// The value of [`annotation::FALLBACK_FOR`] for the Secret with the certificate of a request, if a fallback issuer issued it.
pub fn fallback_for(spec: &CertificateSpec, issuer: &IssuerRef, annotations: &Pairs) -> Option<String> {
    let primary = annotations.get(annotation::FALLBACK_FOR)?;
    (!issuer.means_same(&spec.issuer_ref)).then(|| primary.to_owned())
}

/// What the status says of an outage that another issuer would be asked for, as a sentence.
pub(super) fn note(view: &View<'_>) -> Option<String> {
    let policy = view.policy()?;
    let (kind, since, next) = match view.choice.report {
        Report::Outage { kind, since, next } => (kind, since, next),
        Report::Unchanged => return unavailable(view).map(|found| found.message().to_owned()),
        Report::Nothing => return None,
    };
    let outage = outage(&view.spec().issuer_ref, kind, since);
    let next = next.and_then(|(place, at)| Some((policy.issuers.get(place)?, at)));
    Some(match next {
        Some((issuer, at)) => format!("{outage}; {} is asked from {} on", name(issuer), go_time(at)),
        None => format!(
            "{outage}; none of its fallback issuers can be asked: {}",
            obstacles(view, policy)
        ),
    })
}

/// Why no fallback issuer can be asked.
fn obstacles(view: &View<'_>, policy: &FallbackPolicy) -> String {
    let states = policy.issuers.iter().zip(&view.seen.fallback.states);
    let obstacles = states.filter_map(|(issuer, state)| state.obstacle(issuer, view.meta().namespace()));
    let obstacles: Vec<String> = obstacles.map(|obstacle| excerpt(&obstacle)).collect();
    obstacles.join("; ")
}

/// Sets the conditions about fallback issuers, or removes them.
pub(super) fn report(view: &View<'_>, status: &mut CertificateStatus) {
    let conditions = &mut status.conditions;
    let observed = |condition: Condition| condition.observed(Some(view.generation()));
    match &view.policy {
        Err(why) => {
            condition::remove(conditions, ISSUER_UNAVAILABLE);
            let invalid = Condition::new(ISSUED_BY_FALLBACK, ConditionStatus::False, INVALID, why.as_str());
            condition::set(conditions, observed(invalid), view.now);
            return;
        }
        Ok(None) => {
            condition::remove(conditions, ISSUER_UNAVAILABLE);
            condition::remove(conditions, ISSUED_BY_FALLBACK);
            return;
        }
        Ok(Some(_)) => {}
    }
    match (view.choice.report, note(view)) {
        (Report::Outage { kind, since, .. }, Some(note)) => {
            let outage = Condition::new(ISSUER_UNAVAILABLE, ConditionStatus::True, reason(kind), note);
            condition::set(conditions, observed(outage), view.now);
            if let Some(found) = conditions.iter_mut().find(|found| found.type_ == ISSUER_UNAVAILABLE) {
                found.last_transition_time = Some(whole_second(since));
            }
        }
        (Report::Nothing, _) => {
            condition::remove(conditions, ISSUER_UNAVAILABLE);
        }
        (Report::Outage { .. } | Report::Unchanged, _) => {}
    }
    match issued_by(view) {
        Some(_) if condition::is_true(conditions, ISSUED_BY_FALLBACK) => {}
        Some(issuer) => condition::set(conditions, observed(issued(view, &issuer)), view.now),
        None => {
            condition::remove(conditions, ISSUED_BY_FALLBACK);
        }
    }
}

/// Sets the conditions at the end of an issuance; `view` has the new certificate, and the status of before.
pub(super) fn settle_issued(view: &View<'_>, status: &mut CertificateStatus) {
    if let Some(issuer) = issued_by(view) {
        condition::remove(&mut status.conditions, ISSUED_BY_FALLBACK);
        let issued = issued(view, &issuer).observed(Some(view.generation()));
        condition::set(&mut status.conditions, issued, view.now);
    }
    at_rest(status);
}

/// Nothing is issued: no outage matters.
pub(super) fn at_rest(status: &mut CertificateStatus) {
    condition::remove(&mut status.conditions, ISSUER_UNAVAILABLE);
}

/// The Events for the change of the status.
pub(super) fn news(before: &CertificateStatus, after: &CertificateStatus) -> Vec<Notice> {
    let new = |type_: &str| {
        let [before, after] = [before, after].map(|status| condition::get(&status.conditions, type_));
        let shown = |found: &Condition| (found.status, found.reason.clone(), found.last_transition_time.clone());
        after.filter(|after| before.map(shown) != Some(shown(after)))
    };
    let outage = new(ISSUER_UNAVAILABLE).map(|found| Notice::warning(ISSUER_UNAVAILABLE, found.message()));
    let issued = new(ISSUED_BY_FALLBACK).map(|found| {
        let is_valid = found.is_true();
        let reason = if is_valid {
            ISSUED_BY_FALLBACK
        } else {
            "InvalidFallback"
        };
        Notice::warning(reason, found.message())
    });
    outage.into_iter().chain(issued).collect()
}

/// The fallback issuer of the certificate in the Secret.
fn issued_by(view: &View<'_>) -> Option<IssuerRef> {
    let (policy, secret) = view.policy().zip(view.seen.secret.as_ref())?;
    let annotations = &secret.meta.annotations;
    let issuer = super::secret::Attribution::found(annotations).issuer?;
    policy.explains(&issuer, annotations).then_some(issuer)
}

fn issued(view: &View<'_>, issuer: &IssuerRef) -> Condition {
    let message = format!(
        "Issued by {} because {}; the next renewal asks {} first",
        name(issuer),
        because(view),
        name(&view.spec().issuer_ref)
    );
    Condition::new(ISSUED_BY_FALLBACK, ConditionStatus::True, "Issued", message)
}

/// Why the issuer of the spec is not asked.
fn because(view: &View<'_>) -> String {
    let primary = &view.spec().issuer_ref;
    let known = match view.choice.report {
        Report::Outage { kind, since, .. } => Some((kind, since)),
        Report::Nothing | Report::Unchanged => unavailable(view).and_then(|found| {
            let kind = if found.reason() == RATE_LIMITED {
                OutageKind::RateLimited
            } else {
                OutageKind::Unreachable
            };
            Some((kind, instant(found.last_transition_time.as_ref())?))
        }),
    };
    match known {
        Some((kind, since)) => outage(primary, kind, since),
        None => format!("{} was unavailable", name(primary)),
    }
}

fn outage(issuer: &IssuerRef, kind: OutageKind, since: Timestamp) -> String {
    let what = match kind {
        OutageKind::Unreachable => "has been unreachable",
        OutageKind::RateLimited => "has limited requests",
    };
    format!("{} {what} since {}", name(issuer), go_time(since))
}

fn reason(kind: OutageKind) -> &'static str {
    match kind {
        OutageKind::Unreachable => UNREACHABLE,
        OutageKind::RateLimited => RATE_LIMITED,
    }
}

fn name(issuer: &IssuerRef) -> String {
    format!("{} {:?}", issuer.kind_or_default(), issuer.name)
}
