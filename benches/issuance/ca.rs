//! Certificates from a CA: rate, writes, memory, and the share of what is possible at all.

use serde_json::{Value, json};

use super::{
    ceiling,
    measure::{Batch, Program, issue, memory, settle, start},
    support::{Bed, IN_TIME, condition_is, until},
};

pub(crate) async fn run(bed: &Bed, program: &Program, algorithm: &str, size: u32) {
    let sizes = std::env::var("BENCH_SIZES").unwrap_or_else(|_| "100,1000,5000".into());
    println!("\n{program}CA and SelfSigned, {algorithm} {size}, the control plane on the same machine");
    heading();
    for count in sizes.split(',').filter_map(|size| size.trim().parse().ok()) {
        // the ceiling is measured while no controller watches
        let ceiling = ceiling::rate(bed, &bed.new_namespace().await, count).await;
        settle(bed).await;
        let certlet = start(bed, program).await;
        for issuer in ["ca", "selfsigned"] {
            let namespace = bed.new_namespace().await;
            issuers(bed, &namespace).await;
            let cpu = certlet.cpu_seconds();
            let certificates = certificates(&namespace, issuer, count, algorithm, size);
            let batch = issue(bed, &namespace, certificates).await;
            row(issuer, &batch, certlet.cpu_seconds() - cpu, ceiling);
        }
        memory(&certlet);
    }
}

pub(crate) fn heading() {
    println!(
        "{:>11} {:>7} {:>8} {:>9} {:>9} {:>12} {:>9} {:>12} {:>8}",
        "issuer", "count", "per s", "p50 [s]", "p99 [s]", "writes each", "CPU [s]", "ceiling /s", "ratio"
    );
}

/// RSA keys take the cores for a while; ECDSA certificates that come at the same time must not wait for them.
pub(crate) async fn rsa_beside_ecdsa(bed: &Bed, program: &Program) {
    let _certlet = start(bed, program).await;
    let [rsa, ecdsa] = [bed.new_namespace().await, bed.new_namespace().await];
    issuers(bed, &rsa).await;
    issuers(bed, &ecdsa).await;
    let (slow, quick) = tokio::join!(
        issue(bed, &rsa, certificates(&rsa, "ca", 200, "RSA", 2048)),
        issue(bed, &ecdsa, certificates(&ecdsa, "ca", 20, "ECDSA", 256)),
    );
    println!(
        "\n{program}200 RSA-2048 from a CA: {:.1} per s; 20 ECDSA at the same time: p99 {:.2} s",
        slow.rate(),
        quick.percentile(0.99).as_secs_f64()
    );
}

pub(crate) fn row(issuer: &str, batch: &Batch, cpu: f64, ceiling: f64) {
    println!(
        "{issuer:>11} {:>7} {:>8.1} {:>9.2} {:>9.2} {:>12.2} {cpu:>9.1} {ceiling:>12.1} {:>7.0}%",
        batch.count(),
        batch.rate(),
        batch.percentile(0.5).as_secs_f64(),
        batch.percentile(0.99).as_secs_f64(),
        batch.writes_per_certificate(&[]),
        batch.rate() / ceiling * 100.0,
    );
}

pub(crate) async fn issuers(bed: &Bed, namespace: &str) {
    let manifests = [
        json!({ "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": { "name": "selfsigned" }, "spec": { "selfSigned": {} } }),
        json!({ "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": { "name": "ca" },
            "spec": { "isCA": true, "commonName": "bench", "secretName": "ca", "privateKey": { "algorithm": "ECDSA" },
                      "issuerRef": { "name": "selfsigned" } } }),
        json!({ "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": { "name": "ca" }, "spec": { "ca": { "secretName": "ca" } } }),
    ];
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": manifests });
    bed.apply(namespace, &list.to_string()).await;
    let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(namespace)).await;
    until(&issuers, "ca", IN_TIME, condition_is("Ready", "True")).await;
}

pub(crate) fn certificates(namespace: &str, issuer: &str, count: usize, algorithm: &str, size: u32) -> Vec<Value> {
    let one = |at: usize| {
        json!({
            "apiVersion": "cert-manager.io/v1", "kind": "Certificate",
            "metadata": { "name": format!("{issuer}-{at}"), "namespace": namespace },
            "spec": { "secretName": format!("{issuer}-{at}"), "commonName": format!("c{at}.example"), "dnsNames": [format!("c{at}.example")],
                      "privateKey": { "algorithm": algorithm, "size": size }, "issuerRef": { "name": issuer } },
        })
    };
    (0..count).map(one).collect()
}
