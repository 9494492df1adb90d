//! Keystores and the other forms of key and certificate: opened by openssl and Java's keytool, and put right without a new certificate.

use std::path::PathBuf;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::shop::{Shop, data, text};
use crate::support::command::{keytool, try_run};
use crate::support::{IN_TIME, eventually, openssl};

/// A Certificate with both kinds of keystore, whose passwords are in Secret `words`.
fn keystores(profile: Option<&str>) -> Value {
    let password = |key: &str| json!({"name": "words", "key": key});
    let mut spec = json!({"keystores": {
        "jks": {"create": true, "passwordSecretRef": password("jks")},
        "pkcs12": {"create": true, "passwordSecretRef": password("p12")},
    }});
    if let Some(profile) = profile {
        spec["keystores"]["pkcs12"]["profile"] = json!(profile);
    }
    spec
}

impl Shop {
    async fn words(&self, jks: &str, p12: &str) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "words"},
            "stringData": {"jks": jks, "p12": p12}});
        self.apply(&secret.to_string()).await;
    }

    /// One data key of a Secret as a file.
    async fn file(&self, secret: &str, key: &str) -> PathBuf {
        let path = self.bed.path(&format!("run/{}-{secret}-{key}", self.namespace));
        std::fs::write(&path, data(&self.secret(secret).await, key)).unwrap();
        path
    }

    /// What openssl finds in `keystore.p12`, if the password opens it.
    async fn by_openssl(&self, secret: &str, password: &str, flags: &[&str]) -> Option<String> {
        let file = self.file(secret, "keystore.p12").await;
        let pass = format!("pass:{password}");
        let args = ["pkcs12", "-in", file.to_str()?, "-passin", &pass, "-nodes"];
        let done = try_run("openssl", &[&args, flags].concat(), None).await;
        done.status.success().then_some(done.stdout)
    }

    /// What keytool lists of a keystore, if the password opens it.
    async fn by_keytool(&self, secret: &str, key: &str, password: &str) -> Option<String> {
        let file = self.file(secret, key).await;
        let kind = if key.ends_with("jks") { "JKS" } else { "PKCS12" };
        let args = [
            "-list",
            "-v",
            "-storetype",
            kind,
            "-keystore",
            file.to_str()?,
            "-storepass",
            password,
        ];
        let done = keytool(&args).await;
        done.status.success().then_some(done.stdout)
    }
}

async fn public_key(pem: &str) -> String {
    openssl(&["pkey", "-pubout"], pem).await
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn keystores_of_every_profile_are_opened_by_openssl_and_keytool_and_follow_the_spec() {
    let shop = Shop::open(&[]).await;
    shop.words("jks word", "p12 word").await;
    shop.certificate("web", keystores(None)).await;
    shop.is_ready("web").await;
    let before = shop.secret("web").await;
    let key = public_key(&text(&before, "tls.key")).await;
    let mark = shop.bed.audit_mark().await;
    // as openssl tells how the certificates in the file are protected
    for (profile, flags, says) in [
        (None, ["-info", "-legacy"], "pbeWithSHA1And40BitRC2-CBC"),
        (
            Some("LegacyDES"),
            ["-info", "-legacy"],
            "pbeWithSHA1And3-KeyTripleDES-CBC",
        ),
        (Some("Modern2023"), ["-info", "-nodes"], "PBES2"),
        // OpenSSL knows its code from 3.4 on
        (Some("Modern2026"), ["-info", "-nomacver"], "PBES2"),
    ] {
        shop.patch_spec("web", keystores(profile)).await;
        let file = eventually(&format!("a file of {profile:?}"), IN_TIME, async || {
            let path = shop.file("web", "keystore.p12").await;
            let mut args = vec!["pkcs12", "-in", path.to_str()?, "-passin", "pass:p12 word", "-nodes"];
            args.extend(flags);
            let done = try_run("openssl", &args, None).await;
            let pbmac1 = data(&shop.secret("web").await, "keystore.p12")
                .windows(PBMAC1.len())
                .any(|bytes| bytes == PBMAC1);
            let right =
                done.status.success() && done.stderr.contains(says) && pbmac1 == (profile == Some("Modern2026"));
            right.then_some(done.stdout)
        })
        .await;
        assert_eq!(public_key(&file).await, key, "{profile:?}");
        assert_eq!(file.matches("BEGIN CERTIFICATE").count(), 2, "leaf and CA: {file}");
        if profile != Some("Modern2026") {
            let listed = shop.by_keytool("web", "keystore.p12", "p12 word").await.unwrap();
            assert!(listed.contains("PrivateKeyEntry"), "{listed}");
            let listed = shop.by_keytool("web", "truststore.p12", "p12 word").await.unwrap();
            assert!(listed.contains("CN=shop root"), "{listed}");
        }
    }
    let listed = shop.by_keytool("web", "keystore.jks", "jks word").await.unwrap();
    assert!(
        listed.contains("Alias name: certificate") && listed.contains("CN=shop root"),
        "{listed}"
    );
    let listed = shop.by_keytool("web", "truststore.jks", "jks word").await.unwrap();
    assert!(listed.contains("Alias name: ca"), "{listed}");
    assert_eq!(data(&shop.secret("web").await, "tls.crt"), data(&before, "tls.crt"));
    let written = shop.written_about("web", mark).await;
    let secrets = written.iter().filter(|write| **write == "patch secrets").count();
    assert_eq!(secrets, 3, "one for each change: {written:?}");
    assert!(
        !written.contains(&"create certificaterequests".to_owned()),
        "{written:?}"
    );
}

/// The identifier 1.2.840.113549.1.5.14.
const PBMAC1: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0e];

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_changed_password_and_a_file_that_is_not_ours_are_put_right_without_a_new_certificate() {
    let shop = Shop::open(&[]).await;
    shop.words("first jks", "first p12").await;
    shop.certificate("web", keystores(Some("Modern2023"))).await;
    shop.certificate("other", keystores(Some("Modern2023"))).await;
    for name in ["web", "other"] {
        shop.is_ready(name).await;
    }
    let before = shop.secret("web").await;
    let key = public_key(&text(&before, "tls.key")).await;
    shop.everything_before_is_done().await;
    let mark = shop.bed.audit_mark().await;

    shop.words("second jks", "second p12").await;
    eventually("files with the second passwords", IN_TIME, async || {
        shop.by_openssl("web", "second p12", &[]).await?;
        shop.by_keytool("web", "keystore.jks", "second jks").await
    })
    .await;
    assert_eq!(shop.by_openssl("web", "first p12", &[]).await, None);
    assert_eq!(shop.by_keytool("web", "keystore.jks", "first jks").await, None);

    // restored from elsewhere: it opens, and is of another certificate
    let foreign = data(&shop.secret("other").await, "keystore.p12");
    for file in [foreign, b"garbage".to_vec()] {
        let patch = Patch::Merge(json!({"data": {"keystore.p12": BASE64_STANDARD.encode(&file)}}));
        shop.secrets
            .patch("web", &PatchParams::default(), &patch)
            .await
            .unwrap();
        let found = eventually("the right file again", IN_TIME, async || {
            // the other one's file opens with this password as well: first it has to be gone
            (data(&shop.secret("web").await, "keystore.p12") != file).then_some(())?;
            shop.by_openssl("web", "second p12", &[]).await
        })
        .await;
        assert_eq!(public_key(&found).await, key);
    }
    shop.everything_before_is_done().await;
    let settled = shop.bed.audit_mark().await;
    // it changes again, this time while certlet is away
    let shop = {
        assert!(shop.certlet.stop().await.success());
        shop.words("third jks", "third p12").await;
        shop.with_another(&[]).await
    };
    eventually("a file with the third password", IN_TIME, async || {
        shop.by_openssl("web", "third p12", &[]).await
    })
    .await;
    shop.everything_before_is_done().await;
    assert_eq!(data(&shop.secret("web").await, "tls.crt"), data(&before, "tls.crt"));
    assert_eq!(shop.written_about("web", settled).await, ["patch secrets"]);
    assert_eq!(shop.written_about("web", mark).await, ["patch secrets"; 4], "each once");
    assert_eq!(
        shop.written_about("other", mark).await,
        ["patch secrets"; 2],
        "each once"
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_password_that_goes_away_after_the_issuance_changes_nothing() {
    let shop = Shop::open(&[]).await;
    shop.words("jks word", "p12 word").await;
    shop.certificate("web", keystores(Some("Modern2023"))).await;
    shop.is_ready("web").await;
    shop.everything_before_is_done().await;
    let mark = shop.bed.audit_mark().await;
    let gone = kube::api::DeleteParams::default();
    shop.secrets.delete("words", &gone).await.unwrap();
    shop.everything_before_is_done().await;
    assert_eq!(shop.written_about("web", mark).await, [""; 0]);
    shop.is_ready("web").await;
    assert!(shop.by_openssl("web", "p12 word", &[]).await.is_some());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn every_form_of_key_and_certificate_is_read_by_openssl() {
    let shop = Shop::open(&[]).await;
    let formats = json!([{"type": "DER"}, {"type": "CombinedPEM"}]);
    for (name, algorithm) in [("rsa", "RSA"), ("ecdsa", "ECDSA"), ("ed25519", "Ed25519")] {
        for encoding in ["PKCS1", "PKCS8"] {
            let name = format!("{name}-{}", encoding.to_lowercase());
            let key = json!({"algorithm": algorithm, "encoding": encoding});
            shop.certificate(&name, json!({"additionalOutputFormats": formats, "privateKey": key}))
                .await;
            shop.is_ready(&name).await;
            let secret = shop.secret(&name).await;
            let (key, chain) = (text(&secret, "tls.key"), text(&secret, "tls.crt"));
            let label = match (algorithm, encoding) {
                ("RSA", "PKCS1") => "-----BEGIN RSA PRIVATE KEY-----",
                ("ECDSA", "PKCS1") => "-----BEGIN EC PRIVATE KEY-----",
                _ => "-----BEGIN PRIVATE KEY-----",
            };
            assert_eq!(key.lines().next(), Some(label), "CRT-19");
            let public = public_key(&key).await;
            assert_eq!(openssl(&["x509", "-noout", "-pubkey"], &chain).await, public);
            let der = shop.file(&name, "key.der").await;
            let args = ["pkey", "-inform", "DER", "-in", der.to_str().unwrap(), "-pubout"];
            assert_eq!(openssl(&args, "").await, public, "CRT-25");
            let combined = text(&secret, "tls-combined.pem");
            assert_eq!(public_key(&combined).await, public);
            assert_eq!(openssl(&["x509", "-noout", "-pubkey"], &combined).await, public);
            assert_eq!(combined, format!("{key}\n{chain}"));
        }
    }
}
