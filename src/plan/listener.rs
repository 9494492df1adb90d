//! What a listener of a Gateway or ListenerSet serves, and which HTTPRoutes it admits.

use crate::api::{
    gateway::{GROUP, Listener},
    http01::ParentRef,
};

/// Whether a listener admits an HTTPRoute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It does.
    Yes,
    /// The labels of the namespace decide, which certlet does not read.
    ByLabels,
    /// It does not.
    No,
}

/// Whether a listener of a parent in `own` admits an HTTPRoute in `namespace`.
pub fn admission(listener: &Listener, own: &str, namespace: &str) -> Admission {
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
pub fn admits_kind(listener: &Listener) -> bool {
    let mut kinds = listener.kinds().iter().peekable();
    kinds.peek().is_none()
        || kinds.any(|kind| kind.kind == "HTTPRoute" && kind.group.as_deref().unwrap_or(GROUP) == GROUP)
}

/// Whether a reference means this listener.
pub fn is_meant(reference: &ParentRef, listener: &Listener) -> bool {
    let by_name = reference
        .section_name
        .as_ref()
        .is_none_or(|name| *name == listener.name);
    by_name && reference.port.is_none_or(|port| port == listener.port)
}

/// Whether the hostname of a listener, empty for all, covers a host name.
pub fn covers(hostname: &str, host: &str) -> bool {
    match hostname.strip_prefix('*') {
        // "*.example.com" covers each name below example.com, and not that name itself
        Some(parent) => host
            .len()
            .checked_sub(parent.len())
            .filter(|length| *length > 0)
            .and_then(|length| host.get(length..))
            .is_some_and(|end| end.eq_ignore_ascii_case(parent)),
        None => hostname.is_empty() || host.eq_ignore_ascii_case(hostname),
    }
}
