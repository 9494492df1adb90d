//! Names that HTTPRoutes give to the certificate of a listener (`certlet.io/hostnames-from-routes`).
//!
//! A route counts where a controller has accepted it, and a name only within the hostname of the very listener that the route is attached to.
//! The condition Accepted covers all listeners that a `parentRef` selects; where these are several, certlet checks for each which
//! namespaces and kinds it allows, so that a route of a tenant adds no name to a listener that does not allow its namespace.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Existing, RouteNames, issuer::is_true, listener::hostname};
use crate::{
    api::{
        gateway::{GROUP, Listener, RouteParentStatus},
        names::annotation,
    },
    plan::{
        route::RouteSeen,
        seen::{Meta, ObjectKey},
    },
};

/// Maximum number of names from routes in one certificate.
pub(super) const MAX_NAMES: usize = 100;
/// A name whose route is gone is removed this long before the renewal, so that the renewal leaves it out.
const BEFORE_RENEWAL: SignedDuration = SignedDuration::from_secs(60);

/// Whether the object takes names from routes.
pub fn are_wanted(meta: &Meta) -> bool {
    meta.annotations
        .get(annotation::HOSTNAMES_FROM_ROUTES)
        .is_some_and(is_true)
}

/// The names for `listener`, sorted, from routes that are attached to the object of this kind and name.
pub(super) fn names(
    listener: &Listener,
    listeners: &[Listener],
    (kind, key): (&str, &ObjectKey),
    routes: &[Arc<RouteSeen>],
) -> Vec<String> {
    let attached = |route: &RouteSeen, parent: &RouteParentStatus| {
        let reference = &parent.parent_ref;
        let is_ours = reference.gateway_kind() == Some(kind)
            && reference.name == *key.name
            && reference.namespace_or(route.meta.namespace()) == &*key.namespace;
        let selects = |listener: &Listener| {
            let section = reference.section_name.as_deref();
            section.is_none_or(|section| section == listener.name)
                && reference.port.is_none_or(|port| port == listener.port)
        };
        let alone = listeners.iter().filter(|other| selects(other)).count() == 1;
        is_ours
            && parent.accepts(route.meta.generation)
            && selects(listener)
            && (alone || allows(listener, route.meta.namespace(), &key.namespace))
    };
    let mut names: Vec<String> = routes
        .iter()
        .filter(|route| !route.is_of_solver())
        .filter(|route| route.parents.iter().any(|parent| attached(route, parent)))
        .flat_map(|route| route.hostnames.iter())
        .map(|name| name.to_ascii_lowercase())
        .filter(|name| is_within(name, hostname(listener)))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Whether a listener of a Gateway in `own` allows HTTPRoutes of `namespace`. A selector needs the labels of namespaces, which certlet
/// does not read: it allows none here.
fn allows(listener: &Listener, namespace: &str, own: &str) -> bool {
    let allowed = listener.allowed_routes.as_ref();
    let from = allowed
        .and_then(|allowed| allowed.namespaces.as_ref())
        .and_then(|namespaces| namespaces.from.as_deref());
    let kinds = allowed.map_or(&[][..], |allowed| &allowed.kinds);
    let by_namespace = match from {
        Some("All") => true,
        None | Some("Same") => namespace == own,
        Some(_) => false,
    };
    let by_kind = if kinds.is_empty() {
        listener.protocol != "TLS"
    } else {
        kinds
            .iter()
            .any(|kind| kind.kind == "HTTPRoute" && kind.group.as_deref().is_none_or(|group| group == GROUP))
    };
    by_namespace && by_kind
}

/// Whether `name` is the hostname of a listener, or below its wildcard; a wildcard is within none.
fn is_within(name: &str, hostname: &str) -> bool {
    let hostname = hostname.to_ascii_lowercase();
    if name.contains('*') {
        return false;
    }
    match hostname.strip_prefix('*') {
        Some(below) => name.strip_suffix(below).is_some_and(|label| !label.is_empty()),
        None => hostname.is_empty() || name == hostname,
    }
}

/// The names for a Certificate from routes, and when names without a route are to be removed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// In the order of the existing Certificate, new ones last.
    pub(super) names: Vec<String>,
    /// When to plan again, if there are names without a route.
    pub(super) until: Option<Timestamp>,
    /// How many names were left out, because there are more than [`MAX_NAMES`].
    pub(super) left_out: usize,
}

/// Chooses the names: those of routes, and until the next renewal those in the Certificate whose route is gone. `others` are the
/// names that the Certificate has anyway.
pub(super) fn choose(now: Timestamp, routes: &RouteNames, existing: Option<&Existing>, others: &[String]) -> Chosen {
    let present = existing
        .and_then(|existing| existing.spec.as_ref())
        .map_or(&[][..], |spec| &spec.dns_names);
    let of_routes = |name: &&String| routes.names.contains(name) && !others.contains(name);
    let mut names: Vec<&String> = present.iter().filter(of_routes).collect();
    let known = names.len();
    let mut new: Vec<&String> = routes
        .names
        .iter()
        .filter(of_routes)
        .filter(|name| !present.contains(name))
        .collect();
    new.sort();
    new.dedup();
    names.extend(new);
    let left_out = names.len().saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);

    let until = existing
        .and_then(|existing| existing.renewal)
        .and_then(|renewal| renewal.checked_sub(BEFORE_RENEWAL).ok())
        .filter(|until| now < *until);
    let is_gone = |name: &&String| {
        let within = |hostname: &String| is_within(name, hostname);
        !routes.names.contains(name) && !others.contains(name) && routes.within.iter().any(within)
    };
    let mut gone: Vec<&String> = present.iter().filter(is_gone).collect();
    gone.truncate(if until.is_some() {
        MAX_NAMES.saturating_sub(names.len())
    } else {
        0
    });
    let until = until.filter(|_| !gone.is_empty());
    // in the order of the Certificate, where another order would be an edit
    let place = |name: &String| present.iter().position(|other| other == name);
    let mut chosen: Vec<&String> = names.iter().take(known).copied().chain(gone).collect();
    chosen.sort_by_key(|name| place(name));
    chosen.extend(names.into_iter().skip(known));
    Chosen {
        names: chosen.into_iter().cloned().collect(),
        until,
        left_out,
    }
}
