//! An installation for one namespace, with the rights of deploy/namespaced and no others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use support::bed::project;
use support::rights::{Right, roles};
use support::scene::{CERTIFICATES, Scene, ingress};
use support::{AuditedCall, Bed, Certlet, IN_TIME, condition_is, eventually, run, run_with_input, until};

/// A CA of the namespace's own, a certificate of it, and one of an issuer that is none of this installation's business.
const CA: &str = "
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: own}
spec: {selfSigned: {}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: root}
spec:
  isCA: true
  commonName: root
  secretName: root
  privateKey: {algorithm: ECDSA}
  issuerRef: {name: own}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: root}
spec: {ca: {secretName: root}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: leaf}
spec:
  secretName: leaf
  dnsNames: [leaf.example]
  privateKey: {algorithm: ECDSA}
  issuerRef: {name: root}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: elsewhere}
spec:
  secretName: elsewhere
  dnsNames: [elsewhere.example]
  issuerRef: {name: global, kind: ClusterIssuer}
";

/// Gives the namespace what docs/install.md says, but for the Deployment: this process takes its part.
async fn install(bed: &Bed, namespace: &str) {
    let copy = tempfile::tempdir().unwrap();
    let within = |path: &str| copy.path().join(path).display().to_string();
    for part in ["deploy", "crds"] {
        run("cp", &["-r", project().join(part).to_str().unwrap(), &within(part)]).await;
    }
    let file = within("deploy/namespaced/kustomization.yaml");
    run(
        "sed",
        &["-i", &format!("s/^namespace: .*/namespace: {namespace}/"), &file],
    )
    .await;
    let directory = within("deploy/namespaced");
    bed.kubectl(&["apply", "--dry-run=server", "--warnings-as-errors", "-k", &directory])
        .await;
    let rendered = bed.kubectl(&["kustomize", &directory]).await;
    let (deployment, others): (Vec<&str>, Vec<&str>) = rendered
        .split("\n---\n")
        .partition(|object| object.contains("\nkind: Deployment\n"));
    assert_eq!(deployment.len(), 1, "{rendered}");
    let cluster_wide =
        |object: &&&str| object.contains("\nkind: Cluster") || !object.contains(&format!("namespace: {namespace}"));
    assert_eq!(others.iter().find(cluster_wide), None);
    bed.apply(namespace, &others.join("\n---\n")).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_installation_for_one_namespace_asks_for_nothing_outside_it() {
    let scene = Scene::new().await;
    let (bed, namespace) = (&scene.bed, scene.namespace.as_str());
    // One that acts on the whole cluster would do this one's work.
    Certlet::end_leftovers(bed);
    install(bed, namespace).await;
    // The one thing that the cluster's administrator gives, where policies guard approval.
    let account = format!("{namespace}:cert-manager");
    let binding = format!("certlet-approve-{namespace}");
    let subject = format!("--serviceaccount={account}");
    bed.kubectl(&[
        "create",
        "clusterrolebinding",
        &binding,
        "--clusterrole=certlet-approve-issuers",
        &subject,
    ])
    .await;
    // Whoever edits the namespace can act as this account.
    for (signers, answer) in [("issuers", "true"), ("clusterissuers", "false")] {
        let review = serde_json::json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": format!("system:serviceaccount:{account}"), "resourceAttributes": {
                "group": "cert-manager.io", "resource": "signers", "name": format!("{signers}.cert-manager.io/*"), "verb": "approve"}},
        });
        let kubeconfig = bed.kubeconfig();
        let ask = [
            "--kubeconfig",
            kubeconfig.to_str().unwrap(),
            "create",
            "-f",
            "-",
            "-o",
            "jsonpath={.status.allowed}",
        ];
        // a binding counts a moment after it was made
        eventually(&format!("approve {signers}: {answer}"), IN_TIME, async || {
            let allowed = run_with_input("kubectl", &ask, &review.to_string()).await;
            (allowed.trim() == answer).then_some(())
        })
        .await;
    }

    let mark = bed.audit_mark().await;
    let kubeconfig = bed.kubeconfig_of_service_account(namespace, "cert-manager").await;
    let certlet = start(bed, namespace, &kubeconfig).await;
    certlet.wait_for_log("leading").await;
    certlet.wait_for_log("cannot be seen from here").await;
    scene.apply(CA).await;
    scene.ready("root").await;
    scene.ready("leaf").await;
    let pebble = bed.pebble();
    scene.issuer(pebble.directory(), "traefik").await;
    let host = scene.host("web");
    let blocks: [(&str, &[&str]); 1] = [("web-tls", &[&host])];
    scene
        .apply(&ingress("web", "traefik", "cert-manager.io/issuer: ca", &blocks))
        .await;
    let certificates = scene.objects(CERTIFICATES).await;
    until(
        &certificates,
        "web-tls",
        IN_TIME,
        kube::runtime::conditions::is_created(),
    )
    .await;
    scene.ready("web-tls").await;
    scene.served(&pebble, &host, "10.99.0.1:443").await;
    scene.tidy().await;
    until(&certificates, "elsewhere", IN_TIME, condition_is("Ready", "False")).await;
    scene.told("elsewhere", "ClusterIssuer").await;

    assert!(certlet.stop().await.success());
    let calls = bed.calls_since(mark, &account).await;
    assert!(
        calls
            .iter()
            .any(|call| call.verb == "watch" && call.resource == "certificates"),
        "{calls:?}"
    );
    // Who it is and what it may do, everybody may ask.
    let about_itself = ["selfsubjectreviews", "selfsubjectaccessreviews"];
    let outside = |call: &&AuditedCall| {
        !call.allowed || (call.namespace != namespace && !about_itself.contains(&call.resource.as_str()))
    };
    let outside: Vec<_> = calls.iter().filter(outside).collect();
    assert!(outside.is_empty(), "{outside:?}");
    bed.kubectl(&["delete", "clusterrolebinding", &binding]).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_installation_for_one_namespace_that_may_look_stands_by_for_one_for_the_cluster() {
    let scene = Scene::new().await;
    let (bed, namespace) = (&scene.bed, scene.namespace.as_str());
    let whole = Certlet::launch(bed).leader_election().ready().await;
    whole.wait_for_log("leading").await;
    install(bed, namespace).await;
    let binding = format!("certlet-see-leader-{namespace}");
    let in_kube_system = ["rolebinding", &binding, "-n", "kube-system"];
    let subject = format!("--serviceaccount={namespace}:cert-manager");
    let role = ["--clusterrole=certlet-see-leader", &subject];
    bed.kubectl(&[["create"].as_slice(), &in_kube_system, &role].concat())
        .await;

    let mark = bed.audit_mark().await;
    let kubeconfig = bed.kubeconfig_of_service_account(namespace, "cert-manager").await;
    let own = start(bed, namespace, &kubeconfig).await;
    own.wait_for_log("another installation is at work").await;
    let leases = bed.objects("coordination.k8s.io/v1", "Lease", Some(namespace)).await;
    let found = leases.get_opt("cert-manager-controller").await.unwrap();
    assert!(found.is_none(), "it takes no Lease of its own");
    assert!(whole.stop().await.success());
    own.wait_for_log("leading").await;

    assert!(own.stop().await.success());
    let calls = bed.calls_since(mark, &format!("{namespace}:cert-manager")).await;
    let refused: Vec<_> = calls.iter().filter(|call| !call.allowed).collect();
    assert!(refused.is_empty(), "{refused:?}");
    bed.kubectl(&[["delete"].as_slice(), &in_kube_system].concat()).await;
}

async fn start(bed: &Bed, namespace: &str, kubeconfig: &Path) -> Certlet {
    let args = ["namespace", "cluster-resource-namespace", "leader-election-namespace"]
        .map(|flag| format!("--{flag}={namespace}"));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let launch = Certlet::launch(bed).kubeconfig(kubeconfig).leader_election();
    launch.args(&args).ready().await
}

#[test]
fn rights_in_one_namespace_are_those_in_the_cluster_but_for_what_has_no_namespace() {
    let here = &roles("deploy/namespaced/role.yaml")["certlet"];
    let everywhere = roles("deploy/base/rbac.yaml");
    let of_cluster = [
        "clusterissuers",
        "clusterissuers/status",
        "ingressclasses",
        "customresourcedefinitions",
        "selfsubjectreviews",
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
        "apiservices",
        "mutatingadmissionpolicybindings",
    ];
    let expected = everywhere["certlet-controller"]
        .iter()
        .filter(|(_, resource, _)| !of_cluster.contains(&resource.as_str()));
    let expected: BTreeSet<Right> = expected
        .chain(&everywhere["certlet-leader-election"])
        .chain(&everywhere["certlet-gateway-api"])
        .cloned()
        .collect();
    assert_eq!(here, &expected);
    for part in ["solver-pods", "openshift"] {
        let [here, everywhere] =
            ["deploy/namespaced", "deploy"].map(|folder| roles(&format!("{folder}/{part}/rbac.yaml")));
        assert_eq!(here, everywhere, "{part}");
    }
}
