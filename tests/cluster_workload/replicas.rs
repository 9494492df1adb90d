//! Two pods: both answer, one writes, and neither a kill nor a rolling update costs a certificate.

use crate::installation::Installation;
use crate::support::scene::{ORDERS, REQUESTS, SLICES, Scene, certificate};
use crate::support::{IN_TIME, Pebble, PebbleOptions, eventually};

/// Leads nowhere: an order for a name with this address waits.
const NOWHERE: &str = "10.99.0.77";

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn neither_a_killed_leader_nor_a_rolling_update_in_mid_order_costs_a_second_certificate() {
    let test = "neither_a_killed_leader_nor_a_rolling_update_in_mid_order_costs_a_second_certificate";
    let Some(installation) = Installation::prepare(test).await else {
        return;
    };
    installation.install().await;
    let lease = [
        "--leader-election-lease-duration=8s",
        "--leader-election-renew-deadline=5s",
        "--leader-election-retry-period=2s",
    ];
    installation.configure(2, &lease).await;
    let pebble = Pebble::start(&installation.bed, PebbleOptions::default()).await;
    let scene = installation.scene(&pebble).await;

    let host = waiting_order(&installation, &scene, "killed").await;
    let leader = installation.leader().await;
    installation.kill(&leader).await;
    scene.bed.names().clear_a(&host).await;
    scene.ready("killed").await;
    scene.verify_secret("killed-tls", &pebble, 0, &host).await;

    let host = waiting_order(&installation, &scene, "updated").await;
    let before = installation.pod_addresses().await;
    installation
        .kubectl(&["rollout", "restart", "deployment/certlet"])
        .await;
    installation.rolled_out().await;
    let after = installation.pod_addresses().await;
    assert!(
        before.iter().all(|address| !after.contains(address)),
        "{before:?} {after:?}"
    );
    scene.bed.names().clear_a(&host).await;
    scene.ready("updated").await;
    scene.verify_secret("updated-tls", &pebble, 0, &host).await;

    // One of each for each Certificate, and no more from the CA.
    assert_eq!(
        (scene.list(REQUESTS).await.len(), scene.list(ORDERS).await.len()),
        (2, 2)
    );
    let issued = pebble.log().matches("Issued certificate serial").count();
    assert_eq!(issued, 2, "{}", pebble.log());
    scene.tidy().await;
}

/// Begins an order that waits for its name, with both pods behind the challenge's Service.
async fn waiting_order(installation: &Installation, scene: &Scene, name: &str) -> String {
    let host = scene.host(name);
    scene.bed.names().set_a(&host, &[NOWHERE]).await;
    scene.apply(&certificate(name, &[&host], "")).await;
    scene.told(name, NOWHERE).await;
    eventually("both pods behind the Service of challenges", IN_TIME, async || {
        let slices = scene.list(SLICES).await;
        let endpoints = slices
            .iter()
            .filter_map(|slice| slice.data["endpoints"].as_array().cloned());
        let mut addresses: Vec<String> = endpoints
            .flatten()
            .filter_map(|endpoint| Some(endpoint["addresses"][0].as_str()?.to_owned()))
            .collect();
        addresses.sort();
        (addresses.len() == 2 && addresses == installation.pod_addresses().await).then_some(())
    })
    .await;
    host
}
