//! Requests far larger than any that is meant: told so, and not kept.

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use serde_json::json;

use crate::key_and_csr;
use crate::support::shop::condition;
use crate::support::{Bed, Certlet, IN_TIME, condition_reason_is, until};

/// How many of each; with the texts kept, a release build grew by 38 MB for 60 of the large ones.
const COUNT: usize = 60;
/// KiB that memory may grow by.
const GROWTH: u64 = 16 << 10;

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_text_around_signing_requests_that_wait_costs_no_memory() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let namespace = bed.new_namespace().await;
    let certlet = Certlet::start(&bed, &[]).await;
    let requests = bed
        .objects("cert-manager.io/v1", "CertificateRequest", Some(&namespace))
        .await;
    let (_, csr) = key_and_csr(None).await;
    // what the first requests cost is no concern of this test
    make(&requests, "first", 4, &csr).await;
    all_are(&requests, "first", 4, "Pending").await;
    let [before, _] = certlet.memory_kib();

    let bulky = around(&csr, 150_000);
    make(&requests, "bulky", COUNT, &bulky).await;
    all_are(&requests, "bulky", COUNT, "Pending").await;
    let large = around(&csr, 1_000_000);
    make(&requests, "large", COUNT, &large).await;
    all_are(&requests, "large", COUNT, "Failed").await;
    let one = requests.get("large-0").await.unwrap();
    let message = condition(&one, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("more than the limit of 160536"), "{message}");
    let [after, _] = certlet.memory_kib();
    println!("{} requests: {before} KiB before, {after} KiB after", 2 * COUNT);
    assert!(after < before + GROWTH, "{before} KiB before, {after} KiB after");
    certlet.stop().await;
}

/// A request with that many bytes of noise before it, which no compressor makes smaller.
fn around(csr: &str, bytes: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(bytes / 10 + 1)
    .flatten()
    .collect();
    let noise = STANDARD.encode(noise);
    format!("{}\n{csr}", &noise[..bytes])
}

async fn make(requests: &Api<DynamicObject>, prefix: &str, count: usize, text: &str) {
    let request = STANDARD.encode(text);
    for number in 0..count {
        let object = json!({"apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest",
            "metadata": {"name": format!("{prefix}-{number}")},
            "spec": {"request": request, "issuerRef": {"name": "none"}}});
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        requests.create(&PostParams::default(), &object).await.unwrap();
    }
}

/// Waits until all of these have the reason.
async fn all_are(requests: &Api<DynamicObject>, prefix: &str, count: usize, reason: &'static str) {
    for number in 0..count {
        let name = format!("{prefix}-{number}");
        until(requests, &name, IN_TIME, condition_reason_is("Ready", reason)).await;
    }
}
