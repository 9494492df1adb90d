//! The Gateway API: 1, 20 and 100 certificates over HTTP-01 through Traefik's Gateway, and the memory that 1,000 annotated Gateways cost.

use serde_json::{Value, json};

use super::{
    acme,
    ca::issuers,
    measure::{Program, all_ready, create, number, rest, settle, start_with},
    support::{
        Bed, Certlet,
        gateway::{GATEWAYS, TraefikGateway, http_gateway},
    },
};

/// What switches all of it on.
const ON: [&str; 3] = [
    "--enable-gateway-api",
    "--enable-gateway-api-listenerset",
    "--feature-gates=ListenerSets=true",
];

pub(crate) async fn run(bed: &Bed, program: &Program) {
    if !bed.install_gateway_api("the part gateway").await {
        println!("there are no definitions of the Gateway API");
        std::process::exit(1);
    }
    http01(bed, program).await;
    memory(bed, program).await;
}

async fn http01(bed: &Bed, program: &Program) {
    let _controller = TraefikGateway::start(bed).await;
    println!("\n{program}ACME HTTP-01 through Traefik's Gateway, Pebble with Retry-After 1 s, fresh names");
    acme::heading();
    let certlet = start_with(bed, program, &ON).await;
    for count in [1, 20, 100] {
        several(bed, &certlet, count).await;
    }
}

async fn several(bed: &Bed, certlet: &Certlet, count: usize) {
    let namespace = bed.new_namespace().await;
    bed.apply(&namespace, &http_gateway("web", TraefikGateway::CLASS)).await;
    for at in 0..count {
        let host = acme::host(&namespace, at);
        bed.names().set_a(&host, &[TraefikGateway::ADDRESS]).await;
    }
    let solver = json!({ "gatewayHTTPRoute": { "parentRefs": [{ "name": "web" }] } });
    acme::issuer(bed, &namespace, &solver).await;
    acme::measured(bed, certlet, &namespace, count).await;
}

/// The same cluster, judged without and with the Gateway API. Their Certificates cost the same in both.
async fn memory(bed: &Bed, program: &Program) {
    let count = number("BENCH_GATEWAYS", 1_000);
    println!("\n{program}{count} annotated Gateways, each with a certificate of a CA");
    let namespace = bed.new_namespace().await;
    let first = start_with(bed, program, &ON).await;
    issuers(bed, &namespace).await;
    let gateways = (0..count).map(|at| annotated(&namespace, at)).collect();
    create(bed, GATEWAYS, Some(&namespace), gateways).await;
    let certificates = (0..count).map(|at| format!("g{at}-tls")).collect();
    all_ready(bed, &namespace, certificates).await;
    settle(bed).await;
    first.stop().await;

    let off = start_with(bed, program, &[]).await;
    settle(bed).await;
    let without = rest("without the Gateway API", &off);
    off.stop().await;
    let on = start_with(bed, program, &ON).await;
    settle(bed).await;
    let with = rest("with it", &on);
    let each = |at: usize| (with[at] - without[at]) * 1024.0 / count as f64;
    println!(
        "a Gateway costs {:+.2} KiB at rest, {:+.2} KiB at most",
        each(0),
        each(1)
    );
}

fn annotated(namespace: &str, at: usize) -> Value {
    json!({
        "apiVersion": GATEWAYS.0, "kind": GATEWAYS.1,
        "metadata": { "name": format!("g{at}"), "namespace": namespace, "annotations": {
            "cert-manager.io/issuer": "ca", "cert-manager.io/private-key-algorithm": "ECDSA", "cert-manager.io/private-key-size": "256",
        } },
        "spec": { "gatewayClassName": "none", "listeners": [{
            "name": "https", "port": 443, "protocol": "HTTPS", "hostname": format!("g{at}.{namespace}.example"),
            "tls": { "mode": "Terminate", "certificateRefs": [{ "name": format!("g{at}-tls") }] },
        }] },
    })
}
