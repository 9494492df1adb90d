//! Whatever the schemas admit is read: no object fails a list or a watch.

use kube::core::{ObjectList, WatchEvent};
use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    api::crds,
    cluster::packed::Packed,
    plan::{
        kinds::{CertificateKind, ChallengeKind, ClusterIssuerKind, IngressKind, IssuerKind, OrderKind, RequestKind},
        seen::{RequestSeen, SecretSeen},
        signing_request::SigningRequestSeen,
    },
};

/// `format: byte`: what govalidator's expression admits, and what it does not but another server may have stored.
const BASE64: &[&str] = &[
    "QUJD",
    "QR==",
    "QUJ=",
    "////",
    "",
    "QU\r\nJD",
    "QQ",
    "no base64",
    "A",
    "====",
];
/// `format: date-time`: kube-openapi admits any sign before the fraction, and any offset.
const TIMES: &[&str] = &[
    "2026-01-01T00:00:00Z",
    "2026-01-01t00:00:00z",
    "2026-01-01T00:00:00x5Z",
    "2026-01-01T00:00:00+99:99",
    "9999-12-31T23:59:59-23:59",
    "0000-01-01T00:00:00+23:59",
    "10000-01-01T23:58:59Z",
    "",
];
/// Where the schema says no more than `string`: durations, names, addresses, enumerations of another release.
const TEXTS: &[&str] = &[
    "",
    "a",
    "90d",
    "1h",
    "2562047h47m16.854775808s",
    "-1h",
    "1e3s",
    "True",
    "\u{0}\u{1b}[8m\u{202e}",
    "\u{fffd}ü\u{10ffff}",
    "*",
    "2026-01-01T00:00:00Z",
    "null",
    "{}",
    "123456789012345678901234567890",
];

/// Values that this schema admits, and some that it does not.
fn value(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(values) = schema["enum"].as_array() {
        let mut values = values.clone();
        values.push(json!("of another release"));
        return select(values).boxed();
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == true && schema["properties"].is_null() {
        return prop_oneof![Just(json!({})), Just(json!([null, 1e300, "x"])), Just(nested(100))].boxed();
    }
    match schema["type"].as_str() {
        Some("object") => object(schema),
        Some("array") => prop_oneof![
            8 => prop::collection::vec(value(&schema["items"]), 0..3).prop_map(Value::Array),
            1 => Just(json!([])),
        ]
        .boxed(),
        Some("boolean") => any::<bool>().prop_map(Value::from).boxed(),
        Some("integer") => select(vec![
            json!(0),
            json!(1),
            json!(-1),
            json!(99),
            json!(i32::MAX),
            json!(i32::MIN),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1e30),
        ])
        .boxed(),
        Some("number") => select(vec![json!(0.5), json!(-1e300)]).boxed(),
        _ => text(schema["format"].as_str()),
    }
}

fn text(format: Option<&str>) -> BoxedStrategy<Value> {
    let texts = match format {
        Some("byte") => BASE64,
        Some("date-time") => TIMES,
        _ => TEXTS,
    };
    prop_oneof![
        20 => select(texts).prop_map(Value::from),
        1 => Just(Value::from("x".repeat(5_000))),
        1 => Just(Value::Null),
    ]
    .boxed()
}

/// Each field there or not; what the schema has no name for besides.
fn object(schema: &Value) -> BoxedStrategy<Value> {
    let fields = schema["properties"].as_object().cloned().unwrap_or_default();
    let fields: Vec<BoxedStrategy<Option<(String, Value)>>> = fields
        .iter()
        .map(|(name, schema)| {
            let name = name.clone();
            prop::option::weighted(0.7, value(schema).prop_map(move |value| (name.clone(), value))).boxed()
        })
        .collect();
    let named = fields.prop_map(|fields| fields.into_iter().flatten().collect::<Map<_, _>>());
    let of_any_name = &schema["additionalProperties"];
    let further = if of_any_name.is_object() {
        prop::collection::vec((select(TEXTS), value(of_any_name)), 0..3).boxed()
    } else {
        prop::collection::vec((Just("of another release"), Just(json!({ "a": [null] }))), 0..2).boxed()
    };
    (named, further)
        .prop_map(|(mut fields, further)| {
            fields.extend(further.into_iter().map(|(name, value)| (name.to_owned(), value)));
            Value::Object(fields)
        })
        .boxed()
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }))
}

/// Metadata as API servers write it, with what a tenant can put into it.
fn metadata() -> BoxedStrategy<Value> {
    (select(TIMES), select(TIMES), select(TEXTS))
        .prop_map(|(created, time, text)| {
            json!({
                "name": "a", "namespace": "b", "uid": "u", "resourceVersion": "7", "generation": i64::MAX,
                "creationTimestamp": created, "deletionTimestamp": time,
                "labels": { text: text }, "annotations": { text: text, "x": "y".repeat(1000) }, "finalizers": [text],
                "ownerReferences": [{ "apiVersion": text, "kind": text, "name": text, "uid": text, "controller": null }],
                "managedFields": [{ "manager": text, "operation": "Update", "time": time, "fieldsV1": { text: nested(100) } }, {}],
            })
        })
        .boxed()
}

fn schema_of(kind: &str) -> Value {
    let definitions = crds::definitions().unwrap();
    let found = definitions
        .iter()
        .find(|definition| definition["spec"]["names"]["kind"] == kind);
    found.unwrap()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"].clone()
}

fn halves(spec: &Value, status: &Value) -> BoxedStrategy<Value> {
    (metadata(), value(spec), value(status))
        .prop_map(|(metadata, spec, status)| json!({ "metadata": metadata, "spec": spec, "status": status }))
        .boxed()
}

/// As a watch, a list and the store read it.
fn is_read<R: Record>(object: &Value) -> Arc<R> {
    // API servers write the type first
    let event = format!(r#"{{"type":"ADDED","object":{object}}}"#);
    let read = serde_json::from_str::<WatchEvent<Wire<R>>>(&event).unwrap_or_else(|error| panic!("{error}: {object}"));
    let WatchEvent::Added(read) = read else {
        panic!("{read:?}");
    };
    let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": [object] }).to_string();
    let list = serde_json::from_str::<ObjectList<Wire<R>>>(&list).unwrap_or_else(|error| panic!("{error}: {object}"));
    let record = list.items[0]
        .record()
        .unwrap_or_else(|error| panic!("{error}: {object}"));
    let meta = record.meta();
    let stated = (&meta.key, &*meta.uid, &*meta.resource_version);
    assert_eq!((&read.key(), read.uid(), read.resource_version()), stated);
    assert_eq!(record.links(), Packed::new(&*record).unwrap().open().unwrap().links());
    record
}

/// `parse` names the field, wherever it fails.
fn is_readable_or_says_why<K: Kind>(object: &Value)
where
    Lean<K>: Record,
{
    let record = is_read::<Lean<K>>(object);
    if let Err(invalid) = record.parse() {
        assert!(
            invalid.path.starts_with("spec") && !invalid.message.is_empty(),
            "{invalid}"
        );
    }
    drop(record.status());
}

fn each_of_kind<K: Kind>()
where
    Lean<K>: Record,
{
    let schema = schema_of(K::KIND);
    each(
        &halves(&schema["spec"], &schema["status"]),
        is_readable_or_says_why::<K>,
    );
}

fn each(strategy: &BoxedStrategy<Value>, check: impl Fn(&Value)) {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(60)
    });
    runner
        .run(strategy, |object| {
            check(&object);
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_certificate_that_the_schema_admits_is_read() {
    each_of_kind::<CertificateKind>();
}

#[test]
fn every_issuer_that_the_schema_admits_is_read() {
    each_of_kind::<IssuerKind>();
    each_of_kind::<ClusterIssuerKind>();
}

#[test]
fn every_order_and_challenge_that_the_schema_admits_is_read() {
    each_of_kind::<OrderKind>();
    each_of_kind::<ChallengeKind>();
}

#[test]
fn every_certificate_request_that_the_schema_admits_is_read() {
    let schema = schema_of(RequestKind::KIND);
    each(&halves(&schema["spec"], &schema["status"]), |object| {
        let seen = is_read::<RequestSeen>(object);
        // what is there and cannot be read says so
        let duration = object["spec"]["duration"].as_str();
        if duration.is_some_and(|text| text.parse::<crate::api::GoDuration>().is_err()) {
            assert!(seen.csr.is_err(), "{object}");
        }
    });
}

/// Kinds of Kubernetes itself, which have no schema here: what Go's types can say.
#[test]
fn secrets_ingresses_and_signing_requests_of_kubernetes_are_read() {
    let secret = (metadata(), text(None), text(Some("byte"))).prop_map(|(metadata, type_, value)| {
        json!({ "metadata": metadata, "type": type_, "data": { "tls.crt": value, "tls.key": null, "ca.crt": "QR==", "x": "" } })
    });
    each(&secret.boxed(), |object| drop(is_read::<SecretSeen>(object)));

    let ingress = (metadata(), text(None)).prop_map(|(metadata, text)| {
        let backend = json!({ "service": { "name": text, "port": { "number": i32::MAX } } });
        json!({ "metadata": metadata, "status": { "loadBalancer": { "ingress": [{ "ip": text, "ports": null }] } }, "spec": {
            "ingressClassName": text, "tls": [{ "hosts": null, "secretName": text }, {}],
            "rules": [{ "host": text, "http": { "paths": [{ "path": text, "pathType": "Exact", "backend": backend }] } }, {}] } })
    });
    each(&ingress.boxed(), is_readable_or_says_why::<IngressKind>);

    let request = (metadata(), text(None), text(Some("byte")), text(Some("date-time")));
    let request = request.prop_map(|(metadata, text, bytes, time)| {
        let condition = json!({ "type": "Approved", "status": "True", "lastUpdateTime": time, "lastTransitionTime": time });
        json!({ "metadata": metadata, "status": { "certificate": bytes, "conditions": [condition] }, "spec": {
            "signerName": "issuers.cert-manager.io/a.b", "request": bytes, "usages": [text], "extra": { "a": null }, "uid": text,
            "expirationSeconds": i64::MAX } })
    });
    each(&request.boxed(), |object| {
        let seen = is_read::<SigningRequestSeen>(object);
        assert!(seen.unreadable.is_some() && seen.signer().is_some());
    });
}

#[test]
fn a_part_of_a_status_that_cannot_be_read_leaves_the_rest_alone() {
    let condition = |type_: &str, time: &str| json!({ "type": type_, "status": "True", "lastTransitionTime": time });
    let object = json!({
        "metadata": { "name": "a", "namespace": "b", "uid": "u", "resourceVersion": "1" },
        "spec": {},
        "status": { "revision": 7, "notAfter": "2026-01-01T00:00:00+99:99", "notBefore": "0000-01-01T00:00:00+23:59", "renewalTime": "2026-01-01T00:00:00Z",
            "failedIssuanceAttempts": 1e30, "conditions": [condition("Ready", "2026-01-01T00:00:00x5Z"), { "type": "Issuing" },
            condition("Other", "2026-01-01T00:00:00Z")] },
    });
    let status = is_read::<Lean<CertificateKind>>(&object).status();
    assert_eq!(
        (status.revision, status.not_after, status.failed_issuance_attempts),
        (Some(7), None, None)
    );
    assert!(status.renewal_time.is_some() && status.not_before.is_none());
    let types: Vec<_> = status
        .conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .collect();
    assert_eq!(types, ["Ready", "Other"]);
    assert!(status.conditions[0].last_transition_time.is_none());
}

/// Where the list begins anew the records stay until it is complete (a watch that is cut, B1).
#[test]
fn signing_requests_stay_while_they_are_listed_anew() {
    let index = crate::cluster::index::Index::default();
    let store = &index.signing_requests;
    let request = |name: &str, version: &str| {
        is_read::<SigningRequestSeen>(&json!({
            "metadata": { "name": name, "uid": name, "resourceVersion": version },
            "spec": { "signerName": "issuers.cert-manager.io/a.b", "request": "QQ==" } }))
    };
    store.begin_list();
    store.apply(&request("stays", "1"));
    store.apply(&request("goes", "1"));
    store.end_list();
    store.begin_list();
    assert!(store.get(&ObjectKey::cluster("stays")).is_some() && store.get(&ObjectKey::cluster("goes")).is_some());
    store.apply(&request("stays", "1"));
    assert_eq!(store.end_list().len(), 1);
    assert!(store.get(&ObjectKey::cluster("goes")).is_none());
}
