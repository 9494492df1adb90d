//! Definitions that are newer than this certlet: fields that it does not know survive its writes.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::support::{Certlet, IN_TIME, condition_is, until};
use crate::{good, merge, object, patch, patch_status, prepared, stored};

/// What a field of tomorrow holds.
fn tomorrow() -> Value {
    json!({ "keptAsItIs": "yes", "number": 7 })
}

/// The definitions with one more field in spec and one more in status.
fn newer_definitions() -> Vec<(String, Value)> {
    let more =
        json!({ "properties": { "tomorrow": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } });
    let mut definitions = certlet::api::crds::definitions().unwrap();
    for definition in &mut definitions {
        let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        merge(&mut schema["spec"], &more);
        merge(&mut schema["status"], &more);
    }
    let name = |definition: &Value| definition["metadata"]["name"].as_str().unwrap().to_owned();
    definitions
        .into_iter()
        .map(|definition| {
            (
                name(&definition),
                json!({ "spec": { "versions": definition["spec"]["versions"] } }),
            )
        })
        .collect()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn fields_of_a_newer_definition_survive_an_issuance_and_a_renewal() {
    let (bed, namespace) = prepared().await;
    let definitions = bed
        .objects("apiextensions.k8s.io/v1", "CustomResourceDefinition", None)
        .await;
    for (name, change) in newer_definitions() {
        patch(&definitions, &name, &change).await.unwrap();
    }
    let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(&namespace)).await;
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    let mut spec = good("Issuer");
    spec["tomorrow"] = tomorrow();
    crate::support::eventually("the newer definition", IN_TIME, async || {
        let found = crate::create(&issuers, &object("cert-manager.io/v1", "Issuer", "ca", &spec))
            .await
            .ok()?;
        (found.data["spec"]["tomorrow"] == tomorrow()).then_some(())
    })
    .await;
    stored(&issuers, &object("cert-manager.io/v1", "Issuer", "ca", &spec)).await;
    let mut spec = good("Certificate");
    spec["tomorrow"] = tomorrow();
    spec["privateKey"] = json!({ "algorithm": "ECDSA" });
    stored(
        &certificates,
        &object("cert-manager.io/v1", "Certificate", "web", &spec),
    )
    .await;
    patch_status(&issuers, "ca", &json!({ "tomorrow": tomorrow() }))
        .await
        .unwrap();
    patch_status(&certificates, "web", &json!({ "tomorrow": tomorrow() }))
        .await
        .unwrap();

    let _certlet = Certlet::start(&bed, &[]).await;
    until(&certificates, "web", IN_TIME, condition_is("Ready", "True")).await;
    // As `cmctl renew` does it.
    let issuing = json!({ "type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "again" });
    let mut conditions = certificates.get("web").await.unwrap().data["status"]["conditions"].clone();
    conditions.as_array_mut().unwrap().push(issuing);
    patch_status(&certificates, "web", &json!({ "conditions": conditions }))
        .await
        .unwrap();
    let renewed = until(&certificates, "web", IN_TIME, |found: Option<&DynamicObject>| {
        found.is_some_and(|found| found.data["status"]["revision"] == 2)
    })
    .await
    .unwrap();
    let issuer = until(&issuers, "ca", IN_TIME, condition_is("Ready", "True"))
        .await
        .unwrap();
    for object in [renewed, issuer] {
        for part in ["spec", "status"] {
            assert_eq!(
                object.data[part]["tomorrow"],
                tomorrow(),
                "{part} of {}",
                object.metadata.name.unwrap_or_default()
            );
        }
    }
}
