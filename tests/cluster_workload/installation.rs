//! What `kubectl apply -k deploy` makes, on a node of the bed.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::support::bed::project;
use crate::support::scene::{Scene, issuer, solver};
use crate::support::{Bed, Certlet, IN_TIME, Pebble, condition_is, eventually, run, until};

/// The namespace of deploy/.
pub(crate) const NAMESPACE: &str = "cert-manager";
/// The name under which pods reach the ACME servers of the bed; it takes a DNS to know it.
const ACME_HOST: &str = "acme.testbed.example";

/// The Deployment, running.
pub(crate) struct Installation {
    pub(crate) bed: Bed,
}

impl Installation {
    /// A bed with a node that has the image. `None`: there can be no node here, which was said.
    pub(crate) async fn prepare(test: &str) -> Option<Self> {
        let bed = Bed::attach().await;
        // Those that act on the whole cluster would do the Deployment's work.
        Certlet::end_leftovers(&bed);
        let image = image(&bed).await;
        if let Err(reason) = bed.start_node(&[&image]).await {
            bed.skip(test, &reason);
            return None;
        }
        Some(Self { bed })
    }

    /// As shipped.
    pub(crate) async fn install(&self) {
        let deploy = project().join("deploy");
        self.bed.kubectl(&["apply", "-k", deploy.to_str().unwrap()]).await;
        self.rolled_out().await;
    }

    /// As shipped, but for the number of replicas and further arguments: a rolling update.
    pub(crate) async fn configure(&self, replicas: u8, args: &[&str]) {
        let mut patch = vec![json!({"op": "replace", "path": "/spec/replicas", "value": replicas})];
        let more = args
            .iter()
            .map(|argument| json!({"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": argument}));
        patch.extend(more);
        let patch = format!("--patch={}", Value::from(patch));
        self.kubectl(&["patch", "deployment", "certlet", "--type=json", &patch])
            .await;
        self.rolled_out().await;
    }

    /// Waits until the Deployment is as wanted and ready, old pods gone from it.
    pub(crate) async fn rolled_out(&self) {
        self.kubectl(&["rollout", "status", "deployment/certlet", "--timeout=120s"])
            .await;
    }

    /// kubectl in the namespace of the installation.
    pub(crate) async fn kubectl(&self, args: &[&str]) -> String {
        self.bed.kubectl(&[&["-n", NAMESPACE], args].concat()).await
    }

    /// The pods of the Deployment that are not about to end.
    pub(crate) async fn pods(&self) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.bed.client(), NAMESPACE);
        let selected = ListParams::default().labels("app.kubernetes.io/name=certlet");
        let pods = pods.list(&selected).await.unwrap().items;
        pods.into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .collect()
    }

    /// Their addresses, in order.
    pub(crate) async fn pod_addresses(&self) -> Vec<String> {
        let pods = self.pods().await;
        let mut addresses: Vec<String> = pods.into_iter().filter_map(|pod| pod.status?.pod_ip).collect();
        addresses.sort();
        addresses
    }

    /// The pod that holds the Lease.
    pub(crate) async fn leader(&self) -> Pod {
        let leases = self
            .bed
            .objects("coordination.k8s.io/v1", "Lease", Some("kube-system"))
            .await;
        eventually("a pod that leads", IN_TIME, async || {
            let lease = leases.get_opt("cert-manager-controller").await.unwrap()?;
            let holder = lease.data["spec"]["holderIdentity"].as_str()?.to_owned();
            let of_holder = |pod: &Pod| holder.starts_with(pod.metadata.name.as_deref().unwrap_or("?"));
            self.pods().await.into_iter().find(of_holder)
        })
        .await
    }

    /// SIGKILL for the process in a pod; the kubelet starts another one in its place.
    pub(crate) async fn kill(&self, pod: &Pod) {
        let containers = pod.status.as_ref().unwrap().container_statuses.as_ref().unwrap();
        let id = containers[0]
            .container_id
            .as_ref()
            .unwrap()
            .trim_start_matches("containerd://");
        let socket = self.bed.path("node/run/containerd.sock").display().to_string();
        run(
            "ctr",
            &["-a", &socket, "-n", "k8s.io", "tasks", "kill", "-s", "SIGKILL", id],
        )
        .await;
    }

    /// A namespace under the restricted Pod Security standard with an Issuer at this ACME server.
    pub(crate) async fn scene(&self, pebble: &Pebble) -> Scene {
        let scene = Scene::new().await;
        let level = "pod-security.kubernetes.io/enforce=restricted";
        self.bed.kubectl(&["label", "namespace", &scene.namespace, level]).await;
        let directory = pebble.directory().replace("127.0.0.1", ACME_HOST);
        scene
            .apply(&issuer("Issuer", &directory, pebble, &solver("traefik"), ""))
            .await;
        let issuers = scene.objects(crate::support::scene::ISSUERS).await;
        until(&issuers, "ca", IN_TIME, condition_is("Ready", "True")).await;
        scene
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kubeconfig = format!("--kubeconfig={}", self.bed.kubeconfig().display());
            for args in [
                ["get", "pods", "-A", "-o", "wide"].as_slice(),
                &[
                    "logs",
                    "-n",
                    NAMESPACE,
                    "-l",
                    "app.kubernetes.io/name=certlet",
                    "--prefix",
                    "--tail=60",
                ],
            ] {
                let printed = std::process::Command::new("kubectl")
                    .arg(&kubeconfig)
                    .args(args)
                    .output();
                let printed = printed.map_or_else(
                    |error| error.to_string(),
                    |done| String::from_utf8_lossy(&done.stdout).into_owned(),
                );
                eprintln!("--- kubectl {}:\n{printed}---", args.join(" "));
            }
        }
    }
}

/// The image as `deploy/image.sh` makes it: given by `CERTLET_IMAGE_TAR`, or with the program that is tested and its libraries.
async fn image(bed: &Bed) -> PathBuf {
    if let Some(given) = std::env::var_os("CERTLET_IMAGE_TAR") {
        return project().join(given);
    }
    let tar = bed.path("run/certlet-image.tar");
    if !tar.exists() {
        let script = project().join("deploy/image.sh").display().to_string();
        // The name in the shipped Deployment.
        let name = concat!("certlet:", env!("CARGO_PKG_VERSION"));
        let args = [
            "--with-libraries",
            tar.to_str().unwrap(),
            name,
            env!("CARGO_BIN_EXE_certlet"),
        ];
        run(&script, &args).await;
    }
    tar
}
