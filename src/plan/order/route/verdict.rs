//! The verdict about an HTTPRoute, from its status and its parents.

use super::{
    ParentFound, ParentSeen,
    listener::{asks_here, rank},
    report::Report,
};
use crate::{
    api::{
        Condition, ConditionStatus, condition,
        gateway::{ACCEPTED, GROUP, RouteParentStatus},
        http01::ParentRef,
    },
    plan::{listener::is_meant, seen::ObjectKey},
};

/// The verdict about an HTTPRoute. It explains a failed check, and never replaces one: not every controller reports, and a report may
/// be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteVerdict {
    /// A parent serves it. With a hint for the case that the check fails nevertheless.
    Accepted(Option<String>),
    /// No parent serves it, and a controller has not answered, or may change its mind: a sentence.
    Silent(String),
    /// No parent serves it: a sentence.
    Refused(String),
}

/// The verdict for the proof of `host` (`None` for an address), which the HTTPRoute `route` in its current `generation` routes. `answers`
/// are its `status.parents`.
pub fn verdict(
    route: &ObjectKey,
    generation: i64,
    answers: &[RouteParentStatus],
    parents: &[ParentSeen],
    host: Option<&str>,
) -> RouteVerdict {
    let mut sentences: Vec<String> = Vec::new();
    let mut is_silent = false;
    for parent in parents {
        let report = Report { route, parent, host };
        let entries = answers
            .iter()
            .filter(|entry| is_same(&entry.parent_ref, &parent.reference, &route.namespace));
        let sentence = match best(&report, entries, generation) {
            RouteVerdict::Accepted(hint) => return RouteVerdict::Accepted(hint),
            RouteVerdict::Silent(sentence) => {
                is_silent = true;
                sentence
            }
            RouteVerdict::Refused(sentence) => sentence,
        };
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    let sentence = sentences.join("; ");
    if is_silent {
        RouteVerdict::Silent(sentence)
    } else {
        RouteVerdict::Refused(sentence)
    }
}

/// The best of the controllers' answers for one parent.
fn best<'a>(
    report: &Report<'_>,
    entries: impl Iterator<Item = &'a RouteParentStatus>,
    generation: i64,
) -> RouteVerdict {
    let mut answers = entries.filter_map(|entry| answer(report, entry, generation));
    let first = answers.next();
    let first = match first {
        Some(accepted @ RouteVerdict::Accepted(_)) => return accepted,
        other => other,
    };
    let accepted = answers.find(|other| matches!(other, RouteVerdict::Accepted(_)));
    accepted.or(first).unwrap_or_else(|| unanswered(report))
}

/// The answer of one controller about the HTTPRoute of this generation, if it has answered.
fn answer(report: &Report<'_>, entry: &RouteParentStatus, generation: i64) -> Option<RouteVerdict> {
    let is_current = |condition: &&Condition| condition.is_of(generation);
    let current = |type_| condition::get(&entry.conditions, type_).filter(is_current);
    let accepted = current(ACCEPTED)?;
    match accepted.status {
        ConditionStatus::Unknown => return None,
        ConditionStatus::False if accepted.reason() == "Pending" => return None,
        ConditionStatus::False => return Some(RouteVerdict::Refused(report.not_accepted(accepted))),
        ConditionStatus::True => {}
    }
    let is_false = |condition: &&Condition| condition.status == ConditionStatus::False;
    if let Some(unresolved) = current("ResolvedRefs").filter(is_false) {
        // a controller may see the HTTPRoute before the EndpointSlice
        return Some(RouteVerdict::Silent(report.unresolved(unresolved)));
    }
    if let Some(invalid) = current("PartiallyInvalid").filter(|condition| condition.is_true()) {
        return Some(RouteVerdict::Silent(report.partially_invalid(invalid)));
    }
    Some(served(report))
}

/// The verdict about an accepted HTTPRoute: with several listeners or hostnames, not each host needs to be served.
fn served(report: &Report<'_>) -> RouteVerdict {
    let ParentFound::Found(offered) = &report.parent.found else {
        return RouteVerdict::Accepted(None);
    };
    let meant = || {
        let listeners = offered.listeners.iter();
        listeners.filter(|listener| is_meant(&report.parent.reference, listener))
    };
    if meant().next().is_some() && !meant().any(|listener| rank(listener, report.host).is_some()) {
        return RouteVerdict::Refused(report.no_hostname("its controller accepts the HTTPRoute"));
    }
    let is_asked = meant().any(asks_here);
    RouteVerdict::Accepted((!is_asked).then(|| report.no_port_80()))
}

/// The verdict without an answer.
fn unanswered(report: &Report<'_>) -> RouteVerdict {
    match &report.parent.found {
        ParentFound::Missing => RouteVerdict::Refused(report.missing()),
        ParentFound::NotWatched => RouteVerdict::Silent(report.silent()),
        ParentFound::Found(offered) => {
            let accepted = condition::get(&offered.conditions, ACCEPTED);
            let is_seen = accepted.is_some_and(|accepted| accepted.status != ConditionStatus::Unknown);
            match (&offered.class, accepted) {
                (Some(class), _) if !is_seen => RouteVerdict::Silent(report.no_controller(class)),
                // no controller answers for the routes of a ListenerSet that its Gateway refuses; a Gateway that is not accepted may serve
                // routes nevertheless, with a part of its listeners
                (None, Some(refused)) if refused.status == ConditionStatus::False => {
                    RouteVerdict::Refused(report.set_refused(refused))
                }
                (Some(_) | None, _) => RouteVerdict::Silent(report.silent()),
            }
        }
    }
}

/// Whether two references of an HTTPRoute in `namespace` name the same parent and listener.
fn is_same(one: &ParentRef, other: &ParentRef, namespace: &str) -> bool {
    let group = |parent: &ParentRef| parent.group.as_deref().unwrap_or(GROUP).to_owned();
    group(one) == group(other)
        && one.kind_or_default() == other.kind_or_default()
        && one.namespace_or(namespace) == other.namespace_or(namespace)
        && one.name == other.name
        && one.section_name == other.section_name
        && one.port == other.port
}
