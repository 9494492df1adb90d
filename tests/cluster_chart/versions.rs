//! The oldest and every other supported version of Kubernetes: what is documented for all of them ends without an error on each.

use std::process::{Child, Command, Stdio};

use crate::helm::{Helm, chart};
use crate::support::bed::project;
use crate::support::{Bed, IN_TIME, eventually};

/// The server of the bed as an older version of itself, with the objects of nobody else. It ends with this.
struct OlderServer {
    process: Child,
    kubeconfig: String,
}

impl OlderServer {
    async fn start(bed: &Bed, version: &str) -> Self {
        const PORT: &str = "16443";
        let pki = |file: &str| bed.path("pki").join(file).display().to_string();
        let log = std::fs::File::create(bed.path(&format!("logs/apiserver-{version}.log"))).unwrap();
        let process = Command::new("kube-apiserver")
            .args([
                "--etcd-servers=http://127.0.0.1:2379",
                &format!("--etcd-prefix=/kubernetes-{version}"),
            ])
            .args([
                &format!("--emulated-version={version}"),
                "--bind-address=127.0.0.1",
                "--advertise-address=10.99.0.1",
                "--secure-port",
                PORT,
            ])
            .args([
                "--endpoint-reconciler-type=none",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--authorization-mode=RBAC",
            ])
            .args([
                format!("--tls-cert-file={}", pki("apiserver.crt")),
                format!("--tls-private-key-file={}", pki("apiserver.key")),
            ])
            .args([
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--token-auth-file={}", pki("tokens.csv")),
            ])
            .args(["key", "signing-key"].map(|key| format!("--service-account-{key}-file={}", pki("sa.key"))))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let kubeconfig = bed
            .kubeconfig_for(&format!("https://127.0.0.1:{PORT}"))
            .display()
            .to_string();
        let server = Self { process, kubeconfig };
        eventually("the older server", IN_TIME, async || {
            let ready = bed.try_kubectl(&server.at(&["get", "--raw=/readyz"])).await;
            ready.status.success().then_some(())
        })
        .await;
        server
    }

    /// Arguments of kubectl and helm with which they go to this server. The last occurrence of a flag counts.
    fn at<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [args, &["--kubeconfig", &self.kubeconfig]].concat()
    }
}

impl Drop for OlderServer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn kubectl_and_helm_install_everything_on_kubernetes_1_33_to_1_35() {
    let Some(helm) = Helm::prepare("kubectl_and_helm_install_everything_on_kubernetes_1_33_to_1_35").await else {
        return;
    };
    let bed = &helm.bed;
    let deploy = project().join("deploy").display().to_string();
    let chart = chart();
    for version in ["1.33", "1.34", "1.35"] {
        let server = OlderServer::start(bed, version).await;
        let told = bed.kubectl(&server.at(&["get", "--raw=/version"])).await;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(format!("1.{}", told["emulationMinor"].as_str().unwrap()), version);

        let install = [
            "install",
            "certlet",
            &chart,
            "-n",
            "cert-manager",
            "--create-namespace",
            "--set",
            "crds.enabled=true,crds.keep=false,startupapicheck.enabled=false",
        ];
        let said = helm.run(&server.at(&install)).await;
        assert!(said.contains("This API server is older than Kubernetes 1.36"), "{said}");
        helm.run(&server.at(&["uninstall", "certlet", "-n", "cert-manager"]))
            .await;

        let said = bed.kubectl(&server.at(&["apply", "-k", &deploy])).await;
        assert!(said.contains("deployment.apps/certlet created"), "{version}: {said}");
        let policy = project()
            .join("deploy/requester-identity/policy.yaml")
            .display()
            .to_string();
        let refused = bed.try_kubectl(&server.at(&["apply", "-f", &policy])).await;
        assert!(
            refused
                .stderr
                .contains("no matches for kind \"MutatingAdmissionPolicy\""),
            "{version}: {refused:?}"
        );
        bed.kubectl(&server.at(&["delete", "-k", &deploy, "--ignore-not-found", "--wait=false"]))
            .await;
    }
}
