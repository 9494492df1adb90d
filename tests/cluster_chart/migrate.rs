//! docs/migrate.md with a real cert-manager: its chart, installed by helm and by kubectl, swapped and swapped back by the commands of the
//! page. There is no node in this bed: certlet is a process beside its Deployment, and cert-manager's webhook has no program.

use std::path::PathBuf;

use serde_json::Value;

use crate::helm::Helm;
use crate::support::bed::project;
use crate::support::certlet::PROGRAM;
use crate::support::command::{Finished, on_path, run, run_with_input, try_run};
use crate::support::documents::{commands, yaml};
use crate::support::scene::{CERTIFICATES, Scene};
use crate::support::{Certlet, IN_TIME, condition_is, eventually, until};

const PAGE: &str = "docs/migrate.md";
/// What comes from a registry in the commands of the page.
const CHART: &str = "oci://quay.io/jetstack/charts/cert-manager --version v1.21.1";
/// A helm that was built from its module takes itself for an old one.
const SERVER: &str = "--kube-version=v1.36.0";
/// Its Job would wait for pods.
const WITHOUT_JOB: &str = "startupapicheck.enabled=false";
const COMMAND: &str =
    "kubectl delete validatingwebhookconfigurations,mutatingwebhookconfigurations cert-manager-webhook";

/// A cluster in which cert-manager is to be installed, with a certificate that is issued.
struct Swap {
    helm: Helm,
    scene: Scene,
    /// Where the commands of the page run: with `deploy` of this project.
    folder: tempfile::TempDir,
    /// The issued Secret.
    secret: String,
}

impl Swap {
    async fn prepare(test: &str) -> Option<Self> {
        let helm = Helm::prepare(test).await?;
        if part("swap-chart").is_none() {
            helm.bed.skip(test, "tests/testbed/build.sh swap has not been run");
            return None;
        }
        let scene = Scene::new().await;
        scene.apply(&format!("{ISSUER}\n---\n{CERTIFICATE}")).await;
        let certlet = Certlet::start(&helm.bed, &[]).await;
        let certificates = scene.objects(CERTIFICATES).await;
        until(&certificates, "web", IN_TIME, condition_is("Ready", "True")).await;
        // The key of the issuance goes after the certificate is Ready.
        eventually("no key of an issuance is left", IN_TIME, async || {
            let keys = [
                "get",
                "secrets",
                "-n",
                &scene.namespace,
                "-l",
                "cert-manager.io/next-private-key=true",
                "-o",
                "name",
            ];
            helm.bed.kubectl(&keys).await.is_empty().then_some(())
        })
        .await;
        certlet.stop().await;
        let folder = tempfile::tempdir().unwrap();
        for name in ["deploy", "crds"] {
            std::os::unix::fs::symlink(project().join(name), folder.path().join(name)).unwrap();
        }
        let mut swap = Self {
            helm,
            scene,
            folder,
            secret: String::new(),
        };
        swap.secret = swap.secret().await;
        // As a cluster that has never seen certlet.
        let ours = "-l=app.kubernetes.io/instance=certlet";
        let kinds = "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings";
        let new = ",mutatingadmissionpolicies,mutatingadmissionpolicybindings";
        let new = if swap.helm.bed.can_write_requesters().await {
            new
        } else {
            ""
        };
        swap.kubectl(&["delete", &format!("{kinds}{new}"), ours]).await;
        swap.kubectl(&["delete", "roles,rolebindings", "-n", "kube-system", ours])
            .await;
        swap.kubectl(&["delete", "rolebindings", "-n", "cert-manager", ours])
            .await;
        swap.helm.bed.forget_leaders().await;
        Some(swap)
    }

    async fn kubectl(&self, args: &[&str]) -> String {
        self.helm.bed.kubectl(args).await
    }

    /// The Secret of the certificate, with its resource version.
    async fn secret(&self) -> String {
        let args = ["get", "secret", "web", "-n", &self.scene.namespace, "-o", "json"];
        self.kubectl(&args).await
    }

    /// Runs the commands below a heading of the page.
    async fn follow(&self, heading: &str) {
        let new = self.helm.bed.can_write_requesters().await;
        let commands = commands(PAGE, heading).replace(CHART, &format!("{} {SERVER}", part("swap-chart").unwrap()));
        let commands: Vec<&str> = commands
            .lines()
            .filter(|line| new || !line.contains("# Kubernetes 1.36 and later"))
            .collect();
        let programs = PathBuf::from(PROGRAM);
        let script = format!(
            "export KUBECONFIG={} PATH={}:$PATH\ncd {}\n{}",
            self.helm.bed.kubeconfig().display(),
            programs.parent().unwrap().display(),
            self.folder.path().display(),
            commands.join("\n")
        );
        println!("{}", run("bash", &["-euc", &script]).await);
    }

    async fn certlet(&self, args: &[&str]) -> Finished {
        let kubeconfig = self.helm.bed.kubeconfig().display().to_string();
        try_run(PROGRAM, &[args, &["--kubeconfig", &kubeconfig]].concat(), None).await
    }

    /// Names of objects of these kinds, as `kubectl get -o name` prints them.
    async fn names(&self, kinds: &str, more: &[&str]) -> String {
        self.kubectl(&[&["get", kinds, "-o", "name"], more].concat()).await
    }

    /// What is true while cert-manager is installed and its webhook has no program: who says so.
    async fn is_blocked(&self) {
        eventually("writes are refused", IN_TIME, async || {
            let args = [
                "annotate",
                "--dry-run=server",
                "issuer",
                "self",
                "a=b",
                "-n",
                &self.scene.namespace,
            ];
            let refused = self.helm.bed.try_kubectl(&args).await;
            refused.stderr.contains("failed calling webhook").then_some(())
        })
        .await;
        let checked = self.certlet(&["check"]).await;
        assert_eq!(checked.status.code(), Some(3), "{checked:?}");
        let line = checked.stdout.lines().find(|line| line.starts_with("FAIL  webhooks"));
        assert!(line.is_some_and(|line| line.ends_with(COMMAND)), "{checked:?}");
        let planned = self.certlet(&["plan", "-n", &self.scene.namespace]).await;
        assert_eq!(
            (planned.stdout.as_str(), planned.status.code()),
            ("", Some(0)),
            "{planned:?}"
        );
        for words in [
            COMMAND,
            "planning with the flags of Deployment cert-manager/cert-manager",
            "nothing to do: 1 Certificate",
        ] {
            assert!(planned.stderr.contains(words), "{words}: {planned:?}");
        }
    }

    /// certlet serves, and nothing of cert-manager is in the way.
    async fn is_certlet(&self) {
        let webhooks = self
            .names("validatingwebhookconfigurations,mutatingwebhookconfigurations", &[])
            .await;
        assert_eq!(webhooks, "");
        assert!(self.definition().await.contains("x-kubernetes-validations"));
        assert_eq!(
            self.secret().await,
            self.secret,
            "nothing is issued because of the swap"
        );
        let planned = self.certlet(&["plan", "-A"]).await;
        assert_eq!(
            (planned.stdout.as_str(), planned.status.code()),
            ("", Some(0)),
            "{planned:?}"
        );
        assert!(planned.stderr.contains("certlet: nothing to do"), "{planned:?}");
    }

    /// cert-manager's objects are there again, and nothing of certlet judges its writes.
    async fn is_cert_manager(&self) {
        let deployments = self.names("deployments", &["-n", "cert-manager"]).await;
        assert_eq!(
            deployments.lines().collect::<Vec<_>>(),
            ["cert-manager", "cert-manager-cainjector", "cert-manager-webhook"]
                .map(|name| format!("deployment.apps/{name}"))
        );
        let policies = self.names("validatingadmissionpolicies", &[]).await;
        assert!(!policies.contains("certlet"), "{policies}");
        let roles = self
            .names(
                "clusterroles,clusterrolebindings",
                &["-l=app.kubernetes.io/instance=certlet"],
            )
            .await;
        assert_eq!(roles, "");
        let webhooks = self
            .names("validatingwebhookconfigurations,mutatingwebhookconfigurations", &[])
            .await;
        assert_eq!(webhooks.lines().count(), 2, "{webhooks}");
        assert!(!self.definition().await.contains("x-kubernetes-validations"));
        assert_eq!(self.secret().await, self.secret);
    }

    async fn definition(&self) -> String {
        // without the annotation in which kubectl keeps what it has applied before
        self.kubectl(&["get", "crd", "certificates.cert-manager.io", "-o", "jsonpath={.spec}"])
            .await
    }

    /// The bed as before, for the tests that follow.
    async fn leave(self) {
        let of_cert_manager = "-l=app.kubernetes.io/instance=cert-manager";
        let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations,clusterroles,clusterrolebindings";
        self.kubectl(&["delete", kinds, of_cert_manager]).await;
        let kinds = "deployments,services,roles,rolebindings,serviceaccounts";
        self.kubectl(&["delete", kinds, of_cert_manager, "-n", "cert-manager"])
            .await;
        self.kubectl(&["delete", "roles,rolebindings", of_cert_manager, "-n", "kube-system"])
            .await;
        let account = [
            "delete",
            "serviceaccount",
            "cert-manager",
            "-n",
            "cert-manager",
            "--ignore-not-found",
        ];
        self.kubectl(&account).await;
        let bed = self.helm.bed.path("").display().to_string();
        run(project().join("tests/testbed/rights.sh").to_str().unwrap(), &[bed]).await;
    }
}

const ISSUER: &str = "{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: self}, spec: {selfSigned: {}}}";
const CERTIFICATE: &str = "{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: web}, spec: {
    secretName: web, dnsNames: [web.example], privateKey: {algorithm: ECDSA}, issuerRef: {name: self}}}";

/// A folder of the part `swap`, if it was fetched.
fn part(name: &str) -> Option<String> {
    on_path(name).map(|part| part.display().to_string())
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_helm_release_of_cert_manager_becomes_certlet_in_place_and_cert_manager_again() {
    let Some(swap) = Swap::prepare("a_helm_release_of_cert_manager_becomes_certlet_in_place").await else {
        return;
    };
    let chart = part("swap-chart").unwrap();
    let install = [
        "install",
        "cert-manager",
        &chart,
        "-n",
        "cert-manager",
        "--take-ownership",
    ];
    let values = ["--set", "crds.enabled=true", "--set", WITHOUT_JOB];
    swap.helm.run(&[&install[..], &values].concat()).await;
    swap.is_blocked().await;

    // The pod of the new Deployment.
    let certlet = Certlet::launch(&swap.helm.bed).leader_election().spawn();
    swap.follow("## With Helm, in place").await;
    certlet.wait_for_log("leading").await;
    swap.is_certlet().await;
    let deployments = swap.names("deployments", &["-n", "cert-manager"]).await;
    assert_eq!(deployments, "deployment.apps/cert-manager-certlet\n");
    let checked = swap.certlet(&["check", "-o", "json"]).await;
    let findings: Vec<Value> = serde_json::from_str(&checked.stdout).unwrap();
    let owners = findings.iter().find(|finding| finding["check"] == "owners").unwrap();
    assert_eq!(owners["verdict"], "ok", "{owners}");
    certlet.stop().await;
    swap.follow("### Back, with Helm").await;
    swap.is_cert_manager().await;
    swap.helm
        .run(&["uninstall", "cert-manager", "-n", "cert-manager"])
        .await;
    swap.leave().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn cert_manager_that_kubectl_has_applied_becomes_certlet_and_cert_manager_again() {
    let Some(swap) = Swap::prepare("cert_manager_that_kubectl_has_applied_becomes_certlet").await else {
        return;
    };
    let chart = part("swap-chart").unwrap();
    let template = [
        "template",
        "cert-manager",
        &chart,
        "-n",
        "cert-manager",
        "--set",
        "creator=static",
        SERVER,
    ];
    let values = ["--set", "crds.enabled=true", "--set", WITHOUT_JOB];
    let manifest = run("helm", &[&template[..], &values].concat()).await;
    let file = swap.folder.path().join("cert-manager.yaml");
    std::fs::write(&file, manifest).unwrap();
    // What the bed has was not applied by kubectl.
    let account = ["delete", "serviceaccount", "cert-manager", "-n", "cert-manager"];
    swap.kubectl(&account).await;
    swap.kubectl(&["apply", "-f", file.to_str().unwrap()]).await;
    swap.is_blocked().await;

    // The pod of the new Deployment, with a token of the account that the swap keeps.
    let bed = &swap.helm.bed;
    let kubeconfig = bed.kubeconfig_of_service_account("cert-manager", "cert-manager").await;
    let certlet = Certlet::launch(bed).kubeconfig(&kubeconfig).leader_election().spawn();
    swap.follow("## With kubectl").await;
    certlet.wait_for_log("leading").await;
    swap.is_certlet().await;
    let left = swap
        .names(
            "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings",
            &["-A", "-l=app.kubernetes.io/instance=cert-manager"],
        )
        .await;
    assert_eq!(left, "", "nothing of cert-manager is left");

    certlet.stop().await;
    swap.follow("### Back, with kubectl").await;
    swap.is_cert_manager().await;
    swap.leave().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_manifests_for_argo_cd_and_flux_are_valid_for_their_definitions() {
    let test = "the_manifests_for_argo_cd_and_flux_are_valid_for_their_definitions";
    let Some(helm) = Helm::prepare(test).await else { return };
    let Some(definitions) = part("swap-definitions") else {
        helm.bed.skip(test, "tests/testbed/build.sh swap has not been run");
        return;
    };
    let bed = &helm.bed;
    // a folder, and not the link to it
    let definitions = format!("{definitions}/");
    bed.kubectl(&["apply", "--server-side", "-f", &definitions]).await;
    let established = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "-f",
        &definitions,
    ];
    bed.kubectl(&established).await;
    let kubeconfig = format!("--kubeconfig={}", bed.kubeconfig().display());
    let strict = [
        &kubeconfig,
        "create",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
    ];
    for (heading, namespace, field) in [
        ("## With Argo CD", "argocd", "releaseName"),
        ("## With Flux", "flux-system", "targetNamespace"),
    ] {
        bed.kubectl(&["create", "namespace", namespace]).await;
        let manifest = yaml(PAGE, heading);
        run_with_input("kubectl", &strict, &manifest).await;
        let misspelt = manifest.replace(field, "misspelt");
        let refused = try_run("kubectl", &strict, Some(&misspelt)).await;
        assert!(refused.stderr.contains("misspelt"), "{refused:?}");
    }
    bed.kubectl(&["delete", "--wait=false", "-f", &definitions]).await;
}
