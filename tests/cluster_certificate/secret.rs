//! The target Secret: template, formats, keystores, owners, and whose it is.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::shop::{Shop, condition, data, keys};
use crate::support::{IN_TIME, condition_is, eventually, openssl, until};

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
    let mark = shop.bed.audit_mark().await;
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
    let writes = shop.written_about("web", mark).await;
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

/// Whoever restores a Secret, and cert-manager before 1.8, holds every key of it, without wanting any.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_is_not_wanted_any_more_goes_from_a_restored_secret_too_but_not_what_somebody_applies() {
    let shop = Shop::open(&[]).await;
    let spec = json!({"additionalOutputFormats": [{"type": "DER"}], "secretTemplate": {"labels": {"team": "edge", "tier": "one"}}});
    shop.certificate("web", spec.clone()).await;
    shop.is_ready("web").await;
    let mut backup = shop.secret("web").await;
    let delete = DeleteParams::default();
    shop.certificates.delete("web", &delete).await.unwrap();
    shop.secrets.delete("web", &delete).await.unwrap();
    let metadata = &mut backup.metadata;
    (metadata.uid, metadata.resource_version, metadata.managed_fields) = (None, None, None);
    let restore = PostParams {
        field_manager: Some("velero-server".to_owned()),
        ..PostParams::default()
    };
    shop.secrets.create(&restore, &backup).await.unwrap();
    let applied = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web", "labels": {"tier": "one"}}});
    let somebody = PatchParams::apply("somebody");
    shop.secrets
        .patch("web", &somebody, &Patch::Apply(applied))
        .await
        .unwrap();
    shop.certificate("web", spec).await;
    shop.is_ready("web").await;
    eventually("the Secret taken over", IN_TIME, async || {
        let managers = shop.secret("web").await.metadata.managed_fields?;
        let ours = |entry: &ManagedFieldsEntry| entry.manager.as_deref() == Some("cert-manager-certificates-issuing");
        managers.iter().any(ours).then_some(())
    })
    .await;
    shop.patch_spec("web", json!({"additionalOutputFormats": null, "secretTemplate": null}))
        .await;
    eventually("the format gone", IN_TIME, async || {
        (keys(&shop.secret("web").await) == ["ca.crt", "tls.crt", "tls.key"]).then_some(())
    })
    .await;
    let after = shop.secret("web").await;
    let labels = after.metadata.labels.clone().unwrap();
    assert!(!labels.contains_key("team"), "{labels:?}");
    assert_eq!(
        labels.get("tier").map(String::as_str),
        Some("one"),
        "somebody applies it"
    );
    assert_eq!(
        data(&after, "tls.crt"),
        data(&backup, "tls.crt"),
        "the restored certificate is kept"
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_deleted_and_a_damaged_secret_are_issued_again() {
    let shop = Shop::open(&[]).await;
    shop.certificate("web", json!({})).await;
    shop.is_ready("web").await;
    let first = data(&shop.secret("web").await, "tls.crt");
    shop.secrets.delete("web", &DeleteParams::default()).await.unwrap();
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
    let mark = shop.bed.audit_mark().await;
    shop.certificate("second", json!({"secretName": "both"})).await;
    let told = shop.is_refused("second", "IncorrectCertificate").await;
    assert!(told.starts_with("Secret was issued for \"first\""), "{told}");
    shop.everything_before_is_done().await;
    assert_eq!(shop.written_about("second", mark).await, ["patch certificates/status"]);
    assert_eq!(shop.written_about("first", mark).await, [""; 0], "no flapping (NB-16)");
    assert_eq!(data(&shop.secret("both").await, "tls.crt"), before);
    shop.patch_spec("second", json!({"secretName": "second"})).await;
    shop.is_ready("second").await;
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
    let shop = shop.stopped_and_started(&[]).await;
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
