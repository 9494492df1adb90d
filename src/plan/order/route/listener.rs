//! Listeners: which of them an HTTPRoute may attach to, and which serves a name.

use super::{ParentFound, ParentSeen};
use crate::{
    api::{gateway::Listener, http01::ParentRef},
    plan::listener::{Admission, admission, covers},
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

/// How closely the listener's hostname matches the host; `None` if it does not match. A closer match is higher.
pub(super) fn rank(listener: &Listener, host: Option<&str>) -> Option<usize> {
    let own = listener.hostname();
    if own.is_empty() {
        return Some(0);
    }
    let host = host?;
    let is_exact = !own.starts_with('*');
    covers(own, host).then(|| own.len().saturating_mul(2).saturating_add(usize::from(is_exact)))
}
