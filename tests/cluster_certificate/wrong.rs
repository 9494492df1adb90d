//! Wrong inputs, all at once: each has one clear condition, none of them keeps the API server busy, and correction cures it.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::shop::{Shop, condition};
use crate::support::{IN_TIME, Pair, condition_is, condition_reason_is, eventually, openssl_csr, until};

/// How long is looked for a hot loop.
const QUIET: Duration = Duration::from_secs(30);

impl Shop {
    async fn opaque(&self, name: &str, data: &Value) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        self.apply(&secret.to_string()).await;
    }

    /// What the API server says to a Certificate with this, on the spot.
    async fn is_turned_away(&self, extra: Value, words: &str) {
        let mut spec = json!({"secretName": "never", "dnsNames": ["never.example.com"], "issuerRef": {"name": "ca"}});
        for (key, value) in extra.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let object = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "never"}, "spec": spec});
        let finished = self.bed.try_apply(&self.namespace, &object.to_string()).await;
        assert!(!finished.status.success(), "{extra}");
        assert!(finished.stderr.contains(words), "{extra}: {}", finished.stderr);
    }

    async fn is_told(&self, name: &str, words: &str) {
        eventually(&format!("{words:?} in the condition of {name}"), IN_TIME, async || {
            let ready = condition(&self.certificates.get(name).await.ok()?, "Ready");
            (ready["status"] == "False" && ready["message"].as_str()?.contains(words)).then_some(())
        })
        .await;
    }

    /// CertificateRequest `request`, with this for its CSR.
    async fn request(&self, csr: &[u8]) {
        let request = json!({"apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest", "metadata": {"name": "request"},
            "spec": {"request": BASE64_STANDARD.encode(csr), "issuerRef": {"name": "ca"}}});
        self.apply(&request.to_string()).await;
    }

    async fn is_cured_by_correction(&self, cas: &[WrongCa], certificates: &[WrongCertificate]) {
        let good = Pair::by_openssl("/CN=Good").await;
        for (name, ..) in cas {
            self.opaque(name, &json!({"tls.key": good.key, "tls.crt": good.certificate}))
                .await;
        }
        for (name, _, _, right) in certificates {
            self.patch_spec(name, right.clone()).await;
        }
        let issuers = self.issuers().await;
        for (name, ..) in cas {
            until(&issuers, name, IN_TIME, condition_is("Ready", "True")).await;
            self.is_ready(&format!("of-{name}")).await;
        }
        for (name, ..) in certificates {
            self.is_ready(name).await;
        }
        self.requests
            .delete("request", &kube::api::DeleteParams::default())
            .await
            .unwrap();
        self.request(openssl_csr("/CN=right", &[]).await.as_bytes()).await;
        until(&self.requests, "request", IN_TIME, condition_is("Ready", "True")).await;
    }
}

/// Secret, what is in it, the reason of the issuer's condition, and words of its message.
type WrongCa = (&'static str, Value, &'static str, &'static str);
/// Name, what is wrong, words of the message, and the correction.
type WrongCertificate = (&'static str, Value, &'static str, Value);

/// CAs that are none.
async fn wrong_cas() -> [WrongCa; 4] {
    let (good, other) = (Pair::by_openssl("/CN=Good").await, Pair::by_openssl("/CN=Other").await);
    let (leaf, expired) = (
        Pair::dated("leaf", -1, 90, false),
        Pair::dated("Expired", -20, -10, true),
    );
    let of = |key: &Pair, certificate: &Pair| json!({"tls.key": key.key, "tls.crt": certificate.certificate});
    [
        (
            "no-key",
            json!({"tls.crt": good.certificate}),
            "ErrGetKeyPair",
            "no data for \"tls.key\" in secret \"no-key\"",
        ),
        ("leaf", of(&leaf, &leaf), "ErrInvalidKeyPair", "certificate is not a CA"),
        ("expired", of(&expired, &expired), "ErrInvalidKeyPair", "expired at"),
        ("mixed", of(&good, &other), "ErrInvalidKeyPair", "do not match"),
    ]
}

/// Certificates that cannot be issued as they are.
fn wrong_certificates() -> [WrongCertificate; 4] {
    let password = json!({"pkcs12": {"create": true, "passwordSecretRef": {"name": "password", "key": "word"}}});
    [
        (
            "windows",
            json!({"renewal": {"policy": "RenewBefore", "windows": [{"cron": "x", "windowDuration": "1h"}]}}),
            "spec.renewal",
            json!({"renewal": null}),
        ),
        (
            "nopass",
            json!({"keystores": password}),
            "\"password\"",
            json!({"keystores": null}),
        ),
        (
            "thief",
            json!({"secretName": "owned"}),
            "Secret was issued for \"owner\"",
            json!({"secretName": "thief"}),
        ),
        (
            "frozen",
            json!({"secretName": "frozen"}),
            "immutable",
            json!({"secretName": "thawed"}),
        ),
    ]
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn each_wrong_input_has_one_clear_condition_makes_no_loop_and_is_cured_by_correction() {
    let shop = Shop::open(&[]).await;
    for (extra, words) in [
        (
            json!({"privateKey": {"algorithm": "RSA", "size": 1024}}),
            "spec.privateKey.size",
        ),
        (
            json!({"privateKey": {"algorithm": "ECDSA", "size": 999}}),
            "spec.privateKey.size",
        ),
        (json!({"duration": "10m"}), "spec.duration"),
        (json!({"duration": "24h", "renewBefore": "24h"}), "spec.renewBefore"),
    ] {
        shop.is_turned_away(extra, words).await;
    }

    let cas = wrong_cas().await;
    for (name, data, ..) in &cas {
        shop.opaque(name, data).await;
        shop.ca_issuer(name, name, json!({})).await;
        shop.certificate(&format!("of-{name}"), json!({"issuerRef": {"name": name}}))
            .await;
    }
    shop.certificate("owner", json!({"secretName": "owned"})).await;
    shop.is_ready("owner").await;
    let frozen = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "frozen"}, "immutable": true, "stringData": {"mine": "kept"}});
    shop.apply(&frozen.to_string()).await;
    let certificates = wrong_certificates();
    for (name, wrong, ..) in &certificates {
        shop.certificate(name, wrong.clone()).await;
    }
    // what is no PEM at all is refused by an admission policy where that is installed; this block is, with rubbish in it
    let rubbish = b"-----BEGIN CERTIFICATE REQUEST-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE REQUEST-----\n";
    shop.request(rubbish).await;

    let issuers = shop.issuers().await;
    for (name, _, reason, words) in &cas {
        let issuer = until(&issuers, name, IN_TIME, condition_reason_is("Ready", reason))
            .await
            .unwrap();
        let message = condition(&issuer, "Ready")["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{name}: {message}");
        shop.is_told(&format!("of-{name}"), words).await;
    }
    for (name, _, words, _) in &certificates {
        shop.is_told(name, words).await;
    }
    let request = until(
        &shop.requests,
        "request",
        IN_TIME,
        condition_reason_is("Ready", "Failed"),
    )
    .await
    .unwrap();
    println!("request: {}", condition(&request, "Ready")["message"]);
    shop.everything_before_is_done().await;

    let (mark, before) = (shop.bed.audit_mark().await, shop.bed.requests().await);
    tokio::time::sleep(QUIET).await; // what is looked for is that nothing happens
    let during = shop.bed.requests().await.since(&before);
    println!("in {QUIET:?}, with nine hopeless objects:\n{during}");
    // what the API server refuses is tried again once a minute: an immutable Secret may be replaced
    let writes = shop.written(mark).await;
    let tried_again = |write: &&crate::support::AuditedWrite| write.name == "frozen" && write.code >= 400;
    assert!(
        writes.iter().all(|write| tried_again(&write)) && writes.len() <= 1,
        "{writes:?}"
    );
    let ours = during.of(&["secrets", "certificates", "certificaterequests", "issuers"]);
    assert!(ours.total() <= 4, "{ours}");

    shop.is_cured_by_correction(&cas, &certificates).await;
}
