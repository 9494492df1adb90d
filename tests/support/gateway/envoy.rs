//! Envoy Gateway, as a program of the bed. It serves `ListenerSet`s, too, and writes the status of Gateways, sets and routes.

use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams};

use super::{GATEWAYS, class_manifest, condition};
use crate::support::acme_servers::Process;
use crate::support::bed::{Bed, project};
use crate::support::command::on_path;
use crate::support::wait::{IN_TIME, eventually};

/// An Envoy Gateway, which serves Gateways of the class `envoy`. It ends with the value.
pub(crate) struct EnvoyGateway {
    _process: Process,
}

impl EnvoyGateway {
    /// Where it serves the listeners of any port, from the first Gateway on.
    pub(crate) const ADDRESS: &'static str = "10.99.0.13";
    /// The `GatewayClass` that it serves.
    pub(crate) const CLASS: &'static str = "envoy";
    /// How it signs the status of a route.
    pub(crate) const CONTROLLER: &'static str = "gateway.envoyproxy.io/gatewayclass-controller";

    /// Makes its `GatewayClass`, starts it and waits until it has accepted that. `None` if the bed has none, which is said of `test`.
    /// The definitions of the Gateway API have to be there.
    ///
    /// One Envoy serves all its Gateways, so that two listeners with one port and one hostname are in conflict even if they belong to two
    /// Gateways: those that earlier tests have left are deleted.
    pub(crate) async fn start(bed: &Bed, test: &str) -> Option<Self> {
        if on_path("envoy-gateway").is_none() {
            bed.skip(test, "there is no Envoy Gateway: tests/testbed/build.sh envoy says why");
            return None;
        }
        forget_gateways(bed).await;
        bed.release_gateway_classes().await;
        // A class that an earlier one has accepted tells nothing of this one.
        bed.kubectl(&["delete", "--ignore-not-found", "gatewayclass", Self::CLASS])
            .await;
        bed.apply("default", &class_manifest(Self::CLASS, Self::CONTROLLER))
            .await;
        let script = project().join("tests/testbed/envoy.sh").display().to_string();
        let command = ["unshare", "--pid", "--fork", "--kill-child", &script, "."];
        let process = Process::start(bed, "envoy-gateway", &command, &[]);
        let classes = bed.objects("gateway.networking.k8s.io/v1", "GatewayClass", None).await;
        eventually("Envoy Gateway has accepted its class", IN_TIME, async || {
            let class = classes.get(Self::CLASS).await.ok()?;
            let (status, _) = condition(&class.data["status"]["conditions"], "Accepted")?;
            (status == "True").then_some(())
        })
        .await;
        Some(Self { _process: process })
    }
}

async fn forget_gateways(bed: &Bed) {
    let all = bed.objects(GATEWAYS.0, GATEWAYS.1, None).await;
    for gateway in all.list(&ListParams::default()).await.unwrap() {
        if gateway.data["spec"]["gatewayClassName"] == EnvoyGateway::CLASS {
            let namespace = gateway.namespace().unwrap();
            let gateways = bed.objects(GATEWAYS.0, GATEWAYS.1, Some(&namespace)).await;
            gateways
                .delete(&gateway.name_any(), &DeleteParams::default())
                .await
                .unwrap();
        }
    }
}
