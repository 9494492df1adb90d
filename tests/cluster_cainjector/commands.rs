//! What `certlet status` says about targets of CAs.

use serde_json::Value;

use crate::stage::{ALLOWS, FROM_SECRET, FROM_SERVER, Kind, Stage, Target};
use crate::support::command::try_run;
use crate::support::{Certlet, Pair, certlet::PROGRAM, openssl};

/// What `certlet status -A -o json` says, with this kubeconfig.
async fn status(kubeconfig: &std::path::Path) -> Value {
    let kubeconfig = kubeconfig.to_str().unwrap();
    let done = try_run(
        PROGRAM,
        &["status", "-A", "-o", "json", "--kubeconfig", kubeconfig],
        None,
    )
    .await;
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

/// Urgency, reason and sentence of the problem of a target.
fn problem(status: &Value, target: &Target) -> Option<String> {
    let problems = status["problems"].as_array().unwrap();
    let found = problems.iter().find(|problem| problem["name"] == target.name)?;
    let word = |key: &str| found[key].as_str().unwrap();
    Some(format!("{} {}: {}", word("urgency"), word("reason"), word("sentence")))
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn status_lists_the_objects_that_do_not_have_their_ca_and_why() {
    let stage = Stage::new().await;
    let source = stage.place("source");
    let ca = Pair::by_openssl("/CN=source").await.certificate;
    let ca = openssl(&["x509"], &ca).await;
    stage.secret("source", &[], &ca).await;
    let closed = stage.target(Kind::Mutating, "closed", &[(FROM_SECRET, &source)]).await;
    let absent = stage
        .target(Kind::Definition, "absent", &[(FROM_SECRET, &stage.place("absent"))])
        .await;
    let due = stage.target(Kind::ApiService, "due", &[(FROM_SERVER, "true")]).await;
    let admin = stage.bed().kubeconfig();
    let all = status(&admin).await;
    assert_eq!(all["well"], false);
    assert_eq!(
        problem(&all, &closed).unwrap(),
        format!(
            "failing CAInjectionRefused: Secret {source} does not allow it: annotate the Secret with {ALLOWS}: \"true\""
        )
    );
    assert!(
        problem(&all, &absent)
            .unwrap()
            .starts_with("failing CANotAvailable: Secret ")
    );
    assert_eq!(
        problem(&all, &due).unwrap(),
        "waiting CANotInjected: a caBundle lacks the CA of the API server, or holds a certificate that has expired"
    );
    // somebody who may read neither
    let namespace = &stage.scene.namespace;
    let reader = stage.bed().kubeconfig_of_service_account(namespace, "viewer").await;
    let role = serde_json::json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": namespace},
        "rules": [{"apiGroups": ["cert-manager.io", "acme.cert-manager.io"], "resources": ["*"], "verbs": ["get", "list"]}]});
    stage.bed().apply(namespace, &role.to_string()).await;
    let (role, subject) = (
        format!("--clusterrole={namespace}"),
        format!("--serviceaccount={namespace}:viewer"),
    );
    stage
        .bed()
        .kubectl(&["create", "clusterrolebinding", namespace, &role, &subject])
        .await;
    let seen = status(&reader).await;
    assert_eq!(problem(&seen, &closed), None);
    let incomplete = seen["incomplete"].to_string();
    assert!(
        incomplete.contains("webhookconfigurations") && incomplete.contains("cannot list"),
        "{incomplete}"
    );

    for kind in ["clusterrolebinding", "clusterrole"] {
        stage.bed().kubectl(&["delete", kind, namespace]).await;
    }

    let certlet = Certlet::start(stage.bed(), &[]).await;
    stage.secret("source", &[(ALLOWS, "true")], &ca).await;
    closed.has(&ca).await;
    due.has(&stage.bed().read("pki/ca.crt")).await;
    let all = status(&admin).await;
    assert_eq!((problem(&all, &closed), problem(&all, &due)), (None, None), "{all:#}");
    assert!(problem(&all, &absent).is_some());
    drop(certlet);
}
