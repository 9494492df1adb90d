//! The annotated kinds, and what is read for an object of each.

use std::sync::Arc;

use crate::{
    cluster::{index::Stored, store::Link},
    controller::Ports,
    plan::{
        kinds::{GatewayKind, IngressKind, ListenerSetKind},
        route::RouteSeen,
        seen::{Kind, Meta, ObjectKey},
        settings::controller,
        shim::{Annotated, gateway, ingress, routes},
    },
};

/// A kind whose objects get Certificates for their annotations.
pub(crate) trait Source: Stored {
    /// The name in `--controllers`.
    const CONTROLLER: &'static str;

    /// The object with this key; `None` if there is none, or nothing is to be done for it.
    fn annotated(ports: &Ports, key: &ObjectKey) -> Option<Annotated>;
}

impl Source for IngressKind {
    const CONTROLLER: &'static str = controller::INGRESS_SHIM;

    fn annotated(ports: &Ports, key: &ObjectKey) -> Option<Annotated> {
        Some(ingress::annotated(&ports.index.ingresses.get(key)?.parse().ok()?))
    }
}

impl Source for GatewayKind {
    const CONTROLLER: &'static str = controller::GATEWAY_SHIM;

    fn annotated(ports: &Ports, key: &ObjectKey) -> Option<Annotated> {
        let found = ports.index.gateways.get(key)?.parse().ok()?;
        let routes = routes_of::<Self>(ports, &found.meta);
        Some(gateway::gateway(&found, &routes, &ports.settings))
    }
}

impl Source for ListenerSetKind {
    const CONTROLLER: &'static str = controller::LISTENER_SETS;

    /// Nothing is done for a ListenerSet whose Gateway is missing, or is being deleted.
    fn annotated(ports: &Ports, key: &ObjectKey) -> Option<Annotated> {
        let set = ports.index.listener_sets.get(key)?.parse().ok()?;
        let parent = &set.spec.parent_ref;
        let gateway = ObjectKey::new(parent.namespace_or(set.meta.namespace()), parent.name.as_str());
        let gateway = ports.index.gateways.get(&gateway)?;
        if gateway.meta.deleting.is_some() {
            return None;
        }
        let routes = routes_of::<Self>(ports, &set.meta);
        Some(gateway::listener_set(&set, &gateway.meta, &routes, &ports.settings))
    }
}

/// The HTTPRoutes that name the object as a parent, if it takes names from them.
fn routes_of<K: Kind>(ports: &Ports, object: &Meta) -> Vec<Arc<RouteSeen>> {
    if routes::are_wanted(object) {
        ports
            .index
            .http_routes
            .linked(&Link::Parent(K::KIND, object.key.clone()))
    } else {
        Vec::new()
    }
}
