//! Issuing and renewing: what is written, and what is not written again.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::shop::{Shop, condition, data, text};
use crate::support::{
    IN_TIME, condition_is, condition_reason_is, eventually, openssl, openssl_csr, openssl_verify, until,
};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_leaf_of_a_bootstrapped_ca_verifies_and_takes_four_writes_and_a_renewal_five() {
    let shop = Shop::open(&[]).await;
    let mark = shop.bed.audit_mark().await;
    shop.certificate("web", json!({})).await;
    shop.is_ready("web").await;
    let secret = shop.secret("web").await;
    let root = text(&secret, "ca.crt");
    assert_eq!(
        openssl_verify(&root, &[text(&secret, "tls.crt")], "web.example.com").await,
        Ok(())
    );
    assert_eq!(
        shop.written_about("web", mark).await,
        [
            "create certificaterequests",
            "patch certificaterequests/status",
            "patch secrets",
            "patch certificates/status"
        ]
    );
    let mark = shop.bed.audit_mark().await;
    let now = jiff::Timestamp::from_second(
        shop.certificates
            .get("web")
            .await
            .unwrap()
            .metadata
            .creation_timestamp
            .unwrap()
            .0
            .as_second(),
    )
    .unwrap();
    let issuing = json!({"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "lastTransitionTime": now.to_string(),
        "message": "Certificate re-issuance manually triggered"});
    let ready = condition(&shop.certificates.get("web").await.unwrap(), "Ready");
    let patch = Patch::Merge(json!({"status": {"conditions": [ready, issuing]}}));
    shop.certificates
        .patch_status("web", &PatchParams::default(), &patch)
        .await
        .unwrap();
    eventually("revision 2", IN_TIME, async || {
        let certificate = shop.certificates.get("web").await.ok()?;
        (certificate.data["status"]["revision"] == 2).then_some(())
    })
    .await;
    shop.everything_before_is_done().await;
    assert_eq!(
        condition(&shop.certificates.get("web").await.unwrap(), "Issuing"),
        Value::Null,
        "NB-01"
    );
    let writes = shop.written_about("web", mark).await;
    assert_eq!(writes.len(), 5, "{writes:?}");
    assert_eq!(shop.requests_of("web").await.len(), 1, "LIF-06");
    assert_ne!(
        data(&shop.secret("web").await, "tls.key"),
        data(&secret, "tls.key"),
        "CRT-18"
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_restart_of_certlet_and_a_label_that_was_removed_issue_nothing() {
    let shop = Shop::open(&[]).await;
    for name in ["one", "two"] {
        shop.certificate(name, json!({})).await;
    }
    for name in ["one", "two"] {
        shop.is_ready(name).await;
    }
    let before = data(&shop.secret("one").await, "tls.crt");
    assert!(shop.certlet.stop().await.success());
    let unlabel = Patch::Merge(json!({"metadata": {"labels": {"controller.cert-manager.io/fao": null}}}));
    shop.secrets
        .patch("one", &PatchParams::default(), &unlabel)
        .await
        .unwrap();
    let mark = shop.bed.audit_mark().await;
    let shop = shop.with_another(&[]).await;
    eventually("the label", IN_TIME, async || {
        shop.secret("one")
            .await
            .metadata
            .labels?
            .contains_key("controller.cert-manager.io/fao")
            .then_some(())
    })
    .await;
    shop.everything_before_is_done().await;
    assert_eq!(data(&shop.secret("one").await, "tls.crt"), before, "NB-06");
    assert_eq!(shop.written_about("one", mark).await, ["patch secrets"]);
    assert_eq!(shop.written_about("two", mark).await, [""; 0], "NB-07");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_issuer_that_comes_later_is_used_the_moment_it_is_ready() {
    let shop = Shop::open(&[]).await;
    shop.certificate("web", json!({"issuerRef": {"name": "late"}})).await;
    shop.is_refused("web", "DoesNotExist").await;
    shop.apply(r#"{"apiVersion":"cert-manager.io/v1","kind":"Issuer","metadata":{"name":"late"},"spec":{"ca":{"secretName":"root"}}}"#).await;
    shop.is_ready("web").await;
    shop.no_next_key_is_left().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_name_that_is_taken_is_left_to_its_owner() {
    let shop = Shop::open(&[]).await;
    let csr = openssl_csr("/CN=stranger", &[]).await;
    let stranger = json!({"apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest", "metadata": {"name": "web-1"},
        "spec": {"request": BASE64_STANDARD.encode(csr), "issuerRef": {"name": "ca"}}});
    shop.apply(&stranger.to_string()).await;
    let uid = shop.requests.get("web-1").await.unwrap().metadata.uid;
    shop.certificate("web", json!({})).await;
    shop.is_ready("web").await;
    assert_eq!(shop.requests.get("web-1").await.unwrap().metadata.uid, uid);
    let ours = shop.requests_of("web").await;
    let name = ours.first().and_then(|request| request.metadata.name.clone()).unwrap();
    assert!(name.starts_with("web-1-") && name.len() == "web-1-".len() + 8, "{name}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn keys_of_every_kind_are_made_and_written_as_asked() {
    let shop = Shop::open(&[]).await;
    let cases = [
        ("rsa", json!({"algorithm": "RSA"}), "BEGIN RSA PRIVATE KEY", "2048 bit"),
        (
            "rsa8",
            json!({"algorithm": "RSA", "size": 4096, "encoding": "PKCS8"}),
            "BEGIN PRIVATE KEY",
            "4096 bit",
        ),
        (
            "p384",
            json!({"algorithm": "ECDSA", "size": 384}),
            "BEGIN EC PRIVATE KEY",
            "384 bit",
        ),
        (
            "p521",
            json!({"algorithm": "ECDSA", "size": 521}),
            "BEGIN EC PRIVATE KEY",
            "521 bit",
        ),
        ("ed", json!({"algorithm": "Ed25519"}), "BEGIN PRIVATE KEY", "ED25519"),
    ];
    for (name, key, ..) in &cases {
        shop.certificate(name, json!({ "privateKey": key })).await;
    }
    for (name, _, header, part) in &cases {
        shop.is_ready(name).await;
        let secret = shop.secret(name).await;
        let pem = text(&secret, "tls.key");
        assert!(
            pem.starts_with(&format!("-----{header}")),
            "{name}: {}",
            pem.lines().next().unwrap_or_default()
        );
        let shown = openssl(&["pkey", "-noout", "-text"], &pem).await;
        assert!(
            shown.contains(part),
            "{name}: {}",
            shown.lines().next().unwrap_or_default()
        );
        let public = openssl(&["pkey", "-pubout"], &pem).await;
        assert_eq!(
            openssl(&["x509", "-noout", "-pubkey"], &text(&secret, "tls.crt")).await,
            public,
            "{name}"
        );
    }
}

/// An issuer of another group never signs here: the request waits for ever.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn while_somebody_else_signs_a_temporary_certificate_is_there_and_a_restart_changes_nothing() {
    let shop = Shop::open(&[]).await;
    let certificate = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
        "metadata": {"name": "web", "annotations": {"cert-manager.io/issue-temporary-certificate": "true"}},
        "spec": {"secretName": "web", "dnsNames": ["web.example.com"], "privateKey": {"algorithm": "ECDSA"},
                 "issuerRef": {"group": "example.com", "kind": "Signer", "name": "far"}}});
    shop.apply(&certificate.to_string()).await;
    let secret = eventually("a temporary certificate", IN_TIME, async || {
        shop.secrets.get_opt("web").await.unwrap()
    })
    .await;
    let shown = openssl(
        &["x509", "-noout", "-subject", "-issuer", "-ext", "subjectAltName"],
        &text(&secret, "tls.crt"),
    )
    .await;
    assert!(
        !shown.contains("1234567890") && shown.contains("cert-manager.local") && shown.contains("web.example.com"),
        "SEC-06: {shown}"
    );
    let annotations = secret.metadata.annotations.clone().unwrap();
    assert_eq!(annotations["cert-manager.io/certificate-name"], "web", "ANW-01");
    assert!(
        !annotations.contains_key("cert-manager.io/issuer-name"),
        "{annotations:?}"
    );
    let request = eventually("its request", IN_TIME, async || {
        shop.requests.get_opt("web-1").await.unwrap()
    })
    .await;
    shop.everything_before_is_done().await;
    let mark = shop.bed.audit_mark().await;
    let shop = shop.stopped_and_started(&[]).await;
    shop.everything_before_is_done().await;
    assert_eq!(shop.written_about("web", mark).await, [""; 0]);
    assert_eq!(
        shop.requests.get("web-1").await.unwrap().metadata.uid,
        request.metadata.uid
    );
    let approved = condition(&shop.requests.get("web-1").await.unwrap(), "Approved");
    let invalid = json!({"type": "InvalidRequest", "status": "True", "reason": "NotAllowed", "message": "no such name here",
        "lastTransitionTime": "2026-11-21T00:00:00Z"});
    let patch = Patch::Merge(json!({"status": {"conditions": [approved, invalid]}}));
    shop.requests
        .patch_status("web-1", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let failed = until(
        &shop.certificates,
        "web",
        IN_TIME,
        condition_reason_is("Issuing", "NotAllowed"),
    )
    .await
    .unwrap();
    assert_eq!(failed.data["status"]["failedIssuanceAttempts"], 1, "NB-27");
    let message = condition(&failed, "Issuing")["message"].as_str().unwrap().to_owned();
    assert_eq!(
        message,
        "The certificate request has failed to complete and will be retried: no such name here"
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_acme_certificate_takes_six_writes_of_the_certificates_own_and_sixteen_in_all() {
    let shop = Shop::open(&[]).await;
    let pebble = shop.bed.pebble();
    let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "le"}, "spec": {"acme": {
        "server": pebble.directory(), "caBundle": pebble.ca_bundle(), "privateKeySecretRef": {"name": "account"},
        "solvers": [{"http01": {"ingress": {"ingressClassName": "traefik"}}}]}}});
    shop.apply(&issuer.to_string()).await;
    let issuers = shop
        .bed
        .objects("cert-manager.io/v1", "Issuer", Some(&shop.namespace))
        .await;
    until(&issuers, "le", IN_TIME, condition_is("Ready", "True")).await;
    let mark = shop.bed.audit_mark().await;
    let host = format!("web.{}.example", shop.namespace);
    shop.certificate("web", json!({"issuerRef": {"name": "le"}, "dnsNames": [host]}))
        .await;
    shop.is_ready("web").await;
    shop.no_next_key_is_left().await;
    let mut written = shop.written(mark).await;
    // the log may get the issuer's last write after it was seen to be ready
    written.retain(|write| write.resource != "issuers/status");
    let words: Vec<String> = written
        .iter()
        .map(|write| format!("{} {} {}", write.verb, write.resource, write.name))
        .collect();
    let of = |resources: &[&str]| {
        written
            .iter()
            .filter(|write| resources.contains(&write.resource.as_str()))
            .count()
    };
    assert_eq!(of(&["secrets", "certificates/status"]), 5, "{words:#?}");
    let shared = of(&["services", "endpointslices"]);
    assert!(written.len() - shared <= 16 && shared <= 5, "{words:#?}");
}
