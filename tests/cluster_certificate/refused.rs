//! What cannot be issued is told once, and cured by correction.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::shop::{Shop, condition, text};
use crate::support::certlet::PROGRAM;
use crate::support::{IN_TIME, Pair, condition_is, eventually, openssl, until};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn wrong_specs_are_told_once_and_cured_by_correction() {
    let shop = Shop::open(&[]).await;
    let mark = shop.bed.audit_mark().await;
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
    let settled = shop.bed.audit_mark().await;
    shop.everything_before_is_done().await;
    for name in ["days", "nobody"] {
        assert_eq!(
            shop.written_about(name, settled).await,
            [""; 0],
            "no loop; before: {:?}",
            shop.written_about(name, mark).await
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
    let mark = shop.bed.audit_mark().await;
    shop.certificate("web", json!({"secretTemplate": {"labels": {"not a label!": "x"}}}))
        .await;
    eventually("the refusal told", IN_TIME, async || {
        let ready = condition(&shop.certificates.get("web").await.ok()?, "Ready");
        ready["message"].as_str()?.contains("not a label!").then_some(())
    })
    .await;
    shop.everything_before_is_done().await;
    let settled = shop.bed.audit_mark().await;
    shop.everything_before_is_done().await;
    assert_eq!(
        shop.written_about("web", settled).await,
        [""; 0],
        "before: {:?}",
        shop.written_about("web", mark).await
    );
    assert_eq!(shop.requests_of("web").await.len(), 1);
    shop.patch_spec("web", json!({"secretTemplate": null})).await;
    shop.is_ready("web").await;
    let all = shop.written_about("web", mark).await;
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
async fn an_rsa_size_that_no_new_key_can_have_is_told_at_once_and_a_key_that_exists_is_kept() {
    let shop = Shop::open(&[]).await;
    let key = json!({"algorithm": "RSA", "size": 2560});
    shop.certificate("new", json!({ "privateKey": key })).await;
    let told = shop.is_refused("new", "InvalidSpec").await;
    assert!(
        told.starts_with("spec.privateKey.size: 2560: new RSA keys have 2048, 3072, 4096 or 8192 bits"),
        "{told}"
    );
    assert_eq!(shop.requests_of("new").await.len(), 0);
    shop.patch_spec("new", json!({"privateKey": {"size": 3072}})).await;
    shop.is_ready("new").await;

    let pair = Pair::self_signed("/CN=before", &["-newkey", "rsa:2560", "-nodes"]).await;
    pair.store(&shop.bed, &shop.namespace, "kept").await;
    let keeping = json!({"algorithm": "RSA", "size": 2560, "rotationPolicy": "Never"});
    shop.certificate("kept", json!({ "privateKey": keeping })).await;
    shop.is_ready("kept").await;
    let secret = shop.secret("kept").await;
    let public = async |pem: &str| openssl(&["pkey", "-pubout"], pem).await;
    assert_eq!(
        public(&text(&secret, "tls.key")).await,
        public(&pair.key).await,
        "SEC-01"
    );
    let of_leaf = openssl(&["x509", "-noout", "-pubkey"], &text(&secret, "tls.crt")).await;
    assert_eq!(of_leaf, public(&pair.key).await);
    assert_ne!(text(&secret, "tls.crt"), pair.certificate);

    shop.patch_spec("kept", json!({"privateKey": {"rotationPolicy": "Always"}}))
        .await;
    shop.everything_before_is_done().await;
    shop.is_ready("kept").await;
    let planned = shop.command(PROGRAM, &["plan"]).await;
    let foreseen = format!(
        "Certificate {}/kept needs no action now, but its next issuance will fail: spec.privateKey.size: 2560",
        shop.namespace
    );
    assert!(planned.stderr.contains(&foreseen), "{planned:?}");
}

/// cert-manager#9287: an outside issuer gives up without a condition.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_that_only_has_a_failure_time_has_failed() {
    let shop = Shop::open(&[]).await;
    let outside = json!({"group": "issuers.example.net", "kind": "Frob", "name": "frob"});
    shop.certificate("web", json!({ "issuerRef": outside })).await;
    eventually("its request", IN_TIME, async || {
        shop.requests.get_opt("web-1").await.unwrap()
    })
    .await;
    let failed =
        Patch::Merge(json!({"status": {"failureTime": certlet::process::clock::now().strftime("%FT%TZ").to_string()}}));
    shop.requests
        .patch_status("web-1", &PatchParams::default(), &failed)
        .await
        .unwrap();
    let certificate = until(&shop.certificates, "web", IN_TIME, condition_is("Issuing", "False"))
        .await
        .unwrap();
    assert_eq!(certificate.data["status"]["failedIssuanceAttempts"], 1);
    assert!(certificate.data["status"]["lastFailureTime"].is_string());
    let issuing = condition(&certificate, "Issuing");
    assert!(
        issuing["message"].as_str().unwrap().contains("gives no reason"),
        "{issuing}"
    );
}

/// A policy wants a label on every Secret; the template of the Certificate has it.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn where_a_policy_wants_a_label_the_secret_with_the_next_key_has_it_too() {
    let shop = Shop::open(&[]).await;
    let name = format!("labels-{}", shop.namespace);
    let policy = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
         "spec": {"failurePolicy": "Fail",
            "matchConstraints": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}},
                "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}]},
            "validations": [{"expression": "has(object.metadata.labels) && 'team' in object.metadata.labels",
                "message": "every Secret needs the label team"}]}},
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
         "spec": {"policyName": name, "validationActions": ["Deny"]}}]});
    shop.apply(&policy.to_string()).await;
    eventually("the policy in force", IN_TIME, async || {
        let probe = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe"}});
        let probe = serde_json::from_value(probe).unwrap();
        let dry = kube::api::PostParams {
            dry_run: true,
            ..Default::default()
        };
        shop.secrets.create(&dry, &probe).await.is_err().then_some(())
    })
    .await;
    let outside = json!({"group": "issuers.example.net", "kind": "Frob", "name": "frob"});
    let template = json!({"labels": {"team": "blue"}, "annotations": {"example.com/copy-to": "everywhere"}});
    shop.certificate("web", json!({"issuerRef": outside, "secretTemplate": template}))
        .await;
    let keys = eventually("the next key", IN_TIME, async || {
        Some(shop.next_keys().await).filter(|keys| !keys.is_empty())
    })
    .await;
    let meta = &keys[0].metadata;
    assert_eq!(meta.labels.as_ref().unwrap()["team"], "blue");
    assert!(
        meta.annotations
            .as_ref()
            .is_none_or(|found| !found.contains_key("example.com/copy-to")),
        "{meta:?}"
    );
    shop.patch_spec("web", json!({"issuerRef": {"name": "ca", "group": null, "kind": null}}))
        .await;
    shop.is_ready("web").await;
}
