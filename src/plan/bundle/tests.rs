use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    BundleObservation, BundleSettings, Circumstances, Collected, Document, Existing, Failure, Parsed, SourceSeen,
    TargetKind, TargetStep, collect, parse, plan, synced,
};
use crate::{
    api::bundle::{BUNDLE_LABEL, HASH_ANNOTATION},
    pki::{
        chain,
        fixture::{p256, root},
        hidden::Hidden,
        key::KeyEncoding,
    },
    plan::{
        namespace::NamespaceSeen,
        request::fixture::{meta, noon},
        seen::{Meta, Next, ObjectKey, Owner, Pairs},
    },
};

fn settings() -> BundleSettings {
    BundleSettings {
        enabled: true,
        trust_namespaces: vec!["cert-manager".to_owned()],
        ..BundleSettings::default()
    }
}

fn spec(value: Value) -> Result<Parsed, String> {
    parse("roots", &serde_json::from_value(value).unwrap())
}

fn in_line(pem: &str) -> Parsed {
    spec(json!({"sources": [{"inLine": pem}], "target": {"configMap": {"key": "ca.crt"}}})).unwrap()
}

fn authority(name: &str) -> String {
    String::from_utf8(chain::to_pem(&root(name, p256()).chain)).unwrap()
}

fn collected(
    now: Timestamp,
    parsed: &Parsed,
    seen: &[SourceSeen],
    settings: &BundleSettings,
) -> Result<Collected, Failure> {
    let circumstances = Circumstances {
        package: None,
        settings,
    };
    collect(now, parsed, seen, circumstances)
}

fn document(kind: TargetKind, parts: &[(&str, &str)]) -> SourceSeen {
    let hidden = |(key, text): &(&str, &str)| ((*key).to_owned(), Hidden::new(text.as_bytes().to_vec()));
    SourceSeen::Documents(vec![Document {
        kind,
        key: ObjectKey::new("cert-manager", "source"),
        is_tls: false,
        data: parts.iter().map(hidden).collect(),
    }])
}

#[test]
fn what_trust_manager_s_webhook_refuses_is_refused_with_the_field() {
    let target = json!({"configMap": {"key": "ca.crt"}});
    let sources = json!([{"inLine": "x"}]);
    let object = |source: Value| json!({"sources": [{"configMap": source}], "target": target});
    for (value, part) in [
        (json!({"sources": [], "target": target}), "at least one source"),
        (
            json!({"sources": [{"useDefaultCAs": false}], "target": target}),
            "at least one source",
        ),
        (
            json!({"sources": [{"useDefaultCAs": true}, {"useDefaultCAs": true}], "target": target}),
            "default CAs once",
        ),
        (
            json!({"sources": [{"inLine": "x", "useDefaultCAs": true}], "target": target}),
            "spec.sources[0] must have exactly one",
        ),
        (object(json!({"key": "k"})), "either name or selector"),
        (
            object(json!({"name": "n", "selector": {}, "key": "k"})),
            "either name or selector",
        ),
        (object(json!({"name": "n"})), "either key or includeAllKeys"),
        (
            object(json!({"name": "n", "key": "k", "includeAllKeys": true})),
            "either key or includeAllKeys",
        ),
        (object(json!({"name": "roots", "key": "ca.crt"})), "is also the target"),
        (json!({"sources": sources, "target": {}}), "configMap, secret or both"),
        (
            json!({"sources": sources, "target": {"configMap": {"key": "a"}, "additionalFormats": {"jks": {"key": "a"}}}}),
            "additionalFormats.jks.key is \"a\"",
        ),
        (
            json!({"sources": sources, "target": {"configMap": {"key": "a",
                "metadata": {"labels": {"trust.cert-manager.io/bundle": "other"}}}}}),
            "belongs to the controller",
        ),
    ] {
        let error = spec(value.clone()).unwrap_err();
        assert!(error.contains(part), "{value}: {error}");
    }
}

#[test]
fn the_sentence_about_a_private_key_names_the_place_and_not_the_key() {
    let parsed = spec(
        json!({"sources": [{"secret": {"name": "source", "includeAllKeys": true}}],
        "target": {"configMap": {"key": "ca.crt"}}}),
    )
    .unwrap();
    let key = p256().to_pem(KeyEncoding::Pkcs8).unwrap();
    let key = String::from_utf8(key.expose().clone()).unwrap();
    let seen = [document(TargetKind::Secret, &[("tls.key", &key)])];
    let failure = collected(noon(), &parsed, &seen, &settings()).unwrap_err();
    assert_eq!(failure.reason, "SourceBuildError");
    assert!(
        failure
            .message
            .contains("Secret cert-manager/source, key \"tls.key\": the PEM block in line 1 is \"PRIVATE KEY\""),
        "{failure:?}"
    );
    assert!(!failure.message.contains(key.lines().nth(1).unwrap()));
}

#[test]
fn all_keys_of_a_secret_for_tls_are_not_read() {
    let parsed = spec(
        json!({"sources": [{"secret": {"name": "source", "includeAllKeys": true}}],
        "target": {"configMap": {"key": "ca.crt"}}}),
    )
    .unwrap();
    let seen = [SourceSeen::Documents(vec![Document {
        kind: TargetKind::Secret,
        key: ObjectKey::new("cert-manager", "web"),
        is_tls: true,
        data: [("ca.crt".to_owned(), Hidden::new(authority("one").into_bytes()))].into(),
    }])];
    let failure = collected(noon(), &parsed, &seen, &settings()).unwrap_err();
    assert!(failure.message.contains("name one key"), "{failure:?}");
}

#[test]
fn a_missing_source_is_named_with_its_namespace() {
    let of = |source: Value| spec(json!({"sources": [source], "target": {"configMap": {"key": "ca.crt"}}})).unwrap();
    let by_name = of(json!({"configMap": {"name": "company", "key": "ca.crt"}}));
    let failure = collected(noon(), &by_name, &[SourceSeen::Missing], &settings()).unwrap_err();
    assert_eq!(failure.reason, "SourceNotFound");
    assert!(
        failure
            .message
            .contains("no ConfigMap \"company\" in namespace cert-manager"),
        "{failure:?}"
    );
    let seen = [document(TargetKind::ConfigMap, &[])];
    let failure = collected(noon(), &by_name, &seen, &settings()).unwrap_err();
    assert!(failure.message.contains("has no key \"ca.crt\""), "{failure:?}");
    let default = of(json!({"useDefaultCAs": true}));
    let failure = collected(noon(), &default, &[SourceSeen::InSpec], &settings()).unwrap_err();
    assert!(failure.message.contains("--default-package-location"), "{failure:?}");
    // labels that nothing has are no error by themselves
    let by_labels = of(json!({"configMap": {"selector": {"matchLabels": {"a": "b"}}, "key": "ca.crt"}}));
    let failure = collected(noon(), &by_labels, &[SourceSeen::Documents(Vec::new())], &settings()).unwrap_err();
    assert!(
        failure.message.contains("the sources have no certificate"),
        "{failure:?}"
    );
}

#[test]
fn expired_certificates_are_left_out_only_if_the_flag_says_so_and_the_next_expiry_is_waited_for() {
    let parsed = in_line(&format!("{}{}", authority("one"), authority("two")));
    let filtering = BundleSettings {
        filter_expired: true,
        ..settings()
    };
    let there = collected(noon(), &parsed, &[SourceSeen::InSpec], &filtering).unwrap();
    assert_eq!(there.pool.anchors().len(), 2);
    let end = there.pool.anchors().map(|anchor| anchor.not_after).min().unwrap();
    let Next::At(next) = super::next(noon(), &there.pool, &filtering) else {
        panic!("an expiry is waited for")
    };
    assert!(next > end);
    assert_eq!(super::next(noon(), &there.pool, &settings()), Next::OnChange);
    assert!(collected(next, &parsed, &[SourceSeen::InSpec], &settings()).is_ok());
    let failure = collected(next, &parsed, &[SourceSeen::InSpec], &filtering).unwrap_err();
    assert_eq!(failure.reason, "SourceNotFound");
}

fn namespace(name: &str, labels: &[(&str, &str)]) -> Arc<NamespaceSeen> {
    Arc::new(NamespaceSeen::new(Meta {
        key: ObjectKey::cluster(name),
        labels: labels.iter().copied().collect(),
        ..Meta::default()
    }))
}

fn bundle() -> Meta {
    Meta {
        key: ObjectKey::cluster("roots"),
        ..meta("roots", "bundle-uid")
    }
}

/// The steps for these namespaces and objects, as short texts.
fn steps(
    parsed: &Parsed,
    namespaces: &[Arc<NamespaceSeen>],
    existing: &[Existing],
    settings: &BundleSettings,
) -> Vec<String> {
    let there = collected(noon(), parsed, &[SourceSeen::InSpec], settings).unwrap();
    let meta = bundle();
    let plan = plan(&BundleObservation {
        meta: &meta,
        spec: parsed,
        pool: &Arc::new(there.pool),
        namespaces,
        existing,
        settings,
    });
    let shown = plan.steps.iter().map(|step| match step {
        TargetStep::Clean(found) => format!("clean {} {}", found.kind, found.meta.key),
        TargetStep::Write(wanted) => format!("write {} {}", wanted.kind, wanted.key),
    });
    shown.collect()
}

/// The target of a Bundle with this spec, as it was written.
fn written(parsed: &Parsed, namespace: &str) -> Existing {
    let there = collected(noon(), parsed, &[SourceSeen::InSpec], &settings()).unwrap();
    let content = super::Content::new(parsed, &Arc::new(there.pool));
    Existing {
        kind: TargetKind::ConfigMap,
        managed: content.keys(TargetKind::ConfigMap),
        meta: Meta {
            key: ObjectKey::new(namespace, "roots"),
            labels: [(BUNDLE_LABEL, "roots")].into_iter().collect(),
            annotations: [(HASH_ANNOTATION, content.hash(TargetKind::ConfigMap))]
                .into_iter()
                .collect(),
            owners: Box::new([Owner {
                api_version: "trust.cert-manager.io/v1alpha1".into(),
                kind: "Bundle".into(),
                name: "roots".into(),
                uid: "bundle-uid".into(),
                controller: true,
            }]),
            ..Meta::default()
        },
    }
}

#[test]
fn a_target_is_in_each_namespace_that_is_selected_and_not_being_deleted() {
    let parsed = spec(json!({"sources": [{"inLine": authority("one")}],
        "target": {"configMap": {"key": "ca.crt"}, "secret": {"key": "ca.crt"},
            "namespaceSelector": {"matchLabels": {"trust": "yes"}}}}))
    .unwrap();
    let mut going = NamespaceSeen::clone(&namespace("going", &[("trust", "yes")]));
    going.meta.deleting = Some(noon());
    let namespaces = [
        namespace("shop", &[("trust", "yes")]),
        namespace("other", &[]),
        Arc::new(going),
    ];
    assert_eq!(
        steps(&parsed, &namespaces, &[], &settings()),
        ["write ConfigMap shop/roots", "write Secret shop/roots"]
    );
    let limited = BundleSettings {
        target_namespaces: vec!["elsewhere".to_owned()],
        ..settings()
    };
    assert!(steps(&parsed, &namespaces, &[], &limited).is_empty());
}

#[test]
fn what_was_written_is_not_written_again_and_what_was_changed_is() {
    let parsed = in_line(&authority("one"));
    let namespaces = [namespace("shop", &[])];
    let target = written(&parsed, "shop");
    assert!(steps(&parsed, &namespaces, std::slice::from_ref(&target), &settings()).is_empty());
    let other_owner = Existing {
        meta: Meta {
            owners: Box::default(),
            ..target.meta.clone()
        },
        ..target.clone()
    };
    let other_digest = Existing {
        meta: Meta {
            annotations: [(HASH_ANNOTATION, "0")].into_iter().collect(),
            ..target.meta.clone()
        },
        ..target.clone()
    };
    let taken_key = Existing {
        managed: BTreeSet::new(),
        ..target.clone()
    };
    let further_key = Existing {
        managed: ["ca.crt".to_owned(), "old.crt".to_owned()].into(),
        ..target
    };
    for changed in [other_owner, other_digest, taken_key, further_key] {
        assert_eq!(
            steps(&parsed, &namespaces, std::slice::from_ref(&changed), &settings()),
            ["write ConfigMap shop/roots"],
            "{changed:?}"
        );
    }
}

#[test]
fn a_former_target_is_cleaned_only_if_the_bundle_controls_it() {
    let parsed = in_line(&authority("one"));
    let former = written(&parsed, "former");
    assert_eq!(
        steps(&parsed, &[], std::slice::from_ref(&former), &settings()),
        ["clean ConfigMap former/roots"]
    );
    let foreign = Existing {
        meta: Meta {
            owners: Box::default(),
            ..former.meta.clone()
        },
        ..former.clone()
    };
    let going = Existing {
        meta: Meta {
            deleting: Some(noon()),
            ..former.meta.clone()
        },
        ..former
    };
    assert!(steps(&parsed, &[], &[foreign, going], &settings()).is_empty());
}

#[test]
fn a_secret_is_the_bundle_s_by_its_controller_or_by_its_digest_and_never_by_its_label_alone() {
    let target = written(&in_line(&authority("one")), "shop");
    let mut restored = target.clone();
    restored.meta.owners = Box::default();
    let mut labelled = restored.clone();
    labelled.meta.annotations = Pairs::default();
    let mut named = target.clone();
    named.meta.labels = Pairs::default();
    assert!(target.is_of(&bundle()) && restored.is_of(&bundle()));
    assert!(!labelled.is_of(&bundle()) && !named.is_of(&bundle()));
}

#[test]
fn the_message_is_trust_manager_s_with_the_selector_and_the_allowed_namespaces() {
    let everywhere = in_line("x");
    let some = spec(
        json!({"sources": [{"inLine": "x"}], "target": {"configMap": {"key": "k"},
        "namespaceSelector": {"matchLabels": {"trust": "yes"}}}}),
    )
    .unwrap();
    let limited = BundleSettings {
        target_namespaces: vec!["shop".to_owned()],
        ..settings()
    };
    let message = |parsed: &Parsed, settings: &BundleSettings| synced(parsed, settings, 3).message().to_owned();
    assert_eq!(
        message(&everywhere, &settings()),
        "Successfully synced Bundle to all namespaces"
    );
    assert_eq!(
        message(&some, &settings()),
        "Successfully synced Bundle to namespaces that match this label selector: trust=yes"
    );
    assert_eq!(
        message(&everywhere, &limited),
        "Successfully synced Bundle to all allowed namespaces"
    );
    assert_eq!(synced(&everywhere, &settings(), 3).observed_generation, Some(3));
}
