//! Commands that look at certificates and ask for them: cmctl 2.5.0 as a judge, and certlet's own beside it.
//! (`cmctl check api` is in `cluster_api`, `approve` and `deny` are in `cluster_approval`.)

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use support::certlet::PROGRAM;
use support::command::split_pem;
use support::shop::{Shop, text};
use support::{IN_TIME, eventually, openssl, openssl_verify};

impl Shop {
    /// A shop with these Certificates, issued.
    async fn with(names: &[&str]) -> Self {
        let shop = Self::open(&[]).await;
        for name in names {
            shop.certificate(name, json!({"commonName": format!("{name}.example.com")}))
                .await;
        }
        for name in names {
            shop.is_ready(name).await;
        }
        shop
    }
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn cmctl_and_certlet_status_tell_issuer_secret_and_what_comes_next() {
    let shop = Shop::with(&["web"]).await;
    let said = shop.cmctl(&["status", "certificate", "web"]).await;
    contains(
        &said,
        &[
            "Name: web\n",
            "Ready: True, Reason: Ready, Message: Certificate is up to date and has not expired",
            "DNS Names:\n- web.example.com",
            "Issuer:\n  Name: ca\n  Kind: Issuer",
            "Ready: True, Reason: KeyPairVerified, Message: Signing CA verified",
            "Secret:\n  Name: web\n",
            "Issuer Common Name: shop root",
            "Key Usage: Digital Signature, Key Encipherment",
            "Renewal Time: ",
            "No CertificateRequest found for this Certificate",
        ],
    );
    let said = shop.says(&["status", "certificate", "web"]).await;
    contains(
        &said,
        &[
            &format!("{}/web", shop.namespace),
            "Certificate is up to date and has not expired",
            "Issuer ca",
        ],
    );
    let json = shop.says(&["status", "certificate", "web", "-o", "json"]).await;
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["issuer"]["name"], "ca", "{report:#}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn cmctl_status_walks_from_a_certificate_to_its_request_order_and_challenge() {
    let shop = Shop::open(&[]).await;
    let pebble = shop.bed.pebble();
    let acme = json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "acme"}, "spec": {"acme": {
        "server": pebble.directory(), "caBundle": pebble.ca_bundle(), "privateKeySecretRef": {"name": "account"},
        "solvers": [{"http01": {"ingress": {"ingressClassName": "nobody"}}}],
    }}});
    shop.apply(&acme.to_string()).await;
    shop.certificate("waits", json!({"issuerRef": {"name": "acme"}})).await;
    let said = eventually("cmctl tells of the Challenge", IN_TIME, async || {
        let said = shop.cmctl(&["status", "certificate", "waits"]).await;
        said.contains("Challenges:\n- Name: waits-1-").then_some(said)
    })
    .await;
    contains(
        &said,
        &[
            "Issuing: True, Reason: DoesNotExist",
            "CertificateRequest:\n  Name: waits-1\n",
            "Approved: True, Reason: cert-manager.io",
            "Order:\n  Name: waits-1-",
            "State: pending",
            "Type: HTTP-01",
        ],
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn cmctl_renew_gives_a_new_certificate() {
    let shop = Shop::with(&["web"]).await;
    let before = text(&shop.secret("web").await, "tls.crt");
    let said = shop.cmctl(&["renew", "web"]).await;
    contains(&said, &["Manually triggered issuance of Certificate"]);
    shop.has_revision("web", 2).await;
    assert_ne!(text(&shop.secret("web").await, "tls.crt"), before, "NB-02");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn cmctl_create_certificaterequest_fetches_a_certificate_for_its_own_key() {
    let shop = Shop::open(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (template, key, leaf) = (path("template.yaml"), path("key.pem"), path("leaf.pem"));
    let object = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "other"}, "spec": {
        "secretName": "other", "dnsNames": ["other.example.com"], "issuerRef": {"name": "ca"},
        "privateKey": {"algorithm": "RSA", "size": 2048},
    }});
    std::fs::write(&template, object.to_string()).unwrap();
    let args = [
        "create",
        "certificaterequest",
        "by-hand",
        "--from-certificate-file",
        &template,
        "--fetch-certificate",
        "--output-key-file",
        &key,
        "--output-certificate-file",
        &leaf,
        "--timeout=60s",
    ];
    shop.cmctl(&args).await;
    let of_leaf = openssl(&["x509", "-noout", "-pubkey", "-in", &leaf], "").await;
    let of_key = openssl(&["pkey", "-pubout", "-in", &key], "").await;
    assert_eq!(of_leaf, of_key);
    let root = text(&shop.secret("root").await, "tls.crt");
    let chain = split_pem(&std::fs::read_to_string(&leaf).unwrap());
    assert_eq!(openssl_verify(&root, &chain, "other.example.com").await, Ok(()));
    assert!(shop.secrets.get_opt("other").await.unwrap().is_none(), "CRQ-01");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn cmctl_inspect_secret_reads_what_was_issued() {
    let shop = Shop::with(&["web"]).await;
    let said = shop.cmctl(&["inspect", "secret", "web"]).await;
    contains(
        &said,
        &[
            "- web.example.com",
            "shop root",
            "Signing Algorithm:\tECDSA-SHA256",
            "Is a CA certificate: false",
        ],
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn certlet_renew_takes_names_labels_or_all_and_says_which() {
    let shop = Shop::with(&["web", "api"]).await;
    let said = shop.says(&["renew", "web"]).await;
    assert_eq!(said.lines().count(), 1, "{said}");
    shop.has_revision("web", 2).await;
    let label = Patch::Merge(json!({"metadata": {"labels": {"tier": "front"}}}));
    shop.certificates
        .patch("api", &PatchParams::default(), &label)
        .await
        .unwrap();
    let said = shop.says(&["renew", "-l", "tier=front"]).await;
    contains(&said, &[&format!("{}/api\n", shop.namespace)]);
    assert_eq!(said.lines().count(), 1, "{said}");
    shop.has_revision("api", 2).await;
    let said = shop.says(&["renew", "--all"]).await;
    assert_eq!(said.lines().count(), 3, "{said}");
    for (name, revision) in [("root", 2), ("web", 3), ("api", 3)] {
        shop.has_revision(name, revision).await;
    }
    let nobody = shop.command(PROGRAM, &["renew", "-l", "tier=nobody"]).await;
    assert_eq!((nobody.status.code(), nobody.stdout.as_str()), (Some(1), ""));
    contains(&nobody.stderr, &["no Certificate"]);
    let missing = shop.command(PROGRAM, &["renew", "nobody"]).await;
    assert_eq!(missing.status.code(), Some(1));
    contains(&missing.stderr, &["\"nobody\" not found"]);
}
