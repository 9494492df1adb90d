//! A cluster as cert-manager 1.21.1 leaves it, restored from a dump: objects, owners by uid, status, and whose fields they are.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::bed::Bed;

const CERTIFICATES: &str = include_str!("../data/takeover/certificates.json");
const ACME: &str = include_str!("../data/takeover/acme.json");

/// The namespace that the dump was made in.
pub(crate) const NAMESPACE: &str = "takeover";
/// cert-manager's name for what it writes into target Secrets.
const SECRETS_MANAGER: &str = "cert-manager-certificates-issuing";

/// In this order every owner is there before what it owns.
const KINDS: [&str; 9] = [
    "ClusterIssuer",
    "Issuer",
    "Ingress",
    "Certificate",
    "CertificateRequest",
    "Order",
    "Challenge",
    "Secret",
    "Service",
];

/// Writes all of it. The namespace is always the same: one test of a bed can do this.
pub(crate) async fn restore(bed: &Bed) {
    bed.kubectl(&["create", "namespace", NAMESPACE]).await;
    let items: Vec<Value> = [CERTIFICATES, ACME]
        .iter()
        .flat_map(|dump| {
            let list: Value = serde_json::from_str(dump).unwrap();
            list["items"].as_array().unwrap().clone()
        })
        .collect();
    let mut uids = BTreeMap::new();
    for kind in KINDS {
        for item in items.iter().filter(|item| item["kind"] == kind) {
            let written = write(bed, item.clone(), &uids).await;
            let uid = item["metadata"]["uid"].as_str().unwrap().to_owned();
            uids.insert(uid, written.metadata.uid.unwrap());
        }
    }
}

async fn write(bed: &Bed, mut item: Value, uids: &BTreeMap<String, String>) -> DynamicObject {
    let (status, applied) = (item["status"].take(), is_applied(&item));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&item["apiVersion"]), text(&item["kind"]));
    let (name, namespace) = (text(&item["metadata"]["name"]), text(&item["metadata"]["namespace"]));
    let fields = item.as_object_mut().unwrap();
    fields.remove("status");
    let metadata = fields["metadata"].as_object_mut().unwrap();
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "managedFields",
    ] {
        metadata.remove(field);
    }
    for owner in metadata
        .get_mut("ownerReferences")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        owner["uid"] = json!(uids[owner["uid"].as_str().unwrap()]);
    }
    if kind == "CertificateRequest" {
        // Only the server says who makes a request.
        let spec = fields["spec"].as_object_mut().unwrap();
        for field in ["username", "uid", "groups", "extra"] {
            spec.remove(field);
        }
    }
    let namespace = Some(namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let api: Api<DynamicObject> = bed.objects(&api_version, &kind, namespace).await;
    let written = if applied {
        let parameters = PatchParams::apply(SECRETS_MANAGER);
        api.patch(&name, &parameters, &Patch::Apply(&item)).await
    } else {
        let object = serde_json::from_value(item).unwrap();
        api.create(&PostParams::default(), &object).await
    };
    let written = written.unwrap_or_else(|error| panic!("cannot restore {kind} {name}: {error}"));
    if status.as_object().is_some_and(|status| !status.is_empty()) && kind != "Ingress" {
        let patch = Patch::Merge(json!({ "status": status }));
        api.patch_status(&name, &PatchParams::default(), &patch)
            .await
            .unwrap_or_else(|error| panic!("cannot restore the status of {kind} {name}: {error}"));
    }
    written
}

fn is_applied(item: &Value) -> bool {
    let managers = item["metadata"]["managedFields"].as_array();
    managers
        .into_iter()
        .flatten()
        .any(|entry| entry["manager"] == SECRETS_MANAGER && entry["operation"] == "Apply" && item["kind"] == "Secret")
}
