//! The Gateway API on a real API server: certificates of annotated Gateways and `ListenerSet`s (GWS rows), HTTP-01 through HTTPRoutes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod arriving;
mod commands;
mod http01;
mod http01_faults;
mod http01_listener_sets;
mod names;
mod shim;

use serde_json::{Value, json};
use support::scene::Scene;
use support::{Certlet, Pair};

/// The flags that switch all of it on.
const FLAGS: [&str; 3] = [
    "--enable-gateway-api",
    "--enable-gateway-api-listenerset",
    "--feature-gates=ListenerSets=true",
];

/// A namespace with an Issuer `ca`, whose key pair openssl has made, and the definitions of the Gateway API; `None` if the bed has none.
async fn place(test: &str) -> Option<Scene> {
    let scene = Scene::new().await;
    if !scene.bed.install_gateway_api(test).await {
        return None;
    }
    with_issuer(&scene).await;
    Some(scene)
}

/// Such a namespace, and a certlet.
async fn prepared(test: &str, flags: &[&str]) -> Option<(Scene, Certlet)> {
    let scene = place(test).await?;
    let certlet = Certlet::start(&scene.bed, &[&FLAGS, flags].concat()).await;
    Some((scene, certlet))
}

async fn with_issuer(scene: &Scene) {
    let Pair { key, certificate } = Pair::by_openssl("/CN=Test CA").await;
    let objects = [
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ca"}, "type": "kubernetes.io/tls",
            "stringData": {"tls.key": key, "tls.crt": certificate},
        }),
        json!({
            "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "ca"},
            "spec": {"ca": {"secretName": "ca"}},
        }),
    ];
    scene
        .apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())
        .await;
}

/// A listener that terminates TLS with the certificate in a Secret.
fn https(name: &str, hostname: &str, secret: &str) -> Value {
    json!({
        "name": name, "port": 443, "protocol": "HTTPS", "hostname": hostname,
        "tls": {"mode": "Terminate", "certificateRefs": [{"name": secret}]},
        "allowedRoutes": {"namespaces": {"from": "All"}},
    })
}

/// Applies Gateway `web`. Its class has no controller: nothing here depends on one.
async fn gateway(scene: &Scene, annotations: &Value, listeners: &Value) {
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {
            "name": "web", "labels": {"app": "shop", "applyset.kubernetes.io/part-of": "set"}, "annotations": annotations,
        },
        "spec": {"gatewayClassName": "nobody", "listeners": listeners},
    });
    scene.apply(&gateway.to_string()).await;
}

/// The annotation for the Issuer `ca`.
fn issuer() -> Value {
    json!({"cert-manager.io/issuer": "ca"})
}
