//! The kinds of the Gateway API are absent, are installed, go, and come back, while one certlet runs.

use serde_json::{Value, json};

use crate::support::Certlet;
use crate::support::certlet::PROGRAM;
use crate::support::command::try_run;
use crate::support::scene::Scene;
use crate::{FLAGS, gateway, https, issuer, with_issuer};

/// Verdict and message of `certlet check` about the Gateway API.
async fn checked(scene: &Scene) -> String {
    let kubeconfig = scene.bed.kubeconfig();
    let command = [
        "check",
        "-o",
        "json",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "--",
    ];
    let done = try_run(PROGRAM, &[&command[..], &FLAGS].concat(), None).await;
    let findings: Vec<Value> = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    let finding = findings.iter().find(|finding| finding["check"] == "gateway");
    let finding = finding.unwrap_or_else(|| panic!("{findings:#?}"));
    format!("{} {}", finding["verdict"], finding["message"])
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_gateway_api_may_come_later_and_go() {
    const TEST: &str = "the_gateway_api_may_come_later_and_go";
    let scene = Scene::new().await;
    scene.bed.remove_gateway_api().await;
    with_issuer(&scene).await;
    // `start` waits until it is ready
    let certlet = Certlet::start(&scene.bed, &FLAGS).await;
    certlet
        .wait_for_log(
            "the API server does not know gateways of gateway.networking.k8s.io; certlet continues without them",
        )
        .await;
    let found = checked(&scene).await;
    assert!(
        found.starts_with("\"warning\"") && found.contains("serves no gateways, httproutes and listenersets of"),
        "{found}"
    );
    if !scene.bed.install_gateway_api(TEST).await {
        return;
    }
    let found = checked(&scene).await;
    assert!(found.starts_with("\"ok\""), "{found}");
    let listeners = json!([https("https", "a.example.com", "web-tls")]);
    gateway(&scene, &issuer(), &listeners).await;
    scene.ready("web-tls").await;

    // With the kinds go their objects. The garbage collector keeps what these own until it knows the kind again.
    scene.bed.remove_gateway_api().await;
    assert_eq!(certlet.page("/readyz").await.unwrap().0, 200);

    assert!(scene.bed.install_gateway_api(TEST).await);
    gateway(
        &scene,
        &issuer(),
        &json!([https("https", "a.example.com", "again-tls")]),
    )
    .await;
    scene.ready("again-tls").await;
}
