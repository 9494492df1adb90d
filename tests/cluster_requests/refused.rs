//! Requests that cannot be signed, now or ever.

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;

use crate::support::{IN_TIME, condition_is, openssl, until};
use crate::{apply_ca, apply_issuer, apply_request, condition, key_and_csr, prepared, refused};

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

/// Two requests in one text: whoever approves by content is shown the harmless one (`tests/data/hostile`), and none is signed.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_text_of_two_requests_that_somebody_approved_is_never_signed() {
    const TWO: &str = include_str!("../data/hostile/two.pem");
    const LONE_CR: &str = include_str!("../data/hostile/cr.pem");
    for text in [TWO, LONE_CR] {
        let (bed, namespace, requests) = prepared().await;
        apply_ca(&bed, &namespace).await;
        apply_issuer(&bed, &namespace, "issuer", json!({"ca": {"secretName": "root"}})).await;
        let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(&namespace)).await;
        until(&issuers, "issuer", IN_TIME, condition_is("Ready", "True")).await;
        apply_request(&bed, &namespace, text, json!({}), json!({})).await;
        let message = refused(&requests, "Failed").await;
        assert!(message.contains("more than once"), "{message}");
        // an approval that comes afterwards changes nothing
        approve(&requests).await;
        let request = requests.get("web").await.unwrap();
        assert!(request.data["status"].get("certificate").is_none());
        assert_eq!(condition(&request, "Ready")["reason"], "Failed");
    }
}

/// What `cmctl approve` does.
async fn approve(requests: &Api<DynamicObject>) {
    let request = requests.get("web").await.unwrap();
    let mut conditions = request.data["status"]["conditions"].as_array().unwrap().clone();
    conditions.push(
        json!({"type": "Approved", "status": "True", "reason": "Test", "message": "by the test",
        "lastTransitionTime": "2026-11-21T00:00:00Z"}),
    );
    let patch = Patch::Merge(json!({"status": {"conditions": conditions}}));
    let approved = requests.patch_status("web", &PatchParams::default(), &patch).await;
    assert_eq!(condition(&approved.unwrap(), "Approved")["status"], "True");
}
