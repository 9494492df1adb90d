//! DNS-01 at BIND: one name, an apex with its wildcard, 20 names, 200 names in 20 orders; the updates that they cost, and the memory of 60 in flight.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{
    acme::SHARED,
    measure::{Batch, Program, issue, memory, start_with},
    support::{
        Bed, IN_TIME, condition_is,
        dns::{BIND, RESOLVER, secret},
        until,
    },
};

/// The key of the bed's BIND that may write every TXT record.
const KEY: &str = "certlet-sha256";

pub(crate) async fn run(bed: &Bed, program: &Program) {
    println!("\n{program}ACME DNS-01 at BIND, Pebble with Retry-After 1 s, fresh names");
    println!(
        "{:>24} {:>9} {:>9} {:>9} {:>12} {:>8} {:>9}",
        "names", "all [s]", "p50 [s]", "p99 [s]", "writes each", "shared", "updates"
    );
    let recursive = format!("--dns01-recursive-nameservers={RESOLVER}");
    let certlet = start_with(bed, program, &[&recursive]).await;
    memory(&certlet);
    for (title, certificates, names) in [
        ("one", 1, Names::Of(1)),
        ("apex and wildcard", 1, Names::WithWildcard),
        ("20 in 20 orders", 20, Names::Of(1)),
        ("60 in 60 orders", 60, Names::Of(1)),
        ("200 in 20 orders", 20, Names::Of(10)),
    ] {
        let namespace = bed.new_namespace().await;
        issuer(bed, &namespace).await;
        let before = updates(bed);
        let wanted = (0..certificates).map(|at| certificate(&namespace, at, &names));
        let batch = issue(bed, &namespace, wanted.collect()).await;
        row(title, &batch, updates(bed) - before);
        if certificates == 60 {
            memory(&certlet);
        }
    }
    memory(&certlet);
}

/// The names of one Certificate.
enum Names {
    /// So many, without a wildcard.
    Of(usize),
    /// One, and the wildcard below it.
    WithWildcard,
}

fn row(title: &str, batch: &Batch, updates: usize) {
    println!(
        "{title:>24} {:>9.2} {:>9.2} {:>9.2} {:>12.1} {:>8} {updates:>9}",
        batch.total.as_secs_f64(),
        batch.percentile(0.5).as_secs_f64(),
        batch.percentile(0.99).as_secs_f64(),
        batch.writes_per_certificate(&SHARED),
        batch.shared_writes(&SHARED),
    );
}

async fn issuer(bed: &Bed, namespace: &str) {
    let tsig = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "tsig" }, "stringData": { "secret": secret(KEY) },
    });
    let issuer = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": { "name": "acme" },
        "spec": { "acme": {
            "server": bed.pebble().directory(), "caBundle": bed.pebble().ca_bundle(), "email": "bench@example.com",
            "privateKeySecretRef": { "name": "account" },
            "solvers": [{ "dns01": { "rfc2136": {
                "nameserver": BIND, "tsigKeyName": KEY, "tsigAlgorithm": "HMACSHA256", "tsigSecretSecretRef": { "name": "tsig", "key": "secret" },
            } } }],
        } },
    });
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [tsig, issuer] });
    bed.apply(namespace, &list.to_string()).await;
    let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(namespace)).await;
    until(&issuers, "acme", IN_TIME, condition_is("Ready", "True")).await;
}

fn certificate(namespace: &str, at: usize, names: &Names) -> Value {
    let host = format!("c{at}.{namespace}.dns01.example");
    let names: Vec<String> = match names {
        Names::Of(1) => vec![host],
        Names::Of(count) => (0..*count).map(|name| format!("n{name}.{host}")).collect(),
        Names::WithWildcard => vec![host.clone(), format!("*.{host}")],
    };
    json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": { "name": format!("c{at}"), "namespace": namespace },
        "spec": { "secretName": format!("c{at}"), "dnsNames": names, "privateKey": { "algorithm": "ECDSA" }, "issuerRef": { "name": "acme" } },
    })
}

/// Updates that BIND has made, those that add and those that remove records: its log has a line for each record, with the client's port, which is
/// another one for each update.
fn updates(bed: &Bed) -> usize {
    let log = bed.read("logs/named.log");
    let clients = log
        .lines()
        .filter(|line| line.contains(": updating zone "))
        .filter_map(|line| {
            let (_, rest) = line.split_once("client ")?;
            rest.split_whitespace().find(|word| word.contains('#'))
        });
    clients.collect::<HashSet<_>>().len()
}
