//! A CA that limits, fails, breaks off and forgets.

use super::scene::{ISSUERS, ORDERS, Scene, certificate, field, issuer, solver};
use crate::support::{
    Certlet, Fault, FaultProxy, Head, IN_TIME, Pebble, PebbleOptions, Times, condition_is, eventually, until,
};

const NEW_ORDER: &str = "/order-plz";

fn is(part: &'static str) -> impl Fn(&Head) -> bool + Send + Sync + 'static {
    move |head| head.path.contains(part)
}

async fn issuer_behind(scene: &Scene, proxy: &FaultProxy) {
    scene
        .apply(&issuer(
            "Issuer",
            &proxy.directory(),
            &scene.bed.pebble(),
            &solver("traefik"),
            "",
        ))
        .await;
    until(
        &scene.objects(ISSUERS).await,
        "ca",
        IN_TIME,
        condition_is("Ready", "True"),
    )
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_limit_is_waited_for_and_told_and_fails_nothing() {
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let proxy = FaultProxy::before_pebble(&scene.bed, &pebble).await;
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    issuer_behind(&scene, &proxy).await;
    proxy.inject(Fault::rate_limited("8"), Times::Count(1), is(NEW_ORDER));
    let host = scene.host("limited");
    scene.apply(&certificate("limited", &[&host], "")).await;
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
    let [order] = &scene.list(ORDERS).await[..] else {
        panic!("one Order")
    };
    assert_eq!(field(order, "/status/reason"), "");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn whatever_the_ca_answers_once_the_certificate_comes() {
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let proxy = FaultProxy::before_pebble(&scene.bed, &pebble).await;
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    issuer_behind(&scene, &proxy).await;
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
        let host = scene.host(name);
        scene.apply(&certificate(name, &[&host], "")).await;
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
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    scene.issuer(pebble.directory(), "traefik").await;
    scene
        .apply(&certificate("blocked", &["blocked-domain.example"], ""))
        .await;
    let reason = scene.order_says("blocked-domain.example").await;
    println!("the Order says: {reason}");
    assert!(
        reason.starts_with("Failed to create Order: the CA does not issue for this name"),
        "{reason}"
    );
    let [order] = &scene.list(ORDERS).await[..] else {
        panic!("one Order")
    };
    assert_eq!(field(order, "/status/state"), "errored");
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
    scene
        .apply(&issuer("Issuer", pebble.directory(), &pebble, &solver("traefik"), ""))
        .await;
    let host = scene.host("forgotten");
    scene.bed.names().set_a(&host, &["10.99.0.77"]).await;
    scene.apply(&certificate("forgotten", &[&host], "")).await;
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
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let proxy = FaultProxy::before_pebble(&scene.bed, &pebble).await;
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    issuer_behind(&scene, &proxy).await;
    let other = Scene {
        bed: scene.bed.clone(),
        namespace: scene.bed.new_namespace().await,
    };
    other.issuer(pebble.directory(), "traefik").await;
    until(
        &other.objects(ISSUERS).await,
        "ca",
        IN_TIME,
        condition_is("Ready", "True"),
    )
    .await;
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
    let host = other.host("free");
    other.apply(&certificate("free", &[&host], "")).await;
    other.ready("free").await;
    proxy.heal();
    for number in 0..20 {
        scene.ready(&format!("h{number}")).await;
    }
}
