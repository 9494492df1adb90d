//! What Orders, Challenges and their Events say, word for word: people and tools look for cert-manager's sentences.

use super::scene::{ORDERS, Scene, field};
use crate::support::{Certlet, Fault, FaultProxy, Head, Times};

fn is(part: &'static str) -> impl Fn(&Head) -> bool + Send + Sync + 'static {
    move |head| head.path.contains(part)
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn ord_06_and_10_an_issuance_tells_its_steps_in_cert_managers_words() {
    let (scene, _certlet) = Scene::open("traefik").await;
    let host = scene.certificate("web").await;
    scene.ready("web").await;
    let order = scene.only(ORDERS).await;
    let order = order.metadata.name.as_deref().unwrap();
    let created = scene
        .event(("Order", order), "Created", "Created Challenge resource ")
        .await;
    assert!(created.ends_with(&format!(" for domain {host:?}")), "{created}");
    let challenge = created.split('"').nth(1).unwrap();
    assert!(challenge.starts_with(order), "{created}");
    scene
        .event(("Order", order), "Complete", "Order completed successfully")
        .await;
    for (reason, message) in [
        ("Started", "Challenge scheduled for processing".to_owned()),
        (
            "Presented",
            "Presented challenge using HTTP-01 challenge mechanism".to_owned(),
        ),
        (
            "DomainVerified",
            format!("Domain {host:?} verified with \"HTTP-01\" validation"),
        ),
    ] {
        let told = scene.event(("Challenge", challenge), reason, &message).await;
        assert_eq!(told, message);
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn ord_06_and_10_what_goes_wrong_is_told_in_cert_managers_words() {
    let (scene, _certlet) = Scene::open("traefik").await;
    // nobody can prove a wildcard over HTTP
    scene
        .apply(&super::scene::certificate("wild", &["*.wild.example"], ""))
        .await;
    let solver = "Failed to determine a valid solver configuration for the set of domains on the Order: ";
    let told = scene.event(("Order", "wild-1-"), "Solver", solver).await;
    assert!(
        told.contains("no configured challenge solvers can be used for this challenge"),
        "{told}"
    );
    // what shows the challenge may not be made
    let poor = scene.another().await;
    poor.issuer(scene.bed.pebble().directory(), "traefik").await;
    poor.forbid("count/ingresses.networking.k8s.io").await;
    poor.certificate("poor").await;
    let told = poor
        .event(("Challenge", "poor-1-"), "PresentError", "Error presenting challenge: ")
        .await;
    assert!(told.contains("exceeded quota"), "{told}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn ord_05_the_reason_of_an_order_says_which_call_was_refused_and_what_the_ca_said() {
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let certlet = Certlet::start(&scene.bed, &[]).await;
    let refusal = || Fault::problem(400, "rejectedIdentifier", "not for you", None);
    let says = "400 urn:ietf:params:acme:error:rejectedIdentifier: not for you; the CA does not issue for this name";
    let mut scenes = Vec::new();
    for (name, call, begins) in [
        ("create", "/order-plz", "Failed to create Order: "),
        ("authz", "/authZ/", "Failed to fetch authorization: "),
        ("accept", "/chalZ/", "Error accepting challenge: "),
        ("finalize", "/finalize-order/", "Failed to finalize Order: "),
        ("fetch", "/certZ/", "Failed to fetch certificate: "),
    ] {
        let scene = scene.another().await;
        let proxy = FaultProxy::before_pebble(&scene.bed, &pebble).await;
        proxy.inject(refusal(), Times::Always, is(call));
        scene.issuer(&proxy.directory(), "traefik").await;
        scene.certificate(name).await;
        scenes.push((name, begins, scene, proxy));
    }
    for (name, begins, scene, _proxy) in &scenes {
        let reason = scene.order_says(says).await;
        assert_eq!(reason, format!("{begins}{says}"), "{name}");
        let order = scene.only(ORDERS).await;
        assert_eq!(field(&order, "/status/state"), "errored", "{name}");
        scene.told(name, says).await;
    }
    // an order that is read again after a restart
    let proxy = FaultProxy::before_pebble(&scene.bed, &pebble).await;
    scene.issuer(&proxy.directory(), "traefik").await;
    scene.stuck_certificate("read").await;
    assert!(certlet.stop().await.success());
    proxy.inject(refusal(), Times::Always, is("/my-order/"));
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    let reason = scene.order_says(says).await;
    assert_eq!(reason, format!("Failed to retrieve Order resource: {says}"));
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_profile_that_is_not_offered_is_said_in_cert_managers_words() {
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    let solver = super::scene::solver("traefik");
    scene
        .apply(&super::scene::issuer(
            "Issuer",
            pebble.directory(),
            &pebble,
            &solver,
            "profile: unsupported-profile",
        ))
        .await;
    scene.certificate("web").await;
    let words = "Failed to create Order: acme: certificate authority does not advertise a profile with name unsupported-profile";
    let reason = scene.order_says(words).await;
    assert!(
        reason.starts_with(words) && reason.contains(" offers default, shortlived"),
        "{reason}"
    );
    scene.told("web", words).await;
}

/// FLG-26.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn flg_26_with_one_challenge_at_a_time_the_ca_is_told_of_the_next_when_the_last_is_proved() {
    const MANY: usize = 5;
    let scene = Scene::new().await;
    let proxy = FaultProxy::before_pebble(&scene.bed, &scene.bed.pebble()).await;
    let _certlet = Certlet::start(&scene.bed, &["--max-concurrent-challenges=1"]).await;
    scene.issuer(&proxy.directory(), "traefik").await;
    scene.issuer_is_ready().await;
    let manifests: String = (0..MANY)
        .map(|number| super::scene::certificate(&format!("c{number}"), &[&scene.host("c")], ""))
        .collect();
    scene.apply(&manifests).await;
    for number in 0..MANY {
        scene.ready(&format!("c{number}")).await;
    }
    let calls = proxy.requests().into_iter().map(|head| head.path);
    let mut calls: Vec<String> = calls
        .filter(|path| path.contains("/chalZ/") || path.contains("/finalize-order/"))
        .collect();
    // one whose nonce was refused comes again
    calls.dedup();
    let kinds: Vec<bool> = calls.iter().map(|path| path.contains("/chalZ/")).collect();
    assert_eq!(kinds, [true, false].repeat(MANY), "{calls:?}");
}
