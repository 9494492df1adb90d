//! Temporary HTTPRoutes, and what their status says.

use std::{collections::BTreeSet, net::IpAddr};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::{
    Exposed, Http01,
    place::{delete_temporary, is_current},
    placed::{PlacedKind, PlacedObject, Written},
};
use crate::{
    api::{
        gateway::{GatewayAddress, HttpRoute},
        http01::{GatewayHttpRoute, ParentRef},
        names::label,
    },
    cluster,
    controller::{ControllerError, Ports},
    plan::{
        order::route::{self, Offered, ParentFound, ParentSeen, RouteVerdict},
        route::{ParentKind, parent_of},
        seen::{Meta, ObjectKey},
    },
    solver::objects::{
        Attachment, ChallengePath, Group, RouteExposure, challenge_owner, service_kind, temporary_route,
    },
};

/// The error without the Gateway API.
const NOT_ENABLED: &str =
    "the solver is http01.gatewayHTTPRoute, and the Gateway API is off: start certlet with --enable-gateway-api";
/// The error without its definitions.
const NOT_INSTALLED: &str = "the API server does not know HTTPRoutes (gateway.networking.k8s.io/v1): install the \
                             CustomResourceDefinitions of the Gateway API";

/// Creates or repairs the HTTPRoutes of these challenges, and deletes those that earlier ones of the Order had.
///
/// # Errors
/// The obstacle, as a sentence for conditions.
pub(super) async fn present(
    http01: &Http01,
    context: &Ports,
    order: &Meta,
    challenges: &[(&Exposed, &GatewayHttpRoute)],
) -> Result<(), ControllerError> {
    let mut names = BTreeSet::new();
    if !challenges.is_empty() {
        enabled(context)?;
        let addresses = http01.advertised.addresses(context).await?;
        for group in groups(http01, context, order, challenges) {
            let kind = service_kind(group.config.service_type(), None);
            http01.shared.ensure(context, order, kind, &addresses).await?;
            let route = temporary_route(&RouteExposure {
                namespace: order.namespace(),
                order_uid: &order.uid,
                group: &group,
                service: &kind.service_name(),
                extra_labels: &context.settings.http01.extra_labels,
            });
            names.extend(route.metadata.name.clone());
            place(http01, context, order, (route, group.paths)).await?;
        }
    }
    // also without challenges: the solver may have been another one when the Order began
    for name in http01.placed.routes_apart_from(order, &names) {
        delete(context, order.key.sibling(name.as_str()), &order.uid).await?;
        http01.placed.forget_route(order, &name);
    }
    Ok(())
}

/// The challenges by HTTPRoute. One that is in an HTTPRoute of the Order stays there.
fn groups(
    http01: &Http01,
    context: &Ports,
    order: &Meta,
    challenges: &[(&Exposed, &GatewayHttpRoute)],
) -> Vec<Group<Attachment>> {
    let attached = challenges.iter().map(|(one, config)| {
        let parents = parents(context, order.namespace(), config, &one.path);
        let owner: OwnerReference = challenge_owner(&one.name, &one.uid);
        ((*config).clone(), parents, one.path.clone(), owner)
    });
    // what is not remembered after a restart, the index shows
    let seen = context.index.http_routes.in_namespace(order.namespace()).into_iter();
    let seen: Vec<_> = seen
        .filter(|route| route.meta.labels.get(label::ORDER_UID) == Some(&*order.uid))
        .collect();
    let placed = |path: &ChallengePath| -> Vec<String> {
        let has_host = |host: &str| path.host.in_rule() == Some(host);
        let seen = seen
            .iter()
            .filter(|route| route.hostnames.iter().any(|host| has_host(host)));
        let seen = seen.map(|route| route.meta.name().to_owned());
        http01.placed.routes_with(order, path).into_iter().chain(seen).collect()
    };
    Attachment::groups(&order.uid, attached.collect(), &placed)
}

/// Checks that the Gateway API is switched on.
///
/// # Errors
/// How to switch it on.
pub(super) fn enabled(context: &Ports) -> Result<(), ControllerError> {
    if context.settings.gateway.enabled {
        return Ok(());
    }
    Err(ControllerError::Failed(NOT_ENABLED.to_owned()))
}

/// Creates or repairs an HTTPRoute, which has these paths. One that the index shows as wanted is not written.
///
/// # Errors
/// The API server's error.
pub(super) async fn place(
    http01: &Http01,
    context: &Ports,
    order: &Meta,
    (route, paths): (HttpRoute, Vec<ChallengePath>),
) -> Result<(), ControllerError> {
    let name = route.metadata.name.clone().unwrap_or_default();
    let kind = PlacedKind::Route;
    let object = PlacedObject {
        name: name.clone(),
        kind,
        paths,
    };
    http01.placed.remember(order, object);
    if is_as_wanted(http01, context, order, &route) {
        return Ok(());
    }
    match context.writer.apply_object(&context.reader, &route).await {
        Ok(there) => {
            http01
                .placed
                .wrote(order, &name, Written::of(&there.metadata, route.spec));
            Ok(())
        }
        Err(error) if is_unknown_kind(&error) => Err(ControllerError::Failed(NOT_INSTALLED.to_owned())),
        Err(error) => Err(error.into()),
    }
}

/// Whether the HTTPRoute is as it was written with the wanted spec: the index keeps no rules, but every edit of the spec increases the
/// generation.
fn is_as_wanted(http01: &Http01, context: &Ports, order: &Meta, wanted: &HttpRoute) -> bool {
    let name = wanted.metadata.name.as_deref().unwrap_or_default();
    let seen = context.index.http_routes.get(&order.key.sibling(name));
    seen.is_some_and(|seen| {
        let written = http01.placed.written(order, name);
        let is_unedited = written.is_some_and(|written| written.is(&seen.meta) && written.spec == wanted.spec);
        is_unedited && is_current(&seen.meta, &wanted.metadata)
    })
}

/// Whether the API server does not know HTTPRoutes. A missing namespace is another error with the same status.
fn is_unknown_kind(error: &cluster::Error) -> bool {
    error.is_not_found() && !error.server_message().unwrap_or_default().starts_with("namespaces ")
}

/// Deletes a temporary HTTPRoute of this Order.
///
/// # Errors
/// The API server's error.
pub(super) async fn delete(context: &Ports, key: ObjectKey, order_uid: &str) -> Result<(), ControllerError> {
    let seen = context.index.http_routes.get(&key);
    delete_temporary::<HttpRoute>(context, &key, order_uid, seen.as_ref().map(|seen| &seen.meta)).await
}

/// The parents for the proof of this path: those of the solver, with listeners where the user has named none.
pub(super) fn parents(
    context: &Ports,
    namespace: &str,
    config: &GatewayHttpRoute,
    path: &ChallengePath,
) -> Vec<ParentRef> {
    let seen = config
        .parent_refs
        .iter()
        .map(|reference| parent(context, namespace, reference));
    seen.map(|seen| route::attached(&seen, namespace, path.host.in_rule()))
        .collect()
}

/// A parent of an HTTPRoute in this namespace, from the index.
fn parent(context: &Ports, namespace: &str, reference: &ParentRef) -> ParentSeen {
    let (kind, key) = parent_of(reference, namespace);
    let settings = &context.settings.gateway;
    let offered = match kind {
        // an installation for one namespace does not see those of others
        _ if context
            .settings
            .namespace
            .as_deref()
            .is_some_and(|only| *key.namespace != *only) =>
        {
            None
        }
        Some(ParentKind::Gateway) if settings.enabled => Some(gateway(context, &key)),
        Some(ParentKind::ListenerSet) if settings.listener_sets => Some(listener_set(context, &key)),
        Some(ParentKind::Gateway | ParentKind::ListenerSet) | None => None,
    };
    let found = match offered {
        None => ParentFound::NotWatched,
        Some(None) => ParentFound::Missing,
        Some(Some(offered)) => ParentFound::Found(Box::new(offered)),
    };
    ParentSeen {
        reference: reference.clone(),
        key,
        found,
    }
}

fn gateway(context: &Ports, key: &ObjectKey) -> Option<Offered> {
    let gateway = context.index.gateways.get(key)?.parse().ok()?;
    Some(Offered {
        class: Some(gateway.spec.gateway_class_name),
        listeners: gateway.spec.listeners,
        statuses: gateway.status.listeners,
        conditions: gateway.status.conditions,
    })
}

fn listener_set(context: &Ports, key: &ObjectKey) -> Option<Offered> {
    let set = context.index.listener_sets.get(key)?.parse().ok()?;
    Some(Offered {
        class: None,
        listeners: set.spec.listeners,
        statuses: set.status.listeners,
        conditions: set.status.conditions,
    })
}

/// The verdict about the HTTPRoute of this name for the proof of this path; `None` as long as the watch has not shown it.
pub(super) fn verdict(context: &Ports, key: &ObjectKey, path: &ChallengePath) -> Option<RouteVerdict> {
    let route = context.index.http_routes.get(key)?;
    let references = route.parent_refs.iter();
    let parents: Vec<ParentSeen> = references
        .map(|reference| parent(context, &key.namespace, reference))
        .collect();
    let host = path.host.in_rule();
    Some(route::verdict(
        key,
        route.meta.generation,
        &route.parents,
        &parents,
        host,
    ))
}

/// The addresses of the Gateways of this HTTPRoute, as their controllers wrote them into the status.
pub(super) fn addresses(context: &Ports, key: &ObjectKey) -> Vec<IpAddr> {
    let Some(route) = context.index.http_routes.get(key) else {
        return Vec::new();
    };
    let gateways = route.parent_refs.iter().filter_map(|reference| {
        let (kind, parent) = parent_of(reference, &key.namespace);
        match kind? {
            ParentKind::Gateway => Some(parent),
            ParentKind::ListenerSet => {
                let set = context.index.listener_sets.get(&parent)?.parse().ok()?;
                let namespace = set.spec.parent_ref.namespace_or(&parent.namespace);
                Some(ObjectKey::new(namespace, set.spec.parent_ref.name.as_str()))
            }
        }
    });
    let addresses = gateways.flat_map(|gateway| {
        let gateway = context.index.gateways.get(&gateway);
        gateway.map(|gateway| gateway.status().addresses).unwrap_or_default()
    });
    let address = |GatewayAddress { type_, value }: GatewayAddress| {
        let is_address = type_.is_none_or(|type_| type_ == "IPAddress");
        value.parse().ok().filter(|_| is_address)
    };
    addresses.filter_map(address).collect()
}
