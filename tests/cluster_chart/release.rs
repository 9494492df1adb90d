//! A release from its installation to its end. There is no node in this bed: what becomes of the pods is in `cluster_workload`.

use serde_json::Value;

use crate::helm::{Helm, chart};
use crate::support::bed::project;
use crate::support::command::run;

const NAMESPACE: &str = "cert-manager";

/// Every object of the release, as `kubectl get -o name` calls them.
async fn objects(helm: &Helm) -> Vec<String> {
    let kinds = "deployments,services,configmaps,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,poddisruptionbudgets,\
        networkpolicies,validatingadmissionpolicies,validatingadmissionpolicybindings";
    let selected = "-l=app.kubernetes.io/managed-by=Helm,app.kubernetes.io/instance=certlet";
    let found = helm.bed.kubectl(&["get", kinds, "-A", "-o", "name", selected]).await;
    found.lines().map(str::to_owned).collect()
}

async fn deployment(helm: &Helm) -> Value {
    let found = helm
        .bed
        .kubectl(&["get", "deployment", "certlet", "-n", NAMESPACE, "-o", "json"])
        .await;
    serde_json::from_str(&found).unwrap()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
#[expect(clippy::too_many_lines, reason = "one release, from its first step to its last")]
async fn a_release_is_installed_upgraded_and_uninstalled_and_only_the_definitions_stay() {
    let Some(helm) = Helm::prepare("a_release_is_installed_upgraded_and_uninstalled").await else {
        return;
    };
    let chart = chart();
    // What every bed has was applied with kubectl.
    let install = [
        "install",
        "certlet",
        &chart,
        "-n",
        NAMESPACE,
        "--take-ownership",
        "--set",
        "crds.enabled=true",
        // no node would run the Job
        "--set",
        "startupapicheck.enabled=false",
    ];
    let said = helm.run(&install).await;
    assert!(said.contains("STATUS: deployed"), "{said}");
    let installed = objects(&helm).await;
    for name in [
        "deployment.apps/certlet",
        "service/certlet-acme",
        "role.rbac.authorization.k8s.io/certlet-leader-election",
    ] {
        assert!(installed.iter().any(|object| object == name), "{name}: {installed:?}");
    }

    let values = project().join("tests/data/chart/production.yaml").display().to_string();
    let upgrade = [
        "upgrade",
        "certlet",
        &chart,
        "-n",
        NAMESPACE,
        "--take-ownership",
        "-f",
        &values,
        "--set",
        "startupapicheck.image.tag=v1.21.1",
    ];
    let said = helm.run(&upgrade).await;
    assert!(
        said.contains("* startupapicheck.image.tag: the Job of startupapicheck has certlet's image"),
        "{said}"
    );
    let pod = deployment(&helm).await["spec"]["template"]["spec"].clone();
    assert_eq!(pod["serviceAccountName"], "issuer");
    let image = pod["containers"][0]["image"].as_str().unwrap();
    assert!(image.starts_with("mirror.example.com/pki/certlet@sha256:"), "{image}");
    assert!(
        pod["containers"][0]["args"]
            .as_array()
            .unwrap()
            .contains(&"--leader-election-retry-period=5s".into())
    );
    let upgraded = objects(&helm).await;
    assert!(upgraded.contains(&"configmap/certlet".to_owned()), "{upgraded:?}");
    assert!(
        !upgraded.contains(&"serviceaccount/cert-manager".to_owned()),
        "{upgraded:?}"
    );

    // A sentence instead of pods that cannot be pulled; the release stays as it is.
    let refused = helm
        .try_run(&[
            "upgrade",
            "certlet",
            &chart,
            "-n",
            NAMESPACE,
            "--reuse-values",
            "--set",
            "image.tag=v1.21.1",
        ])
        .await;
    assert!(
        refused
            .stderr
            .contains("image.tag: v1.21.1 is a version of cert-manager"),
        "{refused:?}"
    );
    assert_eq!(
        deployment(&helm).await["spec"]["template"]["spec"]["containers"][0]["image"],
        image
    );

    let said = helm.run(&["uninstall", "certlet", "-n", NAMESPACE, "--wait"]).await;
    assert!(said.contains("kept due to the resource policy"), "{said}");
    let left = objects(&helm).await;
    let definitions = helm
        .bed
        .kubectl(&["get", "crds", "-o", "name", "-l", "app.kubernetes.io/instance=certlet"])
        .await;
    // The bed is as before for the tests that follow, whatever is found.
    run(
        project().join("tests/testbed/rights.sh").to_str().unwrap(),
        &[helm.bed.path("").to_str().unwrap()],
    )
    .await;
    assert_eq!(left, [""; 0]);
    assert_eq!(definitions.lines().count(), 6, "{definitions}");
}
