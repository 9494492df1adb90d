//! The chart on a node: helm waits until the pods are ready, and `helm test` has a certificate issued.

use crate::installation::{Installation, NAMESPACE};
use crate::support::bed::project;
use crate::support::command::try_run;
use crate::support::{IN_TIME, eventually, on_path, run};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_release_gets_ready_issues_a_certificate_takes_another_configuration_and_goes() {
    let test = "a_release_gets_ready_issues_a_certificate_takes_another_configuration_and_goes";
    let Some(installation) = Installation::prepare(test).await else {
        return;
    };
    let bed = &installation.bed;
    if on_path("helm").is_none() {
        bed.skip(test, "tests/testbed/build.sh helm has not been run");
        return;
    }
    let kubeconfig = bed.kubeconfig().display().to_string();
    let chart = project().join("deploy/chart").display().to_string();
    let helm = async |args: &[&str]| {
        let within = ["--kubeconfig", &kubeconfig, "--namespace", NAMESPACE];
        run("helm", &[&within, args].concat()).await
    };
    // A Deployment of an earlier test has the same name and selects the same pods.
    let earlier = [
        "delete",
        "deployment",
        "certlet",
        "--ignore-not-found",
        "--cascade=foreground",
        "--timeout=60s",
    ];
    installation.kubectl(&earlier).await;
    let wait = ["--take-ownership", "--wait", "--timeout=120s"];
    let install = ["install", "certlet", &chart, "--set", "crds.enabled=true"];
    // The Job of startupapicheck in a namespace in which a policy is not in force: helm says so, and the Job stays.
    let label = "cert-manager.io/disable-validation";
    bed.kubectl(&["label", "namespace", NAMESPACE, &format!("{label}=true")])
        .await;
    let soon = "startupapicheck.timeout=1s,startupapicheck.backoffLimit=0";
    let within = ["--kubeconfig", &kubeconfig, "--namespace", NAMESPACE];
    let refused = try_run("helm", &[&within, &install[..], &wait, &["--set", soon]].concat(), None).await;
    assert!(refused.stderr.contains("failed post-install"), "{refused:?}");
    let said = installation.kubectl(&["logs", "job/certlet-startupapicheck"]).await;
    assert!(said.contains("the policy certlet-request is not in force"), "{said}");
    bed.kubectl(&["label", "namespace", NAMESPACE, &format!("{label}-")])
        .await;
    helm(&["uninstall", "certlet", "--wait", "--timeout=120s"]).await;
    // what hooks have created belongs to no release
    let checks = "job/certlet-startupapicheck";
    installation.kubectl(&["delete", checks, "--cascade=foreground"]).await;

    helm(&[&install[..], &wait].concat()).await;
    let left = installation
        .kubectl(&["get", "jobs,roles,serviceaccounts", "-o", "name"])
        .await;
    assert!(!left.contains("startupapicheck"), "{left}");
    let tested = helm(&["test", "certlet", "--timeout=120s"]).await;
    // Secret, Issuer, Certificate, and the pod that has seen the certificate.
    assert_eq!(tested.matches("Phase:          Succeeded").count(), 4, "{tested}");
    let kinds = "secrets,certificates,issuers,pods";
    let left = installation.kubectl(&["get", kinds, "-o", "name"]).await;
    assert!(!left.contains("certlet-test"), "{left}");

    // Read by certlet itself: a file that it cannot read would end it.
    let config = r#"config={"logging":{"format":"json"},"numberOfConcurrentWorkers":7}"#;
    let upgrade = [
        "upgrade",
        "certlet",
        &chart,
        "--reuse-values",
        "--set",
        "replicaCount=2",
        "--set-json",
        config,
    ];
    helm(&[&upgrade[..], &wait].concat()).await;
    let logs = installation.kubectl(&["logs", "deployment/certlet"]).await;
    assert!(logs.lines().next().is_some_and(|line| line.starts_with('{')), "{logs}");

    helm(&["uninstall", "certlet", "--wait", "--timeout=120s"]).await;
    // Its pods take their time to end, and helm does not wait for them.
    eventually("nothing of the release is left", IN_TIME, async || {
        let kinds = "deployments,pods,services,configmaps,serviceaccounts";
        let left = installation.kubectl(&["get", kinds, "-o", "name"]).await;
        (!left.contains("certlet") && !left.contains("/cert-manager")).then_some(())
    })
    .await;
}
