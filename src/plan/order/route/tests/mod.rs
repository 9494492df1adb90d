//! The statuses are those that Traefik 3.7 and Envoy Gateway 1.9 wrote for such objects.

mod listener;
mod verdict;

use serde_json::{Value, json};

use super::*;
use crate::plan::route::parent_of;

const ROUTE: &str = "cm-acme-http-solver-1";

fn listener(value: Value) -> Listener {
    serde_json::from_value(value).unwrap()
}

/// A listener for HTTP on port 80 that admits routes of these namespaces.
fn http(name: &str, hostname: &str, from: &str) -> Listener {
    listener(json!({
        "name": name, "hostname": hostname, "port": 80, "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": from}},
    }))
}

fn https(name: &str) -> Listener {
    listener(json!({
        "name": name, "port": 443, "protocol": "HTTPS", "allowedRoutes": {"namespaces": {"from": "All"}},
    }))
}

fn conditions(value: Value) -> Vec<Condition> {
    serde_json::from_value(value).unwrap()
}

/// Gateway infra/web of class edge with these listeners, and a reference with these further fields.
fn gateway(reference: &Value, listeners: Vec<Listener>) -> ParentSeen {
    let mut whole = json!({"name": "web", "namespace": "infra"});
    whole
        .as_object_mut()
        .unwrap()
        .extend(reference.as_object().unwrap().clone());
    let reference: ParentRef = serde_json::from_value(whole).unwrap();
    let (kind, key) = parent_of(&reference, "shop");
    assert!(kind.is_some());
    ParentSeen {
        reference,
        key,
        found: ParentFound::Found(Box::new(Offered {
            class: Some("edge".to_owned()),
            listeners,
            statuses: Vec::new(),
            conditions: conditions(json!([{"type": "Accepted", "status": "True", "reason": "Accepted"}])),
        })),
    }
}

impl ParentSeen {
    fn changed(mut self, change: impl FnOnce(&mut Offered)) -> Self {
        match &mut self.found {
            ParentFound::Found(offered) => change(offered),
            ParentFound::Missing | ParentFound::NotWatched => panic!("{self:?}"),
        }
        self
    }
}
