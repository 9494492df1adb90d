//! Whatever happens to what was issued, nothing is issued without end (case 44).

use std::collections::BTreeSet;

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::shop::{Shop, condition};
use crate::support::{IN_TIME, eventually, until};

impl Shop {
    /// How many requests were made for a Certificate since then.
    async fn asked_for(&self, name: &str, mark: crate::support::AuditMark) -> usize {
        let writes = self.written_about(name, mark).await;
        writes
            .iter()
            .filter(|write| **write == "create certificaterequests")
            .count()
    }
}

/// A chain above the limit is refused once, by a CA and by a self-signed issuer, in one pass and in several.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_chain_that_is_too_long_is_refused_once_with_size_limit_and_flag() {
    let shop = Shop::open(&["--max-certificate-chain-length=4000"]).await;
    let names: Vec<String> = (0..150)
        .map(|number| format!("tenant-{number}.with-a-long-name.example.com"))
        .collect();
    let mark = shop.bed.audit_mark().await;
    let cases = [("by-ca", "ca"), ("by-itself", "own"), ("too-early", "late")];
    for (name, issuer) in cases {
        shop.certificate(name, json!({"dnsNames": names, "issuerRef": {"name": issuer}}))
            .await;
    }
    shop.ca_issuer("late", "root", json!({})).await;
    shop.certificate("small", json!({})).await;
    for (name, _) in cases {
        let refused = until(
            &shop.certificates,
            name,
            IN_TIME,
            crate::support::condition_is("Issuing", "False"),
        )
        .await
        .unwrap();
        let issuing = condition(&refused, "Issuing");
        let message = issuing["message"].as_str().unwrap();
        for part in [
            "bytes, more than the limit of 4000",
            "--max-certificate-chain-length",
            "will be retried",
        ] {
            assert!(message.contains(part), "{name}: {message}");
        }
        assert_eq!(refused.data["status"]["failedIssuanceAttempts"], 1, "{name}");
        let ready = condition(&refused, "Ready");
        assert_eq!(ready["status"], "False", "{name}");
    }
    shop.is_ready("small").await;
    shop.everything_before_is_done().await;
    for (name, _) in cases {
        assert_eq!(shop.asked_for(name, mark).await, 1, "{name} is asked for once");
        let secret = shop.secrets.get_opt(name).await.unwrap();
        assert!(secret.is_none(), "{name}: what is unfit is not written");
    }
    let told = shop.told("by-ca", "Failed").await;
    assert!(told.contains("more than the limit of 4000"), "{told}");
}

/// Somebody deletes the Secret whenever it is there.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_secret_that_is_deleted_after_each_issuance_is_issued_twice_and_then_less_and_less_often() {
    let shop = Shop::open(&[]).await;
    let mark = shop.bed.audit_mark().await;
    let secrets = shop.secrets.clone();
    let vandal = tokio::spawn(async move {
        let mut destroyed = BTreeSet::new();
        loop {
            if let Some(secret) = secrets.get_opt("web").await.unwrap()
                && destroyed.insert(secret.metadata.uid.unwrap())
            {
                let _gone_already = secrets.delete("web", &DeleteParams::default()).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    shop.certificate("web", json!({})).await;
    let held = eventually("the certificate held back", IN_TIME, async || {
        let certificate = shop.certificates.get("web").await.ok()?;
        let unsettled = condition(&certificate, "Unsettled");
        unsettled["message"]
            .as_str()?
            .contains("Next attempt at")
            .then_some(certificate)
    })
    .await;
    assert_eq!(shop.asked_for("web", mark).await, 2, "the second at once, no third");
    assert_eq!(condition(&held, "Ready")["status"], "False");
    assert_eq!(held.data["status"]["revision"], 2);
    let told = shop.told("web", "SecretNotKept").await;
    assert!(
        told.contains("another client changes or deletes Secret \"web\""),
        "{told}"
    );
    // a restart changes nothing
    let shop = shop.stopped_and_started(&[]).await;
    shop.everything_before_is_done().await;
    let asked = shop.asked_for("web", mark).await;
    assert!(asked <= 3, "{asked} after a restart");
    vandal.abort();
    assert!(vandal.await.unwrap_err().is_cancelled(), "it was at work to the end");
    shop.is_ready("web").await;
}

/// A leaf is not written over the key of an ACME account.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_certificate_whose_secret_is_the_account_of_an_issuer_waits_and_a_correction_of_either_cures_it() {
    let shop = Shop::open(&[]).await;
    let account = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "account"},
        "stringData": {"tls.key": "the key of an account"}});
    shop.apply(&account.to_string()).await;
    let issuer = |secret: &str| {
        json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "le"},
        "spec": {"acme": {"server": "https://127.0.0.1:1/dir", "privateKeySecretRef": {"name": secret}}}})
    };
    shop.apply(&issuer("account").to_string()).await;
    let issuers = shop.issuers().await;
    until(&issuers, "le", IN_TIME, crate::support::condition_is("Ready", "False"))
        .await
        .unwrap();
    let before = shop.secret("account").await;
    let mark = shop.bed.audit_mark().await;
    for name in ["one", "two"] {
        shop.certificate(name, json!({"secretName": "account"})).await;
        if name == "one" {
            let told = shop.is_refused(name, "SecretInUse").await;
            let wanted = "Issuer \"le\" uses Secret \"account\" as the private key of its ACME account";
            assert!(told.starts_with(wanted), "{told}");
            assert!(shop.told(name, "SecretInUse").await.starts_with(wanted));
            // of the Certificate
            shop.patch_spec(name, json!({"secretName": "one"})).await;
            shop.is_ready(name).await;
        }
    }
    shop.is_refused("two", "SecretInUse").await;
    shop.everything_before_is_done().await;
    assert_eq!(shop.asked_for("two", mark).await, 0);
    assert_eq!(shop.secret("account").await.data, before.data);
    // of the issuer
    let moved = Patch::Merge(json!({"spec": {"acme": {"privateKeySecretRef": {"name": "another"}}}}));
    issuers.patch("le", &PatchParams::default(), &moved).await.unwrap();
    shop.is_ready("two").await;
}
