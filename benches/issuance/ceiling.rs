//! What a controller could at most reach: the writes that one certificate needs, from a loop that does nothing else.

use base64::{Engine, prelude::BASE64_STANDARD};
use futures::{StreamExt, stream};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    discovery,
};
use serde_json::json;
use tokio::time::Instant;

use super::support::{Bed, IN_TIME, eventually};

const CLIENTS: usize = 8;
/// The policies let only PEM pass; nobody reads what is in it. In base64, as it stands in a request.
fn request(bytes: usize) -> String {
    let filler = filler(bytes);
    BASE64_STANDARD.encode(format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{filler}\n-----END CERTIFICATE REQUEST-----\n"
    ))
}

fn filler(bytes: usize) -> String {
    BASE64_STANDARD.encode(vec![b'x'; bytes])
}

/// Sizes in bytes as they are for an ECDSA certificate from a CA.
const CSR: usize = 320;
const CERTIFICATE: usize = 1_000;
const KEY: usize = 230;

/// Certificates per second: the user's create, request, its status, Secret, status. No certlet may be running.
///
/// The loop has the HTTP stack of certlet (one HTTP/2 connection), or the ceiling would be lower than what it bounds.
pub(crate) async fn rate(bed: &Bed, namespace: &str, count: usize) -> f64 {
    let client = client(bed).await;
    let objects = |group, version, kind| objects(&client, namespace, group, version, kind);
    let certificates = objects("cert-manager.io", "v1", "Certificate").await;
    let requests = objects("cert-manager.io", "v1", "CertificateRequest").await;
    let secrets = objects("", "v1", "Secret").await;
    let started = Instant::now();
    stream::iter(0..count)
        .for_each_concurrent(CLIENTS, |at| one(&certificates, &requests, &secrets, at))
        .await;
    let rate = count as f64 / started.elapsed().as_secs_f64();
    let made = ListParams::default().labels("bench=ceiling");
    for api in [&certificates, &requests, &secrets] {
        api.delete_collection(&DeleteParams::default(), &made).await.unwrap();
    }
    rate
}

/// Returns once the API server judges requests: for some seconds after its start it refuses all that a policy is to judge.
pub(crate) async fn until_policies_are_read(bed: &Bed) {
    let requests = bed
        .objects("cert-manager.io/v1", "CertificateRequest", Some("default"))
        .await;
    let object = json!({ "apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest", "metadata": { "name": "probe" },
        "spec": { "request": request(CSR), "issuerRef": { "name": "nobody", "group": "bench.example" } } });
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    eventually("the policies are read", IN_TIME, async || {
        requests.create(&dry_run, &object).await.ok()
    })
    .await;
}

async fn client(bed: &Bed) -> kube::Client {
    let path = bed.kubeconfig();
    let file = kube::config::Kubeconfig::read_from(path).unwrap();
    let config = kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default())
        .await
        .unwrap();
    certlet::cluster::connect(&config).unwrap()
}

async fn objects(client: &kube::Client, namespace: &str, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    let kind = kube::core::GroupVersionKind::gvk(group, version, kind);
    let (resource, _) = discovery::pinned_kind(client, &kind).await.unwrap();
    Api::namespaced_with(client.clone(), namespace, &resource)
}

async fn one(
    certificates: &Api<DynamicObject>,
    requests: &Api<DynamicObject>,
    secrets: &Api<DynamicObject>,
    at: usize,
) {
    let name = format!("ceiling-{at}");
    let external = json!({ "name": "nobody", "group": "bench.example" });
    let metadata = json!({ "name": name, "labels": { "bench": "ceiling" },
        "annotations": { "cert-manager.io/certificate-name": name, "cert-manager.io/certificate-revision": "1" } });
    let create = async |api: &Api<DynamicObject>, object: serde_json::Value| {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap()
    };
    let status = async |api: &Api<DynamicObject>, status: serde_json::Value| {
        api.patch_status(
            &name,
            &PatchParams::default(),
            &Patch::Merge(json!({ "status": status })),
        )
        .await
        .unwrap();
    };
    let condition = json!([{ "type": "Ready", "status": "True", "reason": "Ready", "message": "Certificate is up to date and has not expired",
        "lastTransitionTime": "2026-01-01T00:00:00Z" }]);
    create(
        certificates,
        json!({ "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": metadata,
        "spec": { "secretName": name, "dnsNames": ["a.example"], "issuerRef": external } }),
    )
    .await;
    create(
        requests,
        json!({ "apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest", "metadata": metadata,
        "spec": { "request": request(CSR), "issuerRef": external } }),
    )
    .await;
    status(
        requests,
        json!({ "certificate": filler(CERTIFICATE), "ca": filler(CERTIFICATE), "conditions": condition }),
    )
    .await;
    create(
        secrets,
        json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata,
        "data": { "tls.crt": filler(CERTIFICATE), "tls.key": filler(KEY), "ca.crt": filler(CERTIFICATE) } }),
    )
    .await;
    status(
        certificates,
        json!({ "conditions": condition, "revision": 1, "notAfter": "2027-01-01T00:00:00Z" }),
    )
    .await;
}
