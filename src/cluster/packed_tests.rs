//! Records are what the objects say, packed and opened.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    cluster::wire::{Record, Wire},
    plan::{
        kinds::{CertificateKind, ChallengeKind, GatewayKind, IssuerKind, OrderKind},
        route::RouteSeen,
        seen::Pairs,
    },
};

/// Objects as cert-manager 1.21.1 left them on a server.
const OBJECTS: [&str; 2] = [
    include_str!("../../tests/data/takeover/certificates.json"),
    include_str!("../../tests/data/takeover/acme.json"),
];

/// The record of this object, packed and opened. It was written once, by whoever made the object, and is compared with that too.
fn comes_back<R: Record + PartialEq>(object: &Value) -> R {
    let wire: Wire<R> = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}: {object}"));
    let record = Arc::into_inner(wire.record().unwrap()).unwrap();
    let opened = Arc::into_inner(Packed::new(&record).unwrap().open().unwrap()).unwrap();
    assert!(opened == record, "{opened:?} is not {record:?}");
    is_of(opened.meta(), &object["metadata"]);
    opened
}

/// What a record says of its object's metadata is what the object's JSON says.
fn is_of(meta: &Meta, metadata: &Value) {
    let Meta {
        key,
        uid,
        resource_version,
        generation,
        created,
        deleting,
        owners,
        labels,
        annotations,
        finalizers,
    } = meta;
    let pairs = |pairs: &Pairs| {
        pairs
            .iter()
            .map(|(k, v)| (k.to_owned(), v.into()))
            .collect::<Map<_, Value>>()
    };
    let times = |time: &jiff::Timestamp| time.to_string();
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    assert_eq!((&*key.name, &*key.namespace), (&*text("name"), &*text("namespace")));
    assert_eq!(
        (&**uid, &**resource_version),
        (&*text("uid"), &*text("resourceVersion"))
    );
    assert_eq!(*generation, metadata["generation"].as_i64().unwrap_or_default());
    let created_text = metadata["creationTimestamp"].as_str().unwrap_or("1970-01-01T00:00:00Z");
    assert_eq!(times(created), created_text);
    assert_eq!(
        deleting.as_ref().map(times).as_deref(),
        metadata["deletionTimestamp"].as_str()
    );
    let mut wanted = metadata["annotations"].as_object().cloned().unwrap_or_default();
    wanted.remove("kubectl.kubernetes.io/last-applied-configuration");
    assert_eq!(pairs(annotations), wanted);
    assert_eq!(
        pairs(labels),
        metadata["labels"].as_object().cloned().unwrap_or_default()
    );
    assert_eq!(
        json!(finalizers),
        metadata.get("finalizers").cloned().unwrap_or_else(|| json!([]))
    );
    let owners: Vec<Value> = owners
        .iter()
        .map(|owner| json!([owner.api_version, owner.kind, owner.name, owner.uid, owner.controller]))
        .collect();
    let references = metadata["ownerReferences"].as_array().into_iter().flatten();
    let wanted: Vec<Value> = references
        .map(|owner| {
            let controller = owner["controller"].as_bool().unwrap_or_default();
            json!([
                owner["apiVersion"],
                owner["kind"],
                owner["name"],
                owner["uid"],
                controller
            ])
        })
        .collect();
    assert_eq!(owners, wanted);
}

/// Both halves are the JSON that came.
fn halves_come_back<K: Kind>(object: &Value)
where
    Lean<K>: Record,
{
    let record = comes_back::<Lean<K>>(object);
    let json = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).unwrap();
    assert_eq!(
        json(&record.spec),
        object.get("spec").cloned().unwrap_or_else(|| json!({}))
    );
    assert_eq!(record.status.as_deref().map(json), object.get("status").cloned());
}

fn request_comes_back(object: &Value) {
    let record = comes_back::<RequestSeen>(object);
    let spec = &object["spec"];
    assert_eq!(serde_json::to_value(&record.issuer_ref).unwrap(), spec["issuerRef"]);
    assert_eq!(
        json!(record.usages),
        spec.get("usages").cloned().unwrap_or_else(|| json!([]))
    );
    let conditions = object["status"].get("conditions").cloned().unwrap_or_else(|| json!([]));
    assert_eq!(serde_json::to_value(&record.conditions).unwrap(), conditions);
    // of what is no request nothing is kept
    if let Some(pem) = &record.csr_pem {
        let kept = if record.csr.is_ok() {
            &spec["request"]
        } else {
            &json!("")
        };
        assert_eq!(json!(STANDARD.encode(pem)), *kept);
    }
}

fn secret_comes_back(object: &Value) {
    let record = comes_back::<SecretSeen>(object);
    let keys: Vec<&String> = object["data"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(json!(record.data_keys), json!(keys));
    assert_eq!(json!(record.type_), object["type"]);
}

#[test]
fn a_record_that_is_packed_comes_back_as_it_was() {
    let mut kinds = std::collections::BTreeSet::new();
    for list in OBJECTS {
        let list: Value = serde_json::from_str(list).unwrap();
        for object in list["items"].as_array().unwrap() {
            let kind = object["kind"].as_str().unwrap();
            kinds.insert(kind.to_owned());
            match kind {
                "Certificate" => halves_come_back::<CertificateKind>(object),
                "CertificateRequest" => request_comes_back(object),
                "Secret" => secret_comes_back(object),
                "Order" => halves_come_back::<OrderKind>(object),
                "Challenge" => halves_come_back::<ChallengeKind>(object),
                "Issuer" => halves_come_back::<IssuerKind>(object),
                _ => {}
            }
        }
    }
    for kind in ["Certificate", "CertificateRequest", "Secret", "Order", "Issuer"] {
        assert!(kinds.contains(kind), "no {kind} in {kinds:?}");
    }
}

#[test]
fn what_cannot_be_read_and_what_is_not_there_comes_back_too() {
    let metadata = json!({ "name": "a", "namespace": "b", "uid": "u", "resourceVersion": "1", "deletionTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": ["f"], "labels": { "a": "b" } });
    halves_come_back::<CertificateKind>(&json!({ "metadata": metadata }));
    request_comes_back(
        &json!({ "metadata": metadata, "spec": { "request": "Z2FyYmFnZQ==", "issuerRef": { "name": "ca" } } }),
    );
    secret_comes_back(
        &json!({ "metadata": metadata, "type": "Opaque", "data": { "tls.crt": "eA==", "tls.key": "eA==" } }),
    );
    let spec = json!({ "signerName": "issuers.cert-manager.io/a.b", "request": "eA==", "usages": ["any"], "extra": { "a": ["b"] } });
    let record = comes_back::<SigningRequestSeen>(&json!({ "metadata": metadata, "spec": spec }));
    assert_eq!(serde_json::to_value(&record.spec).unwrap(), spec);
}

/// An annotated Gateway of two listeners, as kubectl applies it and a controller reports on it.
fn gateway(number: usize) -> Value {
    let condition = |type_: &str| {
        json!({
            "type": type_, "status": "True", "reason": type_, "message": "No error found", "observedGeneration": 2,
            "lastTransitionTime": "2026-11-30T06:36:00Z",
        })
    };
    let conditions: Vec<Value> = ["Accepted", "Programmed", "ResolvedRefs"].map(condition).to_vec();
    let host = format!("shop-{number}.example.com");
    let allowed = json!({ "namespaces": { "from": "All" } });
    let spec = json!({
        "gatewayClassName": "traefik",
        "listeners": [
            { "name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": allowed },
            {
                "name": "https", "port": 443, "protocol": "HTTPS", "hostname": host, "allowedRoutes": allowed,
                "tls": {
                    "mode": "Terminate", "certificateRefs": [{ "group": "", "kind": "Secret", "name": format!("shop-{number}-tls") }],
                },
            },
        ],
    });
    let listener =
        |name: &str| json!({ "name": name, "attachedRoutes": 1, "supportedKinds": [], "conditions": conditions });
    json!({
        "metadata": {
            "name": format!("shop-{number}"), "namespace": "shop", "generation": 2, "resourceVersion": (123_456 + number).to_string(),
            "uid": format!("7d3897c2-ce27-4144-883a-e1b5f89b{number:04}"), "creationTimestamp": "2026-11-30T06:30:00Z",
            "labels": { "app.kubernetes.io/name": "shop", "app.kubernetes.io/managed-by": "Helm" },
            "annotations": {
                "cert-manager.io/cluster-issuer": "letsencrypt",
                "kubectl.kubernetes.io/last-applied-configuration": spec.to_string(),
            },
        },
        "spec": spec,
        "status": {
            "addresses": [{ "type": "IPAddress", "value": "10.99.0.11" }], "conditions": conditions,
            "listeners": [listener("http"), listener("https")],
        },
    })
}

#[test]
fn an_annotated_gateway_takes_less_than_2_kib_and_a_route_of_a_stranger_less_than_a_third_of_it() {
    let record = comes_back::<Lean<GatewayKind>>(&gateway(7));
    let size = Packed::new(&record).unwrap().bytes.len();
    println!("a Gateway: {size} bytes");
    assert!(size < 2048, "{size} bytes");

    let backend = json!({ "name": "shop", "port": 8080, "weight": 1 });
    let rule = json!({ "matches": [{ "path": { "type": "PathPrefix", "value": "/" } }], "backendRefs": [backend] });
    let parent =
        json!({ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "shop", "namespace": "infra" });
    let condition = |type_: &str| json!({ "type": type_, "status": "True", "reason": type_, "message": "long", "observedGeneration": 1 });
    let route = json!({
        "metadata": {
            "name": "shop", "namespace": "shop", "uid": "7d3897c2-ce27-4144-883a-e1b5f89bd65a", "resourceVersion": "4711", "generation": 1,
            "labels": { "app": "shop" }, "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b" },
        },
        "spec": { "parentRefs": [parent], "hostnames": ["shop.example.com"], "rules": vec![rule; 16] },
        "status": { "parents": [{
            "parentRef": parent, "controllerName": "traefik.io/gateway-controller",
            "conditions": [condition("Accepted"), condition("ResolvedRefs")],
        }] },
    });
    let wire: Wire<RouteSeen> = serde_json::from_value(route).unwrap();
    let record = Arc::into_inner(wire.record().unwrap()).unwrap();
    let opened = Arc::into_inner(Packed::new(&record).unwrap().open().unwrap()).unwrap();
    assert_eq!(opened, record);
    assert_eq!(
        (
            opened.hostnames.len(),
            opened.meta.labels.0.len(),
            opened.meta.annotations.0.len()
        ),
        (1, 0, 0)
    );
    assert!(opened.parents[0].accepts(1) && opened.parents[0].conditions.len() == 1);
    let size = Packed::new(&record).unwrap().bytes.len();
    println!("an HTTPRoute: {size} bytes");
    assert!(size < 2048 / 3, "{size} bytes");
}
