//! The kinds of the Gateway API are absent, are installed, go, and come back, while one certlet runs.

use serde_json::json;

use crate::support::Certlet;
use crate::support::scene::Scene;
use crate::{FLAGS, gateway, https, issuer, with_issuer};

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
    if !scene.bed.install_gateway_api(TEST).await {
        return;
    }
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
