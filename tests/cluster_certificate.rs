//! Certificates on a real API server, issued by SelfSigned and CA issuers: what is written, what is not, and what is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use support::{
    AuditMark, AuditedWrite, Bed, Certlet, IN_TIME, condition_is, condition_reason_is, eventually, openssl,
    openssl_verify, until,
};

/// A namespace with a CA issuer `ca`, and a certlet that serves it.
struct Shop {
    bed: Bed,
    namespace: String,
    certificates: Api<DynamicObject>,
    requests: Api<DynamicObject>,
    secrets: Api<Secret>,
    certlet: Certlet,
}

const ISSUERS: &str = r#"
{"apiVersion":"v1","kind":"List","items":[
 {"apiVersion":"cert-manager.io/v1","kind":"Issuer","metadata":{"name":"own"},"spec":{"selfSigned":{}}},
 {"apiVersion":"cert-manager.io/v1","kind":"Certificate","metadata":{"name":"root"},"spec":{"isCA":true,"commonName":"shop root",
  "secretName":"root","privateKey":{"algorithm":"ECDSA"},"issuerRef":{"name":"own"}}},
 {"apiVersion":"cert-manager.io/v1","kind":"Issuer","metadata":{"name":"ca"},"spec":{"ca":{"secretName":"root"}}}]}"#;

impl Shop {
    async fn open(args: &[&str]) -> Self {
        let bed = Bed::attach().await;
        bed.install_crds().await;
        let namespace = bed.new_namespace().await;
        let certlet = Certlet::start(&bed, args).await;
        let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
        let requests = bed
            .objects("cert-manager.io/v1", "CertificateRequest", Some(&namespace))
            .await;
        let secrets = Api::namespaced(bed.client(), &namespace);
        let shop = Self {
            bed,
            namespace,
            certificates,
            requests,
            secrets,
            certlet,
        };
        shop.apply(ISSUERS).await;
        shop.is_ready("root").await;
        shop
    }

    async fn apply(&self, manifest: &str) {
        self.bed.apply(&self.namespace, manifest).await;
    }

    async fn certificate(&self, name: &str, extra: Value) {
        let mut spec = json!({"secretName": name, "dnsNames": [format!("{name}.example.com")], "issuerRef": {"name": "ca"},
            "privateKey": {"algorithm": "ECDSA"}});
        for (key, value) in extra.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let object = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name}, "spec": spec});
        self.apply(&object.to_string()).await;
    }

    async fn is_ready(&self, name: &str) -> DynamicObject {
        until(&self.certificates, name, IN_TIME, condition_is("Ready", "True"))
            .await
            .unwrap()
    }

    async fn is_refused(&self, name: &str, reason: &'static str) -> String {
        let refused = until(&self.certificates, name, IN_TIME, condition_reason_is("Ready", reason))
            .await
            .unwrap();
        condition(&refused, "Ready")["message"].as_str().unwrap().to_owned()
    }

    async fn secret(&self, name: &str) -> Secret {
        self.secrets.get(name).await.unwrap()
    }

    async fn patch_spec(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.certificates
            .patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// What certlet wrote into this namespace.
    fn written(&self, since: AuditMark) -> Vec<AuditedWrite> {
        let writes = self.bed.writes_since(since).into_iter();
        writes
            .filter(|write| write.namespace == self.namespace && write.agent.starts_with("certlet"))
            .collect()
    }

    /// What certlet wrote about one Certificate and what belongs to it, in words.
    fn written_about(&self, name: &str, since: AuditMark) -> Vec<String> {
        let about = |write: &AuditedWrite| write.name == name || write.name.starts_with(&format!("{name}-"));
        self.written(since)
            .iter()
            .filter(|write| about(write))
            .map(|write| format!("{} {}", write.verb, write.resource))
            .collect()
    }

    /// Everything that was to be done has been done: a Certificate applied after it is Ready.
    async fn everything_before_is_done(&self) {
        let name = format!(
            "later-{}",
            self.certificates
                .list(&kube::api::ListParams::default())
                .await
                .unwrap()
                .items
                .len()
        );
        self.certificate(&name, json!({})).await;
        self.is_ready(&name).await;
    }

    async fn requests_of(&self, name: &str) -> Vec<DynamicObject> {
        let all = self.requests.list(&kube::api::ListParams::default()).await.unwrap();
        let of = |request: &DynamicObject| {
            request
                .metadata
                .annotations
                .as_ref()
                .and_then(|map| map.get("cert-manager.io/certificate-name"))
                .is_some_and(|n| n == name)
        };
        all.items.into_iter().filter(of).collect()
    }
}

fn condition(object: &DynamicObject, kind: &str) -> Value {
    let conditions = object.data["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    conditions
        .into_iter()
        .find(|condition| condition["type"] == kind)
        .unwrap_or_default()
}

fn data(secret: &Secret, key: &str) -> Vec<u8> {
    secret
        .data
        .as_ref()
        .unwrap()
        .get(key)
        .unwrap_or_else(|| panic!("{key} is missing"))
        .0
        .clone()
}

fn text(secret: &Secret, key: &str) -> String {
    String::from_utf8(data(secret, key)).unwrap()
}

fn keys(secret: &Secret) -> Vec<&str> {
    secret.data.as_ref().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_leaf_of_a_bootstrapped_ca_verifies_and_takes_four_writes_and_a_renewal_five() {
    let shop = Shop::open(&[]).await;
    let mark = shop.bed.audit_mark();
    shop.certificate("web", json!({})).await;
    shop.is_ready("web").await;
    let secret = shop.secret("web").await;
    let root = text(&secret, "ca.crt");
    assert_eq!(
        openssl_verify(&root, &[text(&secret, "tls.crt")], "web.example.com").await,
        Ok(())
    );
    assert_eq!(
        shop.written_about("web", mark),
        [
            "create certificaterequests",
            "patch certificaterequests/status",
            "patch secrets",
            "patch certificates/status"
        ]
    );
    let mark = shop.bed.audit_mark();
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
    let writes = shop.written_about("web", mark);
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
async fn the_secret_follows_its_template_and_formats_without_a_new_certificate() {
    let shop = Shop::open(&[]).await;
    shop.certificate("web", json!({"secretTemplate": {"annotations": {"example.com/a": "1", "example.com/b": "2"}, "labels": {"team": "edge"}}})).await;
    shop.is_ready("web").await;
    let before = shop.secret("web").await;
    let foreign = Patch::Merge(json!({"metadata": {"labels": {"mine": "yes"}}, "data": {"extra": "eA=="}}));
    shop.secrets
        .patch("web", &PatchParams::default(), &foreign)
        .await
        .unwrap();
    let mark = shop.bed.audit_mark();
    shop.patch_spec(
        "web",
        json!({"secretTemplate": {"annotations": {"example.com/a": "9", "example.com/b": null}, "labels": {"team": null}},
        "additionalOutputFormats": [{"type": "DER"}, {"type": "CombinedPEM"}]}),
    )
    .await;
    eventually("the template's new value", IN_TIME, async || {
        let annotations = shop.secret("web").await.metadata.annotations?;
        (annotations.get("example.com/a").map(String::as_str) == Some("9")).then_some(())
    })
    .await;
    let after = shop.secret("web").await;
    let (annotations, labels) = (
        after.metadata.annotations.clone().unwrap(),
        after.metadata.labels.clone().unwrap(),
    );
    assert!(
        !annotations.contains_key("example.com/b") && !labels.contains_key("team"),
        "SEC-05: {annotations:?} {labels:?}"
    );
    assert_eq!(labels.get("mine").map(String::as_str), Some("yes"), "SEC-04");
    assert_eq!(
        keys(&after),
        ["ca.crt", "extra", "key.der", "tls-combined.pem", "tls.crt", "tls.key"]
    );
    assert_eq!(data(&after, "tls.crt"), data(&before, "tls.crt"));
    shop.patch_spec("web", json!({"additionalOutputFormats": null, "secretTemplate": null}))
        .await;
    eventually("the formats gone", IN_TIME, async || {
        (keys(&shop.secret("web").await).len() == 4).then_some(())
    })
    .await;
    shop.everything_before_is_done().await;
    let writes = shop.written_about("web", mark);
    assert!(
        !writes.contains(&"create certificaterequests".to_owned()),
        "NB-09: {writes:?}"
    );
    assert_eq!(
        writes.iter().filter(|write| **write == "patch secrets").count(),
        2,
        "{writes:?}"
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
    let mark = shop.bed.audit_mark();
    let shop = Shop {
        certlet: Certlet::start(&shop.bed, &[]).await,
        ..shop
    };
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
    assert_eq!(shop.written_about("one", mark), ["patch secrets"]);
    assert_eq!(shop.written_about("two", mark), [""; 0], "NB-07");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_deleted_and_a_damaged_secret_are_issued_again() {
    let shop = Shop::open(&[]).await;
    shop.certificate("web", json!({})).await;
    shop.is_ready("web").await;
    let first = data(&shop.secret("web").await, "tls.crt");
    shop.secrets
        .delete("web", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    let second = eventually("another certificate", IN_TIME, async || {
        let secret = shop.secrets.get_opt("web").await.unwrap()?;
        Some(data(&secret, "tls.crt")).filter(|found| *found != first)
    })
    .await;
    let garbage = Patch::Merge(json!({"data": {"tls.key": BASE64_STANDARD.encode("garbage")}}));
    shop.secrets
        .patch("web", &PatchParams::default(), &garbage)
        .await
        .unwrap();
    eventually("a third certificate", IN_TIME, async || {
        let found = data(&shop.secrets.get_opt("web").await.unwrap()?, "tls.crt");
        (found != second).then_some(())
    })
    .await;
    assert_eq!(shop.is_ready("web").await.data["status"]["revision"], 3);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_secret_of_another_type_keeps_it_and_is_filled() {
    let shop = Shop::open(&[]).await;
    shop.apply(r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"web"},"type":"example.com/own","stringData":{"mine":"kept"}}"#).await;
    shop.certificate("web", json!({})).await;
    shop.is_ready("web").await;
    let secret = shop.secret("web").await;
    assert_eq!(secret.type_.as_deref(), Some("example.com/own"), "NB-15");
    assert_eq!(keys(&secret), ["ca.crt", "mine", "tls.crt", "tls.key"]);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn of_two_certificates_with_one_secret_the_first_is_served_and_the_second_is_told() {
    let shop = Shop::open(&[]).await;
    shop.certificate("first", json!({"secretName": "both"})).await;
    shop.is_ready("first").await;
    let before = data(&shop.secret("both").await, "tls.crt");
    let mark = shop.bed.audit_mark();
    shop.certificate("second", json!({"secretName": "both"})).await;
    let told = shop.is_refused("second", "IncorrectCertificate").await;
    assert!(told.starts_with("Secret was issued for \"first\""), "{told}");
    shop.everything_before_is_done().await;
    assert_eq!(shop.written_about("second", mark), ["patch certificates/status"]);
    assert_eq!(shop.written_about("first", mark), [""; 0], "no flapping (NB-16)");
    assert_eq!(data(&shop.secret("both").await, "tls.crt"), before);
    shop.patch_spec("second", json!({"secretName": "second"})).await;
    shop.is_ready("second").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn wrong_specs_are_told_once_and_cured_by_correction() {
    let shop = Shop::open(&[]).await;
    let mark = shop.bed.audit_mark();
    shop.certificate("days", json!({"duration": "90d"})).await;
    shop.certificate("nobody", json!({"issuerRef": {"name": "missing"}}))
        .await;
    let told = shop.is_refused("days", "InvalidSpec").await;
    assert!(told.contains("spec.duration") && told.contains("90d"), "{told}");
    let told = shop.is_refused("nobody", "DoesNotExist").await;
    assert!(
        told.contains(&format!(
            "Issuer \"missing\" does not exist in namespace {:?}",
            shop.namespace
        )),
        "{told}"
    );
    shop.everything_before_is_done().await;
    let settled = shop.bed.audit_mark();
    shop.everything_before_is_done().await;
    for name in ["days", "nobody"] {
        assert_eq!(
            shop.written_about(name, settled),
            [""; 0],
            "no loop; before: {:?}",
            shop.written_about(name, mark)
        );
    }
    shop.patch_spec("days", json!({"duration": "2160h"})).await;
    shop.patch_spec("nobody", json!({"issuerRef": {"name": "ca"}})).await;
    shop.is_ready("days").await;
    shop.is_ready("nobody").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_the_api_server_refuses_is_told_without_a_loop_and_loses_no_key() {
    let shop = Shop::open(&[]).await;
    let mark = shop.bed.audit_mark();
    shop.certificate("web", json!({"secretTemplate": {"labels": {"not a label!": "x"}}}))
        .await;
    eventually("the refusal told", IN_TIME, async || {
        let ready = condition(&shop.certificates.get("web").await.ok()?, "Ready");
        ready["message"].as_str()?.contains("not a label!").then_some(())
    })
    .await;
    shop.everything_before_is_done().await;
    let settled = shop.bed.audit_mark();
    shop.everything_before_is_done().await;
    assert_eq!(
        shop.written_about("web", settled),
        [""; 0],
        "before: {:?}",
        shop.written_about("web", mark)
    );
    assert_eq!(shop.requests_of("web").await.len(), 1);
    shop.patch_spec("web", json!({"secretTemplate": null})).await;
    shop.is_ready("web").await;
    let all = shop.written_about("web", mark);
    assert_eq!(
        all.iter()
            .filter(|write| **write == "create certificaterequests")
            .count(),
        1,
        "{all:?}"
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_issuer_that_comes_later_is_used_the_moment_it_is_ready() {
    let shop = Shop::open(&[]).await;
    shop.certificate("web", json!({"issuerRef": {"name": "late"}})).await;
    shop.is_refused("web", "DoesNotExist").await;
    shop.apply(r#"{"apiVersion":"cert-manager.io/v1","kind":"Issuer","metadata":{"name":"late"},"spec":{"ca":{"secretName":"root"}}}"#).await;
    shop.is_ready("web").await;
    eventually("no next key left", IN_TIME, async || {
        let left = shop
            .secrets
            .list(&kube::api::ListParams::default().labels("cert-manager.io/next-private-key=true"))
            .await
            .unwrap();
        left.items.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_name_that_is_taken_is_left_to_its_owner() {
    let shop = Shop::open(&[]).await;
    let csr = openssl(
        &[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "/dev/null",
            "-subj",
            "/CN=stranger",
        ],
        "",
    )
    .await;
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

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn keystores_wait_for_their_password_and_open_with_it() {
    let shop = Shop::open(&[]).await;
    let keystores =
        json!({"pkcs12": {"create": true, "profile": "Modern2023", "passwordSecretRef": {"name": "p", "key": "word"}}});
    shop.certificate("web", json!({ "keystores": keystores })).await;
    let waiting = until(&shop.certificates, "web", IN_TIME, condition_is("Issuing", "True"))
        .await
        .unwrap();
    eventually("the missing password told", IN_TIME, async || {
        let ready = condition(&shop.certificates.get("web").await.ok()?, "Ready");
        ready["message"].as_str()?.contains("\"p\"").then_some(())
    })
    .await;
    assert_eq!(condition(&waiting, "Ready")["status"], "False");
    shop.apply(r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"p"},"stringData":{"word":"open sesame"}}"#)
        .await;
    shop.is_ready("web").await;
    let secret = shop.secret("web").await;
    assert_eq!(
        keys(&secret),
        ["ca.crt", "keystore.p12", "tls.crt", "tls.key", "truststore.p12"]
    );
    let file = shop.bed.path("web.p12");
    std::fs::write(&file, data(&secret, "keystore.p12")).unwrap();
    let shown = openssl(
        &[
            "pkcs12",
            "-in",
            file.to_str().unwrap(),
            "-passin",
            "pass:open sesame",
            "-nodes",
        ],
        "",
    )
    .await;
    assert!(shown.contains("PRIVATE KEY") && shown.contains("CERTIFICATE"));
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
        shown.contains("1234567890") && shown.contains("cert-manager.local") && shown.contains("web.example.com"),
        "{shown}"
    );
    let request = eventually("its request", IN_TIME, async || {
        shop.requests.get_opt("web-1").await.unwrap()
    })
    .await;
    shop.everything_before_is_done().await;
    let mark = shop.bed.audit_mark();
    assert!(shop.certlet.stop().await.success());
    let shop = Shop {
        certlet: Certlet::start(&shop.bed, &[]).await,
        ..shop
    };
    shop.everything_before_is_done().await;
    assert_eq!(shop.written_about("web", mark), [""; 0]);
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
async fn the_owner_reference_follows_the_flag() {
    let shop = Shop::open(&["--enable-certificate-owner-ref=true"]).await;
    shop.certificate("web", json!({})).await;
    let certificate = shop.is_ready("web").await;
    let owners = shop.secret("web").await.metadata.owner_references.unwrap_or_default();
    assert_eq!(
        owners.first().map(|owner| owner.uid.clone()),
        certificate.metadata.uid,
        "SEC-02"
    );
    assert!(shop.certlet.stop().await.success());
    let shop = Shop {
        certlet: Certlet::start(&shop.bed, &[]).await,
        ..shop
    };
    eventually("no owner", IN_TIME, async || {
        shop.secret("web")
            .await
            .metadata
            .owner_references
            .is_none_or(|o| o.is_empty())
            .then_some(())
    })
    .await;
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
    let mark = shop.bed.audit_mark();
    let host = format!("web.{}.example", shop.namespace);
    shop.certificate("web", json!({"issuerRef": {"name": "le"}, "dnsNames": [host]}))
        .await;
    shop.is_ready("web").await;
    eventually("no next key left", IN_TIME, async || {
        let left = shop
            .secrets
            .list(&kube::api::ListParams::default().labels("cert-manager.io/next-private-key=true"))
            .await
            .unwrap();
        left.items.is_empty().then_some(())
    })
    .await;
    let written = shop.written(mark);
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
