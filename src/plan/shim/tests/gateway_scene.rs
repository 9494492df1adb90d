//! Fixtures that read as prose: `a_gateway().annotated(..).listener(..)`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{INGRESS_UID, apply, meta, only_complaint, only_creation, with};
use crate::{
    api::{
        Solver,
        gateway::{GatewaySpec, GatewayStatus, ListenerSetSpec, ListenerSetStatus, RouteParentStatus},
    },
    plan::{
        kinds::{GatewayKind, ListenerSetKind},
        route::RouteSeen,
        seen::{Object, ObjectKey},
        settings::Settings,
        shim::{Existing, ShimObject, ShimObservation, ShimPlan, WantedCertificate, gateway, plan},
    },
};

/// A Gateway or a ListenerSet below one, the routes and Certificates around it, and the flags.
#[derive(Clone, Debug)]
pub(super) struct GatewayScene {
    pub(super) gateway: Object<GatewayKind>,
    pub(super) set: Option<Object<ListenerSetKind>>,
    pub(super) routes: Vec<Arc<RouteSeen>>,
    pub(super) certificates: Vec<Existing>,
    pub(super) solvers: Option<Vec<Solver>>,
    pub(super) settings: Settings,
    pub(super) now: Timestamp,
}

/// The Gateway shop/web without annotations and listeners.
pub(super) fn a_gateway() -> GatewayScene {
    GatewayScene {
        gateway: Object {
            meta: meta("web", INGRESS_UID),
            spec: GatewaySpec::default(),
            status: GatewayStatus::default(),
        },
        set: None,
        routes: Vec::new(),
        certificates: Vec::new(),
        solvers: None,
        settings: Settings::default(),
        now: Timestamp::UNIX_EPOCH,
    }
}

/// A listener that terminates TLS.
pub(super) fn listener(hostname: &str, secret: &str) -> Value {
    json!({
        "name": "https", "port": 443, "protocol": "HTTPS", "hostname": hostname,
        "tls": {"mode": "Terminate", "certificateRefs": [{"name": secret}]},
    })
}

/// A route in namespace `shop` with these names, accepted by what `parent_ref` names.
pub(super) fn route(name: &str, parent_ref: &Value, hostnames: &[&str]) -> RouteSeen {
    let parent: RouteParentStatus = serde_json::from_value(json!({
        "parentRef": parent_ref, "controllerName": "example.com/gateways",
        "conditions": [{"type": "Accepted", "status": "True", "observedGeneration": 1}],
    }))
    .unwrap();
    RouteSeen {
        meta: meta(name, &format!("{name}-uid")),
        parent_refs: Box::new([parent.parent_ref.clone()]),
        hostnames: hostnames.iter().map(|&hostname| hostname.into()).collect(),
        parents: Box::new([parent]),
    }
}

impl GatewayScene {
    pub(super) fn annotated(mut self, key: &str, value: &str) -> Self {
        let meta = match &mut self.set {
            Some(set) => &mut set.meta,
            None => &mut self.gateway.meta,
        };
        meta.annotations = with(&meta.annotations, key, value);
        self
    }

    /// From here on it is about the ListenerSet shop/more of the Gateway, which is in another namespace.
    pub(super) fn with_listener_set(mut self) -> Self {
        self.gateway.meta.key = ObjectKey::new("infra", "web");
        self.gateway.meta.uid = "gateway-uid".into();
        let spec = json!({"parentRef": {"name": "web", "namespace": "infra"}, "listeners": []});
        let spec: ListenerSetSpec = serde_json::from_value(spec).unwrap();
        self.set = Some(Object {
            meta: meta("more", INGRESS_UID),
            spec,
            status: ListenerSetStatus::default(),
        });
        self
    }

    pub(super) fn listener(mut self, listener: Value) -> Self {
        let listeners = match &mut self.set {
            Some(set) => &mut set.spec.listeners,
            None => &mut self.gateway.spec.listeners,
        };
        listeners.push(serde_json::from_value(listener).unwrap());
        self
    }

    pub(super) fn no_listeners(mut self) -> Self {
        self.gateway.spec.listeners.clear();
        if let Some(set) = &mut self.set {
            set.spec.listeners.clear();
        }
        self
    }

    pub(super) fn routed(mut self, route: RouteSeen) -> Self {
        self.routes.push(Arc::new(route));
        self
    }

    fn object(&self) -> ShimObject {
        match &self.set {
            Some(set) => gateway::listener_set(set, &self.gateway.meta, &self.routes, &self.settings),
            None => gateway::gateway(&self.gateway, &self.routes, &self.settings),
        }
    }

    pub(super) fn plan(&self) -> ShimPlan {
        let object = self.object();
        let seen = ShimObservation {
            object: &object,
            certificates: &self.certificates,
            solvers: self.solvers.as_deref(),
            settings: &self.settings,
        };
        plan(self.now, &seen)
    }

    /// The only Certificate that is to be created.
    pub(super) fn created(&self) -> WantedCertificate {
        only_creation(self.plan())
    }

    /// The only complaint, with nothing done.
    pub(super) fn complaint(&self) -> String {
        only_complaint(self.plan())
    }

    /// The same after the API server has done what the plan says.
    pub(super) fn applied(mut self) -> Self {
        for effect in self.plan().effects {
            apply(&mut self.certificates, effect);
        }
        self
    }

    /// The same with every Certificate Ready and due for renewal at `renewal`.
    pub(super) fn issued_until(mut self, renewal: Timestamp) -> Self {
        for certificate in &mut self.certificates {
            certificate.renewal = Some(renewal);
        }
        self
    }

    /// The names of the only Certificate.
    pub(super) fn names(&self) -> Vec<String> {
        let [existing] = &self.certificates[..] else {
            panic!("expected one Certificate, got {:?}", self.certificates)
        };
        existing.spec.clone().unwrap().dns_names
    }
}
