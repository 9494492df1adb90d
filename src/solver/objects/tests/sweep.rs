use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::*;

fn found(kind: FoundKind, name: &str, owners: &[&str]) -> Found {
    let metadata: ObjectMeta = serde_json::from_value(json!({
        "name": name, "namespace": "shop", "uid": "uid", "resourceVersion": "7",
        "labels": {"acme.cert-manager.io/http01-solver": "true"},
        "ownerReferences": owners.iter().map(|uid| json_of(&challenge_owner("c", uid))).collect::<Vec<_>>(),
    }))
    .unwrap();
    Found { kind, metadata }
}

fn in_flight(challenges: &[&str], tokens: &[&str]) -> InFlight {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<HashSet<_>>();
    InFlight {
        challenges: owned(challenges),
        namespaces: if challenges.is_empty() {
            HashSet::new()
        } else {
            owned(&["shop"])
        },
        tokens: tokens
            .iter()
            .map(|token| ("shop".to_owned(), (*token).to_owned()))
            .collect(),
    }
}

fn deleted(objects: Vec<Found>, in_flight: &InFlight) -> Vec<String> {
    let name = |stray: Stray| match stray {
        Stray::Delete(found) => found.metadata.name.unwrap(),
        Stray::Edit(ingress) => panic!("{ingress:?}"),
    };
    strays(objects, &[], in_flight).into_iter().map(name).collect()
}

#[test]
fn what_a_challenge_in_flight_owns_stays_and_the_rest_goes() {
    let objects = vec![
        found(FoundKind::Ingress, "cm-acme-http-solver-live", &["done", "live"]),
        found(FoundKind::Ingress, "cm-acme-http-solver-done", &["done"]),
        found(FoundKind::Pod, "cm-acme-http-solver-x7k2p", &["done"]),
        found(FoundKind::Pod, "cm-acme-http-solver-b4jlq", &["live"]),
    ];
    assert_eq!(
        deleted(objects, &in_flight(&["live"], &[])),
        ["cm-acme-http-solver-done", "cm-acme-http-solver-x7k2p"]
    );
}

#[test]
fn what_is_shared_stays_while_any_order_of_its_namespace_is_in_flight() {
    let mut service = found(FoundKind::Service, "cm-acme-http-solver-certlet", &[]);
    service.metadata.owner_references = Some(vec![crd_owner("crd-uid")]);
    assert!(deleted(vec![service.clone()], &in_flight(&["live"], &[])).is_empty());
    assert_eq!(
        deleted(vec![service], &in_flight(&[], &[])),
        ["cm-acme-http-solver-certlet"]
    );
}

#[test]
fn strangers_and_what_is_being_deleted_are_left_alone() {
    let stranger = found(FoundKind::Service, "my-solver", &[]);
    let mut unlabelled = found(FoundKind::Service, "cm-acme-http-solver-mine", &[]);
    unlabelled.metadata.labels = None;
    let mut going = found(FoundKind::Pod, "cm-acme-http-solver-going", &["done"]);
    going.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    assert!(deleted(vec![stranger, unlabelled, going], &in_flight(&[], &[])).is_empty());
}

#[test]
fn paths_of_tokens_that_are_done_are_taken_out_of_edited_ingresses_only() {
    let user: Ingress = serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"},
        "spec": {"rules": [{"host": "a.example", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}},
        ]}}]},
    }))
    .unwrap();
    let challenges = [path("a.example", "live"), path("a.example", "done")];
    let edited = with_paths(&user, &challenges, "cm-acme-http-solver-certlet", PathType::Exact).unwrap();
    let swept = strays(Vec::new(), &[user, edited.clone()], &in_flight(&["x"], &["live"]));
    let [Stray::Edit(ingress)] = swept.as_slice() else {
        panic!("{swept:?}")
    };
    assert_eq!(
        solver_paths(ingress)
            .map(|found| found.token.to_owned())
            .collect::<Vec<_>>(),
        ["live"]
    );
    assert_eq!(ingress.metadata.resource_version.as_deref(), Some("7"));
    // A temporary Ingress is deleted or left, never edited.
    let mut temporary = edited;
    temporary.metadata.labels = Some(pairs(&[("acme.cert-manager.io/http01-solver", "true")]));
    assert_eq!(strays(Vec::new(), &[temporary], &in_flight(&[], &[])), []);
}
