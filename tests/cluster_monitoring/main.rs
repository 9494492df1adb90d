//! deploy/monitoring with promtool and a real Prometheus as judges: the alerts, the dashboard's queries, and the alerts that others have made
//! for cert-manager.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod prometheus;
mod scraped;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::Bed;
use support::bed::project;
use support::command::run;
use tempfile::TempDir;

fn read(path: &str) -> String {
    let path = project().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rules of the `PrometheusRule`, in the form that Prometheus reads.
fn rules() -> Value {
    let rule: Value = serde_saphyr::from_str(&read("deploy/monitoring/prometheusrule.yaml")).unwrap();
    rule["spec"].clone()
}

fn alerts(groups: &Value) -> BTreeSet<String> {
    let groups = groups["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    rules.map(|rule| rule["alert"].as_str().unwrap().to_owned()).collect()
}

/// Each query of the dashboard, with the panel that shows it. The variables have the values that Grafana gives them.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("deploy/monitoring/certlet.json")).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$job", ".+").replace("$__rate_interval", "1m");
            assert!(!query.contains('$'), "{query}");
            queries.push((panel["title"].as_str().unwrap().to_owned(), query));
        }
    }
    queries
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn every_alert_fires_and_is_silent_in_a_test_of_promtool() {
    let files = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let tests = read("tests/data/monitoring/alerts.test.yaml");
    let rules_file = file("rules.yaml", &rules().to_string());
    run("promtool", &["check", "rules", &rules_file]).await;
    run("promtool", &["test", "rules", &file("alerts.test.yaml", &tests)]).await;

    let tests: Value = serde_saphyr::from_str(&tests).unwrap();
    let (mut firing, mut quiet) = (BTreeSet::new(), BTreeSet::new());
    for test in tests["tests"].as_array().unwrap() {
        for expected in test["alert_rule_test"].as_array().unwrap() {
            let is_expected = !expected["exp_alerts"].as_array().unwrap().is_empty();
            let names = if is_expected { &mut firing } else { &mut quiet };
            names.insert(expected["alertname"].as_str().unwrap().to_owned());
        }
    }
    let alerts = alerts(&rules());
    assert_eq!((&firing, &quiet), (&alerts, &alerts));
    let documented = read("docs/metrics.md");
    let unknown: Vec<_> = alerts
        .iter()
        .filter(|alert| !documented.contains(&format!("`{alert}`")))
        .collect();
    assert!(unknown.is_empty(), "not in docs/metrics.md: {unknown:?}");
}

/// What `kubectl kustomize` makes of a folder.
async fn kustomized(bed: &Bed, folder: &str) -> Vec<Value> {
    let text = bed.kubectl(&["kustomize", folder]).await;
    text.split("\n---\n")
        .map(|object| serde_saphyr::from_str(object).unwrap())
        .collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_service_monitor_selects_the_service_and_its_component_keeps_cert_manager_s_job_label() {
    let bed = Bed::attach().await;
    let deploy = project().join("deploy").display().to_string();
    let objects = kustomized(&bed, &format!("{deploy}/monitoring")).await;
    let monitor = of_kind(&objects, "ServiceMonitor");
    let program = kustomized(&bed, &deploy).await;
    let wanted = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let selected: Vec<&Value> = program
        .iter()
        .filter(|object| object["kind"] == "Service")
        .filter(|service| {
            wanted
                .iter()
                .all(|(label, value)| &service["metadata"]["labels"][label] == value)
        })
        .collect();
    let [service] = selected[..] else {
        panic!("{selected:?}")
    };
    assert_eq!(service["metadata"]["namespace"], monitor["metadata"]["namespace"]);
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!(service["spec"]["ports"][0]["name"], endpoint["port"]);
    let job_label = monitor["spec"]["jobLabel"].as_str().unwrap();
    assert_eq!(service["metadata"]["labels"][job_label], "certlet");
    assert_eq!(endpoint.get("relabelings"), None);
    let dashboard = &of_kind(&objects, "ConfigMap")["data"]["certlet.json"];
    assert_eq!(
        dashboard.as_str().unwrap().trim(),
        read("deploy/monitoring/certlet.json").trim()
    );

    let files = TempDir::new().unwrap();
    let relative = |folder: &str| {
        let up = "../".repeat(files.path().canonicalize().unwrap().components().count() - 1);
        format!("{up}{}", format!("{deploy}/{folder}").trim_start_matches('/'))
    };
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [relative("monitoring")],
        "components": [relative("monitoring/cert-manager-job")],
    });
    std::fs::write(files.path().join("kustomization.yaml"), kustomization.to_string()).unwrap();
    let folder = files.path().display().to_string();
    let objects = kustomized(&bed, &folder).await;
    let relabelings = &of_kind(&objects, "ServiceMonitor")["spec"]["endpoints"][0]["relabelings"];
    assert_eq!(
        *relabelings,
        json!([{"targetLabel": "job", "replacement": "cert-manager"}])
    );
}
