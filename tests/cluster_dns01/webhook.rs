//! DNS-01 through a webhook that is made with cert-manager's own library: its rfc2136 solver writes to BIND.

use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::{
    stage::{
        KEY, challenge_says, name_in, no_challenges, prepare, record_of, recursive, removed, scene_with, tsig_secret,
    },
    support::{
        Bed, Certlet, IN_TIME,
        dns::{BIND, dig_txt, secret},
        eventually, on_path, openssl,
        scene::{SECRETS, Scene, certificate, decoded},
    },
};

/// The program; `tests/testbed/build.sh webhook` builds it.
const PROGRAM: &str = "bed-webhook";
/// Where it listens: an address of the bed that nothing else has.
const ADDRESS: &str = "10.99.0.9";

/// A webhook of a test's own: an API group, and the port that is its own.
struct Webhook {
    group: &'static str,
    port: u16,
    bed: Bed,
    child: Option<Child>,
}

impl Webhook {
    /// Not running, and unknown to the API server.
    fn new(bed: &Bed, group: &'static str, port: u16) -> Self {
        Self {
            group,
            port,
            bed: bed.clone(),
            child: None,
        }
    }

    /// Starts the program.
    fn start(&mut self) {
        let kubeconfig = self.bed.kubeconfig().display().to_string();
        let log = self.bed.path(&format!("logs/webhook-{}.log", self.port));
        let log = std::fs::File::create(log).unwrap();
        let mut command = Command::new(PROGRAM);
        for flag in ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"] {
            command.arg(format!("--{flag}={kubeconfig}"));
        }
        command
            .args(["--bind-address", ADDRESS, "--secure-port", &self.port.to_string()])
            .args(["--tls-cert-file", self.bed.path("pki/apiserver.crt").to_str().unwrap()])
            .args([
                "--tls-private-key-file",
                self.bed.path("pki/apiserver.key").to_str().unwrap(),
            ])
            .env("GROUP_NAME", self.group)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true);
        self.child = Some(command.spawn().unwrap());
    }

    /// Makes it known to the API server, by a Service without a selector.
    async fn register(&self) {
        let Self { group, port, .. } = self;
        let name = format!("webhook-{port}");
        let manifests = format!(
            "
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{name: https, port: 443, targetPort: {port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: https, port: {port}, protocol: TCP}}]
endpoints: [{{addresses: [{ADDRESS}], conditions: {{ready: true}}}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1alpha1.{group}}}
spec:
  group: {group}
  version: v1alpha1
  groupPriorityMinimum: 1000
  versionPriority: 15
  insecureSkipTLSVerify: true
  service: {{name: {name}, namespace: cert-manager}}
"
        );
        self.bed.apply("cert-manager", &manifests).await;
    }

    /// Waits until the API server has found it.
    async fn is_available(&self) {
        let name = format!("v1alpha1.{}", self.group);
        let path = "jsonpath={.status.conditions[?(@.type==\"Available\")].status}";
        eventually(&format!("{name} is available"), IN_TIME, async || {
            let shown = self.bed.kubectl(&["get", "apiservice", &name, "-o", path]).await;
            (shown == "True").then_some(())
        })
        .await;
    }

    /// What the chart of a webhook brings: the right of certlet to call it.
    async fn allow(&self) {
        let group = self.group;
        let manifests = format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: 'solver:{group}'}}
rules: [{{apiGroups: [{group}], resources: [rfc2136], verbs: [create]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: 'solver:{group}'}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'solver:{group}'}}
subjects: [{{kind: ServiceAccount, name: cert-manager, namespace: cert-manager}}]
"
        );
        self.bed.apply("cert-manager", &manifests).await;
    }

    /// The solver of an issuer.
    fn solver(&self) -> String {
        format!(
            "{{dns01: {{webhook: {{groupName: {}, solverName: rfc2136, config: {{nameserver: {BIND:?}, tsigKeyName: {KEY}, \
             tsigAlgorithm: HMACSHA256, tsigSecretSecretRef: {{name: tsig, key: secret}}}}}}}}}}",
            self.group
        )
    }
}

/// Whether the program is there; says so if not.
fn is_built(bed: &Bed, test: &str) -> bool {
    let is_there = on_path(PROGRAM).is_some();
    if !is_there {
        bed.skip(test, "tests/testbed/build.sh webhook has not been run");
    }
    is_there
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn dns_10_a_webhook_of_cert_managers_own_library_proves_a_name_and_its_wildcard() {
    let bed = Bed::attach().await;
    if !is_built(&bed, "a webhook of cert-manager's own library") {
        return;
    }
    let mut webhook = Webhook::new(&bed, "acme.bed.example", 9443);
    webhook.start();
    webhook.allow().await;
    webhook.register().await;
    webhook.is_available().await;
    let scene = scene_with(&webhook.solver()).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = name_in(&scene, "hook", "dns01.example");
    let wild = format!("*.{host}");
    scene.apply(&certificate("hook", &[&host, &wild], "")).await;
    scene.ready("hook").await;
    let pebble = scene.bed.pebble();
    scene.verify_secret("hook-tls", &pebble, 0, &host).await;
    scene
        .verify_secret("hook-tls", &pebble, 0, &format!("any.{host}"))
        .await;
    let stored = scene.objects(SECRETS).await.get("hook-tls").await.unwrap();
    let shown = ["x509", "-noout", "-ext", "subjectAltName"];
    let sans = openssl(&shown, &decoded(&stored, "/data/tls.crt")).await;
    assert!(
        [host.as_str(), &wild]
            .iter()
            .all(|name| sans.contains(&format!("DNS:{name}"))),
        "{sans}"
    );
    no_challenges(&scene).await;
    removed(&record_of(&host)).await;
    // and several records at once, where the issuer says that it takes them
    let annotate = ["annotate", "issuer", "ca", "certlet.io/dns01-parallel=true"];
    scene
        .bed
        .kubectl(&[&annotate[..], &["-n", &scene.namespace]].concat())
        .await;
    let hosts = ["one", "two", "three"].map(|name| name_in(&scene, name, "dns01.example"));
    let names: Vec<String> = hosts
        .iter()
        .flat_map(|host| [host.clone(), format!("*.{host}")])
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    scene.apply(&certificate("several", &names, "")).await;
    scene.ready("several").await;
    no_challenges(&scene).await;
    for host in &hosts {
        removed(&record_of(host)).await;
    }
}

/// Waits until a Challenge says this, and looks that nothing was written.
async fn told(scene: &Scene, host: &str, words: &str) {
    let challenge = challenge_says(scene, words).await;
    println!("{}", challenge.data["status"]["reason"]);
    assert_eq!(dig_txt(BIND, &record_of(host)).await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_webhook_without_right_api_service_or_secret_is_told_apart() {
    let bed = Bed::attach().await;
    if !is_built(&bed, "what is wrong with a webhook") {
        return;
    }
    let mut webhook = Webhook::new(&bed, "acme.wrong.example", 9444);
    let scene = scene_with(&webhook.solver()).await;
    let certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = name_in(&scene, "hook", "dns01.example");
    scene.apply(&certificate("hook", &[&host], "")).await;
    let right = "the verb create on the resource rfc2136 of the API group acme.wrong.example";
    told(&scene, &host, right).await;
    webhook.allow().await;
    // a refusal is not tried again for five minutes; the Secrets of another namespace are another credential
    let scene = scene.another().await;
    prepare(&scene, &webhook.solver()).await;
    scene.apply(&tsig_secret("tsig", &secret("certlet-only"))).await;
    let host = name_in(&scene, "hook", "dns01.example");
    scene.apply(&certificate("hook", &[&host], "")).await;
    told(&scene, &host, "there is no APIService v1alpha1.acme.wrong.example").await;
    webhook.register().await;
    webhook.start();
    webhook.is_available().await;
    // in the words of the webhook
    told(&scene, &host, "DNS update failed").await;
    assert!(!certlet.log().contains(&secret("certlet-only")));
    scene.apply(&tsig_secret("tsig", &secret(KEY))).await;
    scene.ready("hook").await;
    no_challenges(&scene).await;
    removed(&record_of(&host)).await;
}

/// Nothing has to run for what is wrong here; where the program is built it is started in the end.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_webhook_that_is_not_installed_is_told_from_one_that_is_down() {
    let bed = Bed::attach().await;
    let mut webhook = Webhook::new(&bed, "acme.down.example", 9445);
    webhook.allow().await;
    let scene = scene_with(&webhook.solver()).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = name_in(&scene, "down", "dns01.example");
    scene.apply(&certificate("down", &[&host], "")).await;
    let unknown = "there is no APIService v1alpha1.acme.down.example; install the webhook, or correct groupName";
    told(&scene, &host, unknown).await;
    webhook.register().await;
    let down = "does not run: the APIService v1alpha1.acme.down.example is not available (FailedDiscoveryCheck)";
    told(&scene, &host, down).await;
    if is_built(&bed, "a webhook that is down runs again") {
        webhook.start();
        scene.ready("down").await;
        no_challenges(&scene).await;
        removed(&record_of(&host)).await;
    }
}
