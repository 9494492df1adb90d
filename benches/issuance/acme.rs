//! HTTP-01 through a real ingress controller: 1, 20 and 100 certificates at once, cold, with fresh names; and the memory that 1,000 cost.

use serde_json::{Value, json};

use super::{
    measure::{Batch, Program, issue, memory, number, start},
    support::{Bed, Certlet, IN_TIME, condition_is, until},
};

/// What all certificates of a namespace share while orders are in flight.
pub(crate) const SHARED: [&str; 5] = [
    "services",
    "endpointslices",
    "ipaddresses",
    "endpoints",
    "selfsubjectreviews",
];

pub(crate) async fn run(bed: &Bed, program: &Program) {
    let throttle = std::env::var("TRAEFIK_THROTTLE").unwrap_or_else(|_| "100ms".into());
    println!(
        "\n{program}ACME HTTP-01 through Traefik (providersThrottleDuration {throttle}), Pebble with Retry-After 1 s, fresh names"
    );
    heading();
    let certlet = start(bed, program).await;
    for count in [1, 20, 100] {
        several(bed, &certlet, count).await;
    }
    memory(&certlet);
}

/// Part `acme-many`: what a thousand certificates over ACME cost in memory (`BENCH_ACME` says how many).
pub(crate) async fn many(bed: &Bed, program: &Program) {
    let count = number("BENCH_ACME", 1_000);
    println!("\n{program}ACME HTTP-01 through Traefik, many at once");
    heading();
    let certlet = start(bed, program).await;
    several(bed, &certlet, count).await;
    memory(&certlet);
}

async fn several(bed: &Bed, certlet: &Certlet, count: usize) {
    let namespace = bed.new_namespace().await;
    let solver = json!({ "ingress": { "ingressClassName": "traefik" } });
    issuer(bed, &namespace, &solver).await;
    measured(bed, certlet, &namespace, count).await;
}

/// Issues so many certificates of the namespace's issuer `acme`, and prints what was seen.
pub(crate) async fn measured(bed: &Bed, certlet: &Certlet, namespace: &str, count: usize) {
    let (answered, validated) = (validations(certlet).await, valid_at_the_ca(bed));
    let certificates = (0..count).map(|at| certificate(namespace, at)).collect();
    let batch = issue(bed, namespace, certificates).await;
    let validations = [
        validations(certlet).await - answered,
        (valid_at_the_ca(bed) - validated) as f64,
    ];
    row(count, &batch, validations);
    if std::env::var_os("BENCH_DETAIL").is_some() {
        println!("{}", batch.requests.writes());
    }
}

pub(crate) fn heading() {
    println!(
        "{:>6} {:>9} {:>9} {:>9} {:>9} {:>12} {:>8} {:>9} {:>9}",
        "count", "all [s]", "per s", "p50 [s]", "p99 [s]", "writes each", "shared", "answered", "CA valid"
    );
}

fn row(count: usize, batch: &Batch, [answered, validated]: [f64; 2]) {
    println!(
        "{count:>6} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>12.1} {:>8} {answered:>9} {validated:>9}",
        batch.total.as_secs_f64(),
        batch.rate(),
        batch.percentile(0.5).as_secs_f64(),
        batch.percentile(0.99).as_secs_f64(),
        batch.writes_per_certificate(&SHARED),
        batch.shared_writes(&SHARED),
    );
}

/// An Issuer `acme` that proves names over HTTP-01 with this solver.
pub(crate) async fn issuer(bed: &Bed, namespace: &str, http01: &Value) {
    let issuer = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": { "name": "acme" },
        "spec": { "acme": {
            "server": bed.pebble().directory(), "caBundle": bed.pebble().ca_bundle(), "email": "bench@example.com",
            "privateKeySecretRef": { "name": "account" },
            "solvers": [{ "http01": http01 }],
        } },
    });
    bed.apply(namespace, &issuer.to_string()).await;
    let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(namespace)).await;
    until(&issuers, "acme", IN_TIME, condition_is("Ready", "True")).await;
}

/// The name of such a certificate.
pub(crate) fn host(namespace: &str, at: usize) -> String {
    format!("c{at}.{namespace}.bench.example")
}

fn certificate(namespace: &str, at: usize) -> Value {
    json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": { "name": format!("c{at}"), "namespace": namespace },
        "spec": { "secretName": format!("c{at}"), "dnsNames": [host(namespace, at)],
                  "privateKey": { "algorithm": "ECDSA" }, "issuerRef": { "name": "acme" } },
    })
}

/// Challenges that Pebble's log calls valid.
fn valid_at_the_ca(bed: &Bed) -> usize {
    bed.pebble().log().matches("set VALID by completed challenge").count()
}

/// Requests of the CA that certlet has answered, by its own count.
async fn validations(certlet: &Certlet) -> f64 {
    let (_, page) = certlet.page("/metrics").await.expect("certlet has metrics");
    let line = page
        .lines()
        .find(|line| line.starts_with("certlet_http01_validations_total"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or(f64::NAN)
}
