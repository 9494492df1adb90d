//! Requests that cannot be signed, now or ever.

use serde_json::json;

use crate::support::openssl;
use crate::{apply_issuer, apply_request, key_and_csr, prepared, refused};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn requests_that_can_never_be_signed_fail_with_the_field_and_the_reason() {
    let (_, csr) = key_and_csr(Some("extendedKeyUsage=clientAuth")).await;
    let small = {
        let args = [
            "req",
            "-new",
            "-newkey",
            "rsa:1024",
            "-nodes",
            "-keyout",
            "/dev/null",
            "-subj",
            "/CN=small.example.com",
        ];
        openssl(&args, "").await
    };
    let broken = csr.replacen("MI", "MJ", 1);
    let cases = [
        (
            // A policy refuses what does not even begin as PEM.
            "-----BEGIN garbage".to_owned(),
            json!({}),
            "spec.request: Invalid value: \"-----BEGIN garbage\": ",
        ),
        (
            broken,
            json!({}),
            "spec.request: Invalid value: \"-----BEGIN CERTIFICATE REQUEST-----",
        ),
        (small, json!({}), "1024"),
        (
            csr,
            json!({"usages": ["server auth"]}),
            "[ 'client auth' ] do not match the expected",
        ),
    ];
    for (csr, extra, words) in cases {
        let (bed, namespace, requests) = prepared().await;
        let mark = bed.audit_mark().await;
        apply_request(&bed, &namespace, &csr, extra, json!({})).await;
        let message = refused(&requests, "Failed").await;
        assert!(message.contains(words), "{message}");
        let writes = bed
            .writes_since(mark)
            .await
            .into_iter()
            .filter(|write| write.namespace == namespace && write.agent.starts_with("certlet/"));
        assert_eq!(writes.count(), 1, "{words}");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_issuer_type_that_is_not_there_yet_says_so() {
    let (bed, namespace, requests) = prepared().await;
    let vault = json!({"vault": {"server": "https://vault.example", "path": "pki/sign/x", "auth": {"tokenSecretRef": {"name": "t", "key": "t"}}}});
    apply_issuer(&bed, &namespace, "issuer", vault).await;
    let (_, csr) = key_and_csr(None).await;
    apply_request(&bed, &namespace, &csr, json!({}), json!({})).await;
    let message = refused(&requests, "Pending").await;
    assert!(message.contains("not supported by certlet yet"), "{message}");
}
