//! haproxy-ingress as a controller of Gateways. It serves their routes and writes no status at all.

use super::class_manifest;
use crate::support::acme_servers::Process;
use crate::support::bed::Bed;
use crate::support::names::plain_http;
use crate::support::wait::{IN_TIME, eventually};

/// A second haproxy-ingress, which serves only Gateways of the class `haproxy`. It ends with the value.
pub(crate) struct HaproxyGateway {
    _process: Process,
}

impl HaproxyGateway {
    /// Where it serves the listeners of HTTP and of HTTPS, whatever their ports.
    pub(crate) const ADDRESS: &'static str = "10.99.0.12";
    /// The `GatewayClass` that it serves.
    pub(crate) const CLASS: &'static str = "haproxy";

    /// Starts it and makes its `GatewayClass`. The definitions of the Gateway API have to be there: it looks for them once.
    ///
    /// Its types are those of Gateway API 1.0, and it cannot read a list of `GatewayClass`es one of which names its features as Traefik does.
    /// So that of [`TraefikGateway`](super::TraefikGateway) is deleted first, and the two cannot serve at the same time.
    pub(crate) async fn start(bed: &Bed) -> Self {
        bed.kubectl(&[
            "delete",
            "--ignore-not-found",
            "gatewayclass",
            super::TraefikGateway::CLASS,
        ])
        .await;
        // Its scripts lie where its configuration expects them; /mnt is the bed's own.
        let address = Self::ADDRESS;
        let controller = "haproxy-ingress.github.io/controller/gateway";
        bed.apply(
            "default",
            &(class_manifest(Self::CLASS, controller) + &settings(address)),
        )
        .await;
        let script = format!(
            "set -e
folder=/mnt/haproxy-gateway
mkdir -p $folder/etc/haproxy
cp -rL \"$CERTLET_TESTBED_BIN/rootfs\" $folder/
cp -r $folder/rootfs/etc/lua $folder/etc/haproxy/
cd $folder
PATH=$PATH:/usr/sbin POD_NAMESPACE=default exec haproxy-ingress --kubeconfig=\"$KUBECONFIG\" \\
  --local-filesystem-prefix=$folder --configmap=default/haproxy-gateway --update-status=false --rate-limit-update=10 \\
  --healthz-addr={address}:10254 --controller-class=gateway --election-id=gateway-%s --watch-gateway
"
        );
        // Its HAProxy is a process of its own, which would outlive it.
        let command = ["unshare", "--pid", "--fork", "--kill-child", "bash", "-c", &script];
        let process = Process::start(bed, "haproxy-gateway", &command, &[]);
        eventually("haproxy-ingress answers for Gateways", IN_TIME, async || {
            plain_http().get(format!("http://{address}/")).send().await.ok()
        })
        .await;
        Self { _process: process }
    }
}

/// Its ports beside the bed's other haproxy-ingress.
fn settings(address: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: ConfigMap
metadata: {{name: haproxy-gateway, namespace: default}}
data:
  bind-ip-addr-http: {address}
  bind-ip-addr-stats: {address}
  bind-ip-addr-healthz: {address}
"
    )
}
