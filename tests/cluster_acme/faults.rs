//! A CA that limits, fails, breaks off and forgets.

use kube::api::ListParams;

use super::scene::{ISSUERS, ORDERS, Scene, certificate, field, issuer, solver};
use crate::support::{
    Certlet, Fault, FaultProxy, Head, IN_TIME, Pebble, PebbleOptions, Times, condition_is, condition_reason_is,
    eventually, until,
};

const NEW_ORDER: &str = "/order-plz";
/// More Orders than there are workers for them.
const MANY: usize = 140;
/// How many calls to one server are under way at most: half of the workers.
const MAY_HANG: usize = 64;

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
        let none: [&str; 0] = [];
        assert_eq!(proxy.left(), none, "{name}: not every fault was met");
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
        reason.starts_with("Failed to create Order: 400 urn:ietf:params:acme:error:rejectedIdentifier: ")
            && reason.contains("; the CA does not issue for this name"),
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
    // more than there are workers for Orders
    let hosts: Vec<String> = (0..MANY).map(|number| scene.host(&format!("h{number}"))).collect();
    let manifests: String = hosts
        .iter()
        .enumerate()
        .map(|(number, host)| certificate(&format!("h{number}"), &[host], ""))
        .collect();
    scene.apply(&manifests).await;
    let hanging = || {
        proxy
            .requests()
            .iter()
            .filter(|head| head.path.contains(NEW_ORDER))
            .count()
    };
    eventually("as many hang as may", IN_TIME, async || {
        (hanging() >= MAY_HANG).then_some(())
    })
    .await;
    other.certificate("free").await;
    let orders = other.objects(ORDERS).await;
    eventually("the free one is ordered", IN_TIME, async || {
        let orders = orders.list(&ListParams::default()).await.unwrap();
        orders
            .iter()
            .any(|order| order.data["status"]["url"].is_string())
            .then_some(())
    })
    .await;
    assert_eq!(
        hanging(),
        MAY_HANG,
        "the free one had to wait until a call of another ended"
    );
    other.ready("free").await;
    proxy.heal();
    for number in 0..MANY {
        scene.ready(&format!("h{number}")).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn issuers_of_one_account_at_a_silent_ca_ask_once_say_so_and_hold_up_no_other_issuer() {
    const NEW_ACCOUNT: &str = "/sign-me-up";
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let proxy = FaultProxy::before_pebble(&scene.bed, &pebble).await;
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    proxy.inject(Fault::Hang, Times::Always, is(NEW_ACCOUNT));
    let asked = || {
        let requests = proxy.requests();
        requests.iter().filter(|head| head.path.contains(NEW_ACCOUNT)).count()
    };
    let silent = issuer("Issuer", &proxy.directory(), &pebble, &solver("traefik"), "");
    // more than there are workers for issuers
    let names: Vec<String> = (0..40).map(|number| format!("silent-{number}")).collect();
    let manifest = |name: &String| format!("---{}", silent.replace("{name: ca}", &format!("{{name: {name}}}")));
    scene.apply(&names.iter().map(manifest).collect::<String>()).await;
    eventually("one asks", IN_TIME, async || (asked() > 0).then_some(())).await;
    let other = scene.another().await;
    other.issuer(pebble.directory(), "traefik").await;
    other.issuer_is_ready().await;
    assert_eq!(
        asked(),
        1,
        "the other issuer had to wait until somebody's question timed out"
    );
    let issuers = scene.objects(ISSUERS).await;
    for name in &names {
        let told = until(
            &issuers,
            name,
            IN_TIME,
            condition_reason_is("Ready", "ErrRegisterACMEAccount"),
        )
        .await
        .unwrap();
        let message = field(&told, "/status/conditions/0/message");
        assert!(
            message.contains("no complete answer within the time limit"),
            "{message}"
        );
    }
    proxy.heal();
    for name in &names {
        until(&issuers, name, IN_TIME, condition_is("Ready", "True")).await;
    }
}
