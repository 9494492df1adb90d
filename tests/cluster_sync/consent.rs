//! Both consents are needed; copies follow, and go with either.

use serde_json::{Value, json};

use crate::stage::{SPEAKER, Stage, belongs_together, value};
use crate::support::{IN_TIME, eventually, openssl};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn both_sides_agree_before_anything_is_copied_copies_follow_a_renewal_and_go_with_either_consent() {
    let stage = Stage::open().await;
    let (a, b) = (stage.other().await, stage.other().await);
    let template =
        json!({"secretTemplate": {"labels": {"team": "edge"}, "annotations": {"example.com/replicate": "true"}}});
    stage.shop.certificate("web", template).await;
    stage.shop.is_ready("web").await;
    let (none, wide): (&[&str], [&str; 5]) = (&[], ["*", "*/*", "other/web", "web", "*/web"]);
    stage.accepts(&a, &wide.join(",")).await;
    stage.names("web", &[&a, &b]).await;
    let (status, message) = stage.reports("web", "NotAccepted").await;
    assert_eq!(status, "False");
    assert!(
        message.contains(&format!("namespace {a} does not accept it, or does not exist")),
        "{message}"
    );
    for namespace in [&a, &b] {
        assert_eq!(stage.secret(namespace, "web").await, None, "{namespace}");
    }

    // the Namespace, and the Secret that speaks for one
    let place = stage.place("web");
    stage.accepts(&a, &format!("other/x, {place}")).await;
    stage.speaker_accepts(&b, &format!("{}/*", stage.shop.namespace)).await;
    let mut first = Vec::new();
    for namespace in [&a, &b] {
        let copy = stage.is_copied("web", namespace).await;
        assert_eq!(copy["type"], "kubernetes.io/tls");
        belongs_together(&copy).await;
        let metadata = &copy["metadata"];
        assert_eq!(metadata["annotations"]["certlet.io/copy-of"], place.as_str());
        assert_eq!(metadata["labels"]["certlet.io/copy"], "true");
        // nothing of the source's own choice, and nothing that makes it the Secret of a Certificate
        let names = |field: &str| metadata[field].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names("labels"), ["certlet.io/copy", "controller.cert-manager.io/fao"]);
        assert_eq!(names("annotations"), ["certlet.io/copy-of", "certlet.io/copy-of-uid"]);
        first.push(copy);
    }
    let (status, message) = stage.reports("web", "Copied").await;
    assert_eq!(status, "True");
    let mut both = [a.as_str(), b.as_str()];
    both.sort_unstable();
    assert_eq!(message, format!("The Secret is copied into {}", both.join(", ")));
    let listed = ["get", "secrets", "-A", "-l", "certlet.io/copy=true", "-o", "name"];
    assert_eq!(stage.shop.bed.kubectl(&listed).await.matches("secret/web\n").count(), 2);

    stage.shop.says(&["renew", "web"]).await;
    stage.shop.has_revision("web", 2).await;
    for (namespace, before) in [&a, &b].into_iter().zip(&first) {
        let copy = stage.is_copied("web", namespace).await;
        belongs_together(&copy).await;
        let serial = async |secret: &Value| openssl(&["x509", "-noout", "-serial"], &value(secret, "tls.crt")).await;
        assert_ne!(serial(&copy).await, serial(before).await);
        assert_eq!(
            copy["metadata"]["uid"], before["metadata"]["uid"],
            "written over, not made anew"
        );
    }

    // the other side withdraws, in either way
    stage.accepts(&a, "other/x").await;
    stage.is_gone(&a, "web").await;
    assert!(stage.secret(&b, "web").await.is_some());
    stage.shop.bed.kubectl(&["delete", "secret", SPEAKER, "-n", &b]).await;
    stage.is_gone(&b, "web").await;
    stage.accepts(&a, &place).await;
    stage.is_copied("web", &a).await;
    // the Certificate withdraws
    stage.names("web", none).await;
    stage.is_gone(&a, "web").await;
    stage.reports_nothing("web").await;
    assert!(stage.secret(&stage.shop.namespace, "web").await.is_some());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_copy_follows_the_name_of_its_secret_and_what_is_in_it_and_is_put_right() {
    let stage = Stage::open().await;
    let a = stage.other().await;
    stage.accepts(&a, &stage.place("web")).await;
    let password = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"}, "stringData": {"password": "changeit"}});
    stage.shop.apply(&password.to_string()).await;
    let keystore = json!({"keystores": {"pkcs12": {"create": true, "passwordSecretRef": {"name": "password", "key": "password"}}}});
    stage.shop.certificate("web", keystore).await;
    stage.shop.is_ready("web").await;
    stage.names("web", &[&a]).await;
    let copy = stage.is_copied("web", &a).await;
    assert!(copy["data"]["keystore.p12"].is_string() && copy["data"]["truststore.p12"].is_string());

    // something beside what an issuance writes stays where it is
    let patch = r#"{"data": {"password": "c2VjcmV0"}}"#;
    stage
        .kubectl(&["patch", "secret", "web", "--type=merge", "-p", patch])
        .await;
    stage.shop.patch_spec("web", json!({"keystores": null})).await;
    eventually("the copy has no keystore", IN_TIME, async || {
        let copy = stage.secret(&a, "web").await?;
        let keys: Vec<&String> = copy["data"].as_object().unwrap().keys().collect();
        (keys == ["ca.crt", "tls.crt", "tls.key"]).then_some(())
    })
    .await;

    // what another client does to a copy
    let bed = &stage.shop.bed;
    bed.kubectl(&[
        "label",
        "secret",
        "web",
        "-n",
        &a,
        "controller.cert-manager.io/fao-",
        "team=blog",
    ])
    .await;
    eventually("the label is there again", IN_TIME, async || {
        let copy = stage.secret(&a, "web").await?;
        let labels = &copy["metadata"]["labels"];
        (labels["controller.cert-manager.io/fao"] == "true" && labels["team"] == "blog").then_some(())
    })
    .await;
    let before = stage.secret(&a, "web").await.unwrap();
    bed.kubectl(&["delete", "secret", "web", "-n", &a]).await;
    eventually("the copy is there again", IN_TIME, async || {
        let copy = stage.secret(&a, "web").await?;
        (copy["metadata"]["uid"] != before["metadata"]["uid"]).then_some(())
    })
    .await;

    stage.shop.patch_spec("web", json!({"secretName": "renamed"})).await;
    eventually("the Secret of the new name", IN_TIME, async || {
        stage.secret(&stage.shop.namespace, "renamed").await
    })
    .await;
    stage.is_copied("renamed", &a).await;
    stage.is_gone(&a, "web").await;
}
