//! Renewal information (RFC 9773) with a real API server, ingress controller and Pebble: a window that the CA moves into
//! the past renews the certificate at the next poll.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::runtime::wait::Condition;
use serde_json::json;
use support::{
    Bed, Certlet, Fault, FaultProxy, Head, IN_TIME, Pebble, PebbleOptions, Times, condition_is, openssl, until,
};

/// Holds when a field of the object is there and passes.
fn field(pointer: &'static str, passes: impl Fn(&serde_json::Value) -> bool + Copy) -> impl Condition<DynamicObject> {
    move |object: Option<&DynamicObject>| {
        object
            .and_then(|object| object.data.pointer(pointer))
            .is_some_and(passes)
    }
}

/// The identifier of RFC 9773 section 4.1, of what openssl reads: the authority's key identifier, and the serial number as DER has it.
async fn ari_id(pem: &str) -> String {
    let shown = openssl(&["x509", "-noout", "-serial", "-ext", "authorityKeyIdentifier"], pem).await;
    let hex = |text: &str| -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    };
    let mut lines = shown.lines();
    let mut serial = hex(lines.find_map(|line| line.strip_prefix("serial=")).unwrap());
    if serial[0] >= 0x80 {
        serial.insert(0, 0);
    }
    let lines = shown
        .lines()
        .skip_while(|line| !line.contains("Authority Key Identifier"));
    let key = hex(lines
        .skip(1)
        .find(|line| line.contains(':'))
        .unwrap()
        .trim()
        .trim_start_matches("keyid:"));
    assert_eq!(key.len(), 20, "{shown}");
    [key, serial]
        .map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes))
        .join(".")
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
    let event = support::events::told(&bed, &namespace, "web", "ARIError").await;
    assert!(
        event.starts_with("Could not fetch ACME Renewal Information: ") && event.contains("502"),
        "{event}"
    );
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
    let replaced = ari_id(leaf).await;
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
