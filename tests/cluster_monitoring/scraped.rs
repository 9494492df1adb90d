//! A Prometheus that scrapes certlet while it issues: the dashboard, the alerts, the counted writes, and the log at its highest level.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::prometheus::Prometheus;
use crate::queries;
use crate::support::confidential::{Known, leaks};
use crate::support::scene::{SECRETS, Scene, decoded};
use crate::support::{AuditedWrite, Certlet, IN_TIME, eventually, openssl};

/// Panels that may show nothing in a cluster where all is well.
const MAY_BE_EMPTY: [&str; 1] = ["Rate limits end in"];

/// A CA in the cluster with a certificate, and a Certificate whose issuer does not exist.
const OBJECTS: &str = r"
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: monitored}
spec: {selfSigned: {}}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: own}
spec: {selfSigned: {}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: root}
spec: {isCA: true, commonName: root, secretName: root, privateKey: {algorithm: ECDSA}, issuerRef: {name: own}}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: signer}
spec: {ca: {secretName: root}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: leaf}
spec: {secretName: leaf, dnsNames: [leaf.example], privateKey: {algorithm: ECDSA}, issuerRef: {name: signer}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: never}
spec: {secretName: never, dnsNames: [never.example], issuerRef: {name: nobody}}
";

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_prometheus_that_scrapes_certlet_answers_the_dashboard_and_evaluates_the_alerts() {
    let scene = Scene::new().await;
    let mark = scene.bed.audit_mark().await;
    let certlet = Certlet::start(
        &scene.bed,
        &["--v=5", "--logging-format=json", "--acme-ari-minimum-interval=1s"],
    )
    .await;
    let prometheus = Prometheus::start(certlet.metrics_address());
    scene.apply(OBJECTS).await;
    scene.issuer(scene.bed.pebble().directory(), "traefik").await;
    scene.certificate("web").await;
    for certificate in ["root", "leaf", "web"] {
        scene.ready(certificate).await;
    }
    let ready = "count(certmanager_certificate_ready_status{condition=\"True\",exported_namespace=\"NS\"} == 1) == 3";
    prometheus.returns(&ready.replace("NS", &scene.namespace)).await;

    for (panel, query) in queries() {
        if MAY_BE_EMPTY.contains(&panel.as_str()) {
            prometheus.query(&query).await;
        } else {
            prometheus.returns(&query).await;
        }
    }
    // what the queries with `or vector(0)` count
    let windows = "certlet_certificate_renewal_window_end_timestamp_seconds > certlet_certificate_renewal_window_start_timestamp_seconds";
    assert_eq!(prometheus.returns(windows).await[0]["metric"]["name"], "web");

    let rules = prometheus.evaluated().await;
    let failed: Vec<&Value> = rules.values().filter(|rule| rule["health"] != "ok").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let state = |name: &str| rules[name]["state"].as_str().unwrap().to_owned();
    // the mixin finds the job, and the Certificate that is not ready
    assert_eq!(state("CertManagerAbsent"), "inactive");
    assert_eq!(state("CertManagerHittingRateLimits"), "inactive");
    for name in ["CertManagerCertNotReady", "CertletCertificateNotReady"] {
        assert_eq!(state(name), "pending", "{name}");
        let found = rules[name]["alerts"].as_array().unwrap();
        assert!(
            found.iter().any(|alert| alert["labels"]["name"] == "never"),
            "{found:?}"
        );
    }
    for name in [
        "CertManagerCertExpirySoon",
        "CertletAbsent",
        "CertletNoLeader",
        "CertletRequestsForbidden",
    ] {
        assert_eq!(state(name), "inactive", "{name}");
    }

    // the API server's audit log has the same writes
    eventually(
        "certlet counts the writes that the API server has",
        IN_TIME,
        async || {
            let audited = scene.bed.writes_since(mark).await;
            let counted = counted_writes(&certlet.page("/metrics").await.unwrap().1);
            let audited = by_labels(&audited);
            let one_sided = |one: &Writes, other: &Writes| -> Vec<String> {
                let only = one.iter().filter(|(labels, count)| other.get(*labels) != Some(*count));
                only.map(|(labels, count)| format!("{labels:?}: {count}")).collect()
            };
            if audited != counted {
                println!(
                    "only the API server: {:?}, only certlet: {:?}",
                    one_sided(&audited, &counted),
                    one_sided(&counted, &audited)
                );
            }
            (!audited.is_empty() && audited == counted).then_some(())
        },
    )
    .await;
    judge_log(&scene, &certlet.log()).await;
}

/// Every line has the keys of cert-manager's JSON, the lines that matter are there once for each certificate, and none is confidential although
/// `--v=5` logs everything.
async fn judge_log(scene: &Scene, log: &str) {
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        let has_keys = line["ts"].is_f64() && ["level", "logger", "msg"].iter().all(|key| line[key].is_string());
        assert!(has_keys, "{line}");
    }
    let levels: BTreeSet<&str> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
    assert!(
        ["info", "debug", "trace"].iter().all(|level| levels.contains(level)),
        "{levels:?}"
    );
    let with = |message: &str| -> Vec<&Value> { lines.iter().filter(|line| line["msg"] == message).collect() };
    let [start] = with("starting certlet")[..] else {
        panic!("{log}")
    };
    let server = scene.bed.kubectl(&["version", "-o", "json"]).await;
    let server: Value = serde_json::from_str(&server).unwrap();
    assert_eq!(start["kubernetes"], server["serverVersion"]["gitVersion"]);
    assert!(
        start["flags"].as_str().unwrap().contains("--logging-format=json"),
        "{start}"
    );
    let registered = with("registered the ACME account");
    assert!(!registered.is_empty(), "{log}");
    for (name, secret) in [("root", "root"), ("leaf", "leaf"), ("web", "web-tls")] {
        let certificate = format!("{}/{name}", scene.namespace);
        let issued = with("issued certificate")
            .into_iter()
            .filter(|line| line["certificate"] == *certificate);
        let [line] = issued.collect::<Vec<_>>()[..] else {
            panic!("{certificate}: {log}")
        };
        let pem = decoded(
            &scene.objects(SECRETS).await.get(secret).await.unwrap(),
            "/data/tls.crt",
        );
        let shown = openssl(&["x509", "-noout", "-serial"], &pem).await.to_lowercase();
        let serial = shown.trim().trim_start_matches("serial=").trim_start_matches('0');
        assert_eq!(line["serial"].as_str().unwrap().trim_start_matches('0'), serial);
    }
    let secrets = scene.bed.kubectl(&["get", "secrets", "-A", "-o", "json"]).await;
    let known = Known::of(&serde_json::from_str(&secrets).unwrap());
    assert!(known.len() > 10, "{}", known.len());
    assert_eq!(leaks(log, &known), Vec::<String>::new());
}

type Writes = BTreeMap<(String, String, u16), u64>;

fn by_labels(audited: &[AuditedWrite]) -> Writes {
    let mut writes = Writes::new();
    for write in audited.iter().filter(|write| write.agent.starts_with("certlet/")) {
        *writes
            .entry((write.resource.clone(), write.verb.clone(), write.code))
            .or_default() += 1;
    }
    writes
}

/// The writes on a page of metrics, with the verbs of the audit log, without reviews of rights and those that [`Bed::writes_since`] leaves out.
fn counted_writes(page: &str) -> Writes {
    let mut writes = Writes::new();
    for line in page
        .lines()
        .filter_map(|line| line.strip_prefix("certlet_api_requests_total{"))
    {
        let (labels, value) = line.rsplit_once("} ").unwrap();
        let label = |name: &str| {
            let (_, rest) = labels.split_once(&format!("{name}=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        // `subresource` ends with the same word
        let resource = labels
            .strip_prefix("resource=\"")
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned();
        let verb = label("verb").replace("apply", "patch");
        if ["get", "list", "watch"].contains(&verb.as_str())
            || ["events", "leases"].contains(&resource.as_str())
            || resource.ends_with("reviews")
        {
            continue;
        }
        let resource = match label("subresource") {
            sub if sub.is_empty() => resource,
            sub => format!("{resource}/{sub}"),
        };
        *writes
            .entry((resource, verb, label("code").parse().unwrap()))
            .or_default() += value.parse::<u64>().unwrap();
    }
    writes
}
