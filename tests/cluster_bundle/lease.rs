//! trust-manager's Lease: whoever holds it writes the targets, and nobody else.

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::json;

use crate::stage::Stage;
use crate::support::{Certlet, Pair};

const LEASE: &str = "trust-manager-leader-election";
/// certlet may update the Lease in the usual namespace only (deploy/bundles).
const NAMESPACE: &str = "cert-manager";

async fn leases(stage: &Stage) -> Api<DynamicObject> {
    let bed = &stage.bed;
    bed.objects("coordination.k8s.io/v1", "Lease", Some(NAMESPACE)).await
}

/// The Lease as its holder writes it, for this many seconds.
async fn hold(stage: &Stage, holder: &str, seconds: i32) {
    // certlet counts from when it sees the Lease, and compares no clocks
    let now = "2026-11-30T00:00:00.000000Z";
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE}, "spec": {
        "holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": now}});
    leases(stage)
        .await
        .patch(LEASE, &PatchParams::apply("trust").force(), &Patch::Apply(&lease))
        .await
        .unwrap();
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn bun_01_certlet_leaves_bundles_to_a_live_trust_manager_and_gives_the_lease_back() {
    let Some(stage) = Stage::new("the Lease of trust-manager").await else {
        return;
    };
    stage.bed.forget_leaders().await;
    hold(&stage, "trust-manager-5c9", 3600).await;
    let certlet = Certlet::launch(&stage.bed)
        .leader_election()
        .args(&["--enable-bundles"])
        .ready()
        .await;
    certlet
        .wait_for_log(&format!(
            "standing by: trust-manager-5c9 holds the Lease {LEASE} in namespace {NAMESPACE}"
        ))
        .await;
    let root = Pair::by_openssl("/CN=root").await;
    let namespace = stage.target_namespace().await;
    let target = json!({"configMap": {"key": "ca.crt"}});
    stage
        .bundle("held", json!([{"inLine": root.certificate}]), target)
        .await;
    // a Certificate that is issued shows that certlet leads, and has had the time
    let issuer = "{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: self}, spec: {selfSigned: {}}}";
    stage.bed.apply(&namespace, issuer).await;
    stage
        .bed
        .kubectl(&[
            "wait",
            "--for=condition=Ready",
            "--timeout=60s",
            "issuer/self",
            "-n",
            &namespace,
        ])
        .await;
    assert!(stage.target("ConfigMap", &namespace, "held").await.is_none());
    // it ends, and says so
    hold(&stage, "", 1).await;
    stage.target_in("ConfigMap", &namespace, "held").await;
    stage.synced("held").await;
    certlet.stop().await;
    let lease = leases(&stage).await.get(LEASE).await.unwrap();
    let holder = lease
        .data
        .pointer("/spec/holderIdentity")
        .and_then(|holder| holder.as_str());
    assert_eq!(holder.unwrap_or_default(), "", "the next one begins at once");
    leases(&stage)
        .await
        .delete(LEASE, &DeleteParams::default())
        .await
        .unwrap();
    stage.bed.forget_leaders().await;
}
