//! Accounts: registered, found again, forgotten by the server, and kept where they belong.

use std::sync::Arc;

use certlet::acme::accounts::ensure;
use certlet::acme::jws::generate_rsa_2048_pem;
use certlet::acme::transport::Settings;
use certlet::acme::{AccountKey, Client, Registry};
use certlet::net::{Trust, Unobserved};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::Place;
use crate::support::shop::condition;
use crate::support::{IN_TIME, Pebble, PebbleOptions, condition_is, eventually, openssl, until};

/// Our own view of the server with a key: the oracle is the server's answer.
fn client(server: &Pebble, pem: &[u8]) -> Client {
    let trust = Trust {
        ca_bundle: Some(std::fs::read(server.ca_file()).unwrap()),
        skip_verify: false,
    };
    let key = AccountKey::from_pem(pem).unwrap();
    Registry::new(Settings::default(), Arc::new(Unobserved))
        .client(server.directory(), &trust, &key)
        .unwrap()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_account_is_registered_and_recorded_as_cert_manager_does() {
    let place = Place::new().await;
    place.acme_issuer("le", &json!({})).await;
    let issuer = place.is_ready("le").await;
    let condition = condition(&issuer, "Ready");
    assert_eq!(condition["reason"], "ACMEAccountRegistered");
    assert_eq!(
        condition["message"],
        "The ACME account was registered with the ACME server"
    );
    assert_eq!(condition["observedGeneration"], 1);

    let pem = place.key_in("account").await;
    assert!(pem.starts_with(b"-----BEGIN RSA PRIVATE KEY-----"));
    let client = client(&place.bed.pebble(), &pem);
    let account = client.lookup().await.unwrap();
    let status = &issuer.data["status"]["acme"];
    assert_eq!(status["uri"], account.uri.as_str());
    assert_eq!(status["lastRegisteredEmail"], "ops@example.com");
    assert_eq!(status["lastPrivateKeyHash"], client.key().private_key_hash());
    assert_eq!(account.contacts, ["mailto:ops@example.com"]);
    let label = place
        .of_secret("account", ".metadata.labels.app\\.kubernetes\\.io/managed-by")
        .await;
    assert_eq!(label, "cert-manager");

    // A second issuer with the same key comes out with the same account, and an edit reaches it.
    place.acme_issuer("same", &json!({})).await;
    assert_eq!(
        place.is_ready("same").await.data["status"]["acme"]["uri"],
        account.uri.as_str()
    );
    place.acme_issuer("le", &json!({"email": "new@example.com"})).await;
    eventually("the new contact", IN_TIME, async || {
        (client.lookup().await.ok()?.contacts == ["mailto:new@example.com"]).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_account_that_the_server_knows_is_found_and_then_left_alone() {
    let place = Place::new().await;
    let pem = generate_rsa_2048_pem().unwrap();
    let client = client(&place.bed.pebble(), pem.expose());
    let made = ensure(&client, "ops@example.com", None, None).await.unwrap();
    let key = std::str::from_utf8(pem.expose()).unwrap();
    place.secret("account", json!({ "tls.key": key })).await;
    place.acme_issuer("old", &json!({})).await;
    let found = place.is_ready("old").await;
    assert_eq!(
        found.data["status"]["acme"]["uri"],
        made.uri.as_str(),
        "no new registration"
    );

    let before = found.metadata.resource_version;
    let touch = json!({"metadata": {"annotations": {"touched": "1"}}});
    let touched = place
        .issuers
        .patch("old", &PatchParams::default(), &Patch::Merge(&touch))
        .await
        .unwrap();
    assert_ne!(before, touched.metadata.resource_version);
    // What certlet does about another issuer afterwards comes after what it would do about this one.
    place.issuer("later", &json!({"selfSigned": {}})).await;
    place.is_ready("later").await;
    assert_eq!(
        place.issuers.get("old").await.unwrap().metadata.resource_version,
        touched.metadata.resource_version
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_account_secret_with_something_else_in_it_is_left_alone_until_it_is_mended() {
    let place = Place::new().await;
    let ed25519 = openssl(&["genpkey", "-algorithm", "ed25519"], "").await;
    for (name, text, words) in [
        ("garbage", "garbage", "Account private key is invalid"),
        ("ed25519", ed25519.as_str(), "is not of type RSA"),
    ] {
        place.secret(name, json!({"tls.key": text})).await;
        let key = json!({"privateKeySecretRef": {"name": name}});
        place.acme_issuer(name, &key).await;
        let message = place.is_refused(name, "ErrVerifyACMEAccount").await;
        assert!(
            message.starts_with("Failed to verify ACME account: ") && message.contains(words),
            "{message}"
        );
        assert_eq!(place.key_in(name).await, text.as_bytes(), "not overwritten");
        let rsa = openssl(&["genrsa", "-traditional", "2048"], "").await;
        place.secret(name, json!({"tls.key": rsa})).await;
        place.is_ready(name).await;
    }

    let given = json!({"disableAccountKeyGeneration": true, "privateKeySecretRef": {"name": "given"}});
    place.acme_issuer("given", &given).await;
    let message = place.is_refused("given", "ErrVerifyACMEAccount").await;
    assert!(
        message.contains("'disableAccountKeyGeneration' set to true, but the secret was not found"),
        "{message}"
    );
    let rsa = openssl(&["genrsa", "-traditional", "2048"], "").await;
    place.secret("given", json!({"tls.key": rsa})).await;
    place.is_ready("given").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_cluster_issuer_keeps_its_account_in_the_cluster_resource_namespace() {
    let place = Place::new().await;
    let name = format!("cluster-{}", place.namespace);
    let spec = place.acme(&json!({"privateKeySecretRef": {"name": name, "key": "account.pem"}}));
    place.apply("ClusterIssuer", &name, &spec).await;
    let issuers = place.bed.objects("cert-manager.io/v1", "ClusterIssuer", None).await;
    until(&issuers, &name, IN_TIME, condition_is("Ready", "True")).await;
    let all = place
        .bed
        .kubectl(&[
            "get",
            "secret",
            "-A",
            "--field-selector",
            &format!("metadata.name={name}"),
            "-o",
            "json",
        ])
        .await;
    let all: Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    assert!(all["items"][0]["data"]["account.pem"].is_string());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_that_has_forgotten_the_account_gets_a_new_one_and_the_certificate_is_issued() {
    let place = Place::new().await;
    let mut server = Pebble::start(&place.bed, PebbleOptions::default()).await;
    let solvers = json!([{"http01": {"ingress": {"ingressClassName": "traefik"}}}]);
    let own = json!({"server": server.directory(), "solvers": solvers});
    place.acme_issuer("le", &own).await;
    let first = place.is_ready("le").await.data["status"]["acme"]["uri"].clone();
    server.restart().await;

    let host = format!("forgotten.{}.example", place.namespace);
    let web = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "web"},
        "spec": {"secretName": "web-tls", "dnsNames": [host], "issuerRef": {"name": "le"}},
    });
    place.bed.apply(&place.namespace, &web.to_string()).await;
    let certificates = place
        .bed
        .objects("cert-manager.io/v1", "Certificate", Some(&place.namespace))
        .await;
    until(&certificates, "web", IN_TIME, condition_is("Ready", "True")).await;
    let second = place.is_ready("le").await.data["status"]["acme"]["uri"].clone();
    assert_ne!(first, second);
    let key = place.key_in("account").await;
    assert_eq!(
        client(&server, &key).lookup().await.unwrap().uri,
        second,
        "the same key, and one account"
    );
}
