//! Certificates from an `OpenBao`: rate and requests, beside what plain calls of the same endpoint reach.

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    ca, ceiling,
    measure::{Program, issue, memory, settle, start},
    support::{Bed, IN_TIME, acme_servers::OpenBao, condition_is, names::plain_http, openssl_csr, until},
};

const SERVER: &str = "http://10.99.0.6:8200";
const PATH: &str = "pki/sign/names";
/// How many calls of one server certlet has under way: half of the workers for requests.
const CLIENTS: usize = 16;

/// The figures of `OpenBao`'s audit log.
const AUDIT: &str = "audit \"file\" \"bed\" { options { file_path = \"audit.log\" } }\n";

pub(crate) async fn run(bed: &Bed, program: &Program) {
    let Some(bao) = OpenBao::start_with(bed, "the part vault", &[("bao.hcl", AUDIT.to_owned())]).await else {
        println!("{program}there is no OpenBao: tests/testbed/build.sh openbao");
        return;
    };
    let policy = format!("path \"{PATH}\" {{ capabilities = [\"update\"] }}");
    bao.write("sys/policies/acl/certlet", &json!({ "policy": policy }))
        .await;
    bao.write("sys/auth/approle", &json!({"type": "approle"})).await;
    let role = json!({"token_policies": ["certlet"], "token_ttl": "1h"});
    bao.write("auth/approle/role/certlet", &role).await;
    bao.write("auth/approle/role/certlet/role-id", &json!({"role_id": "certlet"}))
        .await;
    let secret_id = bao.write("auth/approle/role/certlet/secret-id", &json!({})).await;

    println!("\n{program}Vault (OpenBao, ECDSA P-256), {CLIENTS} calls at a time, everything on the same machine");
    println!(
        "{:>7} {:>8} {:>9} {:>9} {:>11} {:>8} {:>12} {:>8} {:>14} {:>7}",
        "count", "per s", "p50 [s]", "p99 [s]", "plain /s", "ratio", "ceiling /s", "ratio", "requests each", "logins"
    );
    let sizes = std::env::var("BENCH_SIZES").unwrap_or_else(|_| "2000".into());
    for count in sizes.split(',').filter_map(|size| size.trim().parse().ok()) {
        // both are measured while no controller works
        let plain = plain_rate(count).await;
        let ceiling = ceiling::rate(bed, &bed.new_namespace().await, count).await;
        settle(bed).await;
        let certlet = start(bed, program).await;
        let namespace = bed.new_namespace().await;
        let earlier = logins(&bao);
        issuer(bed, &namespace, &secret_id["data"]["secret_id"]).await;
        let before = bao.requests("");
        let batch = issue(
            bed,
            &namespace,
            ca::certificates(&namespace, "vault", count, "ECDSA", 256),
        )
        .await;
        println!(
            "{:>7} {:>8.1} {:>9.2} {:>9.2} {plain:>11.1} {:>7.0}% {ceiling:>12.1} {:>7.0}% {:>14.3} {:>7}",
            batch.count(),
            batch.rate(),
            batch.percentile(0.5).as_secs_f64(),
            batch.percentile(0.99).as_secs_f64(),
            batch.rate() / plain * 100.0,
            batch.rate() / ceiling * 100.0,
            (bao.requests("") - before) as f64 / count as f64,
            logins(&bao) - earlier,
        );
        memory(&certlet);
    }
}

/// Signing calls per second of a client that does nothing else.
async fn plain_rate(count: usize) -> f64 {
    let csr = openssl_csr("/", &["-addext", "subjectAltName=DNS:plain.example"]).await;
    let body = json!({"csr": csr, "alt_names": "plain.example", "ttl": "2160h0m0s", "exclude_cn_from_sans": "true"});
    let (http, body) = (plain_http(), body.to_string());
    let started = Instant::now();
    stream::iter(0..count)
        .for_each_concurrent(CLIENTS, async |_| {
            let call = http.post(format!("{SERVER}/v1/{PATH}")).header("X-Vault-Token", "root");
            let answer = call.body(body.clone()).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        })
        .await;
    count as f64 / started.elapsed().as_secs_f64()
}

async fn issuer(bed: &Bed, namespace: &str, secret_id: &Value) {
    let auth =
        json!({"appRole": {"path": "approle", "roleId": "certlet", "secretRef": {"name": "approle", "key": "id"}}});
    let manifests = [
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "approle"}, "stringData": {"id": secret_id}}),
        json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "vault"},
            "spec": {"vault": {"server": SERVER, "path": PATH, "auth": auth}}}),
    ];
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": manifests });
    bed.apply(namespace, &list.to_string()).await;
    let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(namespace)).await;
    until(&issuers, "vault", IN_TIME, condition_is("Ready", "True")).await;
}

fn logins(bao: &OpenBao) -> usize {
    bao.requests("auth/approle/login")
}
