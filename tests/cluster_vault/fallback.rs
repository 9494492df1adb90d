//! Fallback issuers (ANO-16, ANO-17, POL-17): a CA is ended, or limits requests, while another one answers.

use serde_json::{Value, json};

use crate::{
    Place,
    support::{
        Certlet, Fault, FaultProxy, Head, IN_TIME, Pair, Pebble, PebbleOptions, Times, condition_is,
        condition_reason_is, eventually,
        scene::{CERTIFICATES, ISSUERS, REQUESTS, SECRETS, Scene, certificate, field, issuer, named, solver},
        until,
    },
};

const CLASS: &str = "traefik";
const ISSUER_NAME: &str = "/metadata/annotations/cert-manager.io~1issuer-name";
const FALLBACK_FOR: &str = "/metadata/annotations/certlet.io~1fallback-for";

/// A Certificate of the Issuer `ca` with these fallback issuers.
fn with_fallback(name: &str, host: &str, issuers: &str, after: &str) -> String {
    let annotations = format!(
        "metadata: {{name: {name}, annotations: {{certlet.io/fallback-issuers: {issuers:?}, certlet.io/fallback-after: {after:?}}}}}"
    );
    certificate(name, &[host], "").replace(&format!("metadata: {{name: {name}}}"), &annotations)
}

/// An Issuer with a CA of its own.
async fn internal(scene: &Scene) {
    let pair = Pair::by_openssl("/CN=internal").await;
    pair.store(&scene.bed, &scene.namespace, "internal-ca").await;
    let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "internal"},
        "spec": {"ca": {"secretName": "internal-ca"}}});
    scene.apply(&issuer.to_string()).await;
    is_ready(scene, "internal").await;
}

async fn is_ready(scene: &Scene, issuer: &str) {
    let issuers = scene.objects(ISSUERS).await;
    until(&issuers, issuer, IN_TIME, condition_is("Ready", "True")).await;
}

async fn secret_field(scene: &Scene, name: &str, pointer: &str) -> String {
    let secret = scene.objects(SECRETS).await.get(&format!("{name}-tls")).await.unwrap();
    field(&secret, pointer)
}

async fn revision(scene: &Scene, name: &str) -> String {
    let certificate = scene.objects(CERTIFICATES).await.get(name).await.unwrap();
    field(&certificate, "/status/revision")
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn while_pebble_is_down_openbao_issues_and_the_renewal_asks_pebble_first() {
    let Some(mut place) = Place::open("a fallback to OpenBao").await else {
        return;
    };
    let mut pebble = Pebble::start(&place.scene.bed, PebbleOptions::default()).await;
    place.issuer("bao", json!({})).await;
    place.is_ready("bao").await;
    place.scene.issuer(pebble.directory(), CLASS).await;
    place.is_ready("ca").await;
    pebble.stop();
    let host = place.scene.host("web");
    place.scene.apply(&with_fallback("web", &host, "bao", "20s")).await;
    let outage = place.scene.told("web", "Issuer \"bao\" is asked from").await;
    println!("{outage}");
    assert!(outage.contains("Issuer \"ca\" has been unreachable since "), "{outage}");

    // in the middle of the outage
    place.certlet.kill();
    place.certlet = Certlet::start(&place.scene.bed, &[]).await;
    place.scene.ready("web").await;
    place.verify("web", &host).await;
    let why = place.scene.told("web", "Issued by Issuer \"bao\"").await;
    println!("{why}");
    let since = |text: &str| text.split("unreachable since ").nth(1).unwrap()[..19].to_owned();
    assert_eq!(since(&why), since(&outage), "the outage began before the restart");
    assert_eq!(secret_field(&place.scene, "web", ISSUER_NAME).await, "bao");
    assert_eq!(secret_field(&place.scene, "web", FALLBACK_FOR).await, "Issuer/ca");
    let event = place
        .scene
        .event(("Certificate", "web"), "IssuedByFallback", "Issued by Issuer");
    println!("{}", event.await);

    // nothing is issued again, also by a certlet that remembers nothing
    place.certlet.kill();
    place.certlet = Certlet::start(&place.scene.bed, &[]).await;
    place.certificate("other", "bao").await;
    place.scene.ready("other").await;
    assert_eq!(revision(&place.scene, "web").await, "1");
    let requests = place.scene.list(REQUESTS).await;
    assert_eq!(requests.len(), 2, "{requests:#?}");
    let plan = place.scene.certlet(&["plan"]).await;
    assert_eq!(plan.status.code(), Some(0), "{}{}", plan.stdout, plan.stderr);
    let status = place.scene.certlet(&["status", "certificate", "web"]).await;
    assert!(
        status.stdout.contains("Issued by Issuer \"bao\" because Issuer \"ca\""),
        "{}",
        status.stdout
    );

    pebble.restart().await;
    let renew = place.scene.certlet(&["renew", "web"]).await;
    assert!(renew.status.success(), "{}{}", renew.stdout, renew.stderr);
    eventually("the renewal", IN_TIME, async || {
        (revision(&place.scene, "web").await == "2").then_some(())
    })
    .await;
    assert_eq!(secret_field(&place.scene, "web", ISSUER_NAME).await, "ca");
    assert_eq!(secret_field(&place.scene, "web", FALLBACK_FOR).await, "");
    place.scene.verify_secret("web-tls", &pebble, 0, &host).await;
    let certificate = place.scene.objects(CERTIFICATES).await.get("web").await.unwrap();
    let conditions = field(&certificate, "/status/conditions");
    assert!(!conditions.contains("IssuedByFallback"), "{conditions}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_fallback_issuer_that_is_down_too_is_passed_over_for_the_next() {
    let scene = Scene::new().await;
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    internal(&scene).await;
    let mut servers = Vec::new();
    for name in ["ca", "second"] {
        let pebble = Pebble::start(&scene.bed, PebbleOptions::default()).await;
        let manifest = issuer("Issuer", pebble.directory(), &scene.bed.pebble(), &solver(CLASS), "");
        scene.apply(&named(&manifest, name)).await;
        is_ready(&scene, name).await;
        servers.push(pebble);
    }
    for pebble in &mut servers {
        pebble.stop();
    }
    let host = scene.host("web");
    scene
        .apply(&with_fallback("web", &host, "second, Issuer/internal", "10s"))
        .await;
    for issuer in ["second", "internal"] {
        let words = format!("Asking Issuer {issuer:?} because Issuer \"ca\" has been unreachable since ");
        println!(
            "{}",
            scene.event(("Certificate", "web"), "FallbackRequested", &words).await
        );
    }
    scene.ready("web").await;
    assert_eq!(secret_field(&scene, "web", ISSUER_NAME).await, "internal");
    assert_eq!(scene.list(REQUESTS).await.len(), 1, "the others are deleted");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_refusal_is_no_reason_for_a_fallback_and_a_limited_ca_is_not_asked_again() {
    let scene = Scene::new().await;
    let proxy = FaultProxy::before_pebble(&scene.bed, &scene.bed.pebble()).await;
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    internal(&scene).await;
    scene.issuer(&proxy.directory(), CLASS).await;
    scene.issuer_is_ready().await;
    let is_order = |head: &Head| head.path.contains("/order-plz");
    // a refused nonce (400) is no answer to what was asked
    let asked = || {
        let writes = proxy.writes();
        let orders = writes
            .iter()
            .filter(|write| is_order(&write.head) && write.status != Some(400));
        orders.count()
    };
    let refused = Fault::problem(403, "rejectedIdentifier", "this name is not for you", None);
    proxy.inject(refused, Times::Always, is_order);
    let host = scene.host("refused");
    scene.apply(&with_fallback("refused", &host, "internal", "10s")).await;
    let requests = scene.objects(REQUESTS).await;
    let failed = until(&requests, "refused-1", IN_TIME, condition_reason_is("Ready", "Failed")).await;
    assert_eq!(failed.unwrap().data["spec"]["issuerRef"]["name"], Value::from("ca"));
    scene.told("refused", "this name is not for you").await;

    // a limit concerns the account, and with it every Certificate of the issuer
    proxy.heal();
    proxy.inject(Fault::rate_limited("3600"), Times::Always, is_order);
    let before = asked();
    let host = scene.host("limited");
    scene.apply(&with_fallback("limited", &host, "internal", "10s")).await;
    let message = scene.told("limited", "has limited requests since").await;
    println!("{message}");
    scene.ready("limited").await;
    assert_eq!(secret_field(&scene, "limited", ISSUER_NAME).await, "internal");
    assert_eq!(asked() - before, 1);

    let invalid = with_fallback("invalid", &scene.host("invalid"), "internal, internal", "10s");
    scene.apply(&invalid).await;
    let words = "certlet.io/fallback-issuers cannot be used: \"internal\" is listed twice";
    scene.event(("Certificate", "invalid"), "InvalidFallback", words).await;
}
