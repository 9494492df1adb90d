//! Certificates for ListenerSets, proven through their own listeners: Envoy Gateway serves them, and Pebble asks there.

use serde_json::json;

use crate::FLAGS;
use crate::support::Certlet;
use crate::support::gateway::{EnvoyGateway, http_gateway, listening};
use crate::support::scene::{Scene, certificate};

/// A bed with Envoy Gateway, and a certlet that handles ListenerSets.
struct Stage {
    scene: Scene,
    /// The namespace of the Gateway `web`, which admits ListenerSets, and of the Gateway `childless`, which does not.
    infra: String,
    _controller: EnvoyGateway,
    _certlet: Certlet,
}

impl Stage {
    async fn open(test: &str) -> Option<Self> {
        let scene = Scene::new().await;
        let bed = &scene.bed;
        if !bed.install_gateway_api(test).await {
            return None;
        }
        let controller = EnvoyGateway::start(bed, test).await?;
        let infra = bed.new_namespace().await;
        // The Envoy of all Gateways has one listener for each pair of port and hostname.
        let own = |name: &str| {
            let gateway = http_gateway(name, EnvoyGateway::CLASS);
            gateway.replace("port: 80", &format!("port: 80, hostname: {name}.{infra}.example"))
        };
        let gateways = listening(&own("web")) + "---" + &own("childless");
        bed.apply(&infra, &gateways).await;
        let certlet = Certlet::start(bed, &FLAGS).await;
        Some(Self {
            scene,
            infra,
            _controller: controller,
            _certlet: certlet,
        })
    }

    /// A ListenerSet of the Gateway for a host that leads to Envoy: HTTP, and HTTPS with the Secret `NAME-tls`.
    async fn listener_set(&self, name: &str, gateway: &str, annotations: &str) -> String {
        let host = self.scene.host(name);
        self.scene.bed.names().set_a(&host, &[EnvoyGateway::ADDRESS]).await;
        let set = format!(
            "
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec:
  parentRef: {{name: {gateway}, namespace: {}}}
  listeners:
  - {{name: http, port: 80, protocol: HTTP, hostname: {host}}}
  - {{name: https, port: 443, protocol: HTTPS, hostname: {host}, tls: {{certificateRefs: [{{name: {name}-tls}}]}}}}
",
            self.infra
        );
        self.scene.apply(&set).await;
        host
    }

    /// Envoy serves a certificate for the host, and no HTTPRoute is left.
    async fn served(&self, host: &str) {
        let address = format!("{}:443", EnvoyGateway::ADDRESS);
        self.scene.served(&self.scene.bed.pebble(), host, &address).await;
        self.scene.no_route_is_left().await;
    }
}

fn parent(set: &str) -> String {
    format!("{{group: gateway.networking.k8s.io, kind: ListenerSet, name: {set}}}")
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_certificate_is_proven_through_the_listener_set_that_the_issuer_names() {
    let test = "a_certificate_is_proven_through_the_listener_set_that_the_issuer_names";
    let Some(stage) = Stage::open(test).await else { return };
    let host = stage.listener_set("shop", "web", "").await;
    stage.scene.gateway_issuer(&parent("shop")).await;
    stage.scene.apply(&certificate("shop", &[&host], "")).await;
    stage.scene.ready("shop").await;
    stage.served(&host).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_annotated_listener_set_gets_its_certificate_through_its_own_listener() {
    let test = "an_annotated_listener_set_gets_its_certificate_through_its_own_listener";
    let Some(stage) = Stage::open(test).await else { return };
    // The solver names no parent: the annotations of the Certificate do.
    stage.scene.gateway_issuer("").await;
    let host = stage.listener_set("shop", "web", "cert-manager.io/issuer: ca").await;
    stage.scene.ready("shop-tls").await;
    stage.served(&host).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_listener_set_that_its_gateway_does_not_admit_is_named_with_what_to_edit() {
    let test = "a_listener_set_that_its_gateway_does_not_admit_is_named_with_what_to_edit";
    let Some(stage) = Stage::open(test).await else { return };
    let host = stage.listener_set("shop", "childless", "").await;
    stage.scene.gateway_issuer(&parent("shop")).await;
    stage.scene.apply(&certificate("shop", &[&host], "")).await;
    let told = stage.scene.told("shop", "allowedListeners").await;
    let set = format!(
        "ListenerSet {}/shop is not accepted by its Gateway (NotAllowed",
        stage.scene.namespace
    );
    assert!(told.contains(&set), "{told}");
    // The cure, and nothing else: it goes on by itself.
    let change = json!({"spec": {"allowedListeners": {"namespaces": {"from": "All"}}}}).to_string();
    let gateway = [
        "patch",
        "gateway",
        "childless",
        "-n",
        &stage.infra,
        "--type=merge",
        "-p",
        &change,
    ];
    stage.scene.bed.kubectl(&gateway).await;
    stage.scene.ready("shop").await;
    stage.served(&host).await;
}
