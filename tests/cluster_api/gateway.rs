//! The types of `src/api/gateway` against the definitions of the Gateway API, and against a server that has them.

use std::collections::BTreeMap;

use certlet::api::condition::ConditionStatus;
use certlet::api::gateway::{
    AllowedRoutes, BackendRef, GatewayAddress, GatewaySpec, GatewayStatus, HttpRouteSpec, HttpRouteStatus, Listener,
    ListenerSetSpec, ListenerSetStatus, ListenerStatus, ListenerTls, ParentGateway, PathMatch, RouteKind, RouteMatch,
    RouteNamespaces, RouteParentStatus, RouteRule, SecretReference,
};
use certlet::api::{Condition, http01::ParentRef};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::Bed;
use crate::support::gateway::{GATEWAYS, LISTENER_SETS, ROUTES};

#[expect(clippy::unnecessary_wraps, reason = "each field of the samples is there")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// No sample leaves a field out (`..`): a new field does not compile until it is judged here, too.
fn condition() -> Condition {
    let time = json!("2026-01-02T03:04:05Z");
    Condition {
        type_: "Accepted".to_owned(),
        status: ConditionStatus::False,
        last_transition_time: serde_json::from_value(time).unwrap(),
        reason: some("NotAllowed"),
        message: some("A sentence."),
        observed_generation: Some(1),
    }
}

fn listener() -> Listener {
    let expression = LabelSelectorRequirement {
        key: "team".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec!["shop".to_owned()]),
    };
    Listener {
        name: "https".to_owned(),
        hostname: some("*.example.com"),
        port: 443,
        protocol: "HTTPS".to_owned(),
        tls: Some(ListenerTls {
            mode: some("Terminate"),
            certificate_refs: vec![SecretReference {
                group: some(""),
                kind: some("Secret"),
                name: "tls".to_owned(),
                namespace: some("elsewhere"),
            }],
        }),
        allowed_routes: Some(AllowedRoutes {
            namespaces: Some(RouteNamespaces {
                from: some("Selector"),
                selector: Some(LabelSelector {
                    match_labels: Some(BTreeMap::from([("a".to_owned(), "b".to_owned())])),
                    match_expressions: Some(vec![expression]),
                }),
            }),
            kinds: vec![RouteKind {
                group: some("gateway.networking.k8s.io"),
                kind: "HTTPRoute".to_owned(),
            }],
        }),
    }
}

fn listener_status() -> ListenerStatus {
    ListenerStatus {
        name: "https".to_owned(),
        attached_routes: 3,
        conditions: vec![condition()],
    }
}

fn gateway() -> (GatewaySpec, GatewayStatus) {
    let spec = GatewaySpec {
        gateway_class_name: "nobody".to_owned(),
        listeners: vec![listener()],
    };
    let status = GatewayStatus {
        addresses: vec![GatewayAddress {
            type_: some("IPAddress"),
            value: "10.99.0.11".to_owned(),
        }],
        conditions: vec![condition()],
        listeners: vec![listener_status()],
    };
    (spec, status)
}

fn listener_set() -> (ListenerSetSpec, ListenerSetStatus) {
    let spec = ListenerSetSpec {
        parent_ref: ParentGateway {
            group: some("gateway.networking.k8s.io"),
            kind: some("Gateway"),
            name: "web".to_owned(),
            namespace: some("elsewhere"),
        },
        listeners: vec![listener()],
    };
    let status = ListenerSetStatus {
        conditions: vec![condition()],
        listeners: vec![listener_status()],
    };
    (spec, status)
}

fn route() -> (HttpRouteSpec, HttpRouteStatus) {
    let parent = ParentRef {
        group: some("gateway.networking.k8s.io"),
        kind: some("ListenerSet"),
        name: "web".to_owned(),
        namespace: some("elsewhere"),
        port: Some(80),
        section_name: some("http"),
    };
    let rule = RouteRule {
        matches: vec![RouteMatch {
            path: Some(PathMatch {
                type_: some("Exact"),
                value: some("/.well-known/acme-challenge/token"),
            }),
        }],
        backend_refs: vec![BackendRef {
            group: some(""),
            kind: some("Service"),
            name: "solver".to_owned(),
            namespace: some("elsewhere"),
            port: Some(8089),
            weight: Some(1),
        }],
    };
    let spec = HttpRouteSpec {
        parent_refs: vec![parent.clone()],
        hostnames: vec!["www.example.com".to_owned()],
        rules: vec![rule],
    };
    let status = HttpRouteStatus {
        parents: vec![RouteParentStatus {
            parent_ref: parent,
            controller_name: "example.com/controller".to_owned(),
            conditions: vec![condition()],
        }],
    };
    (spec, status)
}

/// Kind, and an object of it with each field that this project names.
fn samples() -> [((&'static str, &'static str), Value); 3] {
    let ((gateway, served), (set, merged), (route, attached)) = (gateway(), listener_set(), route());
    [
        (GATEWAYS, json!({"spec": gateway, "status": served})),
        (LISTENER_SETS, json!({"spec": set, "status": merged})),
        (ROUTES, json!({"spec": route, "status": attached})),
    ]
}

/// Names the fields of `value` that `schema` does not have, or has with another type.
fn misfits(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let wanted = schema["type"].as_str().unwrap_or("no type");
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(items) => {
            assert!(!items.is_empty(), "{path} judges nothing");
            for item in items {
                misfits(&schema["items"], item, &format!("{path}[]"), found);
            }
            "array"
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let own = &schema["properties"][name];
                let schema = if own.is_null() {
                    &schema["additionalProperties"]
                } else {
                    own
                };
                misfits(schema, field, &format!("{path}.{name}"), found);
            }
            "object"
        }
    };
    if is != wanted {
        found.push(format!("{path} is written as {is}, and is {wanted} in the definition"));
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn every_field_of_the_gateway_api_that_is_read_or_written_has_the_name_and_type_of_its_definition() {
    let test = "every_field_of_the_gateway_api_that_is_read_or_written_has_the_name_and_type_of_its_definition";
    let bed = Bed::attach().await;
    if !bed.install_gateway_api(test).await {
        return;
    }
    let definitions = Api::<CustomResourceDefinition>::all(bed.client());
    let mut found = Vec::new();
    for ((_, kind), sample) in samples() {
        let name = format!("{}s.gateway.networking.k8s.io", kind.to_lowercase());
        let definition = serde_json::to_value(definitions.get(&name).await.unwrap()).unwrap();
        let versions = definition["spec"]["versions"].as_array().unwrap();
        let version = versions.iter().find(|version| version["name"] == "v1").unwrap();
        misfits(&version["schema"]["openAPIV3Schema"], &sample, kind, &mut found);
    }
    assert_eq!(found, Vec::<String>::new());
    // the judge itself
    let schema = json!({"type": "object", "properties": {"port": {"type": "integer"}}});
    misfits(&schema, &json!({"port": "80", "prot": 1}), "Gateway", &mut found);
    assert_eq!(found.len(), 2, "{found:?}");
}

/// Applies an object strictly, once with `spec` and once with `status`, and returns what the server has stored.
async fn stored(bed: &Bed, namespace: &str, kind: (&str, &str), sample: &Value) -> DynamicObject {
    let objects = bed.objects(kind.0, kind.1, Some(namespace)).await;
    let parameters = PatchParams::apply("test").validation_strict();
    let object = |part: &str| {
        let head = json!({"apiVersion": kind.0, "kind": kind.1, "metadata": {"name": "sample"}});
        let mut object: DynamicObject = serde_json::from_value(head).unwrap();
        object.data = json!({part: sample[part]});
        object
    };
    let spec = Patch::Apply(object("spec"));
    objects.patch("sample", &parameters, &spec).await.unwrap();
    let status = Patch::Apply(object("status"));
    let mut stored = objects.patch_status("sample", &parameters, &status).await.unwrap();
    // The server begins with conditions of its own, "Waiting for controller", and keeps that which nobody has written.
    if let Some(conditions) = stored.data["status"]["conditions"].as_array_mut() {
        conditions.retain(|condition| condition["reason"] != "Pending");
    }
    stored
}

fn part<T: DeserializeOwned>(object: &DynamicObject, name: &str) -> T {
    serde_json::from_value(object.data[name].clone()).unwrap()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_server_takes_each_field_of_the_gateway_api_strictly_and_gives_it_back() {
    let test = "the_server_takes_each_field_of_the_gateway_api_strictly_and_gives_it_back";
    let bed = Bed::attach().await;
    if !bed.install_gateway_api(test).await {
        return;
    }
    let namespace = bed.new_namespace().await;
    let [(gateways, one), (sets, two), (routes, three)] = samples();
    let found = stored(&bed, &namespace, gateways, &one).await;
    assert_eq!((part(&found, "spec"), part(&found, "status")), gateway());
    let found = stored(&bed, &namespace, sets, &two).await;
    assert_eq!((part(&found, "spec"), part(&found, "status")), listener_set());
    let found = stored(&bed, &namespace, routes, &three).await;
    assert_eq!((part(&found, "spec"), part(&found, "status")), route());
}
