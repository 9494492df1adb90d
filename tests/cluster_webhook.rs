//! cert-manager's webhook configurations without its program: who says so, and whether the command that is named helps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::command::{Finished, run, try_run};
use support::scene::{CERTIFICATES, Scene};
use support::{Certlet, IN_TIME, condition_is, events, eventually, until};

const REFUSAL: &str = "failed calling webhook \"webhook.cert-manager.io\"";
/// The name of the configurations of a Helm release that is not called cert-manager.
const OTHER_RELEASE: &str = "pki-cert-manager-webhook";

/// A configuration as cert-manager 1.21.1 installs it, for one namespace of the bed only.
fn configuration(kind: &str, name: &str, namespace: &str) -> Value {
    let (path, resources, operations) = match kind {
        "ValidatingWebhookConfiguration" => ("/validate", "*/*", json!(["CREATE", "UPDATE"])),
        _ => ("/mutate", "certificaterequests", json!(["CREATE"])),
    };
    let of_namespace = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]});
    let validated = json!({"key": "cert-manager.io/disable-validation", "operator": "NotIn", "values": ["true"]});
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "webhook"}},
        "webhooks": [{
            "name": "webhook.cert-manager.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "matchPolicy": "Equivalent", "failurePolicy": "Fail", "timeoutSeconds": 30,
            "namespaceSelector": {"matchExpressions": [of_namespace, validated]},
            "rules": [{"apiGroups": ["cert-manager.io", "acme.cert-manager.io"], "apiVersions": ["v1"],
                       "operations": operations, "resources": [resources]}],
            "clientConfig": {"service": {"name": name, "namespace": namespace, "path": path}},
        }],
    })
}

struct Swap {
    scene: Scene,
    name: &'static str,
}

impl Swap {
    /// Both configurations, in force; nothing answers them.
    async fn without_a_program(name: &'static str) -> Self {
        let scene = Scene::new().await;
        scene.apply(&issuer("self")).await;
        scene.apply(&certificate("web")).await;
        let swap = Self { scene, name };
        for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
            let configuration = configuration(kind, name, &swap.scene.namespace);
            swap.scene.apply(&configuration.to_string()).await;
        }
        swap.until_writes_are(|refused| refused).await;
        swap
    }

    /// What the API server itself answers.
    async fn until_writes_are(&self, wanted: impl Fn(bool) -> bool) {
        let bed = &self.scene.bed;
        eventually("what becomes of writes", IN_TIME, async || {
            let args = [
                "-n",
                &self.scene.namespace,
                "annotate",
                "--overwrite",
                "--dry-run=server",
                "issuer",
                "self",
                "a=b",
            ];
            let Finished { stderr, .. } = bed.try_kubectl(&args).await;
            wanted(stderr.contains(REFUSAL)).then_some(())
        })
        .await;
    }

    async fn certlet(&self, args: &[&str]) -> Finished {
        let kubeconfig = self.scene.bed.kubeconfig();
        let args = [args, &["--kubeconfig", kubeconfig.to_str().unwrap()]].concat();
        try_run(support::certlet::PROGRAM, &args, None).await
    }

    /// Runs a command that was printed for people to copy.
    async fn follow(&self, text: &str) {
        let (_, command) = text
            .split_once("kubectl delete ")
            .unwrap_or_else(|| panic!("no command: {text}"));
        let command = command.lines().next().unwrap().trim_end_matches(['"', '.']);
        let kubeconfig = format!("--kubeconfig={}", self.scene.bed.kubeconfig().display());
        run("sh", &["-c", &format!("kubectl {kubeconfig} delete {command}")]).await;
        self.until_writes_are(|refused| !refused).await;
    }

    fn command(&self) -> String {
        let name = self.name;
        format!("kubectl delete validatingwebhookconfigurations,mutatingwebhookconfigurations {name}")
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        for kind in ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"] {
            let kubeconfig = format!("--kubeconfig={}", self.scene.bed.kubeconfig().display());
            let delete = [&kubeconfig, "delete", "--ignore-not-found", kind, self.name];
            let done = std::process::Command::new("kubectl").args(delete).status();
            assert!(done.is_ok_and(|status| status.success()) || std::thread::panicking());
        }
    }
}

fn issuer(name: &str) -> String {
    json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": name}, "spec": {"selfSigned": {}}}).to_string()
}

fn certificate(name: &str) -> String {
    json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name}, "spec": {
        "secretName": name, "dnsNames": ["web.example"], "privateKey": {"algorithm": "ECDSA"}, "issuerRef": {"name": "self"}}})
    .to_string()
}

fn ingress(name: &str) -> String {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "annotations": {"cert-manager.io/issuer": "self"}},
        "spec": {"tls": [{"hosts": ["front.example"], "secretName": name}],
                 "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}})
    .to_string()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_webhook_without_its_program_is_named_with_the_command_that_removes_it_wherever_a_write_fails() {
    let swap = Swap::without_a_program("cert-manager-webhook").await;
    let (bed, namespace) = (&swap.scene.bed, &swap.scene.namespace);
    swap.scene.apply(&ingress("front")).await;
    let certlet = Certlet::launch(bed).spawn();
    let nobody = "nothing answers the webhook";
    certlet.wait_for_log(nobody).await;
    let log = certlet.log();
    let said = log.lines().find(|line| line.contains(nobody)).unwrap();
    assert!(said.contains("WARN") && said.contains(&swap.command()), "{said}");

    // an object's next write
    let event = eventually("an event about the Ingress", IN_TIME, async || {
        let told = events::messages(bed, namespace, "involvedObject.name=front,reason=BadConfig").await;
        told.into_iter().next()
    })
    .await;
    assert!(event.contains(REFUSAL) && event.contains(&swap.command()), "{event}");
    certlet.wait_for_log(REFUSAL).await;
    let log = certlet.log();
    let refused = log.lines().filter(|line| line.contains(REFUSAL));
    for line in refused {
        assert!(line.contains(&swap.command()), "{line}");
    }

    let renewed = swap.certlet(&["renew", "web", "-n", namespace]).await;
    assert!(
        !renewed.status.success() && renewed.stderr.contains(&swap.command()),
        "{renewed:?}"
    );
    let planned = swap.certlet(&["plan", "-n", namespace]).await;
    assert!(planned.stderr.contains(&swap.command()), "{planned:?}");

    swap.follow(said).await;
    let certificates = swap.scene.objects(CERTIFICATES).await;
    for name in ["web", "front"] {
        until(&certificates, name, IN_TIME, condition_is("Ready", "True")).await;
    }
    certlet.wait_for_log("no longer rejects writes").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn configurations_of_another_name_are_found_by_plan_and_check_named_by_the_refused_write_and_removed_if_asked() {
    let swap = Swap::without_a_program(OTHER_RELEASE).await;
    let (bed, namespace) = (&swap.scene.bed, &swap.scene.namespace);
    let certlet = Certlet::launch(bed).spawn();
    let event = events::told(bed, namespace, "web", "WebhookUnreachable").await;
    assert!(event.contains(&swap.command()), "{event}");
    let planned = swap.certlet(&["plan", "-n", namespace]).await;
    assert!(planned.stderr.contains(&swap.command()), "{planned:?}");
    let checked = swap.certlet(&["check"]).await;
    let line = checked.stdout.lines().find(|line| line.starts_with("FAIL  webhooks"));
    assert!(line.is_some_and(|line| line.ends_with(&swap.command())), "{checked:?}");
    // without a terminal to ask on
    let refused = swap.certlet(&["check", "--fix"]).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("add --yes") && refused.stderr.contains(&swap.command()),
        "{refused:?}"
    );
    // a program that is to run, and has no ready pod at the moment
    let program = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "webhook", "labels": {"app.kubernetes.io/component": "webhook"}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "webhook"}}, "template": {
            "metadata": {"labels": {"app": "webhook"}}, "spec": {"containers": [{"name": "webhook", "image": "none.invalid/webhook"}]}}}});
    swap.scene.apply(&program.to_string()).await;
    let refused = swap.certlet(&["check", "--fix", "--yes"]).await;
    let why = format!("Deployment {namespace}/webhook is to run: scale it to 0 first");
    assert!(
        refused.status.code() == Some(1) && refused.stderr.contains(&why),
        "{refused:?}"
    );
    let scaled = bed
        .try_kubectl(&["-n", namespace, "scale", "deployment/webhook", "--replicas=0"])
        .await;
    assert!(scaled.status.success(), "{scaled:?}");
    let fixed = swap.certlet(&["check", "--fix", "--yes"]).await;
    assert!(
        fixed.stderr.contains(&format!("removed: {}", swap.command())),
        "{fixed:?}"
    );
    assert!(fixed.stdout.contains("ok    webhooks"), "{fixed:?}");
    swap.until_writes_are(|refused| !refused).await;
    certlet.wait_ready().await;
    let planned = swap.certlet(&["plan", "-n", namespace]).await;
    assert!(!planned.stderr.contains("webhook"), "{planned:?}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_webhook_that_is_answered_is_named_before_its_program_goes() {
    let swap = Swap::without_a_program("cert-manager-webhook").await;
    let (bed, namespace) = (&swap.scene.bed, &swap.scene.namespace);
    // Somebody is behind the Service, as far as the API tells.
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "webhook", "labels": {"kubernetes.io/service-name": swap.name}},
        "endpoints": [{"addresses": ["10.99.0.77"]}], "ports": [{"port": 10250}],
    });
    swap.scene.apply(&slice.to_string()).await;
    let planned = swap.certlet(&["plan", "-n", namespace]).await;
    let before = "Before that Deployment goes, remove the configuration: ";
    let wanted = format!("{before}{}", swap.command());
    assert!(planned.stderr.contains(&wanted), "{planned:?}");
    let certlet = Certlet::launch(bed).spawn();
    certlet.wait_for_log(&wanted).await;
    let fixed = swap.certlet(&["check", "--fix", "--yes"]).await;
    assert!(!fixed.stderr.contains("removed"), "{fixed:?}");
    for kind in ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"] {
        let found = bed.try_kubectl(&["get", kind, swap.name]).await;
        assert!(found.status.success(), "{found:?}");
    }
}
