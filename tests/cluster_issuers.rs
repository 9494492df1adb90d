//! Issuers and ClusterIssuers on a real API server, with Pebble: accounts, readiness, wrong inputs and their cure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use certlet::acme::accounts::ensure;
use certlet::acme::jws::generate_rsa_2048_pem;
use certlet::acme::tls::Trust;
use certlet::acme::transport::{Settings, Unobserved};
use certlet::acme::{AccountKey, Client, Registry};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use support::{
    Bed, Certlet, IN_TIME, Pair, Pebble, PebbleOptions, condition_is, condition_reason_is, eventually, until,
};

async fn prepared() -> (Bed, String) {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    Certlet::shared(&bed).await;
    let namespace = bed.new_namespace().await;
    (bed, namespace)
}

async fn issuers(bed: &Bed, namespace: &str) -> Api<DynamicObject> {
    bed.objects("cert-manager.io/v1", "Issuer", Some(namespace)).await
}

fn acme(bed: &Bed, extra: &Value) -> Value {
    let mut acme = json!({
        "server": bed.pebble().directory(), "caBundle": bed.pebble().ca_bundle(), "email": "ops@example.com",
        "privateKeySecretRef": {"name": "account"}, "solvers": [{"http01": {"ingress": {}}}],
    });
    merge(&mut acme, extra);
    acme
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().unwrap() {
        into[key] = value.clone();
    }
}

async fn apply_issuer(bed: &Bed, namespace: &str, kind: &str, name: &str, spec: &Value) {
    let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    bed.apply(namespace, &issuer.to_string()).await;
}

async fn apply_secret(bed: &Bed, namespace: &str, name: &str, data: &[(&str, &str)]) {
    let data: Value = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Value::from(*value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
    bed.apply(namespace, &secret.to_string()).await;
}

fn ready(issuer: &DynamicObject) -> Value {
    let conditions = issuer.data["status"]["conditions"].as_array().unwrap();
    conditions
        .iter()
        .find(|condition| condition["type"] == "Ready")
        .unwrap()
        .clone()
}

async fn is_ready(api: &Api<DynamicObject>, name: &str) -> DynamicObject {
    until(api, name, IN_TIME, condition_is("Ready", "True")).await.unwrap()
}

async fn is_refused(api: &Api<DynamicObject>, name: &str, reason: &'static str) -> String {
    let issuer = until(api, name, IN_TIME, condition_reason_is("Ready", reason))
        .await
        .unwrap();
    let ready = ready(&issuer);
    assert_eq!(ready["status"], "False");
    assert_eq!(ready["observedGeneration"].as_i64(), issuer.metadata.generation);
    ready["message"].as_str().unwrap().to_owned()
}

/// The event that tells why, as `kubectl describe` shows it.
async fn told(bed: &Bed, namespace: &str, name: &str, reason: &str) -> String {
    let selector = format!("involvedObject.name={name},reason={reason}");
    eventually(&format!("an event {reason} about {name}"), IN_TIME, async || {
        let text = bed
            .kubectl(&[
                "get",
                "events",
                "-n",
                namespace,
                "--field-selector",
                &selector,
                "-o",
                "jsonpath={.items[*].message}",
            ])
            .await;
        Some(text).filter(|text| !text.is_empty())
    })
    .await
}

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

async fn key_in(bed: &Bed, namespace: &str, name: &str) -> Vec<u8> {
    use base64::Engine as _;
    let text = bed
        .kubectl(&[
            "get",
            "secret",
            "-n",
            namespace,
            name,
            "-o",
            "jsonpath={.data.tls\\.key}",
        ])
        .await;
    base64::prelude::BASE64_STANDARD.decode(text).unwrap()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_account_is_registered_and_recorded_as_cert_manager_does() {
    let (bed, namespace) = prepared().await;
    let api = issuers(&bed, &namespace).await;
    apply_issuer(
        &bed,
        &namespace,
        "Issuer",
        "le",
        &json!({"acme": acme(&bed, &json!({}))}),
    )
    .await;
    let issuer = is_ready(&api, "le").await;
    let condition = ready(&issuer);
    assert_eq!(condition["reason"], "ACMEAccountRegistered");
    assert_eq!(
        condition["message"],
        "The ACME account was registered with the ACME server"
    );
    assert_eq!(condition["observedGeneration"], 1);

    let pem = key_in(&bed, &namespace, "account").await;
    assert!(pem.starts_with(b"-----BEGIN RSA PRIVATE KEY-----"));
    let client = client(&bed.pebble(), &pem);
    let account = client.lookup().await.unwrap();
    let status = &issuer.data["status"]["acme"];
    assert_eq!(status["uri"], account.uri.as_str());
    assert_eq!(status["lastRegisteredEmail"], "ops@example.com");
    assert_eq!(status["lastPrivateKeyHash"], client.key().private_key_hash());
    assert_eq!(account.contacts, ["mailto:ops@example.com"]);
    let label = bed
        .kubectl(&[
            "get",
            "secret",
            "-n",
            &namespace,
            "account",
            "-o",
            "jsonpath={.metadata.labels.app\\.kubernetes\\.io/managed-by}",
        ])
        .await;
    assert_eq!(label, "cert-manager");

    // A second issuer with the same key comes out with the same account, and an edit reaches it.
    apply_issuer(
        &bed,
        &namespace,
        "Issuer",
        "same",
        &json!({"acme": acme(&bed, &json!({}))}),
    )
    .await;
    assert_eq!(
        is_ready(&api, "same").await.data["status"]["acme"]["uri"],
        account.uri.as_str()
    );
    apply_issuer(
        &bed,
        &namespace,
        "Issuer",
        "le",
        &json!({"acme": acme(&bed, &json!({"email": "new@example.com"}))}),
    )
    .await;
    eventually("the new contact", IN_TIME, async || {
        (client.lookup().await.ok()?.contacts == ["mailto:new@example.com"]).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_account_that_the_server_knows_is_found_and_then_left_alone() {
    let (bed, namespace) = prepared().await;
    let pem = generate_rsa_2048_pem().unwrap();
    let client = client(&bed.pebble(), pem.expose());
    let made = ensure(&client, "ops@example.com", None, None).await.unwrap();
    let api = issuers(&bed, &namespace).await;
    apply_secret(
        &bed,
        &namespace,
        "account",
        &[("tls.key", std::str::from_utf8(pem.expose()).unwrap())],
    )
    .await;
    apply_issuer(
        &bed,
        &namespace,
        "Issuer",
        "old",
        &json!({"acme": acme(&bed, &json!({}))}),
    )
    .await;
    let found = is_ready(&api, "old").await;
    assert_eq!(
        found.data["status"]["acme"]["uri"],
        made.uri.as_str(),
        "no new registration"
    );

    let before = found.metadata.resource_version;
    let touch = json!({"metadata": {"annotations": {"touched": "1"}}});
    let touched = api
        .patch("old", &PatchParams::default(), &Patch::Merge(&touch))
        .await
        .unwrap();
    assert_ne!(before, touched.metadata.resource_version);
    // What certlet does about another issuer afterwards comes after what it would do about this one.
    apply_issuer(&bed, &namespace, "Issuer", "later", &json!({"selfSigned": {}})).await;
    is_ready(&api, "later").await;
    assert_eq!(
        api.get("old").await.unwrap().metadata.resource_version,
        touched.metadata.resource_version
    );
}

/// For half a minute nothing is written in the namespace, and little is read.
async fn is_left_in_peace(bed: &Bed, namespace: &str) {
    let mark = bed.audit_mark();
    let before = bed.requests().await;
    // The span in which nothing may happen cannot be waited for in another way than by waiting.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let writes = bed.writes_since(mark);
    let ours: Vec<_> = writes
        .iter()
        .filter(|write| write.namespace == namespace && write.agent.starts_with("certlet"))
        .collect();
    assert!(ours.is_empty(), "{ours:?}");
    let during = bed.requests().await.since(&before);
    println!("in half a minute, with issuers that cannot become ready:\n{during}");
    assert!(during.total() < 120, "{during}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn servers_that_cannot_work_are_explained_cause_no_hot_loop_and_are_cured_by_an_edit() {
    let (bed, namespace) = prepared().await;
    let api = issuers(&bed, &namespace).await;
    let cases = [
        (
            "refused",
            json!({"server": "https://127.0.0.1:1/dir"}),
            "ErrRegisterACMEAccount",
            "did not answer",
        ),
        (
            "nobody",
            json!({"server": "https://no-such-host.invalid/dir"}),
            "ErrRegisterACMEAccount",
            "did not answer",
        ),
        (
            "page",
            json!({"server": bed.pebble().directory().replace("/dir", "/")}),
            "ErrRegisterACMEAccount",
            "is not the directory of an ACME server",
        ),
        (
            "missing",
            json!({"server": bed.pebble().directory().replace("/dir", "/nothing")}),
            "ErrRegisterACMEAccount",
            "status 404",
        ),
        (
            "v1",
            json!({"server": "https://acme-v01.api.letsencrypt.org/directory"}),
            "InvalidConfig",
            "acme-v02.api.letsencrypt.org",
        ),
        ("nonsense", json!({"server": "pebble"}), "InvalidURL", "pebble"),
        (
            "untrusted",
            json!({"caBundle": Value::Null}),
            "ErrRegisterACMEAccount",
            "spec.acme.caBundle",
        ),
    ];
    for (name, wrong, _, _) in &cases {
        apply_issuer(&bed, &namespace, "Issuer", name, &json!({"acme": acme(&bed, wrong)})).await;
    }
    for (name, _, reason, words) in &cases {
        let message = is_refused(&api, name, reason).await;
        assert!(message.contains(words), "{name}: {message}");
        assert!(told(&bed, &namespace, name, "ErrInitIssuer").await.contains(words));
    }
    is_left_in_peace(&bed, &namespace).await;
    for (name, ..) in &cases {
        apply_issuer(
            &bed,
            &namespace,
            "Issuer",
            name,
            &json!({"acme": acme(&bed, &json!({}))}),
        )
        .await;
    }
    for (name, ..) in &cases {
        is_ready(&api, name).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_account_secret_with_something_else_in_it_is_left_alone_until_it_is_mended() {
    let (bed, namespace) = prepared().await;
    let api = issuers(&bed, &namespace).await;
    let ed25519 = support::openssl(&["genpkey", "-algorithm", "ed25519"], "").await;
    for (name, text, words) in [
        ("garbage", "garbage", "Account private key is invalid"),
        ("ed25519", ed25519.as_str(), "is not of type RSA"),
    ] {
        apply_secret(&bed, &namespace, name, &[("tls.key", text)]).await;
        let spec = json!({"acme": acme(&bed, &json!({"privateKeySecretRef": {"name": name}}))});
        apply_issuer(&bed, &namespace, "Issuer", name, &spec).await;
        let message = is_refused(&api, name, "ErrVerifyACMEAccount").await;
        assert!(
            message.starts_with("Failed to verify ACME account: ") && message.contains(words),
            "{message}"
        );
        assert_eq!(key_in(&bed, &namespace, name).await, text.as_bytes(), "not overwritten");
        let rsa = support::openssl(&["genrsa", "-traditional", "2048"], "").await;
        apply_secret(&bed, &namespace, name, &[("tls.key", &rsa)]).await;
        is_ready(&api, name).await;
    }

    let given = json!({"disableAccountKeyGeneration": true, "privateKeySecretRef": {"name": "given"}});
    apply_issuer(
        &bed,
        &namespace,
        "Issuer",
        "given",
        &json!({"acme": acme(&bed, &given)}),
    )
    .await;
    let message = is_refused(&api, "given", "ErrVerifyACMEAccount").await;
    assert!(
        message.contains("'disableAccountKeyGeneration' set to true, but the secret was not found"),
        "{message}"
    );
    let rsa = support::openssl(&["genrsa", "-traditional", "2048"], "").await;
    apply_secret(&bed, &namespace, "given", &[("tls.key", &rsa)]).await;
    is_ready(&api, "given").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_external_account_is_bound_and_a_wrong_key_is_not_tried_for_ever() {
    let (bed, namespace) = prepared().await;
    let server = Pebble::start(
        &bed,
        PebbleOptions {
            external_account_required: true,
            ..PebbleOptions::default()
        },
    )
    .await;
    let api = issuers(&bed, &namespace).await;
    let acme = |extra: Value| {
        let mut spec = acme(&bed, &json!({"server": server.directory()}));
        merge(&mut spec, &extra);
        json!({"acme": spec})
    };
    apply_issuer(&bed, &namespace, "Issuer", "eab", &acme(json!({}))).await;
    let message = is_refused(&api, "eab", "ErrRegisterACMEAccount").await;
    assert!(message.contains("set spec.acme.externalAccountBinding"), "{message}");

    let binding = json!({"externalAccountBinding": {"keyID": "kid-1", "keySecretRef": {"name": "eab", "key": "mac"}}});
    apply_issuer(&bed, &namespace, "Issuer", "eab", &acme(binding)).await;
    eventually("the missing Secret", IN_TIME, async || {
        is_refused(&api, "eab", "ErrRegisterACMEAccount")
            .await
            .contains("secret \"eab\" not found")
            .then_some(())
    })
    .await;
    apply_secret(&bed, &namespace, "eab", &[("mac", "d3Jvbmc")]).await;
    eventually("the CA's refusal", IN_TIME, async || {
        let message = is_refused(&api, "eab", "ErrRegisterACMEAccount").await;
        message.contains("urn:ietf:params:acme:error:").then_some(())
    })
    .await;
    let asked = || server.log().matches("POST /sign-me-up -> calling handler()").count();
    let before = asked();
    assert!(before > 0, "{}", server.log());
    let touch = json!({"metadata": {"annotations": {"touched": "1"}}});
    api.patch("eab", &PatchParams::default(), &Patch::Merge(&touch))
        .await
        .unwrap();
    apply_issuer(&bed, &namespace, "Issuer", "later", &json!({"selfSigned": {}})).await;
    is_ready(&api, "later").await;
    assert_eq!(asked(), before, "ACC-10: only an edit makes another try");

    apply_secret(
        &bed,
        &namespace,
        "eab",
        &[(
            "mac",
            "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W",
        )],
    )
    .await;
    is_ready(&api, "eab").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn issuers_without_a_server_are_judged_by_what_they_hold() {
    let (bed, namespace) = prepared().await;
    let api = issuers(&bed, &namespace).await;
    apply_issuer(&bed, &namespace, "Issuer", "self", &json!({"selfSigned": {}})).await;
    assert_eq!(ready(&is_ready(&api, "self").await)["reason"], "IsReady");

    apply_issuer(
        &bed,
        &namespace,
        "Issuer",
        "ca",
        &json!({"ca": {"secretName": "ca-key-pair"}}),
    )
    .await;
    let message = is_refused(&api, "ca", "ErrGetKeyPair").await;
    assert!(message.contains("secret \"ca-key-pair\" not found"), "{message}");
    let made = Pair::by_openssl("/CN=ca").await;
    apply_secret(
        &bed,
        &namespace,
        "ca-key-pair",
        &[("tls.key", &made.key), ("tls.crt", &made.certificate)],
    )
    .await;
    let judged = ready(&is_ready(&api, "ca").await);
    assert_eq!(
        (&judged["reason"], &judged["message"]),
        (&json!("KeyPairVerified"), &json!("Signing CA verified"))
    );

    let vault = json!({"vault": {"server": "https://vault.example", "path": "pki/sign/x", "auth": {"tokenSecretRef": {"name": "t"}}}});
    apply_issuer(&bed, &namespace, "Issuer", "vault", &vault).await;
    let message = is_refused(&api, "vault", "NotSupported").await;
    assert!(message.contains("vault"), "{message}");

    let dns01 = json!({"solvers": [{"dns01": {"webhook": {"groupName": "g", "solverName": "s"}}}]});
    apply_issuer(&bed, &namespace, "Issuer", "dns", &json!({"acme": acme(&bed, &dns01)})).await;
    is_ready(&api, "dns").await;
    let issuer = until(&api, "dns", IN_TIME, condition_is("SolversSupported", "False"))
        .await
        .unwrap();
    assert!(
        issuer.data["status"]
            .to_string()
            .contains("spec.acme.solvers[0] (dns01)")
    );
    told(&bed, &namespace, "dns", "UnsupportedSolver").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_cluster_issuer_keeps_its_account_in_the_cluster_resource_namespace() {
    let (bed, namespace) = prepared().await;
    let api = bed.objects("cert-manager.io/v1", "ClusterIssuer", None).await;
    let name = format!("cluster-{namespace}");
    let spec = json!({"acme": acme(&bed, &json!({"privateKeySecretRef": {"name": name, "key": "account.pem"}}))});
    apply_issuer(&bed, "default", "ClusterIssuer", &name, &spec).await;
    is_ready(&api, &name).await;
    let all = bed
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
    let (bed, namespace) = prepared().await;
    let mut server = Pebble::start(&bed, PebbleOptions::default()).await;
    let api = issuers(&bed, &namespace).await;
    let spec = acme(
        &bed,
        &json!({"server": server.directory(), "solvers": [{"http01": {"ingress": {"ingressClassName": "traefik"}}}]}),
    );
    apply_issuer(&bed, &namespace, "Issuer", "le", &json!({"acme": spec})).await;
    let first = is_ready(&api, "le").await.data["status"]["acme"]["uri"].clone();
    server.restart().await;

    let host = format!("forgotten.{namespace}.example");
    let web = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "web"},
        "spec": {"secretName": "web-tls", "dnsNames": [host], "issuerRef": {"name": "le"}},
    });
    bed.apply(&namespace, &web.to_string()).await;
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    until(&certificates, "web", IN_TIME, condition_is("Ready", "True")).await;
    let second = is_ready(&api, "le").await.data["status"]["acme"]["uri"].clone();
    assert_ne!(first, second);
    let key = key_in(&bed, &namespace, "account").await;
    assert_eq!(
        client(&server, &key).lookup().await.unwrap().uri,
        second,
        "the same key, and one account"
    );
}
