//! Injection of CAs: the memory that large CRDs, webhook configurations and Secrets cost, and one rotation of a CA that many webhooks trust.

use std::{collections::HashSet, time::Duration};

use futures::StreamExt;
use kube::{
    Api, ResourceExt,
    api::DynamicObject,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    measure::{Program, create, number, rest, settle, start_with},
    support::{
        Bed, IN_TIME, Requests, condition_is, eventually,
        scene::{CERTIFICATES, SECRETS, field},
        until,
    },
};

/// The size of a CRD, in bytes.
const DEFINITION: usize = 300_000;

const CONFIGURATIONS: (&str, &str) = ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration");

pub(crate) async fn run(bed: &Bed, program: &Program) {
    let sizes = [("BENCH_CRDS", 400), ("BENCH_WEBHOOKS", 200), ("BENCH_SECRETS", 20_000)];
    let [definitions, webhooks, secrets] = sizes.map(|(variable, otherwise)| number(variable, otherwise));
    println!(
        "\n{program}injection: {definitions} CRDs of {DEFINITION} bytes, {webhooks} webhook configurations, {secrets} Secrets"
    );
    let namespace = bed.new_namespace().await;
    create(bed, SECRETS, Some(&namespace), (0..secrets).map(secret).collect()).await;
    let crds = ("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    let all = (0..definitions).map(|at| definition(&namespace, at)).collect();
    create(bed, crds, None, all).await;
    let all = (0..webhooks).map(|at| webhook(&namespace, at)).collect();
    create(bed, CONFIGURATIONS, None, all).await;

    let off = start_with(bed, program, &["--enable-cainjector=false"]).await;
    settle(bed).await;
    let without = rest("without", &off);
    off.stop().await;
    let on = start_with(bed, program, &[]).await;
    settle(bed).await;
    let with = rest("with", &on);
    println!(
        "injection costs {:+.1} MiB at rest, {:+.1} MiB at most",
        with[0] - without[0],
        with[1] - without[1]
    );
    rotation(bed, &namespace, webhooks).await;
    let after = rest("after the rotation", &on);
    println!("that is {:+.1} MiB at most", after[1] - without[1]);
    on.stop().await;
    let before = bed.requests().await;
    let again = start_with(bed, program, &[]).await;
    settle(bed).await;
    let requests = bed.requests().await.since(&before);
    println!("a restart: {} writes", writes(&requests));
    drop(again);
    clean(bed, &namespace).await;
}

/// Injects a first CA, then another one.
async fn rotation(bed: &Bed, namespace: &str, webhooks: usize) {
    let targets = bed.objects(CONFIGURATIONS.0, CONFIGURATIONS.1, None).await;
    bed.apply(namespace, &certificate(&["a.example"])).await;
    all_injected(&targets, namespace, webhooks, "").await;
    settle(bed).await;
    let before = bed.requests().await;
    let secret = bed.objects(SECRETS.0, SECRETS.1, Some(namespace)).await;
    let ca = async || field(&secret.get("serving").await.unwrap(), "/data/ca.crt");
    let old = ca().await;
    let there = bundle(&targets.get(&format!("w0.{namespace}")).await.unwrap());
    let all = namespace.to_owned();
    let watching = tokio::spawn(async move { all_injected(&targets, &all, webhooks, &there).await });
    bed.apply(namespace, &certificate(&["a.example", "b.example"])).await;
    let changed = eventually("the CA rotates", IN_TIME, async || {
        (ca().await != old).then(Instant::now)
    })
    .await;
    let last = watching.await.unwrap();
    settle(bed).await;
    let requests = bed.requests().await.since(&before);
    println!(
        "a rotation: {:.2} s from the Secret to the last of {webhooks} configurations, {} writes",
        last.saturating_duration_since(changed).as_secs_f64(),
        writes(&requests)
    );
}

/// Writes of webhook configurations.
fn writes(requests: &Requests) -> u64 {
    let writes = requests.writes();
    writes
        .filter(|series| series.resource == "validatingwebhookconfigurations")
        .total()
}

fn secret(at: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("s{at}")}, "stringData": {"password": "none"}})
}

fn definition(namespace: &str, at: usize) -> Value {
    let group = format!("g{at}.{namespace}.example");
    let schema = json!({"openAPIV3Schema": {"type": "object", "description": "x".repeat(DEFINITION)}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("things.{group}")}, "spec": {
        "group": group, "scope": "Namespaced", "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}})
}

fn webhook(namespace: &str, at: usize) -> Value {
    let service = json!({"name": "none", "namespace": namespace});
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": format!("w{at}.{namespace}"), "annotations": {"cert-manager.io/inject-ca-from": format!("{namespace}/serving")}},
        "webhooks": [{"name": "hook.fake.k8s.io", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore",
            "namespaceSelector": {"matchLabels": {"no": "namespace"}}, "clientConfig": {"service": service}}]})
}

fn certificate(hosts: &[&str]) -> String {
    let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "self"}, "spec": {"selfSigned": {}}});
    let certificate = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "serving"}, "spec": {
        "secretName": "serving", "dnsNames": hosts, "privateKey": {"algorithm": "ECDSA"}, "issuerRef": {"name": "self"}}});
    json!({"apiVersion": "v1", "kind": "List", "items": [issuer, certificate]}).to_string()
}

fn bundle(object: &DynamicObject) -> String {
    let found = object
        .data
        .pointer("/webhooks/0/clientConfig/caBundle")
        .and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

/// When so many configurations of the namespace have a bundle that is not `old`.
async fn all_injected(targets: &Api<DynamicObject>, namespace: &str, count: usize, old: &str) -> Instant {
    let mut events = watcher(targets.clone(), watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .boxed();
    let mut done = HashSet::new();
    let counting = async {
        while done.len() < count {
            let Some(Ok(object)) = events.next().await else {
                continue;
            };
            if object.name_any().ends_with(namespace) && ![old, ""].contains(&bundle(&object).as_str()) {
                done.insert(object.name_any());
            }
        }
        Instant::now()
    };
    tokio::time::timeout(Duration::from_secs(300), counting)
        .await
        .expect("every configuration gets the CA in time")
}

async fn clean(bed: &Bed, namespace: &str) {
    let certificates = bed.objects(CERTIFICATES.0, CERTIFICATES.1, Some(namespace)).await;
    until(&certificates, "serving", IN_TIME, condition_is("Ready", "True")).await;
    bed.kubectl(&["delete", "validatingwebhookconfigurations", "--all", "--wait=false"])
        .await;
}
