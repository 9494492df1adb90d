//! Requests that are signed here.

use kube::api::DynamicObject;
use serde_json::json;

use crate::support::{IN_TIME, condition_is, openssl, openssl_verify, until};
use crate::{apply_ca, apply_issuer, apply_request, condition, decoded, issued, key_and_csr, prepared, refused};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_to_a_ca_is_approved_and_signed_in_one_write() {
    let (bed, namespace, requests) = prepared().await;
    let root = apply_ca(&bed, &namespace).await;
    apply_issuer(&bed, &namespace, "issuer", json!({"ca": {"secretName": "root"}})).await;
    let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(&namespace)).await;
    until(&issuers, "issuer", IN_TIME, condition_is("Ready", "True")).await;
    let (_, csr) = key_and_csr(None).await;
    let mark = bed.audit_mark().await;
    apply_request(
        &bed,
        &namespace,
        &csr,
        json!({"usages": ["digital signature", "server auth"], "duration": "48h"}),
        json!({}),
    )
    .await;

    let request = issued(&requests).await;
    let approved = condition(&request, "Approved");
    assert_eq!(approved["reason"], "cert-manager.io");
    assert_eq!(
        approved["message"],
        "Certificate request has been approved by cert-manager.io"
    );
    let ready = condition(&request, "Ready");
    assert_eq!(
        (&ready["reason"], &ready["message"]),
        (&json!("Issued"), &json!("Certificate fetched from issuer successfully"))
    );
    assert!(ready.get("observedGeneration").is_none() && ready["lastTransitionTime"].is_string());
    let leaf = decoded(&request, "certificate");
    assert_eq!(
        openssl_verify(&root, std::slice::from_ref(&leaf), "www.example.com").await,
        Ok(())
    );
    assert_eq!(decoded(&request, "ca"), root);
    let text = openssl(&["x509", "-noout", "-text"], &leaf).await;
    assert!(
        text.contains("O = Shop, CN = web.example.com") && text.contains("TLS Web Server Authentication"),
        "{text}"
    );
    let ours: Vec<_> = bed
        .writes_since(mark)
        .await
        .into_iter()
        .filter(|write| write.namespace == namespace && write.agent.starts_with("certlet/"))
        .map(|write| (write.verb, write.resource))
        .collect();
    assert_eq!(ours, [("patch".to_owned(), "certificaterequests/status".to_owned())]);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_waits_for_its_issuer_and_for_the_ca_and_says_for_which() {
    let (bed, namespace, requests) = prepared().await;
    let (_, csr) = key_and_csr(None).await;
    apply_request(&bed, &namespace, &csr, json!({}), json!({})).await;
    let message = refused(&requests, "Pending").await;
    assert_eq!(
        message,
        "Referenced \"Issuer\" not found: issuer.cert-manager.io \"issuer\" not found"
    );
    apply_issuer(&bed, &namespace, "issuer", json!({"ca": {"secretName": "root"}})).await;
    until(&requests, "web", IN_TIME, |request: Option<&DynamicObject>| {
        request.is_some_and(|request| {
            condition(request, "Ready")["message"] == "Referenced issuer does not have a Ready status condition"
        })
    })
    .await;
    let root = apply_ca(&bed, &namespace).await;
    let leaf = decoded(&issued(&requests).await, "certificate");
    assert_eq!(openssl_verify(&root, &[leaf], "web.example.com").await, Ok(()));
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_that_is_replaced_signs_with_its_new_key() {
    let (bed, namespace, requests) = prepared().await;
    apply_issuer(&bed, &namespace, "issuer", json!({"ca": {"secretName": "root"}})).await;
    let (_, csr) = key_and_csr(None).await;
    for _ in 0..2 {
        let root = apply_ca(&bed, &namespace).await;
        apply_request(&bed, &namespace, &csr, json!({}), json!({})).await;
        let request = issued(&requests).await;
        assert_eq!(decoded(&request, "ca"), root);
        assert_eq!(
            openssl_verify(&root, &[decoded(&request, "certificate")], "web.example.com").await,
            Ok(())
        );
        bed.kubectl(&["delete", "certificaterequest,secret", "-n", &namespace, "--all"])
            .await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_self_signed_request_takes_the_key_from_the_secret_that_it_names() {
    let (bed, namespace, requests) = prepared().await;
    apply_issuer(&bed, &namespace, "issuer", json!({"selfSigned": {}})).await;
    let (key, csr) = key_and_csr(None).await;
    let annotations = json!({"cert-manager.io/private-key-secret-name": "web-key"});
    apply_request(&bed, &namespace, &csr, json!({}), annotations.clone()).await;
    let message = refused(&requests, "Pending").await;
    assert_eq!(
        message,
        format!("Referenced secret {namespace}/web-key not found: secret \"web-key\" not found")
    );

    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web-key"}, "stringData": {"tls.key": "garbage"}});
    bed.apply(&namespace, &secret.to_string()).await;
    until(&requests, "web", IN_TIME, |request: Option<&DynamicObject>| {
        request.is_some_and(|request| {
            condition(request, "Ready")["message"]
                .as_str()
                .unwrap()
                .starts_with("Failed to get key \"web-key\"")
        })
    })
    .await;
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web-key"}, "stringData": {"tls.key": key}});
    bed.apply(&namespace, &secret.to_string()).await;
    let leaf = decoded(&issued(&requests).await, "certificate");
    assert_eq!(
        openssl_verify(&leaf, std::slice::from_ref(&leaf), "web.example.com").await,
        Ok(())
    );

    // Another key than that of the CSR is no use, and no annotation is none either.
    let (_, other) = key_and_csr(None).await;
    for (csr, annotations, words) in [
        (&other, annotations, "CSR not signed by referenced private key"),
        (&csr, json!({}), "missing or reference empty"),
    ] {
        bed.kubectl(&["delete", "certificaterequest", "-n", &namespace, "web"])
            .await;
        apply_request(&bed, &namespace, csr, json!({}), annotations).await;
        let message = refused(&requests, "Failed").await;
        assert!(message.contains(words), "{message}");
    }
}
