//! Mode `pod`: a challenge that is answered by a pod of its own.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;

use crate::installation::Installation;
use crate::support::bed::project;
use crate::support::scene::{CHALLENGES, certificate, field};
use crate::support::{IN_TIME, Pebble, PebbleOptions, curl_status, eventually};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn in_mode_pod_a_pod_with_certlets_own_image_answers_behind_the_ingress() {
    let test = "in_mode_pod_a_pod_with_certlets_own_image_answers_behind_the_ingress";
    let Some(installation) = Installation::prepare(test).await else {
        return;
    };
    installation.install().await;
    let rights = project().join("deploy/solver-pods/rbac.yaml").display().to_string();
    installation.bed.kubectl(&["apply", "-f", &rights]).await;
    installation.configure(1, &["--acme-http01-solver-mode=pod"]).await;
    let pebble = Pebble::start(&installation.bed, PebbleOptions::default()).await;
    let scene = installation.scene(&pebble).await;
    let pods: Api<Pod> = Api::namespaced(scene.bed.client(), &scene.namespace);

    // The name leads elsewhere for a while, so that there is time to look.
    let host = scene.host("solved");
    scene.bed.names().set_a(&host, &["10.99.0.77"]).await;
    scene.apply(&certificate("solved", &[&host], "")).await;
    scene.told("solved", "10.99.0.77").await;
    let challenge = scene.list(CHALLENGES).await.pop().unwrap();
    let url = format!(
        "http://{host}/.well-known/acme-challenge/{}",
        field(&challenge, "/spec/token")
    );
    let answered = eventually("the pod answers through Traefik", IN_TIME, async || {
        let (status, body) = curl_status(&url, "10.99.0.1:80").await;
        (status == 200).then_some(body)
    })
    .await;
    assert_eq!(answered, field(&challenge, "/spec/key"));

    let solvers = ListParams::default().labels("acme.cert-manager.io/http01-solver=true");
    let found = pods.list(&solvers).await.unwrap().items;
    assert_eq!(found.len(), 1, "{found:?}");
    let spec = found[0].spec.as_ref().unwrap();
    let own = installation.leader().await.spec.unwrap();
    assert_eq!(spec.containers[0].image, own.containers[0].image);
    assert_eq!(spec.automount_service_account_token, Some(false));
    let slices = scene.list(crate::support::scene::SLICES).await;
    let address = found[0].status.as_ref().unwrap().pod_ip.as_deref();
    assert_eq!(slices[0].data["endpoints"][0]["addresses"][0].as_str(), address);

    scene.bed.names().clear_a(&host).await;
    scene.ready("solved").await;
    scene.verify_secret("solved-tls", &pebble, 0, &host).await;
    scene.tidy().await;
    eventually("the solver pod is gone", IN_TIME, async || {
        pods.list(&solvers).await.unwrap().items.is_empty().then_some(())
    })
    .await;
}
