//! Wrong inputs: each is told in words, holds up nobody, makes no hot loop, and is cured by correcting it.

use std::time::Duration;

use kube::api::{DeleteParams, ListParams};

use super::scene::{
    CERTIFICATES, CHALLENGES, INGRESSES, ORDERS, REQUESTS, Scene, certificate, field, issuer, messages, solver,
};
use crate::support::names::plain_http;
use crate::support::{Certlet, IN_TIME, eventually};

/// How long is looked for a hot loop.
const QUIET: Duration = Duration::from_secs(30);

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn names_that_cannot_be_reached_say_which_hop_fails_cause_no_hot_loop_and_are_cured_by_dns() {
    let (scene, _certlet) = Scene::open("traefik").await;
    let names = scene.bed.names();
    let [elsewhere, broken, nobody] = ["elsewhere", "broken", "nobody"].map(|name| scene.host(name));
    names.set_a(&elsewhere, &["10.99.0.2"]).await; // the other ingress controller
    names.set_servfail(&broken).await;
    names.set_a(&nobody, &["10.99.0.77"]).await; // where nobody listens
    for (name, host) in [("elsewhere", &elsewhere), ("broken", &broken), ("nobody", &nobody)] {
        scene.apply(&certificate(name, &[host], "")).await;
    }
    scene.apply(&certificate("wild", &["*.wild.example"], "")).await;
    for (name, text) in [
        ("elsewhere", "10.99.0.2"),
        ("broken", "SERVFAIL"),
        ("nobody", "10.99.0.77"),
        ("wild", "DNS-01"),
    ] {
        println!("{name}: {}", scene.told(name, text).await);
    }
    let challenges = scene.list(CHALLENGES).await;
    assert_eq!(challenges.len(), 3);
    for challenge in &challenges {
        assert!(field(challenge, "/status/reason").starts_with("Waiting for HTTP-01 challenge propagation: "));
        assert_eq!(
            (field(challenge, "/status/state"), field(challenge, "/status/presented")),
            ("pending".into(), "true".into())
        );
    }

    let (before, mark) = (scene.bed.requests().await, scene.bed.audit_mark().await);
    tokio::time::sleep(QUIET).await; // what is looked for is that nothing happens

    let during = scene.bed.requests().await.since(&before);
    // what tests before this one have left behind is tried again in namespaces of its own
    let mut writes = scene.bed.writes_since(mark).await;
    writes.retain(|write| write.namespace == scene.namespace);
    println!("in {QUIET:?}, with four hopeless names:\n{during}");
    // each hopeless name: its finding reaches the request once; what shows it is looked at, and left as it is
    assert!(writes.len() <= 4, "{writes:#?}");
    assert!(during.total() <= 120, "{during}");

    names.clear_a(&elsewhere).await;
    names.clear_servfail(&broken).await;
    names.clear_a(&nobody).await;
    for name in ["elsewhere", "broken", "nobody"] {
        scene.ready(name).await;
    }
    let host = scene.host("tame");
    scene.apply(&certificate("wild", &[&host], "")).await;
    scene.ready("wild").await;
    scene.tidy().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_quota_that_forbids_the_ingress_is_told_and_waited_for() {
    let (scene, _certlet) = Scene::open("traefik").await;
    scene.forbid("count/ingresses.networking.k8s.io").await;
    scene.certificate("poor").await;
    println!("poor: {}", scene.told("poor", "exceeded quota").await);
    let challenge = scene.only(CHALLENGES).await;
    assert!(field(&challenge, "/status/reason").contains("exceeded quota"));
    scene.allow().await;
    scene.ready("poor").await;
    scene.tidy().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_namespace_can_be_deleted_in_mid_order_cert_managers_finalizer_or_not() {
    let (scene, _certlet) = Scene::open("traefik").await;
    let without = scene.another().await;
    without.issuer(scene.bed.pebble().directory(), "traefik").await;
    for scene in [&scene, &without] {
        scene.stuck_certificate("doomed").await;
    }
    let challenge = scene.only(CHALLENGES).await;
    let finalizers =
        r#"{"metadata":{"finalizers":["finalizer.acme.cert-manager.io","acme.cert-manager.io/finalizer"]}}"#;
    let name = challenge.metadata.name.as_deref().unwrap();
    scene
        .bed
        .kubectl(&[
            "patch",
            "challenge",
            "-n",
            &scene.namespace,
            name,
            "--type=merge",
            "-p",
            finalizers,
        ])
        .await;
    for scene in [&scene, &without] {
        scene
            .bed
            .kubectl(&["delete", "namespace", &scene.namespace, "--wait=true", "--timeout=60s"])
            .await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_deleted_certificate_takes_its_order_challenge_and_ingress_with_it() {
    let (scene, _certlet) = Scene::open("traefik").await;
    scene.stuck_certificate("dropped").await;
    scene
        .objects(CERTIFICATES)
        .await
        .delete("dropped", &DeleteParams::default())
        .await
        .unwrap();
    for kind in [REQUESTS, ORDERS, CHALLENGES] {
        eventually(kind.1, IN_TIME, async || {
            scene.list(kind).await.is_empty().then_some(())
        })
        .await;
    }
    scene.tidy().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
#[expect(
    clippy::too_many_lines,
    reason = "a list of forgeries, and of what must not come of them"
)]
async fn forged_orders_and_challenges_are_left_alone() {
    let (scene, certlet) = Scene::open("traefik").await;
    let host = scene.stuck_certificate("honest").await;
    let order = scene.only(ORDERS).await;
    let honest = scene.only(CHALLENGES).await;
    let request = scene.only(REQUESTS).await;
    let (order_uid, request_uid) = (
        order.metadata.uid.clone().unwrap(),
        request.metadata.uid.clone().unwrap(),
    );
    let order_name = order.metadata.name.clone().unwrap();
    let csr = field(&order, "/spec/request");
    let owner = |kind: &str, api: &str, name: &str, uid: &str| {
        format!(
            "[{{apiVersion: {api}, kind: {kind}, name: {name}, uid: {uid}, controller: true, blockOwnerDeletion: false}}]"
        )
    };
    let of_request = owner("CertificateRequest", "cert-manager.io/v1", "honest-1", &request_uid);
    let of_order = owner("Order", "acme.cert-manager.io/v1", &order_name, &order_uid);
    let forged = format!(
        "
apiVersion: acme.cert-manager.io/v1
kind: Order
metadata: {{name: nobodys}}
spec: {{request: {csr}, issuerRef: {{name: ca}}, dnsNames: [victim.example]}}
---
apiVersion: acme.cert-manager.io/v1
kind: Order
metadata: {{name: anothers, ownerReferences: {of_request}}}
spec: {{request: {csr}, issuerRef: {{name: ca}}, dnsNames: [victim.example]}}
---
apiVersion: acme.cert-manager.io/v1
kind: Challenge
metadata: {{name: forged, ownerReferences: {of_order}}}
spec:
  url: https://10.99.0.1/steal
  authorizationURL: https://10.99.0.1/steal
  dnsName: victim.example
  type: HTTP-01
  token: stolen-token
  key: stolen-token.of-somebody-else
  solver: {}
  issuerRef: {{name: ca}}
",
        solver("traefik")
    );
    let mark = scene.bed.audit_mark().await;
    scene.apply(&forged).await;
    // whatever was to be done about what came before this has been done when it is ready
    scene.certificate("later").await;
    scene.ready("later").await;
    // the honest one is still shown, and answered
    let shown: Vec<String> = scene
        .list(INGRESSES)
        .await
        .iter()
        .map(|one| serde_json::to_string(one).unwrap())
        .collect();
    assert!(shown.iter().any(|one| one.contains(&host)), "{shown:?}");
    assert!(shown.iter().all(|one| !one.contains("victim.example")), "{shown:?}");
    let token = field(&honest, "/spec/token");
    assert_eq!(answered(&certlet, &host, &token).await, 200);
    for (host, token) in [
        ("victim.example", "stolen-token"),
        ("victim.example", token.as_str()),
        (host.as_str(), "stolen-token"),
    ] {
        assert_eq!(answered(&certlet, host, token).await, 404, "{host} {token}");
    }
    scene.bed.names().clear_a(&host).await;
    scene.ready("honest").await;
    scene.tidy().await;
    for name in ["nobodys", "anothers"] {
        let order = scene.objects(ORDERS).await.get(name).await.unwrap();
        assert_eq!(field(&order, "/status"), "", "{name}");
    }
    let writes = scene.bed.writes_since(mark).await;
    let ours = writes.iter().filter(|write| write.agent.starts_with("certlet"));
    let ours: Vec<_> = ours.filter(|write| write.namespace == scene.namespace).collect();
    assert!(ours.iter().any(|write| write.resource == "ingresses"), "{ours:?}");
    let touched = ours
        .iter()
        .find(|write| ["nobodys", "anothers"].contains(&write.name.as_str()));
    assert!(touched.is_none(), "{touched:?}");
}

/// What certlet's responder says to a request for this host and token.
async fn answered(certlet: &Certlet, host: &str, token: &str) -> u16 {
    let url = format!(
        "http://{}/.well-known/acme-challenge/{token}",
        certlet.challenge_address()
    );
    let request = plain_http().get(url).header("Host", host);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_common_name_that_is_not_among_the_names_fails_the_request_in_words() {
    let (scene, _certlet) = Scene::open("traefik").await;
    let host = scene.host("cn");
    scene
        .apply(&certificate("cn", &[&host], "commonName: other.example"))
        .await;
    println!("cn: {}", scene.told("cn", "other.example").await);
    assert!(scene.list(ORDERS).await.is_empty());
    scene
        .apply(&certificate("cn", &[&host], &format!("commonName: {host}")))
        .await;
    scene.ready("cn").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_issuer_that_is_missing_or_not_ready_is_waited_for() {
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    scene.certificate("early").await;
    let api = scene.objects(REQUESTS).await;
    eventually("the request says that it waits", IN_TIME, async || {
        let requests = api.list(&ListParams::default()).await.unwrap().items;
        requests
            .iter()
            .flat_map(messages)
            .find(|message| message.contains("not found"))
    })
    .await;
    scene
        .apply(&issuer(
            "Issuer",
            "https://127.0.0.1:1/dir",
            &pebble,
            &solver("traefik"),
            "",
        ))
        .await;
    eventually("the request says that the issuer is not ready", IN_TIME, async || {
        let requests = api.list(&ListParams::default()).await.unwrap().items;
        requests
            .iter()
            .flat_map(messages)
            .find(|message| message.contains("does not have a Ready status condition"))
    })
    .await;
    assert!(scene.list(ORDERS).await.is_empty());
    scene.issuer(pebble.directory(), "traefik").await;
    scene.ready("early").await;
}
