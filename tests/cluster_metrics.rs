//! The ports for metrics and health: what they say, to whom, and that nobody on the network can fill them up.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::{Bed, Certlet, IN_TIME, condition_is, plain_http, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const OBJECTS: &str = r"
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: own}
spec: {selfSigned: {}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: web}
spec: {secretName: web, dnsNames: [web.example], privateKey: {algorithm: ECDSA}, issuerRef: {name: own}}
";

/// A server whose answers are small, and what people ask it for.
async fn answer(address: SocketAddr, path: &str) -> (u16, String) {
    let asked = plain_http()
        .get(format!("http://{address}{path}"))
        .timeout(Duration::from_secs(5));
    let answer = asked.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A connection that has sent this much, or was cut before.
async fn connected(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _may_be_cut = stream.write_all(bytes).await;
    stream
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn silent_and_half_sent_connections_take_neither_the_answers_nor_memory() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let certlet = Certlet::launch(&bed).ready().await;
    let (health, metrics) = (certlet.health_address(), certlet.metrics_address());
    assert_eq!(answer(health, "/livez").await.0, 200);
    assert_eq!(answer(metrics, "/metrics").await.0, 200);
    let [before, _] = certlet.memory_kib();

    let half = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(400_000));
    let mut held = Vec::new();
    for number in 0..400 {
        for address in [health, metrics] {
            held.push(connected(address, b"").await);
            held.push(connected(address, half.as_bytes()).await);
            held.push(connected(address, b"GET /livez HTTP/1.1\r\n").await);
        }
        if number % 20 == 0 {
            assert_eq!(answer(health, "/livez").await.0, 200, "after {}", held.len());
            assert_eq!(answer(metrics, "/metrics").await.0, 200, "after {}", held.len());
        }
    }
    let [after, _] = certlet.memory_kib();
    assert!(after < before + 8 * 1024, "{before} KiB became {after} KiB");
    assert_eq!(answer(health, "/livez").await.0, 200);
    drop(held);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn metrics_and_health_are_each_on_their_own_port_only() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let certlet = Certlet::launch(&bed).ready().await;
    let (health, metrics) = (certlet.health_address(), certlet.metrics_address());
    for path in ["/livez", "/readyz", "/healthz", "/livez/clockHealth", "/"] {
        assert_eq!(answer(metrics, path).await.0, 404, "{path}");
    }
    assert_eq!(answer(health, "/metrics").await.0, 404);
    assert_eq!(answer(health, "/livez").await, (200, "ok".to_owned()));
    for check in ["clockHealth", "leaderElection"] {
        assert_eq!(answer(health, &format!("/livez/{check}")).await, (200, "ok".to_owned()));
    }
    assert_eq!(answer(health, "/livez/etcd").await.0, 404);
    let lines = "[+]leaderElection ok\n[+]clockHealth ok\nlivez check passed\n";
    assert_eq!(answer(health, "/livez?verbose").await, (200, lines.to_owned()));
}

/// Prints the names of the families and the number of samples that Prometheus' client for Python reads.
const READER: &str = r"
import sys
from prometheus_client.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(sys.stdin.read()))
print(sum(len(family.samples) for family in families))
print('\n'.join(f'{family.name} {family.type}' for family in families))
";

fn read_by_python(page: &str) -> String {
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "the page cannot be read:\n{page}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_page_is_read_by_prometheus_own_parser_and_compressed_for_those_who_ask() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let namespace = bed.new_namespace().await;
    bed.apply(&namespace, OBJECTS).await;
    let certlet = Certlet::launch(&bed).ready().await;
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    until(&certificates, "web", IN_TIME, condition_is("Ready", "True")).await;

    let (status, page) = certlet.page("/metrics").await.unwrap();
    assert_eq!(status, 200);
    let read = read_by_python(&page);
    let mut lines = read.lines();
    let samples = page.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(lines.next().unwrap(), samples.to_string());
    // that parser takes `_total` from the names of counters
    let families: BTreeSet<&str> = lines.collect();
    for family in [
        "certmanager_certificate_ready_status gauge",
        "certmanager_certificate_challenge_status gauge",
        "certmanager_issuer_ready_status gauge",
        "certmanager_controller_sync_call_count counter",
        "certmanager_http_acme_client_request_duration_seconds summary",
        "certlet_leader gauge",
        "process_cpu_seconds counter",
    ] {
        assert!(families.contains(family), "no {family} in {families:?}");
    }
    // as written in the Certificate
    let labels =
        format!("name=\"web\",namespace=\"{namespace}\",issuer_name=\"own\",issuer_kind=\"\",issuer_group=\"\"");
    assert!(page.contains(&format!(
        "certmanager_certificate_ready_status{{{labels},condition=\"True\"}} 1\n"
    )));

    let curl = Command::new("curl")
        .args(["-sSf", "--compressed", "-D", "-", "-H", "Accept-Encoding: gzip"])
        .arg(format!("http://{}/metrics", certlet.metrics_address()))
        .output()
        .unwrap();
    let answer = String::from_utf8(curl.stdout).unwrap();
    let (headers, compressed) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        headers.to_ascii_lowercase().contains("content-encoding: gzip"),
        "{headers}"
    );
    let names = |page: &str| -> BTreeSet<String> {
        let series = page.lines().filter_map(|line| line.rsplit_once(' '));
        series.map(|(series, _)| series.to_owned()).collect()
    };
    let missing: Vec<String> = names(&page).difference(&names(compressed)).cloned().collect();
    assert!(missing.is_empty(), "not in the compressed page: {missing:?}");
}
