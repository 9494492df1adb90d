//! The custom resource definitions, policies and manifests on a real API server: what it refuses, in which words, and
//! what it lets pass.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod approval;
mod deploy;
mod gateway;
mod identity;
mod immutability;
mod newer;
#[path = "../support/mod.rs"]
mod support;
mod uninstall;
mod validation;

use crate::support::bed::project;
use crate::support::{Bed, IN_TIME, eventually};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// Applies definitions and policies, and waits until the policies are in force: the server reads them with a delay.
async fn prepared() -> (Bed, String) {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let deploy = project().join("deploy");
    let identity = bed.can_write_requesters().await;
    let parts = ["api/policies.yaml", "api/user-roles.yaml"];
    for part in parts
        .into_iter()
        .chain(identity.then_some("requester-identity/policy.yaml"))
    {
        bed.kubectl(&["apply", "-f", deploy.join(part).to_str().unwrap()]).await;
    }
    let namespace = bed.new_namespace().await;
    let requests = requests(&bed, &namespace).await;
    let garbage = json!({ "issuerRef": { "name": "ca" }, "request": "aW52YWxpZA==" });
    let garbage = request("canary", &garbage);
    eventually("the policies in force", IN_TIME, async || {
        let refusal = create(&requests, &garbage).await.err()?;
        refusal.contains("denied the request").then_some(())
    })
    .await;
    let mut forged = good("CertificateRequest");
    forged["username"] = json!("x");
    let forged = request("canary", &forged);
    eventually(
        "the requester filled in, or a forged one refused",
        IN_TIME,
        async || {
            let in_force = match create(&requests, &forged).await {
                Ok(found) => found.data["spec"]["username"] == "admin",
                Err(refusal) => !identity && refusal.contains("identity must be that of the requester"),
            };
            in_force.then_some(())
        },
    )
    .await;
    (bed, namespace)
}

/// What is applied to this server, as docs/install.md says: `-k` and `-f` with a folder or file.
async fn installation(bed: &Bed) -> Vec<[String; 2]> {
    let of_all = ("-k", "deploy");
    let of_new = ("-f", "deploy/requester-identity/policy.yaml");
    let has_new = bed.can_write_requesters().await;
    let parts = [Some(of_all), has_new.then_some(of_new)].into_iter().flatten();
    parts
        .map(|(how, path)| [how.to_owned(), project().join(path).display().to_string()])
        .collect()
}

fn cases() -> Value {
    serde_saphyr::from_str(include_str!("../data/validation.yaml")).expect("the table is YAML")
}

fn good(kind: &str) -> Value {
    cases()["good"][kind].clone()
}

fn object(api_version: &str, kind: &str, name: &str, spec: &Value) -> DynamicObject {
    let object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name }, "spec": spec });
    serde_json::from_value(object).unwrap()
}

fn request(name: &str, spec: &Value) -> DynamicObject {
    object("cert-manager.io/v1", "CertificateRequest", name, spec)
}

async fn requests(bed: &Bed, namespace: &str) -> Api<DynamicObject> {
    bed.objects("cert-manager.io/v1", "CertificateRequest", Some(namespace))
        .await
}

/// Creates without storing.
async fn create(api: &Api<DynamicObject>, object: &DynamicObject) -> Result<DynamicObject, String> {
    let parameters = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    api.create(&parameters, object).await.map_err(|error| error.to_string())
}

async fn stored(api: &Api<DynamicObject>, object: &DynamicObject) {
    api.create(&PostParams::default(), object).await.unwrap();
}

async fn patch(api: &Api<DynamicObject>, name: &str, change: &Value) -> Result<(), String> {
    let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(change)).await;
    patched.map(drop).map_err(|error| error.to_string())
}

async fn patch_status(api: &Api<DynamicObject>, name: &str, status: &Value) -> Result<(), String> {
    let change = json!({ "status": status });
    let patched = api
        .patch_status(name, &PatchParams::default(), &Patch::Merge(&change))
        .await;
    patched.map(drop).map_err(|error| error.to_string())
}

fn refused(result: Result<(), String>, says: &str) {
    let refusal = result.expect_err(says);
    assert!(refusal.contains(says), "{refusal}\ndoes not say\n{says}");
}

/// RFC 7396.
fn merge(into: &mut Value, change: &Value) {
    let (Value::Object(fields), Value::Object(changes)) = (&mut *into, change) else {
        *into = change.clone();
        return;
    };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key).or_insert(Value::Null), change);
        }
    }
}
