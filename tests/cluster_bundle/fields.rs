//! The fields of the kind, against trust-manager's own definition.

use std::collections::BTreeSet;

use certlet::api::bundle::{BundleSpec, BundleStatus};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::stage::Stage;

/// Every field of the spec. Label selectors are Kubernetes' own.
fn spec() -> Value {
    let object = json!({"name": "n", "selector": {}, "key": "k", "includeAllKeys": true});
    let metadata = json!({"annotations": {"a": "b"}, "labels": {"a": "b"}});
    json!({
        "sources": [{"configMap": object, "secret": object, "inLine": "x", "useDefaultCAs": true}],
        "target": {
            "configMap": {"key": "k", "metadata": metadata},
            "secret": {"key": "k", "metadata": metadata},
            "additionalFormats": {
                "jks": {"key": "k", "password": "p"},
                "pkcs12": {"key": "k", "password": "p", "profile": "Modern2023"},
            },
            "namespaceSelector": {},
        },
    })
}

fn status() -> Value {
    let condition = json!({"type": "Synced", "status": "True", "reason": "Synced", "message": "m", "observedGeneration": 1,
        "lastTransitionTime": "2026-11-30T08:00:00Z"});
    json!({"conditions": [condition], "defaultCAVersion": "v"})
}

/// Every object of `value` has the fields of the schema, no more and no less.
fn compare(path: &str, value: &Value, schema: &Value) {
    if let Some(items) = value.as_array() {
        compare(&format!("{path}[]"), &items[0], &schema["items"]);
    }
    let (Some(fields), Some(properties)) = (value.as_object(), schema["properties"].as_object()) else {
        return;
    };
    if path.ends_with("elector") {
        return;
    }
    let known: BTreeSet<_> = fields.keys().collect();
    let defined: BTreeSet<_> = properties.keys().collect();
    assert_eq!(known, defined, "{path}");
    for (name, value) in fields {
        compare(&format!("{path}.{name}"), value, &properties[name]);
    }
}

/// What a type has kept of it.
fn kept<T: Serialize + DeserializeOwned>(value: &Value) -> Value {
    let read: T = serde_json::from_value(value.clone()).unwrap();
    serde_json::to_value(read).unwrap()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn bun_02_the_fields_are_those_of_trust_managers_definition() {
    let Some(stage) = Stage::new("the fields of Bundles").await else {
        return;
    };
    assert_eq!(kept::<BundleSpec>(&spec()), spec());
    assert_eq!(kept::<BundleStatus>(&status()), status());
    let args = ["get", "crd", "bundles.trust.cert-manager.io", "-o", "json"];
    let definition: Value = serde_json::from_str(&stage.bed.kubectl(&args).await).unwrap();
    let version = &definition["spec"]["versions"][0];
    assert_eq!(version["name"], "v1alpha1");
    let schema = &version["schema"]["openAPIV3Schema"]["properties"];
    compare("spec", &spec(), &schema["spec"]);
    compare("status", &status(), &schema["status"]);
}
