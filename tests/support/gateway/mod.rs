//! The Gateway API: its definitions, which a bed has when a test wants them, and controllers that serve Gateways.
//!
//! No controller of the bed serves Gateways by itself: a test starts one at an address of its own and leads its hosts there
//! (`bed.names().set_a(&host, &[controller.address()])`), where Pebble then validates.

mod envoy;
mod haproxy;
mod traefik;

use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::bed::Bed;
use super::command::on_path;
use super::wait::{IN_TIME, eventually};

pub(crate) use envoy::EnvoyGateway;
pub(crate) use haproxy::HaproxyGateway;
pub(crate) use traefik::TraefikGateway;

pub(crate) const GATEWAYS: (&str, &str) = ("gateway.networking.k8s.io/v1", "Gateway");
pub(crate) const ROUTES: (&str, &str) = ("gateway.networking.k8s.io/v1", "HTTPRoute");
pub(crate) const LISTENER_SETS: (&str, &str) = ("gateway.networking.k8s.io/v1", "ListenerSet");

const GROUP: &str = "gateway.networking.k8s.io";

impl Bed {
    /// Installs the definitions of the Gateway API (the standard channel, which has `ListenerSet` v1) and waits until the server serves them.
    /// False if there are none here, which is said of `test`. Does nothing while the server has them.
    pub(crate) async fn install_gateway_api(&self, test: &str) -> bool {
        let Some(folder) = on_path("gateway-definitions") else {
            self.skip(test, "tests/testbed/build.sh gateway has not been run");
            return false;
        };
        // a folder, and not the link to it
        let folder = format!("{}/", folder.display());
        let files = std::fs::read_dir(&folder).unwrap().filter_map(Result::ok);
        let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        let wanted = names.filter(|name| !name.contains("_vap_")).count();
        if self.gateway_definitions().await < wanted {
            self.kubectl(&["apply", "-f", &folder]).await;
        }
        let client = self.client();
        eventually("the server serves the Gateway API", IN_TIME, async || {
            let kinds = client.list_api_group_resources(GATEWAYS.0).await.ok()?.resources;
            let count = kinds.iter().filter(|kind| !kind.name.contains('/')).count();
            (count == wanted).then_some(())
        })
        .await;
        true
    }

    /// Removes the definitions, and all objects of their kinds, and waits until the server has forgotten them.
    pub(crate) async fn remove_gateway_api(&self) {
        let Some(folder) = on_path("gateway-definitions") else {
            return;
        };
        let folder = format!("{}/", folder.display());
        if self.gateway_definitions().await > 0 {
            self.release_gateway_classes().await;
        }
        self.kubectl(&["delete", "--ignore-not-found", "--wait=false", "-f", &folder])
            .await;
        let definitions = Api::<CustomResourceDefinition>::all(self.client());
        let mut tries = 0;
        eventually("the server has forgotten the Gateway API", IN_TIME, async || {
            // a definition that is deleted just after it came ("storage is (re)initializing") is tried again when it changes
            tries += 1;
            let touched = json!({"metadata": {"annotations": {"example.com/try": tries.to_string()}}});
            let left = definitions.list_metadata(&ListParams::default()).await.ok()?.items;
            for name in left.into_iter().filter_map(|left| left.metadata.name) {
                if name.ends_with(GROUP) && tries % 20 == 0 {
                    drop(
                        definitions
                            .patch(&name, &PatchParams::default(), &Patch::Merge(&touched))
                            .await,
                    );
                }
            }
            let groups = self.client().list_api_groups().await.ok()?.groups;
            groups.iter().all(|group| group.name != GROUP).then_some(())
        })
        .await;
    }

    /// Takes their finalizers off all `GatewayClass`es, so that they can be deleted: a controller that was killed does not.
    async fn release_gateway_classes(&self) {
        let classes = self.objects(GATEWAYS.0, "GatewayClass", None).await;
        let released = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        for class in classes.list(&ListParams::default()).await.unwrap() {
            let name = class.metadata.name.unwrap();
            classes.patch(&name, &PatchParams::default(), &released).await.unwrap();
        }
    }

    /// How many definitions the server has that are not about to go.
    async fn gateway_definitions(&self) -> usize {
        let definitions = Api::<CustomResourceDefinition>::all(self.client());
        let found = definitions.list_metadata(&ListParams::default()).await.unwrap().items;
        let here = found.iter().map(|definition| &definition.metadata).filter(|metadata| {
            let name = metadata.name.as_deref().unwrap_or_default();
            name.ends_with(GROUP) && metadata.deletion_timestamp.is_none()
        });
        here.count()
    }
}

/// The manifest of a `GatewayClass`.
fn class_manifest(name: &str, controller: &str) -> String {
    format!(
        "
apiVersion: {GROUP}/v1
kind: GatewayClass
metadata: {{name: {name}}}
spec: {{controllerName: {controller}}}
"
    )
}

/// The manifest of a Gateway with one listener `http` at port 80 for the routes of all namespaces.
pub(crate) fn http_gateway(name: &str, class: &str) -> String {
    format!(
        "
apiVersion: {GROUP}/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  gatewayClassName: {class}
  listeners:
  - {{name: http, port: 80, protocol: HTTP, allowedRoutes: {{namespaces: {{from: All}}}}}}
"
    )
}

/// A Gateway of [`http_gateway`] that lets the `ListenerSet`s of all namespaces add listeners.
pub(crate) fn listening(gateway: &str) -> String {
    gateway.replace("\nspec:\n", "\nspec:\n  allowedListeners: {namespaces: {from: All}}\n")
}

/// The manifest of a `ListenerSet` with one listener `http` at port 80 for this hostname, below a Gateway of another namespace.
pub(crate) fn listener_set(name: &str, infra: &str, gateway: &str, hostname: &str) -> String {
    format!(
        "
---
apiVersion: {GROUP}/v1
kind: ListenerSet
metadata: {{name: {name}}}
spec:
  parentRef: {{name: {gateway}, namespace: {infra}}}
  listeners:
  - {{name: http, port: 80, protocol: HTTP, hostname: '{hostname}'}}
"
    )
}

/// The status of a condition among these, and its reason.
pub(crate) fn condition<'a>(conditions: &'a Value, kind: &str) -> Option<(&'a str, &'a str)> {
    let found = conditions
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == kind)?;
    Some((found["status"].as_str()?, found["reason"].as_str()?))
}
