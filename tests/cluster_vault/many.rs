//! Many certificates: one login, and hardly more than one request each.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::{
    PATH, PLAIN, Place,
    support::{
        eventually, openssl_csr,
        scene::{CERTIFICATES, SECRETS, decoded, field},
    },
};

const MANY: usize = 200;

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn two_hundred_certificates_need_one_login_and_one_request_each() {
    let Some(place) = Place::open("many certificates of Vault").await else {
        return;
    };
    place.issuer("ca", json!({})).await;
    place.is_ready("ca").await;
    let before = place.requests("");
    let mut hosts = Vec::new();
    let mut manifests = String::new();
    for number in 0..MANY {
        let host = place.scene.host(&format!("many-{number}"));
        manifests += &crate::support::scene::certificate(&format!("many-{number}"), &[&host], "duration: 240h");
        hosts.push(host);
    }
    let answered = place.scene.bed.requests().await;
    let started = Instant::now();
    place.scene.apply(&manifests).await;
    let applied = started.elapsed();
    eventually("all are issued", Duration::from_secs(180), async || {
        let all = place.scene.list(CERTIFICATES).await;
        let ready = all.iter().filter(|one| field(one, "/status/revision") == "1").count();
        (ready >= MANY).then_some(())
    })
    .await;
    let took = started.elapsed();
    let (requests, logins) = (place.requests("") - before, place.requests("auth/approle/login"));
    println!(
        "{MANY} certificates in {took:?} (applied in {applied:?}): {requests} requests to OpenBao, {logins} login(s)"
    );
    let answered = place.scene.bed.requests().await.since(&answered);
    println!("requests to the API server:\n{answered}");
    // the target before the request and before its certificate is stored, and the next key once
    let reads = answered.filter(|series| series.resource == "secrets" && series.verb == "GET");
    assert!(
        usize::try_from(reads.total()).unwrap() <= MANY * 3 + MANY / 10,
        "{reads}"
    );
    assert_eq!(logins, 1);
    assert!(requests * 100 <= MANY * 105, "{requests} requests");
    place.verify("many-7", &hosts[7]).await;
    plain_calls().await;
}

/// What plain calls of the same endpoint take, four at a time.
async fn plain_calls() {
    let csr = openssl_csr("/", &["-addext", "subjectAltName=DNS:plain.example"]).await;
    let body = json!({"csr": csr, "alt_names": "plain.example", "ttl": "240h0m0s", "exclude_cn_from_sans": "true"})
        .to_string();
    let http = crate::support::names::plain_http();
    let started = Instant::now();
    let each = async || {
        for _ in 0..MANY / 4 {
            let call = http
                .post(format!("{PLAIN}/v1/{PATH}"))
                .header("X-Vault-Token", "root")
                .body(body.clone());
            let answer = call.send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        }
    };
    tokio::join!(each(), each(), each(), each());
    println!("{MANY} plain calls in {:?}", started.elapsed());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_root_is_read_from_the_mount_and_a_shorter_certificate_is_reported() {
    let Some(place) = Place::open("the root of Vault").await else {
        return;
    };
    let root = json!({"pem_bundle": place.bao.acme.root});
    place.bao.write("pki/issuers/import/cert", &root).await;
    let role = json!({"allowed_domains": ["example"], "allow_subdomains": true, "key_type": "any", "require_cn": false, "max_ttl": "720h"});
    place.bao.write("pki/roles/names", &role).await;
    place.issuer("ca", json!({})).await;
    place.is_ready("ca").await;
    place
        .scene
        .bed
        .kubectl(&[
            "annotate",
            "issuer",
            "-n",
            &place.scene.namespace,
            "ca",
            "certlet.io/vault-root=true",
        ])
        .await;
    let host = place.scene.host("long");
    let certificate = crate::support::scene::certificate("long", &[&host], "duration: 2160h");
    place.scene.apply(&certificate).await;
    place.scene.ready("long").await;
    place.verify("long", &host).await;
    let secret = place.scene.objects(SECRETS).await.get("long-tls").await.unwrap();
    assert_eq!(decoded(&secret, "/data/ca.crt").trim(), place.bao.acme.root.trim());
    let message = place.request_says("long", "earlier than requested").await;
    assert!(message.contains("renewed by its real lifetime"), "{message}");
}
