//! The objects that the chart renders, against those of deploy/ and at the API server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::helm::{Helm, Rendered, case, chart};
use crate::support::bed::project;
use crate::support::run;

/// What an administrator with a proxy, a mirror, and an opinion gives.
const PRODUCTION: &str = include_str!("../data/chart/production.yaml");

fn named(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let name = |object: &Value| {
        format!(
            "{} {}",
            object["kind"].as_str().unwrap(),
            object["metadata"]["name"].as_str().unwrap()
        )
    };
    objects.into_iter().map(|object| (name(&object), object)).collect()
}

/// Without what Helm's conventions add: labels, the annotations of pods, and the log level that is an argument in the chart.
fn bare(mut object: Value) -> Value {
    object["metadata"]["labels"] = Value::Null;
    if object["kind"] == "Deployment" {
        let template = &mut object["spec"]["template"];
        template["metadata"]["annotations"] = Value::Null;
        let args = template["spec"]["containers"][0]["args"].as_array_mut().unwrap();
        args.retain(|argument| argument != "--v=2");
    }
    object
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_chart_renders_the_objects_of_deploy() {
    let Some(helm) = Helm::prepare("the_chart_renders_the_objects_of_deploy").await else {
        return;
    };
    let values = json!({"crds": {"enabled": true, "keep": false}});
    let rendered = helm.render_cases(&[case("certlet", &values)]).await;
    // cert-manager's chart creates it
    let rendered = named(rendered[0].objects()).into_iter().map(|(name, mut object)| {
        if object["kind"] == "ServiceAccount" {
            object.as_object_mut().unwrap().remove("automountServiceAccountToken");
        }
        (name, bare(object))
    });
    let deploy = project().join("deploy");
    let mut applied = helm.bed.kubectl(&["kustomize", deploy.to_str().unwrap()]).await;
    applied.push_str("\n---\n");
    applied.push_str(&std::fs::read_to_string(deploy.join("requester-identity/policy.yaml")).unwrap());
    let applied = applied
        .split("\n---\n")
        .map(|object| serde_saphyr::from_str(object).unwrap());
    let applied = named(applied.filter(|object: &Value| object["kind"] != "Namespace").collect());
    let applied = applied.into_iter().map(|(name, object)| (name, bare(object)));
    let (rendered, applied): (BTreeMap<_, _>, BTreeMap<_, _>) = (rendered.collect(), applied.collect());
    let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&rendered), names(&applied));
    for (name, object) in &applied {
        assert_eq!(&rendered[name], object, "{name}");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn helm_finds_nothing_to_complain_about() {
    if Helm::prepare("helm_finds_nothing_to_complain_about").await.is_none() {
        return;
    }
    let said = run("helm", &["lint", "--strict", "--kube-version", "1.36.0", &chart()]).await;
    assert!(said.contains("1 chart(s) linted, 0 chart(s) failed"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let said = run(
        "helm",
        &["package", &chart(), "--destination", folder.path().to_str().unwrap()],
    )
    .await;
    let archive = said.trim().rsplit(' ').next().unwrap();
    let files = run("tar", &["-tzf", archive]).await;
    for file in [
        "README.md",
        "LICENSE",
        "values.schema.json",
        "files/crds/certificates.yaml",
        "templates/tests/issuance.yaml",
    ] {
        assert!(
            files.lines().any(|line| line == format!("certlet/{file}")),
            "{file} is not in\n{files}"
        );
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_api_server_takes_what_is_rendered() {
    let Some(helm) = Helm::prepare("the_api_server_takes_what_is_rendered").await else {
        return;
    };
    let bed = &helm.bed;
    bed.install_crds().await;
    let production: Value = serde_saphyr::from_str(PRODUCTION).unwrap();
    for values in [
        json!({}),
        production,
        json!({"namespaced": true, "rbac": {"solverPods": true, "openshift": true}}),
    ] {
        let rendered = helm.render_cases(&[case("pki", &values)]).await;
        assert_eq!(rendered[0].error, "");
        let file = bed.path("run/rendered.yaml");
        // the pod of `helm test` would need its ServiceAccount
        let hooks = rendered[0].hooks.split("---\n");
        let hooks: Vec<&str> = hooks.filter(|hook| !hook.contains("kind: Pod\n")).collect();
        let manifest = format!("{}\n---\n{}", rendered[0].manifest, hooks.join("---\n"));
        std::fs::write(&file, manifest).unwrap();
        let args = [
            "apply",
            "--dry-run=server",
            "--warnings-as-errors",
            "-f",
            file.to_str().unwrap(),
        ];
        let said = bed.kubectl(&args).await;
        assert!(said.contains("deployment.apps/pki-certlet created"), "{said}");
        assert!(said.contains("job.batch/pki-certlet-startupapicheck created"), "{said}");
    }
}

/// The endpoint of the monitor, and the scheme in the annotations of the pods.
fn scraping(rendered: &Rendered) -> (Value, Value) {
    let objects = rendered.objects();
    let of_kind = |kind: &str| objects.iter().find(|object| object["kind"] == kind).cloned();
    let monitor = of_kind("ServiceMonitor").unwrap_or_default();
    let pod = &of_kind("Deployment").unwrap()["spec"]["template"]["metadata"]["annotations"];
    (
        monitor["spec"]["endpoints"][0].clone(),
        pod["prometheus.io/scheme"].clone(),
    )
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn monitors_and_annotations_follow_metrics_over_tls() {
    let Some(helm) = Helm::prepare("monitors_and_annotations_follow_metrics_over_tls").await else {
        return;
    };
    let dynamic =
        json!({"secretNamespace": "cert-manager", "secretName": "metrics-ca", "dnsNames": ["certlet-metrics", "b"]});
    let values = |monitor: Value| json!({"config": {"metricsTLSConfig": {"dynamic": dynamic}}, "prometheus": {"servicemonitor": monitor}});
    let files = json!({"extraArgs": ["--metrics-tls-cert-file=/tls/tls.crt", "--metrics-tls-private-key-file=/tls/tls.key"],
        "prometheus": {"servicemonitor": {"enabled": true}}});
    let rendered = helm
        .render(&[
            json!({"prometheus": {"servicemonitor": {"enabled": true}}}),
            values(json!({"enabled": false})),
            values(json!({"enabled": true})),
            values(json!({"enabled": true, "namespace": "monitoring"})),
            values(
                json!({"enabled": true, "endpointAdditionalProperties": {"tlsConfig": {"insecureSkipVerify": true}}}),
            ),
            files,
            json!({"namespaced": true, "namespace": "shop", "config": {"metricsTLSConfig": {"dynamic": dynamic}}}),
        ])
        .await;
    let [plain, pods, own, elsewhere, given, files, refused] = rendered.as_slice() else {
        unreachable!()
    };
    assert_eq!(
        (&scraping(plain).0["scheme"], &scraping(plain).1),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(scraping(pods).1, "https");
    let (endpoint, _) = scraping(own);
    assert_eq!(endpoint["scheme"], "https");
    let ca = json!({"serverName": "certlet-metrics", "ca": {"secret": {"name": "metrics-ca", "key": "ca.crt"}}});
    assert_eq!(endpoint["tlsConfig"], ca);
    let (endpoint, _) = scraping(elsewhere);
    assert_eq!(
        (&endpoint["scheme"], &endpoint["tlsConfig"]),
        (&json!("https"), &Value::Null)
    );
    assert_eq!(scraping(given).0["tlsConfig"], json!({"insecureSkipVerify": true}));
    let (endpoint, _) = scraping(files);
    assert_eq!(
        (&endpoint["scheme"], &endpoint["tlsConfig"]),
        (&json!("https"), &Value::Null)
    );
    assert!(
        refused.error.contains("no permissions in another one; name its own"),
        "{}",
        refused.error
    );
}
