//! Secrets of others: never written, never removed, never given away.

use serde_json::{Value, json};

use crate::stage::{ACCEPT, SPEAKER, Stage, version};
use crate::support::{AuditMark, IN_TIME, Pair, events, eventually};

/// A Secret of somebody else.
async fn put(stage: &Stage, namespace: &str, name: &str, annotations: Value, labels: Value) -> Value {
    let pair = Pair::by_openssl("/CN=foreign").await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": name, "annotations": annotations, "labels": labels},
        "stringData": {"tls.crt": pair.certificate, "tls.key": pair.key}});
    stage.shop.bed.apply(namespace, &secret.to_string()).await;
    stage.secret(namespace, name).await.unwrap()
}

async fn is_untouched(stage: &Stage, namespace: &str, before: &Value) {
    let name = before["metadata"]["name"].as_str().unwrap();
    let now = stage.secret(namespace, name).await;
    assert_eq!(now.as_ref().map(version), Some(version(before)), "{namespace}/{name}");
}

/// certlet's writes of Secrets in this namespace.
async fn written(stage: &Stage, namespace: &str, since: AuditMark) -> usize {
    let writes = stage.shop.bed.writes_since(since).await;
    let is_it = |write: &&crate::support::AuditedWrite| {
        write.namespace == namespace && write.resource == "secrets" && write.agent.starts_with("certlet/")
    };
    writes.iter().filter(is_it).count()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_secret_that_certlet_did_not_write_stays_whatever_it_claims() {
    let stage = Stage::open().await;
    let (a, b, c) = (stage.other().await, stage.other().await, stage.other().await);
    let place = stage.place("web");
    let foreign = put(&stage, &a, "web", json!({}), json!({})).await;
    stage.certificate("web", &[&a, &b]).await;
    // our labels and annotations, on the Secret of a namespace that accepts, and of one that has nothing to do with it
    let uid = stage.shop.certificates.get("web").await.unwrap().metadata.uid.unwrap();
    let annotations = json!({"certlet.io/copy-of": place, "certlet.io/copy-of-uid": uid});
    let labels = json!({"certlet.io/copy": "true", "controller.cert-manager.io/fao": "true"});
    let forged = put(&stage, &b, "web", annotations.clone(), labels.clone()).await;
    let elsewhere = put(&stage, &c, "web", annotations, labels).await;
    let mark = stage.shop.bed.audit_mark().await;
    stage.accepts(&a, &place).await;
    stage.speaker_accepts(&b, &place).await;
    let (status, message) = stage.reports("web", "SecretExists").await;
    assert_eq!(status, "False");
    assert!(
        message.contains(&format!(
            "Secret {a}/web exists and is not a copy that certlet made for this Certificate"
        )),
        "{message}"
    );
    let told = events::told(&stage.shop.bed, &stage.shop.namespace, "web", "SecretNotCopied").await;
    assert!(told.contains("Delete it, or use another secretName"), "{told}");
    stage.everything_is_done().await;
    for (namespace, before) in [(&a, &foreign), (&b, &forged), (&c, &elsewhere)] {
        is_untouched(&stage, namespace, before).await;
    }

    // it makes room
    stage.shop.bed.kubectl(&["delete", "secret", "web", "-n", &a]).await;
    let copy = stage.is_copied("web", &a).await;
    // and a copy that somebody has taken over is theirs
    let pair = Pair::by_openssl("/CN=theirs").await;
    let patch = json!({"stringData": {"tls.crt": pair.certificate, "tls.key": pair.key}}).to_string();
    stage
        .shop
        .bed
        .kubectl(&["patch", "secret", "web", "-n", &a, "--type=merge", "-p", &patch])
        .await;
    let theirs = stage.secret(&a, "web").await.unwrap();
    assert_eq!(theirs["metadata"]["uid"], copy["metadata"]["uid"]);
    stage.shop.says(&["renew", "web"]).await;
    stage.shop.has_revision("web", 2).await;
    stage.kubectl(&["delete", "certificate", "web"]).await;
    stage.everything_is_done().await;
    for (namespace, before) in [(&a, &theirs), (&b, &forged), (&c, &elsewhere)] {
        is_untouched(&stage, namespace, before).await;
    }
    assert_eq!(written(&stage, &b, mark).await + written(&stage, &c, mark).await, 0);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_certificate_gives_away_no_secret_but_its_own_and_no_name_that_is_in_use() {
    let stage = Stage::open().await;
    let a = stage.other().await;
    stage.accepts(&a, &format!("{}/*", stage.shop.namespace)).await;
    // the Secret of the issuer's CA, which belongs to another Certificate
    let thief = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
        "metadata": {"name": "thief", "annotations": {"certlet.io/sync-to": a}},
        "spec": {"secretName": "root", "dnsNames": ["thief.example.com"], "issuerRef": {"name": "ca"}}});
    stage.shop.apply(&thief.to_string()).await;
    let (_, message) = stage.reports("thief", "SecretNotReady").await;
    assert!(
        message.contains("Secret \"root\" does not belong to this Certificate"),
        "{message}"
    );

    // a secretTemplate consents to nothing
    let b = stage.other().await;
    let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "own"}, "spec": {"selfSigned": {}}});
    stage.shop.bed.apply(&b, &issuer.to_string()).await;
    let template = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "speaker"}, "spec": {
        "secretName": SPEAKER, "dnsNames": ["speaker.example.com"], "issuerRef": {"name": "own"},
        "secretTemplate": {"annotations": {ACCEPT: stage.place("other")}}}});
    stage.shop.bed.apply(&b, &template.to_string()).await;
    eventually("the Secret has the annotation", IN_TIME, async || {
        let speaker = stage.secret(&b, SPEAKER).await?;
        speaker["metadata"]["annotations"][ACCEPT].is_string().then_some(())
    })
    .await;
    stage.certificate("other", &[&b]).await;
    stage.reports("other", "NotAccepted").await;

    // a Certificate of the other namespace wants the name, and gets it
    let theirs = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "own"}, "spec": {"selfSigned": {}}},
        {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "theirs"}, "spec": {
            "secretName": "web", "dnsNames": ["theirs.example.com"], "issuerRef": {"name": "none"}}}]});
    stage.shop.bed.apply(&a, &theirs.to_string()).await;
    stage.certificate("web", &[&a]).await;
    let (_, message) = stage.reports("web", "SecretInUse").await;
    assert!(
        message.starts_with(&format!("Certificate \"theirs\" in namespace {a} uses Secret {a}/web")),
        "{message}"
    );
    stage.everything_is_done().await;
    for (namespace, name) in [(&a, "root"), (&a, "web"), (&b, "other")] {
        assert_eq!(stage.secret(namespace, name).await, None);
    }
    stage
        .shop
        .bed
        .kubectl(&["delete", "certificate", "theirs", "-n", &a])
        .await;
    stage.is_copied("web", &a).await;
}
