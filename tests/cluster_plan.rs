//! `certlet plan`: what would be done, told by the controller's planners, without a write.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::path::PathBuf;

use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use support::command::{Finished, try_run};
use support::{Bed, Certlet, IN_TIME, condition_is, takeover, until};

/// The role that the documentation gives to whoever plans.
const DOCUMENTATION: &str = include_str!("../docs/plan.md");

struct Scene {
    bed: Bed,
    namespace: String,
    certificates: Api<DynamicObject>,
    /// Somebody who may only read.
    reader: PathBuf,
}

/// What was printed, line by line, and how it ended.
#[derive(Debug)]
struct Planned {
    lines: Vec<Value>,
    status: i32,
    said: String,
}

impl Planned {
    /// `KIND NAME: WOULD. Because: BECAUSE` of each line.
    fn texts(&self) -> Vec<String> {
        let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
        let line = |line: &Value| {
            let [kind, name, would, because] = ["kind", "name", "would", "because"].map(|key| text(line, key));
            format!("{kind} {name}: {would}. Because: {because}")
        };
        self.lines.iter().map(line).collect()
    }

    #[track_caller]
    fn only(&self) -> String {
        let texts = self.texts();
        assert_eq!((texts.len(), self.status), (1, 3), "{texts:#?}\n{}", self.said);
        texts[0].clone()
    }

    #[track_caller]
    fn nothing(&self) {
        assert_eq!((self.texts(), self.status), (Vec::new(), 0), "{}", self.said);
    }
}

impl Scene {
    async fn new() -> Self {
        let bed = Bed::attach().await;
        bed.install_crds().await;
        let namespace = bed.new_namespace().await;
        let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
        let reader = bed.kubeconfig_of_service_account(&namespace, "reader").await;
        let role = DOCUMENTATION.split("```yaml\n").nth(1).unwrap();
        bed.apply(&namespace, role.split("```").next().unwrap()).await;
        let subject = format!("--serviceaccount={namespace}:reader");
        bed.kubectl(&[
            "create",
            "clusterrolebinding",
            &namespace,
            "--clusterrole=certlet-plan",
            &subject,
        ])
        .await;
        Self {
            bed,
            namespace,
            certificates,
            reader,
        }
    }

    fn user(&self) -> String {
        format!("system:serviceaccount:{}:reader", self.namespace)
    }

    async fn certlet(&self, args: &[&str]) -> Finished {
        let reader = self.reader.to_str().unwrap();
        let args = [&["plan", "--kubeconfig", reader], args].concat();
        try_run(env!("CARGO_BIN_EXE_certlet"), &args, None).await
    }

    async fn plan(&self, args: &[&str]) -> Planned {
        let Finished { status, stdout, stderr } = self.certlet(&[&["-o", "json"], args].concat()).await;
        let status = status.code().unwrap();
        let lines = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
        Planned {
            lines,
            status,
            said: stderr,
        }
    }

    /// The plan for this test's namespace.
    async fn planned(&self) -> Planned {
        self.plan(&["-n", &self.namespace, "--", "--cluster-resource-namespace=cert-manager"])
            .await
    }

    async fn apply(&self, api: &str, kind: &str, name: &str, spec: Value) {
        let object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec});
        self.bed.apply(&self.namespace, &object.to_string()).await;
    }

    async fn ready(&self, name: &str) {
        until(&self.certificates, name, IN_TIME, condition_is("Ready", "True")).await;
    }
}

const CERT_MANAGER: &str = "cert-manager.io/v1";

fn certificate(name: &str, issuer: &str) -> Value {
    let host = format!("{name}.example.com");
    json!({
        "secretName": name, "commonName": host, "dnsNames": [host], "duration": "1h",
        "privateKey": {"algorithm": "ECDSA"}, "issuerRef": {"name": issuer},
    })
}

fn ingress(name: &str) -> String {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "annotations": {"cert-manager.io/issuer": "ca"}},
        "spec": {
            "tls": [{"hosts": [format!("{name}.example.com")], "secretName": name}],
            "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
        },
    })
    .to_string()
}

impl Scene {
    /// A CA, two Certificates of it, one of an Ingress: all issued, and nobody at work any more.
    async fn settled() -> Self {
        let scene = Self::new().await;
        let certlet = Certlet::start(&scene.bed, &[]).await;
        let mut root = certificate("root", "self");
        root["isCA"] = json!(true);
        root["duration"] = json!("8760h");
        scene
            .apply(CERT_MANAGER, "Issuer", "self", json!({"selfSigned": {}}))
            .await;
        scene
            .apply(CERT_MANAGER, "Issuer", "ca", json!({"ca": {"secretName": "root"}}))
            .await;
        scene.apply(CERT_MANAGER, "Certificate", "root", root).await;
        scene
            .apply(CERT_MANAGER, "Certificate", "web", certificate("web", "ca"))
            .await;
        scene
            .apply(CERT_MANAGER, "Certificate", "due", certificate("due", "ca"))
            .await;
        scene.bed.apply(&scene.namespace, &ingress("front")).await;
        for name in ["root", "web", "due", "front"] {
            scene.ready(name).await;
        }
        assert!(certlet.stop().await.success());
        scene
    }

    async fn kubectl(&self, args: &[&str]) {
        self.bed.kubectl(&[args, &["-n", &self.namespace]].concat()).await;
    }

    async fn delete_certificate(&self, name: &str) {
        self.kubectl(&["delete", "certificate", name]).await;
        until(&self.certificates, name, IN_TIME, support::gone()).await;
    }

    async fn a_deleted_secret_is_told(&self) {
        self.kubectl(&["delete", "secret", "web"]).await;
        // the certificate before did not last: that is counted first
        let said = self.planned().await.only();
        assert!(
            said.starts_with("Certificate web: write its status: ")
                && said.contains("Issuing=True (DoesNotExist), Unsettled=True (SecretNotKept)")
                && said.contains(", then issue a certificate from Issuer \"ca\" with CertificateRequest web-2 and store it in Secret web.")
                && said.contains("Because: Issuing certificate as Secret does not exist"),
            "{said}"
        );
        let text = self.certlet(&["-n", &self.namespace]).await.stdout;
        let begins = format!("Certificate {}/web: write its status: ", self.namespace);
        assert!(text.starts_with(&begins) && text.lines().count() == 1, "{text}");
        self.delete_certificate("web").await;
    }

    async fn a_renewal_that_is_due_is_told(&self) {
        // nearly its whole life before its end
        let patch = json!({"spec": {"renewBefore": "59m59s"}}).to_string();
        self.kubectl(&["patch", "certificate", "due", "--type=merge", "-p", &patch])
            .await;
        let told = support::eventually("due for renewal", IN_TIME, async || {
            let texts = self.planned().await.texts();
            texts.into_iter().find(|text| text.contains("Renewing certificate"))
        })
        .await;
        assert!(
            told.starts_with("Certificate due: issue a certificate from Issuer \"ca\" with CertificateRequest due-2"),
            "{told}"
        );
        self.delete_certificate("due").await;
    }

    async fn what_is_not_there_yet_is_told(&self) {
        self.bed.apply(&self.namespace, &ingress("late")).await;
        assert_eq!(
            self.planned().await.only(),
            "Ingress late: create Certificate late. Because: its annotations and a block of spec.tls request it"
        );
        self.kubectl(&["delete", "ingress", "late"]).await;
        let acme =
            json!({"acme": {"server": "https://acme.example.com/dir", "privateKeySecretRef": {"name": "account"}}});
        self.apply(CERT_MANAGER, "Issuer", "acme", acme).await;
        assert_eq!(
            self.planned().await.only(),
            "Issuer acme: generate an account key in Secret account, and register an account at https://acme.example.com/dir. \
             Because: Secret account does not exist"
        );
        self.kubectl(&["delete", "issuer", "acme"]).await;
    }

    /// The Deployment's `--config` file is in a ConfigMap; in it, owner references are asked for, and two Certificates have none.
    async fn a_configuration_file_of_the_controller_counts(&self) {
        let config = json!({"apiVersion": "controller.config.cert-manager.io/v1alpha1", "kind": "ControllerConfiguration",
            "enableCertificateOwnerRef": true, "clusterResourceNamespace": "cert-manager"});
        let container = json!({"name": "controller", "image": "certlet", "args": ["run", "--config=/config/certlet.yaml"],
            "volumeMounts": [{"name": "config", "mountPath": "/config"}]});
        let labels = json!({"app.kubernetes.io/name": "certlet"});
        let pod =
            json!({"containers": [container], "volumes": [{"name": "config", "configMap": {"name": "settings"}}]});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "certlet", "labels": labels},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": pod}},
        });
        self.bed.apply(&self.namespace, &deployment.to_string()).await;
        let unread = self.certlet(&["-n", &self.namespace]).await;
        assert_eq!(unread.status.code(), Some(1));
        let named = "has a configuration file /config/certlet.yaml that cannot be read here: it is in a ConfigMap";
        assert!(unread.stderr.contains(named), "{unread:?}");
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
            "data": {"certlet.yaml": config.to_string()}});
        self.bed.apply(&self.namespace, &map.to_string()).await;
        let planned = self.plan(&["-n", &self.namespace]).await;
        self.kubectl(&["delete", "deployment", "certlet"]).await;
        let place = format!("from ConfigMap {}/settings, key certlet.yaml", self.namespace);
        assert!(planned.said.contains(&place), "{}", planned.said);
        let texts = planned.texts();
        let asked = "Secret Owner Reference field on Secret --enable-certificate-owner-ref=true";
        assert!(
            texts.len() >= 2 && texts.iter().all(|text| text.contains(asked)),
            "{texts:#?}"
        );
    }

    /// What challenges left behind goes with the next sweep.
    async fn what_a_sweep_would_remove_is_told(&self) {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "cm-acme-http-solver-left",
            "labels": {"acme.cert-manager.io/http01-solver": "true"}}, "spec": {"ports": [{"port": 8089}]}});
        self.bed.apply(&self.namespace, &service.to_string()).await;
        assert_eq!(
            self.planned().await.only(),
            "Service cm-acme-http-solver-left: delete it. Because: it is a left-over of a finished challenge"
        );
        self.kubectl(&["delete", "service", "cm-acme-http-solver-left"]).await;
    }

    /// The CA gets another key pair, and its issuer asks for what follows.
    async fn certificates_of_a_new_key_pair_are_told(&self) {
        let annotate = ["annotate", "issuer", "ca", "certlet.io/rotate-leaves=true"];
        self.kubectl(&annotate).await;
        self.planned().await.nothing();
        support::Pair::by_openssl("/CN=New CA")
            .await
            .store(&self.bed, &self.namespace, "pair")
            .await;
        let other = json!({"spec": {"ca": {"secretName": "pair"}}}).to_string();
        self.kubectl(&["patch", "issuer", "ca", "--type=merge", "-p", &other])
            .await;
        let texts = self.planned().await.texts();
        let leaves = texts
            .iter()
            .find(|text| text.starts_with("Issuer ca: update ca.crt of"));
        let leaves = leaves.unwrap_or_else(|| panic!("{texts:#?}"));
        assert!(
            leaves.contains("3 of its certificates, then re-issue 3, in batches"),
            "{leaves}"
        );
        assert!(
            leaves.contains("0 of 3 certificates are issued by the current CA \"CN=New CA\""),
            "{leaves}"
        );
    }

    async fn a_secret_that_was_edited_is_told(&self) {
        let edited = "cert-manager.io/common-name=edited";
        self.kubectl(&["annotate", "--overwrite", "secret", "front", edited])
            .await;
        let told = self.planned().await.only();
        let begins = "Certificate front: write Secret front again, with the same key and certificate. Because: Secret annotation";
        assert!(told.starts_with(begins), "{told}");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn nothing_is_planned_for_what_is_settled_and_every_other_state_is_told_with_its_reason_and_without_a_write() {
    let scene = Scene::settled().await;
    let mark = scene.bed.audit_mark().await;
    scene.planned().await.nothing();
    let text = scene.certlet(&["-n", &scene.namespace]).await;
    assert_eq!((text.stdout.as_str(), text.status.code()), ("", Some(0)), "{text:?}");
    let summary = text.stderr.lines().last().unwrap();
    assert!(
        summary.starts_with("certlet: nothing to do: 4 Certificates, 2 issuers"),
        "{summary}"
    );
    scene.a_configuration_file_of_the_controller_counts().await;
    scene.what_a_sweep_would_remove_is_told().await;
    scene.a_deleted_secret_is_told().await;
    scene.a_renewal_that_is_due_is_told().await;
    scene.what_is_not_there_yet_is_told().await;
    scene.a_secret_that_was_edited_is_told().await;

    let writes = scene.bed.writes_since(mark).await;
    let of_plan: Vec<_> = writes
        .iter()
        .filter(|write| write.user == scene.user() || write.agent.starts_with("certlet/"))
        .collect();
    assert!(of_plan.is_empty(), "a plan wrote: {of_plan:#?}");
    let deletions = writes
        .iter()
        .filter(|write| write.verb == "delete" && write.resource == "secrets");
    assert_ne!(
        deletions.count(),
        0,
        "the audit log has the writes of others: {writes:#?}"
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_new_key_pair_of_a_ca_is_told_with_what_becomes_of_its_certificates() {
    let scene = Scene::settled().await;
    scene.certificates_of_a_new_key_pair_are_told().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_cert_manager_leaves_behind_gives_no_line_but_for_the_order_that_it_is_in_the_middle_of() {
    let scene = Scene::new().await;
    takeover::restore(&scene.bed).await;
    let arguments = [
        "--v=2",
        "--cluster-resource-namespace=$(POD_NAMESPACE)",
        "--leader-election-namespace=kube-system",
        "--acme-http01-solver-image=quay.io/jetstack/cert-manager-acmesolver:v1.21.1",
        "--max-concurrent-challenges=60",
    ];
    let variable = json!({"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}});
    let container =
        json!({"name": "cert-manager-controller", "image": "cert-manager", "args": arguments, "env": [variable]});
    let labels = json!({"app.kubernetes.io/name": "cert-manager", "app.kubernetes.io/component": "controller"});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cert-manager", "labels": labels},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels},
                 "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}},
    });
    scene.bed.apply("cert-manager", &deployment.to_string()).await;
    let planned = scene.plan(&["-A"]).await;
    scene
        .bed
        .kubectl(&["delete", "deployment", "cert-manager", "-n", "cert-manager"])
        .await;
    assert!(
        planned
            .said
            .contains("planning with the flags of Deployment cert-manager/cert-manager: --v=2 --cluster-resource-namespace=cert-manager"),
        "{}",
        planned.said
    );
    // the Certificate tells what its Challenge says once that has lasted for some seconds, which it has on a slow machine
    let here = |line: &&Value| {
        let namespace = line["namespace"] == takeover::NAMESPACE && line["name"] != "stuck";
        namespace || line["kind"] == "ClusterIssuer"
    };
    let lines: Vec<&Value> = planned.lines.iter().filter(here).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0]["name"], "stuck-1-3413279115");
    let would = lines[0]["would"].as_str().unwrap();
    assert!(
        would.starts_with("read the order https://10.99.0.1:14000/my-order/"),
        "{would}"
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn who_may_not_read_is_told_what_is_missing() {
    let scene = Scene::new().await;
    scene
        .bed
        .kubectl(&["delete", "clusterrolebinding", &scene.namespace])
        .await;
    let Finished { status, stdout, stderr } = scene.certlet(&["-n", &scene.namespace]).await;
    assert_eq!((status.code(), stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(
        stderr.contains("cannot list resource \"certificates\"") && stderr.contains("To plan, certlet needs"),
        "{stderr}"
    );
    for right in [
        "list certificates.cert-manager.io",
        "get and list secrets",
        "list clusterissuers.cert-manager.io",
    ] {
        assert!(stderr.contains(right), "{right}: {stderr}");
    }
    let Finished { status, stderr, .. } = scene.certlet(&["--", "--controllers=certificates-triger"]).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        stderr.contains("unknown controller \"certificates-triger\""),
        "{stderr}"
    );
}
