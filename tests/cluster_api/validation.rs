//! Rules of the definitions.

use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::support::{IN_TIME, eventually};
use crate::{cases, create, good, merge, object, patch, patch_status, prepared, refused};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn every_row_of_the_table_is_judged_as_it_says() {
    let (bed, namespace) = prepared().await;
    let cases = cases();
    let mut wrong = Vec::new();
    for case in cases["cases"].as_array().unwrap() {
        let (base, kind, scope) = match case["kind"].as_str().unwrap() {
            "Acme" => ("Acme", "Issuer", Some(namespace.as_str())),
            "ClusterIssuer" => ("Issuer", "ClusterIssuer", None),
            kind => (kind, kind, Some(namespace.as_str())),
        };
        let mut spec = good(base);
        merge(&mut spec, &case["change"]);
        let api = bed.objects("cert-manager.io/v1", kind, scope).await;
        match (
            create(&api, &object("cert-manager.io/v1", kind, "judged", &spec)).await,
            case["says"].as_str(),
        ) {
            (Ok(_), None) => assert_eq!(case["accepted"], true, "{case}"),
            (Err(refusal), Some(says)) if refusal.contains(says) => {}
            (result, _) => wrong.push(format!("{case}\n  -> {result:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_object_stored_before_a_rule_can_still_be_labelled_and_reported_on() {
    let (bed, namespace) = prepared().await;
    let definitions = bed
        .objects("apiextensions.k8s.io/v1", "CustomResourceDefinition", None)
        .await;
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    // Without the rules, as cert-manager's own definitions are.
    let mut lax = certlet::api::crds::definitions().unwrap().remove(1);
    let spec = &mut lax["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    spec.as_object_mut().unwrap().remove("x-kubernetes-validations");
    patch(&definitions, "certificates.cert-manager.io", &lax_rules(&lax))
        .await
        .unwrap();
    let bad = object(
        "cert-manager.io/v1",
        "Certificate",
        "old",
        &json!({ "secretName": "a", "issuerRef": { "name": "b" } }),
    );
    eventually("a definition without rules", IN_TIME, async || {
        certificates.create(&PostParams::default(), &bad).await.ok()
    })
    .await;
    bed.install_crds().await;
    eventually("the rules again", IN_TIME, async || {
        create(&certificates, &bad_named("new")).await.err()
    })
    .await;

    patch(&certificates, "old", &json!({ "metadata": { "labels": { "a": "b" } } }))
        .await
        .unwrap();
    let status = json!({ "conditions": [{ "type": "Ready", "status": "False", "reason": "InvalidSpec" }] });
    patch_status(&certificates, "old", &status).await.unwrap();
    patch(&certificates, "old", &json!({ "metadata": { "finalizers": [] } }))
        .await
        .unwrap();
    refused(
        patch(&certificates, "old", &json!({ "spec": { "secretName": "c" } })).await,
        "at least one of commonName",
    );
}

fn bad_named(name: &str) -> DynamicObject {
    object(
        "cert-manager.io/v1",
        "Certificate",
        name,
        &json!({ "secretName": "a", "issuerRef": { "name": "b" } }),
    )
}

/// Replaces the versions of a definition.
fn lax_rules(definition: &Value) -> Value {
    json!({ "spec": { "versions": definition["spec"]["versions"] } })
}
