//! Gateways and ListenerSets, in the terms of the planner (GWS-03..08).

use std::{collections::BTreeMap, sync::Arc};

use super::{
    ShimObject, Tls,
    issuer::{self, is_true},
    listener::Listeners,
    routes,
};
use crate::{
    api::{
        gateway::{GATEWAY_KIND, LISTENER_SET_KIND, Listener},
        names::annotation,
    },
    plan::{
        kinds::{GatewayKind, ListenerSetKind},
        route::RouteSeen,
        seen::{Meta, Object, Pairs},
        settings::Settings,
    },
};

/// A Gateway. `routes` are the HTTPRoutes attached to it; they are used only if [`routes::are_wanted`].
pub fn gateway(gateway: &Object<GatewayKind>, routes: &[Arc<RouteSeen>], settings: &Settings) -> ShimObject {
    let parent = [
        (annotation::HTTP01_PARENT_REF_KIND, GATEWAY_KIND),
        (annotation::HTTP01_PARENT_REF_NAME, gateway.meta.name()),
    ];
    ShimObject {
        noun: "gateway",
        may_be_automatic: false,
        meta: gateway.meta.clone(),
        parent: parent.into_iter().collect(),
        tls: Ok(tls(
            &gateway.meta,
            GATEWAY_KIND,
            &gateway.spec.listeners,
            routes,
            settings,
        )),
    }
}

/// A ListenerSet of the Gateway with this metadata, with the annotations that it inherits (GWS-08).
pub fn listener_set(
    set: &Object<ListenerSetKind>,
    gateway: &Meta,
    routes: &[Arc<RouteSeen>],
    settings: &Settings,
) -> ShimObject {
    let meta = Meta {
        annotations: inherited(&set.meta.annotations, &gateway.annotations),
        ..set.meta.clone()
    };
    let fallback = meta.annotations.get(annotation::HTTP01_PARENT_REF_FALLBACK);
    let parent: Pairs = if fallback.is_some_and(is_true) {
        [
            (annotation::HTTP01_PARENT_REF_KIND, GATEWAY_KIND),
            (annotation::HTTP01_PARENT_REF_NAME, gateway.name()),
            (annotation::HTTP01_PARENT_REF_NAMESPACE, gateway.namespace()),
        ]
        .into_iter()
        .collect()
    } else {
        [
            (annotation::HTTP01_PARENT_REF_KIND, LISTENER_SET_KIND),
            (annotation::HTTP01_PARENT_REF_NAME, set.meta.name()),
        ]
        .into_iter()
        .collect()
    };
    ShimObject {
        noun: "listener set",
        may_be_automatic: false,
        tls: Ok(tls(&meta, LISTENER_SET_KIND, &set.spec.listeners, routes, settings)),
        meta,
        parent,
    }
}

/// The issuer of the Gateway counts only where the ListenerSet names none; kind and group of the Gateway always do (GWS-08).
fn inherited(own: &Pairs, gateway: &Pairs) -> Pairs {
    let names_issuer = own.contains(annotation::CLUSTER_ISSUER) || own.contains(annotation::ISSUER);
    let issuer = [annotation::CLUSTER_ISSUER, annotation::ISSUER]
        .into_iter()
        .filter(|_| !names_issuer);
    let always = [annotation::ISSUER_KIND, annotation::ISSUER_GROUP];
    let mut all: BTreeMap<&str, &str> = own.iter().collect();
    all.extend(issuer.chain(always).filter_map(|key| Some((key, gateway.get(key)?))));
    all.into_iter().collect()
}

fn tls(meta: &Meta, kind: &'static str, listeners: &[Listener], routes: &[Arc<RouteSeen>], settings: &Settings) -> Tls {
    let issuer = issuer::choose(&meta.annotations, &settings.default_issuer, "").ok();
    let all = Listeners {
        all: listeners,
        meta,
        kind,
        extra_protocols: &settings.gateway.extra_protocols,
        issuer: issuer.as_ref(),
    };
    let given = routes::are_wanted(meta).then(|| routes::given(listeners, (kind, &meta.key), routes));
    all.tls(given.as_ref())
}
