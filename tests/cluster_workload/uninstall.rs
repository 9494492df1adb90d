//! From `kubectl apply -k deploy` to the uninstall of docs/install.md.

use std::collections::BTreeSet;

use crate::installation::{Installation, NAMESPACE};
use crate::support::bed::project;
use crate::support::scene::{CERTIFICATES, INGRESSES, certificate, ingress};
use crate::support::{Bed, IN_TIME, Pebble, PebbleOptions, eventually, gone, run, until};

/// The indented commands that follow a heading of a document, up to the next text.
fn commands(document: &str, heading: &str) -> String {
    let text = std::fs::read_to_string(project().join(document)).unwrap();
    let (_, section) = text.split_once(&format!("\n{heading}\n")).unwrap();
    let block = section.lines().skip_while(|line| !line.starts_with("    "));
    let block: Vec<&str> = block.map_while(|line| line.strip_prefix("    ")).collect();
    assert!(!block.is_empty(), "{document} has no commands below {heading}");
    block.join("\n")
}

async fn shell(bed: &Bed, script: &str) -> String {
    let (kubeconfig, project) = (bed.kubeconfig(), project());
    let script = format!(
        "export KUBECONFIG={}\ncd {}\n{script}",
        kubeconfig.display(),
        project.display()
    );
    run("bash", &["-euc", &script]).await
}

/// Everything that the API server lists, but for events. `None` while kinds come and go.
async fn everything(bed: &Bed) -> Option<BTreeSet<String>> {
    let kinds = bed
        .kubectl(&["api-resources", "--verbs=list", "-o", "name", "--cached=false"])
        .await;
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    let columns = "-o=custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name";
    let listed = bed
        .try_kubectl(&["get", &kinds.join(","), "-A", "--no-headers", columns])
        .await;
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    listed
        .status
        .success()
        .then(|| listed.stdout.lines().map(line).collect())
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
#[expect(clippy::too_many_lines, reason = "one installation, from its first step to its last")]
async fn an_ingress_gets_its_certificate_from_the_deployment_and_an_uninstall_leaves_nothing_else() {
    let test = "an_ingress_gets_its_certificate_from_the_deployment_and_an_uninstall_leaves_nothing_else";
    let Some(installation) = Installation::prepare(test).await else {
        return;
    };
    let bed = &installation.bed;
    // Without what the bed has for all tests, as a cluster that has never seen certlet.
    // The pods of earlier tests end first: they would ask for what they have no right to any more.
    let pods_too = "--cascade=foreground";
    installation
        .kubectl(&[
            "delete",
            "deployment",
            "certlet",
            "--ignore-not-found",
            pods_too,
            "--timeout=60s",
        ])
        .await;
    let deploy = project().join("deploy").display().to_string();
    bed.kubectl(&["delete", "-k", &deploy, "--ignore-not-found", "--timeout=90s"])
        .await;
    let policy = deploy + "/requester-identity/policy.yaml";
    bed.kubectl(&["delete", "-f", &policy, "--ignore-not-found"]).await;
    let optional = [
        "clusterroles,clusterrolebindings",
        "-l",
        "app.kubernetes.io/instance=certlet",
    ];
    bed.kubectl(&[&["delete"], &optional[..]].concat()).await;
    let lease = [
        "delete",
        "lease",
        "-n",
        "kube-system",
        "cert-manager-controller",
        "cert-manager-cainjector-leader-election",
        "--ignore-not-found",
    ];
    bed.kubectl(&lease).await;
    let namespaces = bed.objects("v1", "Namespace", None).await;
    until(&namespaces, NAMESPACE, IN_TIME, gone()).await;
    let before = eventually("everything", IN_TIME, async || everything(bed).await).await;
    // Namespaces that other tests of this run have left are none of this one's business.
    let of_another_test = |line: &str| {
        line.split(' ')
            .nth(1)
            .is_some_and(|namespace| namespace.starts_with('t'))
    };
    let mut earlier = before
        .iter()
        .filter(|line| line.contains("cert-manager") && !of_another_test(line));
    assert_eq!(earlier.next(), None, "{before:?}");

    shell(bed, &commands("README.md", "## Install it")).await;
    installation.rolled_out().await;
    let namespace = namespaces.get(NAMESPACE).await.unwrap();
    let labels = namespace.metadata.labels.unwrap_or_default();
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");

    let pebble = Pebble::start(bed, PebbleOptions::default()).await;
    let scene = installation.scene(&pebble).await;
    let host = scene.host("web");
    let blocks: [(&str, &[&str]); 1] = [("web-tls", &[&host])];
    scene
        .apply(&ingress("web", "traefik", "cert-manager.io/issuer: ca", &blocks))
        .await;
    until(
        &scene.objects(CERTIFICATES).await,
        "web-tls",
        IN_TIME,
        kube::runtime::conditions::is_created(),
    )
    .await;
    scene.ready("web-tls").await;
    scene.served(&pebble, &host, "10.99.0.1:443").await;

    // One order is in flight when everything is taken away.
    let stuck = scene.host("stuck");
    bed.names().set_a(&stuck, &["10.99.0.77"]).await;
    scene.apply(&certificate("stuck", &[&stuck], "")).await;
    scene.told("stuck", "10.99.0.77").await;
    assert!(!scene.strays().await.is_empty());

    shell(bed, &commands("docs/install.md", "## Uninstall")).await;
    // The user's own: the namespace and its defaults, the Ingress and its Service, certificate and account.
    let own = format!(" {}", scene.namespace);
    let ingresses = scene.objects(INGRESSES).await;
    ingresses.get("web").await.unwrap();
    let left = eventually_equal(bed, &before, &own).await;
    let secrets: Vec<&String> = left.iter().filter(|line| line.starts_with("Secret ")).collect();
    let expected = ["ca-account", "web-tls"].map(|name| format!("Secret {} {name}", scene.namespace));
    assert_eq!(secrets, expected.iter().collect::<Vec<_>>(), "{left:?}");
    assert!(!left.iter().any(|line| line.contains("acme-http-solver")), "{left:?}");

    // For the tests that follow.
    let rights = project().join("tests/testbed/rights.sh");
    run(rights.to_str().unwrap(), &[bed.path("").to_str().unwrap()]).await;
}

/// Waits until the cluster is as before but for one namespace, and returns what is in that.
async fn eventually_equal(bed: &Bed, before: &BTreeSet<String>, own: &str) -> Vec<String> {
    let deadline = tokio::time::Instant::now() + IN_TIME;
    loop {
        let now = everything(bed).await;
        let past = tokio::time::Instant::now() > deadline;
        if let Some(now) = now {
            let (ours, others): (BTreeSet<String>, BTreeSet<String>) = now
                .into_iter()
                .partition(|line| line.contains(own) || line.contains("IPAddress"));
            let before: BTreeSet<String> = before
                .iter()
                .filter(|line| !line.contains("IPAddress"))
                .cloned()
                .collect();
            let solvers = ours.iter().any(|line| line.contains("acme-http-solver"));
            if (others == before && !solvers) || past {
                let added: Vec<_> = others.difference(&before).collect();
                let removed: Vec<_> = before.difference(&others).collect();
                assert!(
                    added.is_empty() && removed.is_empty(),
                    "left behind: {added:?}; missing: {removed:?}"
                );
                return ours.into_iter().collect();
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}
