//! Listeners: which of them an HTTPRoute may attach to, and which serves a name.

use super::{ParentFound, ParentSeen};
use crate::api::{
    gateway::{GROUP, Listener},
    http01::ParentRef,
};

/// The port on which CAs ask (RFC 8555 section 8.3).
pub(super) const HTTP_PORT: i32 = 80;
/// The protocol that they speak.
pub(super) const HTTP: &str = "HTTP";

/// The reference to a parent for the proof of `host` (`None` for an address) by an HTTPRoute in `namespace`: where the user has named
/// no listener, with the one for HTTP on port 80 that admits the HTTPRoute and serves the host. Without exactly one best listener, the
/// reference stays as it is.
pub fn attached(parent: &ParentSeen, namespace: &str, host: Option<&str>) -> ParentRef {
    let unchanged = || parent.reference.clone();
    let ParentFound::Found(offered) = &parent.found else {
        return unchanged();
    };
    if parent.reference.section_name.is_some() || parent.reference.port.is_some() {
        return unchanged();
    }
    let candidates = offered.listeners.iter().filter(|listener| {
        asks_here(listener) && admission(listener, &parent.key.namespace, namespace) != Admission::No
    });
    let ranked = candidates.filter_map(|listener| Some((rank(listener, host)?, listener)));
    let mut best: Option<(usize, &Listener)> = None;
    let mut several = false;
    for (rank, listener) in ranked {
        several = match best {
            Some((highest, _)) if rank < highest => continue,
            Some((highest, _)) => rank == highest,
            None => false,
        };
        best = Some((rank, listener));
    }
    match best {
        Some((_, listener)) if !several => ParentRef {
            section_name: Some(listener.name.clone()),
            ..unchanged()
        },
        Some(_) | None => unchanged(),
    }
}

/// Whether CAs ask at this listener.
pub(super) fn asks_here(listener: &Listener) -> bool {
    listener.protocol == HTTP && listener.port == HTTP_PORT
}

/// Whether a reference means this listener.
pub(super) fn is_meant(reference: &ParentRef, listener: &Listener) -> bool {
    let by_name = reference
        .section_name
        .as_ref()
        .is_none_or(|name| *name == listener.name);
    by_name && reference.port.is_none_or(|port| port == listener.port)
}

/// Whether a listener admits an HTTPRoute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It does.
    Yes,
    /// The labels of the namespace decide, which certlet does not read.
    ByLabels,
    /// It does not.
    No,
}

/// Whether a listener of a parent in `own` admits an HTTPRoute in `namespace`.
pub(super) fn admission(listener: &Listener, own: &str, namespace: &str) -> Admission {
    if !admits_kind(listener) {
        return Admission::No;
    }
    let namespaces = listener
        .allowed_routes
        .as_ref()
        .and_then(|allowed| allowed.namespaces.as_ref());
    match namespaces.and_then(|namespaces| namespaces.from.as_deref()) {
        Some("All") => Admission::Yes,
        Some("Selector") => Admission::ByLabels,
        Some("Same") | None if own == namespace => Admission::Yes,
        Some(_) | None => Admission::No,
    }
}

/// Whether a listener admits HTTPRoutes at all.
pub(super) fn admits_kind(listener: &Listener) -> bool {
    let kinds = listener.allowed_routes.iter().flat_map(|allowed| &allowed.kinds);
    let mut kinds = kinds.peekable();
    kinds.peek().is_none()
        || kinds.any(|kind| kind.kind == "HTTPRoute" && kind.group.as_deref().unwrap_or(GROUP) == GROUP)
}

/// How closely the listener's hostname matches the host; `None` if it does not match. A closer match is higher.
pub(super) fn rank(listener: &Listener, host: Option<&str>) -> Option<usize> {
    let own = listener.hostname.as_deref().unwrap_or_default();
    if own.is_empty() {
        return Some(0);
    }
    let host = host?;
    let matches = match own.strip_prefix('*') {
        // "*.example.com" matches each name below example.com, and not that name itself
        Some(parent) => host
            .len()
            .checked_sub(parent.len())
            .filter(|length| *length > 0)
            .and_then(|length| host.get(length..))
            .is_some_and(|end| end.eq_ignore_ascii_case(parent)),
        None => host.eq_ignore_ascii_case(own),
    };
    let is_exact = !own.starts_with('*');
    matches.then(|| own.len().saturating_mul(2).saturating_add(usize::from(is_exact)))
}
