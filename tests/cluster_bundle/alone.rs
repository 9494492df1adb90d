//! What certlet does by itself: consent, what others wrote, what is not selected any more, several trust namespaces.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::{IN_TIME, Pair, eventually, run_with_input, until};

const TEST: &str = "certlet with trust-manager's Bundles";

fn config_map() -> Value {
    json!({"configMap": {"key": "ca.crt"}})
}

/// The same certificates, as a target has them.
fn pem(roots: &[&Pair]) -> Vec<String> {
    let mut pem: Vec<String> = roots.iter().map(|root| root.certificate.trim().to_owned()).collect();
    pem.sort();
    pem
}

/// Waits until a target ConfigMap has these certificates.
async fn has(stage: &Stage, namespace: &str, name: &str, roots: &[&Pair]) {
    const END: &str = "-----END CERTIFICATE-----";
    let wanted = pem(roots);
    let what = format!("{name} in {namespace}");
    eventually(&what, IN_TIME, async || {
        let target = stage.target("ConfigMap", namespace, name).await?;
        let text = target.data.pointer("/data/ca.crt")?.as_str()?.to_owned();
        let mut found: Vec<String> = text.split_inclusive(END).map(|one| one.trim().to_owned()).collect();
        found.sort();
        (found == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn bun_04_a_target_follows_its_sources_its_namespaces_and_its_own_changes() {
    let Some(stage) = Stage::new(TEST).await else { return };
    let (one, two) = (Pair::by_openssl("/CN=one").await, Pair::by_openssl("/CN=two").await);
    let _certlet = stage.certlet(&[]).await;
    let namespace = stage.target_namespace().await;
    let sources = json!([{"configMap": {"name": "roots", "key": "ca.crt"}}]);
    stage.bundle("follow", sources.clone(), config_map()).await;
    stage.fails("follow", "SourceNotFound", "create it").await;
    // the source appears, and changes
    stage.config_map("roots", json!({"ca.crt": one.certificate})).await;
    has(&stage, &namespace, "follow", &[&one]).await;
    stage.synced("follow").await;
    let both = format!("{}{}", one.certificate, two.certificate);
    stage.config_map("roots", json!({"ca.crt": both})).await;
    has(&stage, &namespace, "follow", &[&one, &two]).await;
    // somebody else changes the target, or deletes it
    let name = stage.name("follow");
    let patch = json!({"data": {"ca.crt": "mine"}}).to_string();
    let patch = [
        "patch",
        "configmap",
        &name,
        "-n",
        &namespace,
        "--type=merge",
        "-p",
        &patch,
    ];
    stage.bed.kubectl(&patch).await;
    has(&stage, &namespace, "follow", &[&one, &two]).await;
    stage
        .bed
        .kubectl(&["delete", "configmap", &name, "-n", &namespace])
        .await;
    has(&stage, &namespace, "follow", &[&one, &two]).await;
    // another key; a user's own stays
    let patch = json!({"data": {"mine": "too"}}).to_string();
    let patch = [
        "patch",
        "configmap",
        &name,
        "-n",
        &namespace,
        "--type=merge",
        "-p",
        &patch,
    ];
    stage.bed.kubectl(&patch).await;
    stage
        .bundle("follow", sources, json!({"configMap": {"key": "roots.pem"}}))
        .await;
    let keys = async || {
        let target = stage.target("ConfigMap", &namespace, "follow").await?;
        let data = target.data.get("data")?.as_object()?.clone();
        Some(data.into_iter().map(|(key, _)| key).collect::<Vec<_>>())
    };
    eventually("the other key", IN_TIME, async || {
        (keys().await? == ["mine", "roots.pem"]).then_some(())
    })
    .await;
    // and when the namespace is not selected any more
    stage.label(&namespace, "no").await;
    eventually("only the user's key", IN_TIME, async || {
        (keys().await? == ["mine"]).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn bun_04_a_target_without_anything_else_is_deleted_when_its_namespace_is_not_selected_any_more() {
    let Some(stage) = Stage::new(TEST).await else { return };
    let one = Pair::by_openssl("/CN=one").await;
    let _certlet = stage.certlet(&[]).await;
    let namespace = stage.target_namespace().await;
    stage
        .bundle("gone", json!([{"inLine": one.certificate}]), config_map())
        .await;
    has(&stage, &namespace, "gone", &[&one]).await;
    stage.label(&namespace, "no").await;
    let targets = stage.bed.objects("v1", "ConfigMap", Some(&namespace)).await;
    until(&targets, &stage.name("gone"), IN_TIME, crate::support::gone()).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn bun_05_secrets_are_written_with_consent_only_and_never_over_another_s() {
    let Some(stage) = Stage::new(TEST).await else { return };
    let one = Pair::by_openssl("/CN=one").await;
    let (namespace, other) = (stage.target_namespace().await, stage.target_namespace().await);
    let sources = json!([{"inLine": one.certificate}]);
    let target = json!({"secret": {"key": "ca.crt"}});
    stage.bundle("allowed", sources.clone(), target.clone()).await;
    stage.bundle("refused", sources, target).await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": stage.name("allowed")},
        "stringData": {"password": "mine"}});
    stage.bed.apply(&namespace, &secret.to_string()).await;
    let before = stage.target("Secret", &namespace, "allowed").await.unwrap();
    let certlet = stage
        .certlet(&[&format!("--authorized-secrets={}", stage.name("allowed"))])
        .await;
    stage
        .fails("refused", "SecretTargetsDisabled", "--authorized-secrets")
        .await;
    stage
        .fails("allowed", "SyncSecretTargetFailed", "no Bundle wrote it")
        .await;
    // the others get theirs nevertheless
    let written = stage.target_in("Secret", &other, "allowed").await;
    let stored = written.data.pointer("/data/ca.crt").and_then(Value::as_str).unwrap();
    assert_eq!(
        BASE64_STANDARD.decode(stored).unwrap(),
        one.certificate.trim().as_bytes()
    );
    assert!(stage.target("Secret", &other, "refused").await.is_none());
    let now = stage.target("Secret", &namespace, "allowed").await.unwrap();
    assert_eq!(now.metadata.resource_version, before.metadata.resource_version);
    // and the place becomes free
    let name = stage.name("allowed");
    stage.bed.kubectl(&["delete", "secret", &name, "-n", &namespace]).await;
    stage.synced("allowed").await;
    drop(certlet);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn bun_06_a_key_of_another_s_config_map_is_not_overwritten() {
    let Some(stage) = Stage::new(TEST).await else { return };
    let one = Pair::by_openssl("/CN=one").await;
    let namespace = stage.target_namespace().await;
    let name = stage.name("mine");
    let there = |key: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {key: "mine"}}).to_string()
    };
    stage.bed.apply(&namespace, &there("ca.crt")).await;
    let _certlet = stage.certlet(&[]).await;
    stage
        .bundle("mine", json!([{"inLine": one.certificate}]), config_map())
        .await;
    stage
        .fails(
            "mine",
            "SyncConfigMapTargetFailed",
            "its key \"ca.crt\" has something else",
        )
        .await;
    // with another key there is room for both
    stage
        .bundle(
            "mine",
            json!([{"inLine": one.certificate}]),
            json!({"configMap": {"key": "roots"}}),
        )
        .await;
    stage.synced("mine").await;
    let target = stage.target("ConfigMap", &namespace, "mine").await.unwrap();
    assert_eq!(target.data["data"]["ca.crt"], "mine");
    assert_eq!(target.data["data"]["roots"], one.certificate.trim());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn bun_07_of_several_trust_namespaces_the_first_that_has_a_name_counts_and_labels_count_in_all() {
    let Some(stage) = Stage::new(TEST).await else { return };
    let (one, two, three) = (
        Pair::by_openssl("/CN=one").await,
        Pair::by_openssl("/CN=two").await,
        Pair::by_openssl("/CN=three").await,
    );
    let second = stage.bed.new_namespace().await;
    let map = |name: &str, root: &Pair| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"roots": "some"}}, "data": {"ca.crt": root.certificate}})
        .to_string()
    };
    stage.bed.apply(&second, &map("both", &two)).await;
    stage.bed.apply(&second, &map("there", &three)).await;
    stage.bed.apply(&stage.trust, &map("both", &one)).await;
    let namespace = stage.target_namespace().await;
    let by_name = |name: &str| json!([{"configMap": {"name": name, "key": "ca.crt"}}]);
    stage.bundle("both", by_name("both"), config_map()).await;
    stage.bundle("there", by_name("there"), config_map()).await;
    let by_labels = json!([{"configMap": {"selector": {"matchLabels": {"roots": "some"}}, "key": "ca.crt"}}]);
    stage.bundle("labels", by_labels, config_map()).await;
    let _certlet = stage.certlet(&[&format!("--trust-namespace={second}")]).await;
    has(&stage, &namespace, "both", &[&one]).await;
    has(&stage, &namespace, "there", &[&three]).await;
    has(&stage, &namespace, "labels", &[&one, &two, &three]).await;
    // a change in the second one is noticed, too
    stage.bed.apply(&second, &map("there", &two)).await;
    has(&stage, &namespace, "there", &[&two]).await;
    stage
        .bed
        .kubectl(&["delete", "configmap", "both", "-n", &stage.trust])
        .await;
    has(&stage, &namespace, "both", &[&two]).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn bun_08_default_cas_come_from_a_package_in_trust_managers_format() {
    let Some(stage) = Stage::new(TEST).await else { return };
    let one = Pair::by_openssl("/CN=one").await;
    let namespace = stage.target_namespace().await;
    let file = stage.bed.path(&format!("run/package-{}.json", stage.trust));
    let package = json!({"name": "bed", "version": "7", "bundle": one.certificate});
    std::fs::write(&file, package.to_string()).unwrap();
    let flag = format!("--default-package-location={}", file.display());
    stage
        .bundle("default", json!([{"useDefaultCAs": true}]), config_map())
        .await;
    let trust_manager = stage.trust_manager(&[&flag]);
    stage.synced("default").await;
    trust_manager.stop().await;
    let bundles = stage.bundles().await;
    let name = stage.name("default");
    let before = bundles.get(&name).await.unwrap();
    let _certlet = stage.certlet(&[&flag]).await;
    let further = stage.target_namespace().await;
    has(&stage, &further, "default", &[&one]).await;
    has(&stage, &namespace, "default", &[&one]).await;
    let after = bundles.get(&name).await.unwrap();
    let digest = run_with_input("sha256sum", &["-"], &one.certificate).await;
    let version = after
        .data
        .pointer("/status/defaultCAVersion")
        .and_then(Value::as_str)
        .unwrap();
    assert_eq!(version, format!("bed-7-{}", &digest[..16]));
    assert_eq!(before.metadata.resource_version, after.metadata.resource_version);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn bun_03_certlet_status_lists_the_bundles_that_are_not_synced() {
    let Some(stage) = Stage::new(TEST).await else { return };
    let _certlet = stage.certlet(&[]).await;
    stage
        .bundle(
            "missing",
            json!([{"configMap": {"name": "missing", "key": "ca.crt"}}]),
            config_map(),
        )
        .await;
    let message = stage.fails("missing", "SourceNotFound", "missing").await;
    let kubeconfig = stage.bed.kubeconfig();
    let args = [
        "status",
        "-A",
        "-o",
        "json",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
    ];
    let finished = crate::support::command::try_run(crate::support::certlet::PROGRAM, &args, None).await;
    let overview: Value = serde_json::from_str(&finished.stdout).unwrap();
    let problems = overview["problems"].as_array().unwrap();
    let entry = problems
        .iter()
        .find(|entry| entry["kind"] == "Bundle" && entry["name"] == stage.name("missing"));
    let entry = entry.unwrap_or_else(|| panic!("{overview:#}"));
    assert_eq!(
        (&entry["reason"], &entry["sentence"]),
        (&json!("SourceNotFound"), &json!(message))
    );
}
