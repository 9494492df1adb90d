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

/// Facts of another program's tests, judged by this server with our definitions and policies.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_cert_managers_webhook_says_in_its_own_tests_this_server_says_too() {
    let (bed, namespace) = prepared().await;
    let facts: Vec<Value> = serde_saphyr::from_str(include_str!("../data/validation-cert-manager.yaml")).unwrap();
    let mut wrong = Vec::new();
    for fact in &facts {
        let kind = fact["kind"].as_str().unwrap();
        let scope = (kind != "ClusterIssuer").then_some(namespace.as_str());
        let api = bed.objects("cert-manager.io/v1", kind, scope).await;
        let judged = create(&api, &object("cert-manager.io/v1", kind, "judged", &fact["spec"])).await;
        let refused: Vec<&str> = fact["refused"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let same = match &judged {
            Ok(_) => refused.is_empty(),
            // the field itself, or the one that it is part of
            Err(said) => refused
                .iter()
                .any(|field| said.contains(field) || said.contains(parent(field))),
        };
        if same != fact["differs"].is_null() {
            wrong.push(format!("{fact}\n  -> {:?}", judged.map(drop)));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        facts.len(),
        wrong.join("\n")
    );
}

fn parent(field: &str) -> &str {
    field.rsplit_once('.').map_or(field, |(parent, _)| parent)
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_object_without_a_spec_is_refused_unless_it_was_stored_so() {
    let (bed, namespace) = prepared().await;
    for kind in ["Certificate", "CertificateRequest", "Issuer"] {
        let api = bed.objects("cert-manager.io/v1", kind, Some(&namespace)).await;
        let bare = json!({"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": {"name": "bare"}});
        let refusal = create(&api, &serde_json::from_value(bare).unwrap()).await.unwrap_err();
        assert!(refusal.contains("spec: Required value"), "{kind}: {refusal}");
    }
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    let certificate = object("cert-manager.io/v1", "Certificate", "whole", &good("Certificate"));
    certificates.create(&PostParams::default(), &certificate).await.unwrap();
    let gone = patch(&certificates, "whole", &json!({"spec": null})).await;
    refused(gone, "spec: Required value");
}
