//! CertificateRequests that people and other programs make, on a real API server: approved, signed, refused, explained.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod handed_on;
mod large;
mod refused;
mod signed;
#[path = "../support/mod.rs"]
mod support;

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use support::shop::condition;
use support::{Bed, Certlet, IN_TIME, Pair, condition_is, condition_reason_is, openssl, until};

async fn prepared() -> (Bed, String, Api<DynamicObject>) {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    Certlet::shared(&bed).await;
    let namespace = bed.new_namespace().await;
    let requests = bed
        .objects("cert-manager.io/v1", "CertificateRequest", Some(&namespace))
        .await;
    (bed, namespace, requests)
}

/// A key and a CSR for `web.example.com`, made by openssl.
async fn key_and_csr(usages: Option<&str>) -> (String, String) {
    let key = openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout"], "").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key.pem");
    std::fs::write(&file, &key).unwrap();
    let mut args = vec![
        "req",
        "-new",
        "-key",
        file.to_str().unwrap(),
        "-subj",
        "/O=Shop/CN=web.example.com",
    ];
    args.extend(["-addext", "subjectAltName=DNS:web.example.com,DNS:www.example.com"]);
    if let Some(usages) = usages {
        args.extend(["-addext", usages]);
    }
    let csr = openssl(&args, "").await;
    (key, csr)
}

/// A CA made by openssl, in Secret `root`.
async fn apply_ca(bed: &Bed, namespace: &str) -> String {
    let root = Pair::by_openssl_with_usage("/CN=Shop Root").await;
    root.store(bed, namespace, "root").await;
    root.certificate
}

async fn apply_issuer(bed: &Bed, namespace: &str, name: &str, spec: Value) {
    let issuer =
        json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": name}, "spec": spec});
    bed.apply(namespace, &issuer.to_string()).await;
}

/// Makes request `web`.
async fn apply_request(bed: &Bed, namespace: &str, csr: &str, extra: Value, annotations: Value) {
    let mut spec = json!({"request": STANDARD.encode(csr), "issuerRef": {"name": "issuer"}});
    for (key, value) in extra.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let request = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest",
        "metadata": {"name": "web", "annotations": annotations}, "spec": spec,
    });
    bed.apply(namespace, &request.to_string()).await;
}

fn decoded(object: &DynamicObject, field: &str) -> String {
    String::from_utf8(STANDARD.decode(object.data["status"][field].as_str().unwrap()).unwrap()).unwrap()
}

async fn issued(api: &Api<DynamicObject>) -> DynamicObject {
    until(api, "web", IN_TIME, condition_is("Ready", "True")).await.unwrap()
}

async fn refused(api: &Api<DynamicObject>, reason: &'static str) -> String {
    let request = until(api, "web", IN_TIME, condition_reason_is("Ready", reason))
        .await
        .unwrap();
    assert_eq!(request.data["status"].get("failureTime").is_some(), reason != "Pending");
    condition(&request, "Ready")["message"].as_str().unwrap().to_owned()
}
