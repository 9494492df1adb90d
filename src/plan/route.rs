//! The record of an HTTPRoute: where it is attached, its host names, and what its parents have made of it.

use super::{
    kinds::{GatewayKind, ListenerSetKind},
    link::Link,
    seen::{Kind, Meta, ObjectKey},
};
use crate::api::{
    gateway::{ACCEPTED, GATEWAY_KIND, LISTENER_SET_KIND, RouteParentStatus},
    http01::ParentRef,
    names::label,
};

/// A stored HTTPRoute without its rules. There may be thousands: of one that no solver wrote, labels, annotations and all conditions
/// but Accepted are dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteSeen {
    /// Metadata.
    pub meta: Meta,
    /// `spec.parentRefs`, at most 32.
    pub parent_refs: Box<[ParentRef]>,
    /// `spec.hostnames`, at most 16.
    pub hostnames: Box<[Box<str>]>,
    /// `status.parents`, at most 32.
    pub parents: Box<[RouteParentStatus]>,
}

impl RouteSeen {
    /// A record without what is never read.
    #[must_use]
    pub fn lean(mut self) -> Self {
        if !self.is_of_solver() {
            self.meta.labels = [("", ""); 0].into_iter().collect();
            for parent in &mut self.parents {
                parent.conditions.retain(|condition| condition.type_ == ACCEPTED);
                for condition in &mut parent.conditions {
                    condition.message = None;
                }
            }
        }
        self.meta.annotations = [("", ""); 0].into_iter().collect();
        for condition in self.parents.iter_mut().flat_map(|parent| &mut parent.conditions) {
            condition.last_transition_time = None;
        }
        self
    }

    /// Whether a solver of HTTP-01 wrote it (ANW-07).
    pub fn is_of_solver(&self) -> bool {
        self.meta.labels.get(label::HTTP01_SOLVER) == Some("true")
    }
}

/// Of an HTTPRoute: its parents and its owners.
pub fn links(record: &RouteSeen) -> Vec<Link> {
    let parents = record
        .parent_refs
        .iter()
        .filter_map(|parent| parent_link(parent, record.meta.namespace()));
    parents.chain(super::link::owners(&record.meta)).collect()
}

/// The link of a route in `namespace` to a Gateway or ListenerSet.
pub(super) fn parent_link(parent: &ParentRef, namespace: &str) -> Option<Link> {
    let (kind, key) = parent_of(parent, namespace);
    let kind = match kind? {
        ParentKind::Gateway => GatewayKind::KIND,
        ParentKind::ListenerSet => ListenerSetKind::KIND,
    };
    Some(Link::Parent(kind, key))
}

/// The kinds of parents that certlet reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentKind {
    /// A Gateway.
    Gateway,
    /// A `ListenerSet`.
    ListenerSet,
}

/// The kind and key of a parent of an HTTPRoute in `namespace`; `None` for the kind if certlet does not read it.
pub fn parent_of(reference: &ParentRef, namespace: &str) -> (Option<ParentKind>, ObjectKey) {
    let kind = match reference.gateway_kind() {
        Some(GATEWAY_KIND) => Some(ParentKind::Gateway),
        Some(LISTENER_SET_KIND) => Some(ParentKind::ListenerSet),
        Some(_) | None => None,
    };
    (
        kind,
        ObjectKey::new(reference.namespace_or(namespace), reference.name.as_str()),
    )
}
