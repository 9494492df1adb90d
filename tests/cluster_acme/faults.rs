//! A CA that limits, fails, breaks off and forgets.

use super::scene::{ORDERS, Scene, certificate, field};
use crate::support::{Certlet, Fault, FaultProxy, Head, IN_TIME, Pebble, PebbleOptions, Times, eventually};

const NEW_ORDER: &str = "/order-plz";

fn is(part: &'static str) -> impl Fn(&Head) -> bool + Send + Sync + 'static {
    move |head| head.path.contains(part)
}

/// A namespace with an issuer that is ready, a proxy before its CA, and a certlet.
async fn behind_a_proxy() -> (Scene, FaultProxy, Certlet) {
    let scene = Scene::new().await;
    let proxy = FaultProxy::before_pebble(&scene.bed, &scene.bed.pebble()).await;
    let certlet = Certlet::start(&scene.bed, &[]).await;
    scene.issuer(&proxy.directory(), "traefik").await;
    scene.issuer_is_ready().await;
    (scene, proxy, certlet)
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_limit_is_waited_for_and_told_and_fails_nothing() {
    let (scene, proxy, _certlet) = behind_a_proxy().await;
    proxy.inject(Fault::rate_limited("8"), Times::Count(1), is(NEW_ORDER));
    scene.certificate("limited").await;
    let reason = scene.order_says("as the CA asks").await;
    println!("the Order says: {reason}");
    assert!(reason.starts_with("Failed to create Order: "), "{reason}");
    scene.told("limited", "too many certificates already issued").await;
    scene.ready("limited").await;
    // a refused nonce (400) is no answer to what was asked
    let asked = proxy
        .writes()
        .iter()
        .filter(|write| write.head.path.contains(NEW_ORDER) && write.status != Some(400))
        .count();
    assert_eq!(asked, 2, "the limit was asked about more than once");
    let order = scene.only(ORDERS).await;
    assert_eq!(field(&order, "/status/reason"), "");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn whatever_the_ca_answers_once_the_certificate_comes() {
    let (scene, proxy, _certlet) = behind_a_proxy().await;
    let faults = [
        ("busy", Fault::unavailable("1")),
        ("page", Fault::html(502)),
        ("cut", Fault::Cut),
        ("reply", Fault::CutReply),
        ("body", Fault::CutBody),
        ("large", Fault::Oversized(20 << 20)),
        (
            "inner",
            Fault::problem(500, "serverInternal", "the database is away", None),
        ),
        ("nonce", Fault::problem(400, "badNonce", "stale", None)),
    ];
    for (name, fault) in faults {
        for call in [
            NEW_ORDER,
            "/authZ/",
            "/chalZ/",
            "/finalize-order/",
            "/my-order/",
            "/certZ/",
        ] {
            proxy.inject(fault.clone(), Times::Count(1), is(call));
        }
        scene.certificate(name).await;
        scene.ready(name).await;
        println!("{name}: the certificate came");
        proxy.heal();
    }
    scene.tidy().await;
    assert_eq!(scene.list(ORDERS).await.len(), 8, "each Certificate has one Order");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_refusal_fails_the_order_with_the_cas_words() {
    let (scene, _certlet) = Scene::open("traefik").await;
    scene
        .apply(&certificate("blocked", &["blocked-domain.example"], ""))
        .await;
    let reason = scene.order_says("blocked-domain.example").await;
    println!("the Order says: {reason}");
    assert!(
        reason.starts_with("Failed to create Order: the CA does not issue for this name"),
        "{reason}"
    );
    let order = scene.only(ORDERS).await;
    assert_eq!(field(&order, "/status/state"), "errored");
    scene.told("blocked", "blocked-domain.example").await;
    // an edit is the cure, at once
    let host = scene.host("allowed");
    scene.apply(&certificate("blocked", &[&host], "")).await;
    scene.ready("blocked").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_that_forgets_everything_in_mid_order_gets_account_and_order_once_more() {
    let scene = Scene::new().await;
    let mut pebble = Pebble::start(&scene.bed, PebbleOptions::default()).await;
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    scene.issuer(pebble.directory(), "traefik").await;
    let host = scene.stuck_certificate("forgotten").await;
    scene.order_says("10.99.0.77").await;
    pebble.restart().await;
    scene.bed.names().clear_a(&host).await;
    scene.ready("forgotten").await;
    scene.verify_secret("forgotten-tls", &pebble, 0, &host).await;
    assert_eq!(scene.list(ORDERS).await.len(), 1);
    scene.tidy().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_that_never_answers_holds_up_nobody_elses_orders() {
    let (scene, proxy, _certlet) = behind_a_proxy().await;
    let other = scene.another().await;
    other.issuer(scene.bed.pebble().directory(), "traefik").await;
    other.issuer_is_ready().await;
    proxy.inject(Fault::Hang, Times::Always, is(NEW_ORDER));
    let hosts: Vec<String> = (0..20).map(|number| scene.host(&format!("h{number}"))).collect();
    let manifests: String = hosts
        .iter()
        .enumerate()
        .map(|(number, host)| certificate(&format!("h{number}"), &[host], ""))
        .collect();
    scene.apply(&manifests).await;
    eventually("all twenty hang", IN_TIME, async || {
        (proxy
            .requests()
            .iter()
            .filter(|head| head.path.contains(NEW_ORDER))
            .count()
            >= 20)
            .then_some(())
    })
    .await;
    other.certificate("free").await;
    other.ready("free").await;
    proxy.heal();
    for number in 0..20 {
        scene.ready(&format!("h{number}")).await;
    }
}
