//! CAs as they are out there: what public reports say of them, done by a proxy before Pebble. Each gets its certificate.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::response::Parts;
use serde_json::{Value, json};

use super::scene::{CERTIFICATES, ISSUERS, SECRETS, Scene, certificate, decoded, field, messages};
use crate::support::command::split_pem;
use crate::support::{Certlet, Fault, FaultProxy, Head, IN_TIME, Times, condition_is, eventually, until};

type Reshape = fn(&mut Parts, Bytes) -> Bytes;

/// What such a CA does, and whose it is.
const CUSTOMS: [(&str, Reshape); 9] = [
    ("vault", vault),
    ("prevalidated", no_authorizations_once_ready),
    ("forgetful", without_expires),
    ("empty", with_empty_expires),
    ("nothing", with_null_for_what_may_be_missing),
    ("bare", with_a_bare_directory),
    ("plain", without_the_prefix_of_types),
    ("labelled", with_another_content_type),
    ("wordy", with_text_around_certificates),
];

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn whatever_a_ca_is_used_to_its_certificates_come() {
    let first = Scene::new().await;
    let _certlet = Certlet::start(&first.bed, &[]).await;
    let mut scenes = Vec::new();
    for (name, reshape) in CUSTOMS {
        let scene = first.another().await;
        let proxy = FaultProxy::before_pebble(&scene.bed, &scene.bed.pebble()).await;
        proxy.inject(Fault::Reshape(reshape), Times::Always, |_| true);
        if name == "vault" {
            // refused nonces come without another one
            proxy.inject(
                Fault::problem(400, "badNonce", "stale", None),
                Times::Count(3),
                |head: &Head| head.method == http::Method::POST,
            );
        }
        scene.issuer(&proxy.directory(), "traefik").await;
        scene.certificate(name).await;
        scenes.push((name, scene, proxy));
    }
    for (name, scene, proxy) in &scenes {
        scene.ready(name).await;
        let none: [&str; 0] = [];
        assert_eq!(proxy.left(), none);
        println!("{name}: the certificate came");
    }
    let (_, wordy, _) = scenes.last().unwrap();
    let secret = wordy.objects(SECRETS).await.get("wordy-tls").await.unwrap();
    let chain = decoded(&secret, "/data/tls.crt");
    // what the CA sent, without the text: the root that it sent, too, as cert-manager stores it
    assert!(!chain.contains("subject=") && !chain.contains('\r'), "{chain}");
    assert_eq!(split_pem(&chain).concat().len(), chain.len());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_directory_may_redirect_and_name_another_port_and_nothing_else_may() {
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    let proxy = FaultProxy::before_pebble(&scene.bed, &pebble).await;

    // nginx before the CA: /directory leads to /dir
    proxy.inject(Fault::redirect(301, "/dir"), Times::Always, |head: &Head| {
        head.path == "/directory"
    });
    scene.issuer(&format!("{}/directory", proxy.url()), "traefik").await;
    scene.certificate("moved").await;
    scene.ready("moved").await;
    assert!(proxy.requests().iter().any(|head| head.path.contains("/order-plz")));

    // step-ca behind a load balancer: the directory is reached at another port than all that it names
    let other = scene.another().await;
    let direct = FaultProxy::before_pebble(&scene.bed, &pebble).await;
    direct.inject(Fault::Reshape(names_pebbles_own_port), Times::Always, |head: &Head| {
        head.path == "/dir"
    });
    other.issuer(&direct.directory(), "traefik").await;
    other.certificate("inner").await;
    other.ready("inner").await;
    assert!(
        direct.requests().iter().all(|head| head.path == "/dir"),
        "{:?}",
        direct.requests()
    );

    // what is not the directory may not redirect: where to is said, and nobody goes there
    let strict = scene.another().await;
    let refused = FaultProxy::before_pebble(&scene.bed, &pebble).await;
    let is_order = |head: &Head| head.path.contains("/order-plz");
    refused.inject(
        Fault::redirect(307, "https://elsewhere.example/order"),
        Times::Always,
        is_order,
    );
    strict.issuer(&refused.directory(), "traefik").await;
    strict.apply(&certificate("lost", &[&strict.host("lost")], "")).await;
    let told = strict
        .told("lost", "a redirect to https://elsewhere.example/order")
        .await;
    println!("lost: {told}");
    refused.heal();
    strict.ready("lost").await;

    // a directory that leads where nobody is asked says so
    let metadata = scene.another().await;
    let proxy = FaultProxy::before_pebble(&scene.bed, &pebble).await;
    proxy.inject(
        Fault::redirect(302, "https://169.254.169.254/dir"),
        Times::Always,
        |_| true,
    );
    metadata.issuer(&proxy.directory(), "traefik").await;
    let issuers = metadata.objects(ISSUERS).await;
    let message = eventually("the Issuer names the address", IN_TIME, async || {
        let issuer = issuers.get("ca").await.unwrap();
        messages(&issuer)
            .into_iter()
            .find(|message| message.contains("169.254.169.254"))
    })
    .await;
    println!("metadata: {message}");
    assert!(
        message.contains("is a link-local address, which certlet does not contact; --allow-outgoing-networks="),
        "{message}"
    );
    assert_eq!(
        field(
            &metadata.objects(ISSUERS).await.get("ca").await.unwrap(),
            "/status/acme/uri"
        ),
        ""
    );
    until(
        &scene.objects(CERTIFICATES).await,
        "moved",
        IN_TIME,
        condition_is("Ready", "True"),
    )
    .await;
}

fn edited(body: Bytes, edit: impl FnOnce(&mut Value)) -> Bytes {
    match serde_json::from_slice::<Value>(&body) {
        Ok(mut value) if value.is_object() => {
            edit(&mut value);
            value.to_string().into()
        }
        _ => body,
    }
}

fn is_order(value: &Value) -> bool {
    value.get("finalize").is_some()
}

/// Vault and `OpenBao`: `"subproblems": null` in every problem, and a refused nonce without another.
fn vault(parts: &mut Parts, body: Bytes) -> Bytes {
    if !parts.status.is_client_error() {
        return body;
    }
    edited(body, |value| {
        value["subproblems"] = Value::Null;
        if value["type"].as_str().is_some_and(|kind| kind.ends_with("badNonce")) {
            parts.headers.remove("replay-nonce");
        }
    })
}

/// Azure's: an order that needs no proof any more has none.
fn no_authorizations_once_ready(_: &mut Parts, body: Bytes) -> Bytes {
    edited(body, |value| {
        if is_order(value) && value["status"] != "pending" {
            value["authorizations"] = Value::Null;
        }
    })
}

/// `GoDaddy`'s.
fn without_expires(_: &mut Parts, body: Bytes) -> Bytes {
    edited(body, |value| {
        value.as_object_mut().unwrap().remove("expires");
    })
}

fn with_empty_expires(_: &mut Parts, body: Bytes) -> Bytes {
    edited(body, |value| {
        if value.get("expires").is_some() {
            value["expires"] = "".into();
        }
    })
}

/// Every field that an object can do without.
fn with_null_for_what_may_be_missing(_: &mut Parts, body: Bytes) -> Bytes {
    edited(body, |value| {
        let fields = [
            "expires",
            "error",
            "notBefore",
            "notAfter",
            "wildcard",
            "validated",
            "contact",
            "orders",
            "meta",
            "renewalInfo",
            "keyChange",
            "revokeCert",
        ];
        for field in fields {
            value[field] = Value::Null;
        }
        for challenge in value
            .get_mut("challenges")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            challenge["error"] = Value::Null;
            challenge["validated"] = Value::Null;
        }
    })
}

fn with_a_bare_directory(_: &mut Parts, body: Bytes) -> Bytes {
    edited(body, |value| {
        if value.get("newOrder").is_some() {
            *value = json!({"newNonce": value["newNonce"], "newAccount": value["newAccount"], "newOrder": value["newOrder"]});
        }
    })
}

/// `DigiCert`'s.
fn without_the_prefix_of_types(parts: &mut Parts, body: Bytes) -> Bytes {
    if !parts.status.is_client_error() {
        return body;
    }
    edited(body, |value| {
        let kind = value["type"].as_str().unwrap_or_default();
        value["type"] = kind.replace("urn:ietf:params:acme:error:", "").into();
    })
}

fn with_another_content_type(parts: &mut Parts, body: Bytes) -> Bytes {
    if parts.status.is_success() && serde_json::from_slice::<Value>(&body).is_ok() {
        let plain = HeaderValue::from_static("text/json;charset=UTF-8");
        parts.headers.insert(CONTENT_TYPE, plain);
    }
    body
}

/// What a web page offers for download: openssl's lines, and another system's ends of lines.
fn with_text_around_certificates(_: &mut Parts, body: Bytes) -> Bytes {
    let begin = "-----BEGIN CERTIFICATE-----";
    match std::str::from_utf8(&body) {
        Ok(text) if text.contains(begin) => {
            let text = text.replace(
                begin,
                &format!("subject=CN = of what follows\nissuer=CN = of that\n{begin}"),
            );
            text.replace('\n', "\r\n").into()
        }
        _ => body,
    }
}

/// All URLs of the directory are at the port where Pebble itself listens.
fn names_pebbles_own_port(_: &mut Parts, body: Bytes) -> Bytes {
    edited(body, |value| {
        for url in value.as_object_mut().unwrap().values_mut() {
            if let Some((_, path)) = url
                .as_str()
                .and_then(|url| url.strip_prefix("https://")?.split_once('/'))
            {
                *url = format!("https://127.0.0.1:14000/{path}").into();
            }
        }
    })
}
