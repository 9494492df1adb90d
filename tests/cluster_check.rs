//! `certlet check` on an installation that is well, and on one from which parts were taken away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::certlet::PROGRAM;
use support::command::try_run;
use support::scene::Scene;
use support::{Certlet, IN_TIME, Pair, eventually};

/// Every check, in the order of the output.
const CHECKS: [&str; 11] = [
    "api",
    "program",
    "definitions",
    "policies",
    "rights",
    "lease",
    "webhooks",
    "owners",
    "issuers",
    "acme",
    "clock",
];

/// What a check printed, and how it ended.
#[derive(Debug)]
struct Checked {
    findings: Vec<Value>,
    status: i32,
    said: String,
}

impl Checked {
    /// The checks with a finding of this verdict.
    fn with(&self, verdict: &str) -> Vec<&str> {
        let findings = self.findings.iter().filter(|finding| finding["verdict"] == verdict);
        let mut checks: Vec<&str> = findings.map(|finding| finding["check"].as_str().unwrap()).collect();
        checks.dedup();
        checks
    }

    /// Message and action of the findings of a check.
    fn of(&self, check: &str) -> String {
        let findings = self.findings.iter().filter(|finding| finding["check"] == check);
        let lines: Vec<String> = findings
            .map(|finding| format!("{}. {}", finding["message"], finding["action"]))
            .collect();
        lines.join("\n")
    }
}

async fn check(kubeconfig: &Path, args: &[&str]) -> Checked {
    let kubeconfig = kubeconfig.to_str().unwrap();
    let all = [&["check", "-o", "json", "--kubeconfig", kubeconfig], args].concat();
    let finished = try_run(PROGRAM, &all, None).await;
    let findings = serde_json::from_str(&finished.stdout);
    Checked {
        findings: findings.unwrap_or_else(|error| panic!("{error}: {finished:?}")),
        status: finished.status.code().unwrap(),
        said: finished.stderr,
    }
}

/// The Deployment of certlet. There is no node in this bed: its pod is a process beside it.
fn deployment(host: &str) -> String {
    let labels = json!({"app.kubernetes.io/name": "certlet"});
    let container = json!({"name": "certlet", "image": "certlet", "args": ["run", "--cluster-resource-namespace=$(POD_NAMESPACE)"],
        "env": [{"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}]});
    let pod = json!({"serviceAccountName": "cert-manager", "containers": [container]});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": host, "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}})
    .to_string()
}

fn issuer(name: &str, spec: &Value) -> String {
    json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": name}, "spec": spec}).to_string()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
#[expect(
    clippy::too_many_lines,
    reason = "one installation, one part after the other taken away"
)]
async fn a_good_installation_has_no_failure_and_each_part_that_is_taken_away_is_named() {
    let scene = Scene::new().await;
    let (bed, admin) = (&scene.bed, scene.bed.kubeconfig());
    bed.apply("cert-manager", &deployment("certlet")).await;
    let certlet = Certlet::launch(bed)
        .leader_election()
        .variable("HOSTNAME", "certlet-5d8f")
        .ready()
        .await;
    Pair::by_openssl("/CN=Good CA")
        .await
        .store(bed, &scene.namespace, "good")
        .await;
    scene
        .apply(&issuer("good", &json!({"ca": {"secretName": "good"}})))
        .await;
    scene.issuer(bed.pebble().directory(), "traefik").await;
    scene.issuer_is_ready().await;

    let mark = bed.audit_mark().await;
    let good = check(&admin, &["--wait", "60s"]).await;
    assert_eq!((good.status, good.with("failure").len()), (0, 0), "{good:#?}");
    let mut checks: Vec<&str> = good
        .findings
        .iter()
        .map(|finding| finding["check"].as_str().unwrap())
        .collect();
    checks.dedup();
    assert_eq!(checks, CHECKS, "{good:#?}");
    assert!(good.said.contains("Deployment cert-manager/certlet"), "{}", good.said);
    assert!(good.of("lease").contains("leads"), "{good:#?}");
    let writes = bed.writes_since(mark).await;
    let ours: Vec<_> = writes
        .iter()
        .filter(|write| write.agent.starts_with("certlet/") && !write.user.starts_with("system:serviceaccount:"))
        .collect();
    assert!(ours.is_empty(), "a check wrote: {ours:#?}");

    // Through the bed's ingress controllers. They write no address into the status.
    let at = "--probe-ingress=10.99.0.1,haproxy=10.99.0.2";
    let advertised = format!("--acme-http01-advertise-address={}", certlet.challenge_address().ip());
    let probed = check(&admin, &[at, "--", &advertised]).await;
    let found = probed.of("ingress");
    for reached in ["traefik at 10.99.0.1", "nginx at 10.99.0.1", "haproxy at 10.99.0.2"] {
        assert!(
            found.contains(&format!("certlet is reached through IngressClass {reached}")),
            "{found}"
        );
    }
    assert_eq!((probed.status, probed.with("failure").len()), (0, 0), "{probed:#?}");
    let left = [
        "get",
        "ingresses,services,endpointslices",
        "-n",
        "cert-manager",
        "-o",
        "name",
        "-l=app.kubernetes.io/name=certlet-check",
    ];
    assert_eq!(bed.kubectl(&left).await, "");

    // As certlet's own account, in its pod: it needs no right to ask about itself, and what it may not read is a warning.
    let own = check(&bed.path("certlet.kubeconfig"), &[]).await;
    assert!(own.of("rights").contains("has all"), "{own:#?}");
    assert!(own.with("warning").contains(&"policies") && own.status == 0, "{own:#?}");

    bed.kubectl(&["delete", "clusterrolebinding", "certlet-approve"]).await;
    bed.kubectl(&["delete", "validatingadmissionpolicybinding", "certlet-issuer"])
        .await;
    let mixed = json!({"data": {"tls.key": key_of_another().await}}).to_string();
    let patch = [
        "patch",
        "secret",
        "good",
        "-n",
        &scene.namespace,
        "--type=merge",
        "-p",
        &mixed,
    ];
    bed.kubectl(&patch).await;
    let nobody = json!({"acme": {"server": "https://10.99.0.77:1/dir", "privateKeySecretRef": {"name": "nobody"},
        "solvers": [{"http01": {"ingress": {}}}]}});
    scene.apply(&issuer("nobody", &nobody)).await;
    assert!(certlet.stop().await.success());
    let bad = check(&admin, &[]).await;
    assert_eq!(bad.status, 3, "{bad:#?}");
    assert_eq!(
        bad.with("failure"),
        ["policies", "rights", "lease", "issuers", "acme"],
        "{bad:#?}"
    );
    for (check, words) in [
        ("policies", "certlet-issuer have no binding"),
        ("rights", "approve signers.cert-manager.io issuers.cert-manager.io/*"),
        ("lease", "has no holder"),
        ("issuers", "tls.key and tls.crt of secret \\\"good\\\" do not match"),
        ("acme", "10.99.0.77:1"),
    ] {
        let found = bad.of(check);
        assert!(found.contains(words), "{check}: {found}");
    }
}

/// A private key in base64, as in a Secret.
async fn key_of_another() -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let other = Pair::by_openssl("/CN=Other").await;
    BASE64_STANDARD.encode(other.key)
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn check_api_stores_nothing_and_says_which_right_or_policy_is_missing() {
    let scene = Scene::new().await;
    let (bed, namespace) = (&scene.bed, scene.namespace.as_str());
    let account = bed.kubeconfig_of_service_account(namespace, "checker").await;
    let check = async |more: &[&str]| {
        let kubeconfig = account.to_str().unwrap();
        let args = [&["check", "api", "--kubeconfig", kubeconfig, "-n", namespace], more].concat();
        try_run(PROGRAM, &args, None).await
    };
    let forbidden = check(&[]).await;
    assert_eq!(forbidden.status.code(), Some(3), "{forbidden:?}");
    assert!(
        forbidden.stdout.contains("FAIL  api ") && forbidden.stdout.contains("with the verb create"),
        "{forbidden:?}"
    );
    // as in the chart
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "check"},
        "rules": [{"apiGroups": ["cert-manager.io"], "resources": ["certificaterequests"], "verbs": ["create"]}]});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "check"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "check"},
        "subjects": [{"kind": "ServiceAccount", "name": "checker", "namespace": namespace}]});
    scene.apply(&role.to_string()).await;
    scene.apply(&binding.to_string()).await;
    let ready = check(&["--wait=60s", "--interval=200ms", "-v"]).await;
    assert_eq!(
        (ready.status.code(), ready.stdout.as_str()),
        (Some(0), "The cert-manager API is ready\n"),
        "{ready:?}"
    );

    let label = async |label: &str| bed.kubectl(&["label", "namespace", namespace, label]).await;
    label("cert-manager.io/disable-validation=true").await;
    eventually("the policy is not in force here", IN_TIME, async || {
        let checked = check(&[]).await;
        let is_named = checked.stdout.contains("the policy certlet-request is not in force");
        is_named.then(|| assert_eq!(checked.status.code(), Some(3)))
    })
    .await;
    let (waited, _) = tokio::join!(
        check(&["--wait=60s", "--interval=200ms", "-v"]),
        label("cert-manager.io/disable-validation-")
    );
    assert_eq!(waited.status.code(), Some(0), "{waited:?}");
    let requests = ["get", "certificaterequests", "-n", namespace, "-o", "name"];
    assert_eq!(bed.kubectl(&requests).await, "");
}
