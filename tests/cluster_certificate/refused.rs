//! What cannot be issued is told once, and cured by correction.

use serde_json::json;

use super::shop::{Shop, condition, text};
use crate::support::certlet::PROGRAM;
use crate::support::{IN_TIME, Pair, eventually, openssl};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn wrong_specs_are_told_once_and_cured_by_correction() {
    let shop = Shop::open(&[]).await;
    let mark = shop.bed.audit_mark().await;
    shop.certificate("days", json!({"duration": "90d"})).await;
    shop.certificate("nobody", json!({"issuerRef": {"name": "missing"}}))
        .await;
    let told = shop.is_refused("days", "InvalidSpec").await;
    assert!(told.contains("spec.duration") && told.contains("90d"), "{told}");
    let told = shop.is_refused("nobody", "DoesNotExist").await;
    assert!(
        told.contains(&format!(
            "Issuer \"missing\" does not exist in namespace {:?}",
            shop.namespace
        )),
        "{told}"
    );
    shop.everything_before_is_done().await;
    let settled = shop.bed.audit_mark().await;
    shop.everything_before_is_done().await;
    for name in ["days", "nobody"] {
        assert_eq!(
            shop.written_about(name, settled).await,
            [""; 0],
            "no loop; before: {:?}",
            shop.written_about(name, mark).await
        );
    }
    shop.patch_spec("days", json!({"duration": "2160h"})).await;
    shop.patch_spec("nobody", json!({"issuerRef": {"name": "ca"}})).await;
    shop.is_ready("days").await;
    shop.is_ready("nobody").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_the_api_server_refuses_is_told_without_a_loop_and_loses_no_key() {
    let shop = Shop::open(&[]).await;
    let mark = shop.bed.audit_mark().await;
    shop.certificate("web", json!({"secretTemplate": {"labels": {"not a label!": "x"}}}))
        .await;
    eventually("the refusal told", IN_TIME, async || {
        let ready = condition(&shop.certificates.get("web").await.ok()?, "Ready");
        ready["message"].as_str()?.contains("not a label!").then_some(())
    })
    .await;
    shop.everything_before_is_done().await;
    let settled = shop.bed.audit_mark().await;
    shop.everything_before_is_done().await;
    assert_eq!(
        shop.written_about("web", settled).await,
        [""; 0],
        "before: {:?}",
        shop.written_about("web", mark).await
    );
    assert_eq!(shop.requests_of("web").await.len(), 1);
    shop.patch_spec("web", json!({"secretTemplate": null})).await;
    shop.is_ready("web").await;
    let all = shop.written_about("web", mark).await;
    assert_eq!(
        all.iter()
            .filter(|write| **write == "create certificaterequests")
            .count(),
        1,
        "{all:?}"
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_rsa_size_that_no_new_key_can_have_is_told_at_once_and_a_key_that_exists_is_kept() {
    let shop = Shop::open(&[]).await;
    let key = json!({"algorithm": "RSA", "size": 2560});
    shop.certificate("new", json!({ "privateKey": key })).await;
    let told = shop.is_refused("new", "InvalidSpec").await;
    assert!(
        told.starts_with("spec.privateKey.size: 2560: new RSA keys have 2048, 3072, 4096 or 8192 bits"),
        "{told}"
    );
    assert_eq!(shop.requests_of("new").await.len(), 0);
    shop.patch_spec("new", json!({"privateKey": {"size": 3072}})).await;
    shop.is_ready("new").await;

    let pair = Pair::self_signed("/CN=before", &["-newkey", "rsa:2560", "-nodes"]).await;
    pair.store(&shop.bed, &shop.namespace, "kept").await;
    let keeping = json!({"algorithm": "RSA", "size": 2560, "rotationPolicy": "Never"});
    shop.certificate("kept", json!({ "privateKey": keeping })).await;
    shop.is_ready("kept").await;
    let secret = shop.secret("kept").await;
    let public = async |pem: &str| openssl(&["pkey", "-pubout"], pem).await;
    assert_eq!(
        public(&text(&secret, "tls.key")).await,
        public(&pair.key).await,
        "SEC-01"
    );
    let of_leaf = openssl(&["x509", "-noout", "-pubkey"], &text(&secret, "tls.crt")).await;
    assert_eq!(of_leaf, public(&pair.key).await);
    assert_ne!(text(&secret, "tls.crt"), pair.certificate);

    shop.patch_spec("kept", json!({"privateKey": {"rotationPolicy": "Always"}}))
        .await;
    shop.everything_before_is_done().await;
    shop.is_ready("kept").await;
    let planned = shop.command(PROGRAM, &["plan"]).await;
    let foreseen = format!(
        "Certificate {}/kept stays as it is, but its next issuance will be refused: spec.privateKey.size: 2560",
        shop.namespace
    );
    assert!(planned.stderr.contains(&foreseen), "{planned:?}");
}
