//! What an issuance meets in a cluster: quotas, backends elsewhere, and somebody who reads its metrics.

use kube::api::DynamicObject;

use super::scene::{ISSUERS, Scene, ingress, issuer, messages, named, solver};
use crate::support::{Certlet, IN_TIME, condition_is, until};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_account_key_that_may_not_be_stored_is_told_and_made_when_it_may() {
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    scene.forbid("count/secrets").await;
    let first = Certlet::start(&scene.bed, &[]).await;
    let name = format!("elsewhere-{}", scene.namespace);
    let cluster_wide = issuer("ClusterIssuer", pebble.directory(), &pebble, &solver("traefik"), "");
    scene.issuer(pebble.directory(), "traefik").await;
    let refused = |text: &'static str| {
        move |object: Option<&DynamicObject>| {
            let told = object.is_some_and(|object| messages(object).iter().any(|message| message.contains(text)));
            told && object.is_some_and(|object| object.data.to_string().contains("ErrRegisterACMEAccount"))
        }
    };
    let issuers = scene.objects(ISSUERS).await;
    let told = until(&issuers, "ca", IN_TIME, refused("exceeded quota")).await.unwrap();
    println!("the Issuer says: {:?}", messages(&told));
    scene.allow().await;
    until(&issuers, "ca", IN_TIME, condition_is("Ready", "True")).await;
    assert!(first.stop().await.success());

    // the namespace for the Secrets of ClusterIssuers does not exist
    let nowhere = format!("--cluster-resource-namespace=none-{}", scene.namespace);
    let kubeconfig = scene.bed.kubeconfig();
    let certlet = Certlet::launch(&scene.bed).kubeconfig(&kubeconfig).args(&[&nowhere]);
    let _certlet = certlet.ready().await;
    scene.apply(&named(&cluster_wide, &name)).await;
    let cluster_issuers = scene.bed.objects("cert-manager.io/v1", "ClusterIssuer", None).await;
    let told = until(&cluster_issuers, &name, IN_TIME, refused("not found"))
        .await
        .unwrap();
    println!("the ClusterIssuer says: {:?}", messages(&told));
    scene.bed.kubectl(&["delete", "clusterissuer", &name]).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_ingress_whose_backend_is_a_service_of_another_namespace_by_external_name_gets_its_certificate() {
    let (scene, _certlet) = Scene::open("traefik").await;
    let pebble = scene.bed.pebble();
    let host = scene.host("far");
    let blocks: [(&str, &[&str]); 1] = [("far-tls", &[&host])];
    let elsewhere =
        "spec: {type: ExternalName, externalName: web.elsewhere.svc.cluster.local, ports: [{port: 80, protocol: TCP}]}";
    let manifests = ingress("far", "traefik", "cert-manager.io/issuer: ca", &blocks);
    let far = manifests.replace("spec: {ports: [{port: 80, protocol: TCP}]}", elsewhere);
    assert_ne!(far, manifests);
    scene.apply(&far).await;
    scene.ready("far-tls").await;
    scene.served(&pebble, &host, "10.99.0.1:443").await;
    scene.tidy().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_metrics_that_dashboards_read_tell_of_an_issuance() {
    let (scene, certlet) = Scene::open("traefik").await;
    scene.certificate("counted").await;
    scene.ready("counted").await;
    let (status, page) = certlet.page("/metrics").await.unwrap();
    assert_eq!(status, 200);
    let of_ours = |name: &str, labels: &[&str]| {
        let mut lines = page.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        let found = lines.find(|line| labels.iter().all(|label| line.contains(label)));
        let value = found.and_then(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("no {name} with {labels:?} in\n{page}"))
    };
    let namespace = format!("namespace=\"{}\"", scene.namespace);
    let ours = [namespace.as_str(), "name=\"counted\""];
    let with = |label| [ours[0], ours[1], label];
    let ready = "certmanager_certificate_ready_status";
    assert!((of_ours(ready, &with("condition=\"True\"")) - 1.0).abs() < f64::EPSILON);
    assert!(of_ours(ready, &with("condition=\"False\"")).abs() < f64::EPSILON);
    let ends = of_ours("certmanager_certificate_expiration_timestamp_seconds", &ours);
    let renewed = of_ours("certmanager_certificate_renewal_timestamp_seconds", &ours);
    assert!(renewed > 1.7e9 && renewed < ends, "{renewed} {ends}");
    let issuer = [namespace.as_str(), "name=\"ca\"", "condition=\"True\""];
    assert!((of_ours("certmanager_issuer_ready_status", &issuer) - 1.0).abs() < f64::EPSILON);
    for action in [
        "register_account",
        "authorize_order",
        "accept_challenge",
        "create_order_cert",
        "fetch_cert",
    ] {
        let action = format!("action=\"{action}\"");
        assert!(of_ours("certmanager_http_acme_client_request_count", &[&action, "status=\"2"]) >= 1.0);
    }
    assert!(of_ours("certmanager_controller_sync_call_count", &["controller=\"orders\""]) >= 1.0);
}
