//! HTTPRoutes of HTTP-01 that another client changes, and certlet's end at any write.

use crate::http01::{ELSEWHERE, open};
use crate::support::gateway::{TraefikGateway, http_gateway};
use crate::support::scene::{CERTIFICATES, CHALLENGES, Scene, certificate};
use crate::support::{Certlet, FaultProxy, IN_TIME, Moment, eventually};

/// More writes than any issuance has.
const MOST_WRITES: usize = 40;

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_edited_or_deleted_route_is_restored() {
    let test = "an_edited_or_deleted_route_is_restored";
    let Some((scene, _certlet)) = open(test).await else {
        return;
    };
    let controller = TraefikGateway::start(&scene.bed).await;
    scene.apply(&http_gateway("web", TraefikGateway::CLASS)).await;
    scene.gateway_issuer("{name: web}").await;
    let host = scene.host_at("drift", ELSEWHERE).await;
    scene.apply(&certificate("site", &[&host], "")).await;
    let route = eventually("an HTTPRoute", IN_TIME, async || scene.routes().await.pop()).await;
    let name = route.metadata.name.clone().unwrap();
    let spec = route.data["spec"].clone();
    let patch = r#"{"spec":{"hostnames":["another.example"]}}"#;
    let namespace = scene.namespace.as_str();
    scene
        .bed
        .kubectl(&[
            "patch",
            "httproute",
            "-n",
            namespace,
            &name,
            "--type=merge",
            "-p",
            patch,
        ])
        .await;
    eventually("the hostname is back", IN_TIME, async || {
        let routes = scene.routes().await;
        (routes.first()?.data["spec"] == spec).then_some(())
    })
    .await;
    scene
        .bed
        .kubectl(&["delete", "httproute", "-n", namespace, &name])
        .await;
    eventually("the HTTPRoute is back", IN_TIME, async || {
        let routes = scene.routes().await;
        (routes.first()?.metadata.uid != route.metadata.uid).then_some(())
    })
    .await;
    scene.bed.names().set_a(&host, &[TraefikGateway::ADDRESS]).await;
    scene.ready("site").await;
    scene.no_route_is_left().await;
    drop(controller);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn killed_at_any_write_it_leaves_no_route() {
    let Some((scene, first)) = open("killed_at_any_write_it_leaves_no_route").await else {
        return;
    };
    let _controller = TraefikGateway::start(&scene.bed).await;
    scene.apply(&http_gateway("web", TraefikGateway::CLASS)).await;
    scene.gateway_issuer("{name: web}").await;
    scene.issuer_is_ready().await;
    first.stop().await;
    let proxy = FaultProxy::before_api_server(&scene.bed).await;
    let kubeconfig = scene.bed.kubeconfig_for(&proxy.url());
    for moment in [Moment::BeforeForward, Moment::BeforeReply] {
        let mut nth = 1;
        while issue_with_a_kill(&scene, &proxy, &kubeconfig, (nth, moment)).await {
            nth += 1;
            assert!(nth < MOST_WRITES, "it never ends");
        }
        println!("{moment:?}: {} writes to the API server, killed at each", nth - 1);
        assert!(nth > 8, "an issuance has more writes than that");
    }
}

/// Issues one certificate with a kill at the n-th write through `proxy`; says whether that write came.
async fn issue_with_a_kill(
    scene: &Scene,
    proxy: &FaultProxy,
    kubeconfig: &std::path::Path,
    (nth, moment): (usize, Moment),
) -> bool {
    let when = if moment == Moment::BeforeForward {
        "before"
    } else {
        "after"
    };
    let name = format!("k{nth}-{when}");
    let host = scene.host_at(&name, TraefikGateway::ADDRESS).await;
    let launch = || {
        Certlet::launch(&scene.bed)
            .kubeconfig(kubeconfig)
            .args(&["--enable-gateway-api"])
    };
    let certlet = launch().ready().await;
    let killer = certlet.killer();
    proxy.on_write(nth, moment, move || async move { killer.kill() });
    scene.apply(&certificate(&name, &[&host], "")).await;
    let certificates = scene.objects(CERTIFICATES).await;
    eventually("it is killed, or done", IN_TIME, async || {
        if certlet.killer().ended().is_some() {
            return Some(());
        }
        let ready = certificates.get_opt(&name).await.unwrap()?;
        let is_ready = ready.data.to_string().contains(r#""reason":"Ready""#);
        let is_left = !scene.routes().await.is_empty() || !scene.strays().await.is_empty();
        (is_ready && !is_left && scene.list(CHALLENGES).await.is_empty()).then_some(())
    })
    .await;
    if !proxy.has_killed(&certlet).await {
        certlet.stop().await;
        return false;
    }
    drop(certlet);
    let second = launch().ready().await;
    scene.ready(&name).await;
    scene.no_route_is_left().await;
    second.stop().await;
    true
}
