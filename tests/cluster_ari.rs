//! Renewal information (RFC 9773) with a real API server, ingress controller and Pebble: a window that the CA moves into
//! the past renews the certificate at the next poll.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::runtime::wait::Condition;
use serde_json::json;
use support::{Bed, Certlet, Fault, FaultProxy, Head, IN_TIME, Pebble, PebbleOptions, Times, condition_is, until};

/// Holds when a field of the object is there and passes.
fn field(pointer: &'static str, passes: impl Fn(&serde_json::Value) -> bool + Copy) -> impl Condition<DynamicObject> {
    move |object: Option<&DynamicObject>| {
        object
            .and_then(|object| object.data.pointer(pointer))
            .is_some_and(passes)
    }
}

async fn certificate(bed: &Bed, namespace: &str) -> Api<DynamicObject> {
    bed.objects("cert-manager.io/v1", "Certificate", Some(namespace)).await
}

/// A Certificate that is proven through Traefik.
async fn apply_issuer_and_certificate(bed: &Bed, server: &Pebble, directory: &str, namespace: &str) {
    let issuer = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "le"},
        "spec": {"acme": {
            "server": directory, "caBundle": server.ca_bundle(), "privateKeySecretRef": {"name": "account"},
            "solvers": [{"http01": {"ingress": {"ingressClassName": "traefik"}}}],
        }},
    });
    bed.apply(namespace, &issuer.to_string()).await;
    let host = format!("ari.{namespace}.example");
    let web = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "web"},
        "spec": {"secretName": "web-tls", "dnsNames": [host], "issuerRef": {"name": "le"}},
    });
    bed.apply(namespace, &web.to_string()).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn why_the_server_gives_no_renewal_information_is_in_the_status_until_it_does() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let server = bed.pebble();
    let proxy = FaultProxy::before_pebble(&bed, &server).await;
    let _certlet = Certlet::start(&bed, &["--acme-ari-minimum-interval=5s"]).await;
    let namespace = bed.new_namespace().await;
    let is_poll = |head: &Head| head.path.to_lowercase().contains("renewal");
    proxy.inject(Fault::html(502), Times::Always, is_poll);
    apply_issuer_and_certificate(&bed, &server, &proxy.directory(), &namespace).await;

    let certificates = certificate(&bed, &namespace).await;
    let error = "/status/acme/ari/lastError";
    let told = until(
        &certificates,
        "web",
        IN_TIME,
        field(error, serde_json::Value::is_string),
    )
    .await;
    let status = &told.unwrap().data["status"];
    println!("the status says: {status}");
    assert!(
        status["acme"]["ari"]["lastError"].as_str().unwrap().contains("502"),
        "{status}"
    );
    assert!(status["acme"]["ari"]["suggestedWindow"].is_null(), "{status}");
    assert!(
        status["renewalTime"].is_string(),
        "renewal does not wait for it: {status}"
    );

    proxy.heal();
    let window = field("/status/acme/ari/suggestedWindow/start", serde_json::Value::is_string);
    let known = until(&certificates, "web", IN_TIME, window).await.unwrap();
    assert!(known.data["status"]["acme"]["ari"]["lastError"].is_null());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_window_moved_into_the_past_renews_at_the_next_poll_and_says_what_it_replaces() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let server = Pebble::start(&bed, PebbleOptions::default()).await;
    let _certlet = Certlet::start(&bed, &["--acme-ari-minimum-interval=5s"]).await;
    let namespace = bed.new_namespace().await;
    apply_issuer_and_certificate(&bed, &server, server.directory(), &namespace).await;

    let certificates = certificate(&bed, &namespace).await;
    until(&certificates, "web", IN_TIME, condition_is("Ready", "True")).await;
    let known = until(
        &certificates,
        "web",
        IN_TIME,
        field("/status/acme/ari/suggestedWindow/start", serde_json::Value::is_string),
    )
    .await
    .unwrap();
    let status = &known.data["status"];
    let window = &status["acme"]["ari"]["suggestedWindow"];
    let renewal = status["renewalTime"].as_str().unwrap();
    assert!(
        window["start"].as_str().unwrap() <= renewal && renewal <= window["end"].as_str().unwrap(),
        "{status}"
    );
    assert_eq!(status["revision"], 1);

    let chain = bed
        .kubectl(&[
            "get",
            "secret",
            "-n",
            &namespace,
            "web-tls",
            "-o",
            "go-template={{index .data \"tls.crt\" | base64decode}}",
        ])
        .await;
    let leaf = chain.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    let replaced = certlet::pki::certificate::CertificateInfo::parse_pem(leaf.as_bytes())
        .unwrap()
        .ari_id()
        .unwrap();
    server
        .set_renewal_window(leaf, "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z")
        .await;
    until(
        &certificates,
        "web",
        IN_TIME,
        field("/status/revision", |revision| *revision == 2),
    )
    .await;
    until(&certificates, "web", IN_TIME, condition_is("Ready", "True")).await;

    let orders = bed.objects("acme.cert-manager.io/v1", "Order", Some(&namespace)).await;
    let orders = orders.list(&ListParams::default()).await.unwrap().items;
    assert!(
        orders
            .iter()
            .any(|order| order.data["spec"]["replaces"] == replaced.as_str()),
        "{orders:?}"
    );
    // The new certificate has a window of its own, so it is not renewed again.
    let settled = until(
        &certificates,
        "web",
        IN_TIME,
        field("/status/acme/ari/suggestedWindow/start", |start| {
            start.as_str().is_some_and(|start| start > "2025")
        }),
    )
    .await
    .unwrap();
    assert_eq!(settled.data["status"]["revision"], 2);
}
