//! The types of `src/api/gateway` against the definitions of the Gateway API that the API server serves.

use certlet::api::gateway::{Gateway, HttpRoute, ListenerSet};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::place;
use crate::support::scene::Scene;

/// Every field of the types, each set.
fn samples() -> [(&'static str, Value); 3] {
    let condition = json!({
        "type": "Accepted", "status": "True", "reason": "Accepted", "message": "it is", "observedGeneration": 1,
        "lastTransitionTime": "2026-11-30T00:00:00Z",
    });
    let listener = json!({
        "name": "https", "hostname": "*.example.com", "port": 443, "protocol": "HTTPS",
        "tls": {
            "mode": "Terminate",
            "certificateRefs": [{"group": "", "kind": "Secret", "name": "web-tls", "namespace": "shop"}],
        },
        "allowedRoutes": {
            "namespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}},
            "kinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
        },
    });
    let listener_status = json!([{"name": "https", "attachedRoutes": 1, "conditions": [condition]}]);
    let parent = json!({
        "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web", "namespace": "infra", "sectionName": "https",
        "port": 443,
    });
    let object = |kind: &str, spec: Value, status: Value| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": {"name": "sample"},
            "spec": spec, "status": status,
        })
    };
    [
        (
            "gateways",
            object(
                "Gateway",
                json!({"gatewayClassName": "nobody", "listeners": [listener]}),
                json!({
                    "addresses": [{"type": "IPAddress", "value": "10.0.0.1"}], "conditions": [condition],
                    "listeners": listener_status,
                }),
            ),
        ),
        (
            "listenersets",
            object(
                "ListenerSet",
                json!({
                    "parentRef": {
                        "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web", "namespace": "infra",
                    },
                    "listeners": [listener],
                }),
                json!({"conditions": [condition], "listeners": listener_status}),
            ),
        ),
        (
            "httproutes",
            object(
                "HTTPRoute",
                json!({
                    "parentRefs": [parent], "hostnames": ["a.example.com"],
                    "rules": [{
                        "matches": [{"path": {"type": "Exact", "value": "/.well-known/acme-challenge/token"}}],
                        "backendRefs": [{
                            "group": "", "kind": "Service", "name": "page", "namespace": "shop", "port": 8089, "weight": 1,
                        }],
                    }],
                }),
                json!({"parents": [{"parentRef": parent, "controllerName": "example.com/one", "conditions": [condition]}]}),
            ),
        ),
    ]
}

/// The object read into the type and written again.
fn written<T: DeserializeOwned + Serialize>(sample: &Value) -> Value {
    let read: T = serde_json::from_value(sample.clone()).unwrap();
    serde_json::to_value(read).unwrap()
}

/// Each field of a value exists in the schema, with this type.
fn fits(value: &Value, schema: &Value, path: &str) {
    let kind = schema["type"].as_str().unwrap_or_default();
    match value {
        Value::Object(fields) => {
            assert_eq!(kind, "object", "{path}");
            for (name, field) in fields {
                let path = format!("{path}.{name}");
                let below = if schema["additionalProperties"].is_object() {
                    &schema["additionalProperties"]
                } else {
                    &schema["properties"][name]
                };
                assert!(below.is_object(), "the definition has no {path}");
                fits(field, below, &path);
            }
        }
        Value::Array(items) => {
            assert_eq!(kind, "array", "{path}");
            items
                .iter()
                .for_each(|item| fits(item, &schema["items"], &format!("{path}[]")));
        }
        Value::String(_) => assert_eq!(kind, "string", "{path}"),
        Value::Number(_) => assert_eq!(kind, "integer", "{path}"),
        Value::Bool(_) | Value::Null => panic!("{path}: no field of ours is one"),
    }
}

async fn schema(scene: &Scene, plural: &str) -> Value {
    let definitions: Api<CustomResourceDefinition> = Api::all(scene.bed.client());
    let name = format!("{plural}.gateway.networking.k8s.io");
    let found = serde_json::to_value(definitions.get(&name).await.unwrap()).unwrap();
    let versions = found["spec"]["versions"].as_array().unwrap();
    let v1 = versions.iter().find(|version| version["name"] == "v1").unwrap();
    assert_eq!(v1["served"], true, "{plural}");
    v1["schema"]["openAPIV3Schema"].clone()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn every_field_of_our_types_is_in_the_definitions_and_is_kept() {
    let Some(scene) = place("every_field_of_our_types_is_in_the_definitions").await else {
        return;
    };
    for (plural, sample) in samples() {
        let ours = match plural {
            "gateways" => written::<Gateway>(&sample),
            "listenersets" => written::<ListenerSet>(&sample),
            _ => written::<HttpRoute>(&sample),
        };
        // nothing is lost: each field of the sample is one of ours
        assert_eq!(ours, sample, "{plural}");
        let schema = schema(&scene, plural).await;
        for part in ["spec", "status"] {
            fits(&ours[part], &schema["properties"][part], part);
        }
        // the API server refuses fields that it does not know
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("object.json");
        std::fs::write(&file, ours.to_string()).unwrap();
        let file = file.to_str().unwrap();
        let create = [
            "create",
            "-n",
            &scene.namespace,
            "--dry-run=server",
            "--validate=strict",
            "-f",
            file,
        ];
        scene.bed.kubectl(&create).await;
    }
}
