//! Names that HTTPRoutes give to the certificate of a listener (`certlet.io/hostnames-from-routes`).
//!
//! A route counts where a controller has accepted it, and a name only within the hostname of the very listener that the route is attached to.
//! The condition Accepted covers all listeners that a `parentRef` selects, and may come from any controller. So certlet checks for each
//! listener which namespaces and kinds it allows: a route of a tenant adds no name to a listener that does not allow its namespace.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    Existing, RouteNames,
    issuer::is_true,
    pace::{NamesChange, Pace, pace},
};
use crate::{
    api::{
        gateway::{Listener, RouteParentStatus},
        names::annotation,
    },
    plan::{
        listener::{Admission, admission, covers, is_meant},
        route::RouteSeen,
        seen::{Meta, ObjectKey},
    },
};

/// Maximum number of names from routes in one certificate.
pub(super) const MAX_NAMES: usize = 100;
/// Maximum number of routes of one object that names come from. It bounds the time of a plan, because tenants create routes.
pub(super) const MAX_ROUTES: usize = 1000;
/// A name whose route is gone is removed this long before the renewal, so that the renewal leaves it out.
const BEFORE_RENEWAL: SignedDuration = SignedDuration::from_secs(60);

/// Whether the object takes names from routes.
pub fn are_wanted(meta: &Meta) -> bool {
    meta.annotations
        .get(annotation::HOSTNAMES_FROM_ROUTES)
        .is_some_and(is_true)
}

/// What routes give to the listeners of one object.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// The names for each listener, in the order of the listeners.
    pub(super) names: Vec<BTreeSet<String>>,
    /// How many routes were left out, because there are more than [`MAX_ROUTES`].
    pub(super) left_out: usize,
}

/// The names for the listeners of the object of this kind and name, from the routes attached to it, in one pass over the routes.
pub(super) fn given(listeners: &[Listener], (kind, key): (&str, &ObjectKey), routes: &[Arc<RouteSeen>]) -> Given {
    let is_ours = |route: &RouteSeen, parent: &RouteParentStatus| {
        let reference = &parent.parent_ref;
        reference.name == *key.name
            && reference.gateway_kind() == Some(kind)
            && reference.namespace_or(route.meta.namespace()) == &*key.namespace
            && parent.accepts(route.meta.generation)
    };
    let attached = |route: &RouteSeen| route.parents.iter().any(|parent| is_ours(route, parent));
    let attached: Vec<&RouteSeen> = routes
        .iter()
        .map(|route| &**route)
        .filter(|route| !route.is_of_solver() && attached(route))
        .collect();
    let left_out = attached.len().saturating_sub(MAX_ROUTES);
    let bounds: Vec<String> = listeners
        .iter()
        .map(|listener| listener.hostname().to_ascii_lowercase())
        .collect();
    let mut names = vec![BTreeSet::new(); listeners.len()];
    for route in fair(attached) {
        let ours = route.parents.iter().filter(|parent| is_ours(route, parent));
        let mut open = vec![false; listeners.len()];
        for parent in ours {
            mark(&mut open, listeners, parent, (route.meta.namespace(), &key.namespace));
        }
        let hostnames: Vec<String> = route.hostnames.iter().map(|name| name.to_ascii_lowercase()).collect();
        let open = names.iter_mut().zip(&bounds).zip(open).filter(|(_, open)| *open);
        for ((names, bound), _) in open {
            names.extend(hostnames.iter().filter(|name| is_within(name, bound)).cloned());
        }
    }
    Given { names, left_out }
}

/// At most [`MAX_ROUTES`] of these: each namespace has the same share, and of a namespace the oldest routes count.
fn fair(mut routes: Vec<&RouteSeen>) -> Vec<&RouteSeen> {
    if routes.len() <= MAX_ROUTES {
        return routes;
    }
    routes.sort_by_key(|route| (route.meta.created, &route.meta.key));
    let mut counted: HashMap<&str, usize> = HashMap::new();
    let mut ranked: Vec<(usize, &RouteSeen)> = Vec::with_capacity(routes.len());
    for route in routes {
        let rank = counted.entry(route.meta.namespace()).or_default();
        *rank += 1;
        ranked.push((*rank, route));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.truncate(MAX_ROUTES);
    ranked.into_iter().map(|(_, route)| route).collect()
}

/// Marks the listeners that this parent of a route in the first namespace selects and that allow it. The Gateway is in the second.
fn mark(open: &mut [bool], listeners: &[Listener], parent: &RouteParentStatus, (namespace, own): (&str, &str)) {
    let selected: Vec<(&mut bool, &Listener)> = open
        .iter_mut()
        .zip(listeners)
        .filter(|(_, listener)| is_meant(&parent.parent_ref, listener))
        .collect();
    // of a single listener the controller reports what certlet cannot decide
    let alone = selected.len() == 1;
    for (open, listener) in selected {
        *open |= allows(listener, namespace, own).unwrap_or(alone);
    }
}

/// Whether a listener of a Gateway in `own` allows HTTPRoutes of `namespace`; `None` if certlet cannot tell: a selector needs the labels of
/// namespaces, which it does not read, and which kinds fit the protocol TLS is up to the controller.
fn allows(listener: &Listener, namespace: &str, own: &str) -> Option<bool> {
    match admission(listener, own, namespace) {
        Admission::No => Some(false),
        Admission::ByLabels => None,
        Admission::Yes => (listener.protocol != "TLS" || !listener.kinds().is_empty()).then_some(true),
    }
}

/// Whether `name` is the hostname of a listener, or below its wildcard; a wildcard is within none.
fn is_within(name: &str, hostname: &str) -> bool {
    !name.contains('*') && covers(hostname, name)
}

/// The names for a Certificate from routes, and when they change next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// In the order of the existing Certificate, new ones last.
    pub(super) names: Vec<String>,
    /// When to plan again, if there are names without a route, or a change has to wait.
    pub(super) until: Option<Timestamp>,
    /// How many names were left out, because there are more than [`MAX_NAMES`].
    pub(super) left_out: usize,
    /// What is to be remembered if the names are written.
    pub(super) change: Option<NamesChange>,
    /// Until when a change has to wait.
    pub(super) waits: Option<Timestamp>,
}

/// Chooses the names: those of routes, and until the next renewal those in the Certificate whose route is gone. `others` are the
/// names that the Certificate has anyway.
///
/// Each change of the names is an order at the CA, and tenants decide about them. So they change at a [`pace`].
pub(super) fn choose(now: Timestamp, routes: &RouteNames, existing: Option<&Existing>, others: &[String]) -> Chosen {
    let present = existing
        .and_then(|existing| existing.spec.as_ref())
        .map_or(&[][..], |spec| &spec.dns_names);
    let is_of_routes = |name: &String| routes.names.contains(name);
    let is_gone = |name: &String| {
        let within = |hostname: &String| is_within(name, hostname);
        !is_of_routes(name) && routes.within.iter().any(within)
    };
    let kept: Vec<&String> = present
        .iter()
        .filter(|name| !others.contains(name) && (is_of_routes(name) || is_gone(name)))
        .collect();
    let until = existing
        .and_then(|existing| existing.renewal)
        .and_then(|renewal| renewal.checked_sub(BEFORE_RENEWAL).ok())
        .filter(|until| now < *until);
    let (target, left_out) = target(&kept, routes, others, until.is_some());

    let last = existing.and_then(|existing| existing.names_change.as_ref());
    let is_change = existing.is_some() && target != kept;
    let (names, change, waits) = match is_change.then(|| pace(now, last)) {
        None => (target, None, None),
        Some(Pace::Change(change)) => (target, Some(change), None),
        Some(Pace::Wait(due)) => (kept, None, Some(due)),
    };
    let until = until.filter(|_| names.iter().any(|name| is_gone(name)));
    Chosen {
        names: names.into_iter().cloned().collect(),
        until: until.into_iter().chain(waits).min(),
        left_out,
        change,
        waits,
    }
}

/// The names as they should be, and how many of the routes' are too many. The order is that of the Certificate, where another one would be
/// an edit. Names of routes come before those whose route is gone, and what is there before what is new.
fn target<'a>(
    kept: &[&'a String],
    routes: &'a RouteNames,
    others: &[String],
    keep_gone: bool,
) -> (Vec<&'a String>, usize) {
    let known: BTreeSet<&String> = kept.iter().copied().collect();
    let of_routes = kept.iter().filter(|name| routes.names.contains(**name)).count();
    let new: Vec<&String> = routes
        .names
        .iter()
        .filter(|name| !known.contains(name) && !others.contains(name))
        .collect();
    let left_out = (of_routes + new.len()).saturating_sub(MAX_NAMES);
    let new_count = new.len().min(MAX_NAMES.saturating_sub(of_routes));
    let mut room_for_routes = MAX_NAMES;
    let mut room_for_gone = if keep_gone {
        MAX_NAMES.saturating_sub(of_routes + new_count)
    } else {
        0
    };
    let mut chosen = Vec::new();
    for name in kept {
        let room = if routes.names.contains(*name) {
            &mut room_for_routes
        } else {
            &mut room_for_gone
        };
        if let Some(left) = room.checked_sub(1) {
            *room = left;
            chosen.push(*name);
        }
    }
    chosen.extend(new.into_iter().take(new_count));
    (chosen, left_out)
}
