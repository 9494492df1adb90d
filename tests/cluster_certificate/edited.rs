//! `kubectl edit certificate`: what an edit re-issues, at once and once, and what it does not.

use serde_json::{Value, json};

use super::shop::{Shop, data, keys, text};
use crate::support::{IN_TIME, certificate_says, condition_is, eventually, openssl_verify, until};

impl Shop {
    /// Waits for this revision, and returns its certificate.
    async fn revision(&self, name: &str, revision: i64) -> String {
        eventually(&format!("revision {revision} of {name}"), IN_TIME, async || {
            let certificate = self.certificates.get(name).await.ok()?;
            (certificate.data["status"]["revision"] == revision).then_some(())
        })
        .await;
        until(&self.certificates, name, IN_TIME, condition_is("Ready", "True")).await;
        text(&self.secret(name).await, "tls.crt")
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_new_name_another_issuer_and_a_shorter_duration_are_each_issued_once_and_at_once() {
    let shop = Shop::open(&[]).await;
    shop.ca_issuer("other", "root", json!({})).await;
    // NB-09: a duration is compared only with one that was there before
    shop.certificate("web", json!({"duration": "48h"})).await;
    let first = shop.revision("web", 1).await;
    let mark = shop.bed.audit_mark().await;
    shop.patch_spec("web", json!({"dnsNames": ["web.example.com", "www.example.com"]}))
        .await;
    let second = shop.revision("web", 2).await;
    let names = certificate_says(&second, &["-ext", "subjectAltName"]).await;
    assert!(names.contains("DNS:web.example.com, DNS:www.example.com"), "{names}");
    assert_ne!(first, second);

    shop.patch_spec("web", json!({"issuerRef": {"name": "other"}})).await;
    let third = shop.revision("web", 3).await;
    let annotations = shop.secret("web").await.metadata.annotations.unwrap();
    assert_eq!(annotations["cert-manager.io/issuer-name"], "other");

    shop.patch_spec("web", json!({"duration": "24h"})).await;
    let fourth = shop.revision("web", 4).await;
    assert_ne!(third, fourth);
    let root = text(&shop.secret("root").await, "tls.crt");
    assert_eq!(openssl_verify(&root, &[fourth], "www.example.com").await, Ok(()));
    let certificate = shop.certificates.get("web").await.unwrap();
    let at = |field: &str| -> jiff::Timestamp { certificate.data["status"][field].as_str().unwrap().parse().unwrap() };
    assert_eq!(at("notAfter").duration_since(at("notBefore")).as_hours(), 24);
    shop.everything_before_is_done().await;
    let written = shop.written_about("web", mark).await;
    let creates = written.iter().filter(|write| **write == "create certificaterequests");
    assert_eq!(creates.count(), 3, "one request for each edit");
}

/// NB-07 to NB-10, NB-15: none of these is a reason to issue anything.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn edits_and_strange_secrets_that_must_not_issue_anything_do_not() {
    let shop = Shop::open(&[]).await;
    let edits: [(&str, Value, usize); 9] = [
        ("algorithm", json!({"signatureAlgorithm": "ECDSAWithSHA256"}), 0),
        ("silent", json!({"encodeUsagesInRequest": false}), 0),
        (
            "kinded",
            json!({"issuerRef": {"name": "ca", "kind": "Issuer", "group": "cert-manager.io"}}),
            0,
        ),
        ("earlier", json!({"renewBefore": "240h"}), 0),
        ("history", json!({"revisionHistoryLimit": 3}), 0),
        ("template", json!({"secretTemplate": {"labels": {"team": "edge"}}}), 1),
        ("formats", json!({"additionalOutputFormats": [{"type": "DER"}]}), 1),
        (
            "keystore",
            json!({"keystores": {"pkcs12": {"create": true, "profile": "Modern2023", "password": "sesame"}}}),
            1,
        ),
        ("defaulted", json!({"duration": "2160h"}), 0),
    ];
    for (name, ..) in &edits {
        shop.certificate(name, json!({})).await;
    }
    for (name, ..) in &edits {
        shop.is_ready(name).await;
    }
    shop.everything_before_is_done().await;
    let mark = shop.bed.audit_mark().await;
    for (name, edit, _) in &edits {
        shop.patch_spec(name, edit.clone()).await;
    }
    for (name, ..) in &edits {
        eventually(&format!("{name} is judged"), IN_TIME, async || {
            let certificate = shop.certificates.get(name).await.ok()?;
            let ready = super::shop::condition(&certificate, "Ready");
            (ready["observedGeneration"].as_i64() == certificate.metadata.generation).then_some(())
        })
        .await;
    }
    shop.everything_before_is_done().await;
    for (name, _, repairs) in &edits {
        let writes = shop.written_about(name, mark).await;
        let of = |what: &str| writes.iter().filter(|write| *write == what).count();
        assert_eq!(of("create certificaterequests"), 0, "{name}: {writes:?}");
        assert_eq!(of("patch secrets"), *repairs, "{name}: {writes:?}");
        assert!(of("patch certificates/status") <= 2, "{name}: {writes:?}");
    }
    assert!(keys(&shop.secret("formats").await).contains(&"key.der"));
    assert!(!data(&shop.secret("keystore").await, "keystore.p12").is_empty());
}

/// A file beside the key that somebody wrote over is what the key and the certificate say again.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn output_formats_and_keystores_that_were_written_over_are_repaired_without_issuing() {
    use kube::api::{Patch, PatchParams};
    let shop = Shop::open(&[]).await;
    let asked = json!({"additionalOutputFormats": [{"type": "DER"}, {"type": "CombinedPEM"}]});
    shop.certificate("web", asked).await;
    shop.is_ready("web").await;
    let good = shop.secret("web").await;
    shop.everything_before_is_done().await;
    let mark = shop.bed.audit_mark().await;
    for key in ["key.der", "tls-combined.pem"] {
        let damage = Patch::Merge(json!({"data": {key: "Z2FyYmFnZQ=="}}));
        shop.secrets
            .patch("web", &PatchParams::default(), &damage)
            .await
            .unwrap();
        eventually(&format!("{key} as it was"), IN_TIME, async || {
            (data(&shop.secret("web").await, key) == data(&good, key)).then_some(())
        })
        .await;
    }
    shop.everything_before_is_done().await;
    assert_eq!(data(&shop.secret("web").await, "tls.crt"), data(&good, "tls.crt"));
    let writes = shop.written_about("web", mark).await;
    assert_eq!(writes, ["patch secrets"; 2]);
}
