//! Objects as cert-manager 1.21 leaves them in the middle of a DNS-01 challenge: certlet goes on, and cleans up what cert-manager has
//! written. And what certlet leaves has what cert-manager needs to do the same.

use serde_json::json;

use crate::{
    faults::{PAIR, SECONDARY, beside_a_secondary, done},
    kills::Stage,
    stage::{
        Rfc2136, challenge_says, name_in, no_challenges, record_of, recursive, removed, scene_with, wish, written,
    },
    support::{
        Certlet, IN_TIME, Moment,
        dns::{BIND, dig_txt},
        eventually,
        scene::{CHALLENGES, ORDERS, Scene, certificate, field},
    },
};

/// cert-manager's finalizer, and the one that it had before.
const FINALIZERS: [&str; 2] = ["acme.cert-manager.io/finalizer", "finalizer.acme.cert-manager.io"];
/// The annotation that cert-manager does not know.
const RECORD: &str = "certlet.io/dns01-record";

/// Makes the one Challenge of the namespace what cert-manager leaves: its finalizer, no annotation, and a status in its words.
async fn as_cert_manager_leaves_it(scene: &Scene, finalizer: &str, state: &str) {
    let challenge = scene.only(CHALLENGES).await;
    let name = challenge.metadata.name.as_deref().unwrap();
    let reason = "Waiting for DNS-01 challenge propagation: DNS record for \"x\" not yet propagated";
    let metadata = json!({"metadata": {"finalizers": [finalizer], "annotations": {RECORD: null}}});
    let status = json!({"status": {"presented": true, "processing": true, "state": state, "reason": reason}});
    for (patch, more) in [(metadata, &[][..]), (status, &["--subresource=status"][..])] {
        let patch = patch.to_string();
        let args = [
            "patch",
            "challenge",
            name,
            "-n",
            &scene.namespace,
            "--type=merge",
            "-p",
            &patch,
        ];
        scene.bed.kubectl(&[&args[..], more].concat()).await;
    }
}

/// Looks that a Challenge that certlet has left in flight has what cert-manager goes by: its finalizer, the value, the name, the solver,
/// and a status that says that it is at work.
async fn is_for_cert_manager(scene: &Scene, host: &str) {
    let challenge = scene.only(CHALLENGES).await;
    let text = |pointer: &str| field(&challenge, pointer);
    assert_eq!(challenge.metadata.finalizers, Some(vec![FINALIZERS[0].to_owned()]));
    assert_eq!(text("/spec/type"), "DNS-01");
    assert_eq!(text("/spec/dnsName"), host);
    assert_eq!(
        dig_txt(BIND, &record_of(host)).await,
        [format!("{:?}", text("/spec/key"))]
    );
    assert_eq!(text("/spec/solver/dns01/rfc2136/nameserver"), BIND);
    let status = ["presented", "processing", "state"].map(|name| text(&format!("/status/{name}")));
    assert_eq!(status, ["true", "true", "pending"]);
    let order = scene.only(ORDERS).await;
    assert_eq!(field(&order, "/status/state"), "pending");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_challenge_that_cert_manager_has_presented_goes_on_and_its_record_and_finalizer_go() {
    for finalizer in FINALIZERS {
        let (scene, mut second, certlet) = beside_a_secondary().await;
        let host = wish(&scene, "handed", PAIR).await;
        challenge_says(&scene, "waiting for").await;
        drop(certlet);
        is_for_cert_manager(&scene, &host).await;
        as_cert_manager_leaves_it(&scene, finalizer, "pending").await;
        let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
        challenge_says(&scene, "waiting for").await;
        let challenge = scene.only(CHALLENGES).await;
        let annotation = &challenge.metadata.annotations.unwrap()[RECORD];
        assert_eq!(*annotation, format!("{} {PAIR}", record_of(&host)));
        // the same record, which was not written twice
        assert_eq!(dig_txt(BIND, &record_of(&host)).await.len(), 1);
        second.restart(SECONDARY).await;
        done(&scene, "handed", &host).await;
        assert_eq!(scene.list(ORDERS).await.len(), 1);
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_record_of_cert_managers_whose_challenge_the_ca_has_validated_is_removed() {
    let Stage { scene, pebble, acme } = Stage::new().await;
    let certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let killer = certlet.killer();
    let kill = move || async move { killer.kill() };
    acme.on_first(
        |head| head.path.contains("/finalize-order/"),
        Moment::BeforeForward,
        kill,
    );
    let host = name_in(&scene, "valid", "dns01.example");
    scene.apply(&certificate("valid", &[&host], "")).await;
    eventually("it is killed", IN_TIME, async || certlet.killer().ended().map(drop)).await;
    drop(certlet);
    assert_eq!(dig_txt(BIND, &record_of(&host)).await.len(), 1);
    as_cert_manager_leaves_it(&scene, FINALIZERS[0], "valid").await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    scene.ready("valid").await;
    no_challenges(&scene).await;
    removed(&record_of(&host)).await;
    scene.verify_secret("valid-tls", &pebble, 0, &host).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_challenge_of_cert_managers_that_is_deleted_while_nobody_runs_goes_with_its_record() {
    let waiting = Rfc2136 {
        more: "waitInsteadOfSelfCheck: 1h, ",
        ..Rfc2136::default()
    };
    for finalizer in FINALIZERS {
        let scene = scene_with(&waiting.solver()).await;
        let certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
        let host = wish(&scene, "deleted", "dns01.example").await;
        written(&record_of(&host)).await;
        challenge_says(&scene, "without self-check").await;
        drop(certlet);
        as_cert_manager_leaves_it(&scene, finalizer, "pending").await;
        scene
            .bed
            .kubectl(&["delete", "certificate", "deleted", "-n", &scene.namespace])
            .await;
        eventually("its Challenge is being deleted", IN_TIME, async || {
            scene.only(CHALLENGES).await.metadata.deletion_timestamp.map(drop)
        })
        .await;
        let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
        no_challenges(&scene).await;
        removed(&record_of(&host)).await;
    }
}
