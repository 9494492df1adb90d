//! The judge is trust-manager: what it writes for a Bundle, certlet writes, and each goes on with what the other wrote.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::{IN_TIME, NEW_P256, Pair, eventually, run};

const TARGETS: [(&str, &str); 7] = [
    ("ConfigMap", "plain"),
    ("ConfigMap", "all"),
    ("Secret", "all"),
    ("ConfigMap", "rc2"),
    ("ConfigMap", "des"),
    ("ConfigMap", "aes"),
    ("ConfigMap", "some"),
];

/// Names with what the two programs could write differently: parts in another order than Go's, several of one kind, parts that Go has no
/// name for, signs with a meaning, letters beyond ASCII, upper case.
const SUBJECTS: [&str; 4] = [
    "/CN=Plain Root",
    "/CN=Über Größe/C=DE/O=Example, Inc.+O=Other/OU=b/OU=a",
    "/DC=com/DC=example/CN=#with \"signs\" <>;/emailAddress=Pki@Example.com/UID=u1",
    "/serialNumber=12/postalCode=10115/street=1 Main St/L=Berlin/ST=BE",
];

async fn sources(stage: &Stage) -> Vec<String> {
    let mut roots = Vec::new();
    for subject in SUBJECTS {
        let options = [&NEW_P256[..], &["-utf8", "-multivalue-rdn"]].concat();
        roots.push(Pair::self_signed(subject, &options).await.certificate);
    }
    let [first, second, third, fourth] = roots.as_slice() else {
        panic!("four roots")
    };
    // comments, a root that is there twice, and no line break at the end
    let text = format!("# our roots\n{first}and\n{second}{}", first.trim_end());
    stage
        .config_map("by-name", json!({"ca.crt": text, "other": "none"}))
        .await;
    stage
        .source(
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "in-secret"},
            "data": {"tls.crt": BASE64_STANDARD.encode(third), "tls.key": BASE64_STANDARD.encode("not read")}}),
        )
        .await;
    for (name, root) in [("labelled-a", second), ("labelled-b", fourth)] {
        stage
            .source(&json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": name, "labels": {"roots": "some"}},
                "data": {"a.pem": root}, "binaryData": {"b.pem": BASE64_STANDARD.encode(root)}}))
            .await;
    }
    roots
}

/// Every sort of source, target and format.
async fn bundles(stage: &Stage, roots: &[String]) {
    let all = json!([
        {"configMap": {"name": "by-name", "key": "ca.crt"}},
        {"secret": {"name": "in-secret", "key": "tls.crt"}},
        {"inLine": roots[3]},
        {"useDefaultCAs": false},
    ]);
    let metadata = json!({"annotations": {"zone": "b", "area": "a"}, "labels": {"team": "pki", "app": "roots"}});
    stage
        .bundle(
            "plain",
            all.clone(),
            json!({"configMap": {"key": "ca.crt", "metadata": metadata}}),
        )
        .await;
    let bare = json!({"jks": {"key": "ca.jks"}, "pkcs12": {"key": "ca.p12"}});
    stage
        .bundle(
            "all",
            all.clone(),
            json!({"configMap": {"key": "ca.crt"}, "secret": {"key": "roots.pem", "metadata": metadata},
                "additionalFormats": bare}),
        )
        .await;
    for (name, profile) in [("rc2", None), ("des", Some("LegacyDES")), ("aes", Some("Modern2023"))] {
        let mut file = json!({"key": "ca.p12", "password": "secret"});
        if let Some(profile) = profile {
            file["profile"] = json!(profile);
        }
        let formats = json!({"pkcs12": file, "jks": {"key": "ca.jks", "password": "Other"}});
        stage
            .bundle(
                name,
                all.clone(),
                json!({"configMap": {"key": "ca.crt"}, "additionalFormats": formats}),
            )
            .await;
    }
    let some = json!([{"configMap": {"selector": {"matchLabels": {"roots": "some"}}, "includeAllKeys": true}}]);
    stage
        .bundle("some", some, json!({"configMap": {"key": "ca.crt"}}))
        .await;
}

/// What of a target is the same in every namespace and for every writer.
fn content(target: &DynamicObject) -> Value {
    let mut data = target.data.clone();
    // salts: what is in these files is compared apart
    let is_bare = target.metadata.name.as_ref().unwrap().starts_with("all-");
    if let Some(files) = data.get_mut("binaryData").and_then(Value::as_object_mut)
        && !is_bare
    {
        files.remove("ca.p12");
    }
    let managers: Vec<_> = target.metadata.managed_fields.iter().flatten().collect();
    let managers: Vec<_> = managers
        .iter()
        .map(|entry| {
            let hidden = entry.fields_v1.as_ref().map(|fields| fields.0.clone());
            json!({"manager": entry.manager, "operation": entry.operation, "fields": hidden})
        })
        .collect();
    json!({
        "data": data, "labels": target.metadata.labels, "annotations": target.metadata.annotations,
        "owners": target.metadata.owner_references, "managers": managers,
    })
}

/// The certificates and names in a PKCS#12 file with a password, as openssl shows them.
async fn opened(stage: &Stage, target: &DynamicObject) -> String {
    let file = target
        .data
        .pointer("/binaryData/ca.p12")
        .and_then(Value::as_str)
        .unwrap();
    let path = stage
        .bed
        .path(&format!("run/{}.p12", target.metadata.namespace.as_ref().unwrap()));
    std::fs::write(&path, BASE64_STANDARD.decode(file).unwrap()).unwrap();
    let path = path.to_str().unwrap();
    run(
        "openssl",
        &["pkcs12", "-legacy", "-nokeys", "-passin", "pass:secret", "-in", path],
    )
    .await
}

async fn everything_in(stage: &Stage, namespace: &str) {
    for (kind, name) in TARGETS {
        stage.target_in(kind, namespace, name).await;
    }
    for (_, name) in TARGETS {
        stage.synced(name).await;
    }
}

async fn same(stage: &Stage, one: &str, other: &str) {
    for (kind, name) in TARGETS {
        let of_one = stage.target(kind, one, name).await.unwrap();
        let of_other = stage.target(kind, other, name).await.unwrap();
        assert_eq!(content(&of_one), content(&of_other), "{kind} {name}");
        if ["rc2", "des", "aes"].contains(&name) {
            assert_eq!(opened(stage, &of_one).await, opened(stage, &of_other).await, "{name}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn bun_02_both_write_the_same_bytes_and_neither_rewrites_what_the_other_wrote() {
    let Some(stage) = Stage::new("bundles of trust-manager and certlet").await else {
        return;
    };
    let roots = sources(&stage).await;
    let first = stage.target_namespace().await;
    bundles(&stage, &roots).await;
    let trust_manager = stage.trust_manager(&["--secret-targets-enabled"]);
    everything_in(&stage, &first).await;
    trust_manager.stop().await;

    // a further namespace shows that certlet has reconciled each Bundle
    let before = stage.versions(&[&first]).await;
    assert!(before.len() > TARGETS.len(), "{before:?}");
    let certlet = stage.certlet(&["--authorized-secrets=*"]).await;
    let second = stage.target_namespace().await;
    everything_in(&stage, &second).await;
    certlet.stop().await;
    assert_eq!(stage.versions(&[&first]).await, before);
    same(&stage, &first, &second).await;

    let before = stage.versions(&[&first, &second]).await;
    let trust_manager = stage.trust_manager(&["--secret-targets-enabled"]);
    let third = stage.target_namespace().await;
    everything_in(&stage, &third).await;
    // it writes the condition again whenever it has written a target
    let targets = |versions: std::collections::BTreeMap<String, String>| {
        let of_targets = versions.into_iter().filter(|(what, _)| !what.starts_with("Bundle/"));
        of_targets.collect::<Vec<_>>()
    };
    assert_eq!(targets(stage.versions(&[&first, &second]).await), targets(before));
    trust_manager.stop().await;
    same(&stage, &second, &third).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn bun_03_both_report_the_same_reasons() {
    let Some(stage) = Stage::new("reasons of trust-manager and certlet").await else {
        return;
    };
    let namespace = stage.target_namespace().await;
    let pair = Pair::by_openssl("/CN=root").await;
    stage
        .config_map(
            "with-key",
            json!({"all": format!("{}{}", pair.certificate, pair.key), "text": "nothing"}),
        )
        .await;
    let target = json!({"configMap": {"key": "ca.crt"}});
    let of = |key: &str| json!([{"configMap": {"name": "with-key", "key": key}}]);
    let cases = [
        (
            "missing",
            json!([{"configMap": {"name": "missing", "key": "k"}}]),
            target.clone(),
        ),
        ("no-key", of("missing"), target.clone()),
        ("key-in-it", of("all"), target.clone()),
        ("empty", of("text"), target.clone()),
        ("default", json!([{"useDefaultCAs": true}]), target.clone()),
        (
            "secret",
            json!([{"inLine": pair.certificate}]),
            json!({"secret": {"key": "ca.crt"}}),
        ),
        ("fine", json!([{"inLine": pair.certificate}]), target),
    ];
    for (name, sources, target) in &cases {
        stage.bundle(name, sources.clone(), target.clone()).await;
    }
    let outcome = |condition: &Value| (condition["status"].clone(), condition["reason"].clone());
    let trust_manager = stage.trust_manager(&[]);
    let mut expected = Vec::new();
    for (name, ..) in &cases {
        expected.push(stage.condition(name, |_| true).await);
    }
    stage.target_in("ConfigMap", &namespace, "fine").await;
    trust_manager.stop().await;
    let certlet = stage.certlet(&[]).await;
    for ((name, ..), expected) in cases.iter().zip(&expected) {
        if expected["status"] == "True" {
            continue;
        }
        // certlet's sentences are its own
        let found = stage
            .condition(name, |found| found["message"] != expected["message"])
            .await;
        assert_eq!(outcome(&found), outcome(expected), "{name}: {found} {expected}");
        assert_eq!(found["lastTransitionTime"], expected["lastTransitionTime"], "{name}");
        assert!(!found["message"].as_str().unwrap().contains(&pair.key[40..80]));
    }
    // and certlet's log does not have it either
    assert!(!certlet.log().contains(&pair.key[40..80]));
    eventually("the one that is fine stays so", IN_TIME, async || {
        let fine = stage.condition("fine", |_| true).await;
        (fine["status"] == "True").then_some(())
    })
    .await;
}
