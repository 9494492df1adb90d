//! The Lease of cert-manager's cainjector: whoever holds it injects, and nobody else.

use std::process::Stdio;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;
use tokio::process::{Child, Command};

use crate::stage::{ALLOWS, FROM, FROM_SECRET, Kind, Stage};
use crate::support::{Certlet, certlet::PROGRAM, events};

const LEASE: &str = "cert-manager-cainjector-leader-election";

async fn leases(stage: &Stage) -> Api<DynamicObject> {
    let (bed, namespace) = (stage.bed(), Some("kube-system"));
    bed.objects("coordination.k8s.io/v1", "Lease", namespace).await
}

/// The Lease as its holder writes it, for this many seconds.
async fn hold(stage: &Stage, holder: &str, seconds: i32) {
    let leases = leases(stage).await;
    // certlet counts from when it sees the Lease, and compares no clocks
    let now = "2026-11-30T00:00:00.000000Z";
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE}, "spec": {
        "holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": now}});
    leases
        .patch(LEASE, &PatchParams::apply("cainjector").force(), &Patch::Apply(&lease))
        .await
        .unwrap();
}

async fn holder(stage: &Stage) -> String {
    let leases = leases(stage).await;
    let lease = leases.get_opt(LEASE).await.unwrap();
    let holder = lease.and_then(|lease| Some(lease.data.pointer("/spec/holderIdentity")?.as_str()?.to_owned()));
    holder.unwrap_or_default()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn certlet_stands_by_for_a_live_cainjector_injects_when_it_ends_and_gives_the_lease_back() {
    let stage = Stage::new().await;
    stage.bed().forget_leaders().await;
    hold(&stage, "cert-manager-cainjector-5c9", 3600).await;
    let certlet = Certlet::launch(stage.bed()).leader_election().ready().await;
    certlet
        .wait_for_log(&format!(
            "standing by: cert-manager-cainjector-5c9 holds the Lease {LEASE} in namespace kube-system"
        ))
        .await;
    let ca = stage.issue("serving", &["a.example"]).await;
    let target = stage
        .target(Kind::Validating, "standing", &[(FROM, &stage.place("serving"))])
        .await;
    stage.issue("other", &["b.example"]).await;
    target.has_none().await;
    // it ends, and says so
    hold(&stage, "", 1).await;
    target.has(&ca).await;
    certlet.stop().await;
    assert_eq!(holder(&stage).await, "", "the next one begins at once");
    stage.bed().forget_leaders().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn injection_is_switched_off_with_a_flag() {
    let stage = Stage::new().await;
    let certlet = Certlet::start(stage.bed(), &["--enable-cainjector=false"]).await;
    stage.issue("serving", &["a.example"]).await;
    let target = stage
        .target(Kind::Validating, "off", &[(FROM, &stage.place("serving"))])
        .await;
    stage.issue("other", &["b.example"]).await;
    target.has_none().await;
    certlet.stop().await;
    let certlet = Certlet::start(stage.bed(), &[]).await;
    target.has(&stage.ca("serving-tls").await).await;
    drop(certlet);
}

fn cainjector(stage: &Stage, args: &[&str]) -> Child {
    let log = std::fs::File::create(
        stage
            .bed()
            .path(&format!("logs/cainjector-{}.log", stage.scene.namespace)),
    )
    .unwrap();
    let kubeconfig = format!("--kubeconfig={}", stage.bed().path("certlet.kubeconfig").display());
    let mut command = Command::new(PROGRAM);
    command
        .args(["cainjector", &kubeconfig, "--metrics-listen-address=127.0.0.1:9499"])
        .args(args);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true);
    command.spawn().unwrap()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn certlet_cainjector_is_a_cainjector_with_its_flags_and_its_lease() {
    let stage = Stage::new().await;
    // certlet issues, and the other program injects
    let certlet = Certlet::start(stage.bed(), &["--enable-cainjector=false"]).await;
    let ca = stage.issue("serving", &["a.example"]).await;
    stage.bed().forget_leaders().await;
    let elsewhere = Stage::new().await;
    elsewhere.secret("ca", &[(ALLOWS, "true")], &ca).await;
    let ignored = format!("--ignore-namespaces={}", elsewhere.scene.namespace);
    let injector = cainjector(
        &stage,
        &[
            &ignored,
            "--enable-apiservices-injectable=false",
            "--leader-election-namespace=kube-system",
        ],
    );
    let from = [(FROM, stage.place("serving"))];
    let from: Vec<(&str, &str)> = from.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let off = stage.target(Kind::ApiService, "alone", &from).await;
    let refused = stage
        .target(Kind::Mutating, "refused", &[(FROM_SECRET, &elsewhere.place("ca"))])
        .await;
    let target = stage.target(Kind::Validating, "alone", &from).await;
    target.has(&ca).await;
    let definition = stage.target(Kind::Definition, "alone", &from).await;
    definition.has(&ca).await;
    let new = stage.issue("serving", &["a.example", "b.example"]).await;
    target.has(&format!("{ca}{new}")).await;
    assert!(!holder(&stage).await.is_empty());
    let why = events::told(stage.bed(), "default", &refused.name, "CAInjectionRefused").await;
    assert!(why.contains("--ignore-namespaces"), "{why}");
    off.has_none().await;
    refused.has_none().await;
    let page = crate::support::plain_http()
        .get("http://127.0.0.1:9499/metrics")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.contains(r#"controller="cainjector""#), "{page}");
    let pid = injector.id().unwrap().to_string();
    crate::support::run("kill", &["-s", "TERM", &pid]).await;
    let mut injector = injector;
    assert!(injector.wait().await.unwrap().success());
    assert_eq!(holder(&stage).await, "");
    stage.bed().forget_leaders().await;
    drop(certlet);
}
