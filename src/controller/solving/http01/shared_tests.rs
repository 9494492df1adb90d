use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{cluster::index::Registered, plan::kinds::OrderKind};

fn put<R: Registered>(index: &Index, object: &Value) {
    let record: R = serde_json::from_str(&object.to_string()).unwrap();
    R::store(index).apply(&Arc::new(record));
}

/// An Order with one Challenge, both in the index.
fn order(index: &Index, name: &str, challenge_type: &str, state: &str, presented: bool) {
    let meta = json!({"namespace": "shop", "name": name, "uid": name, "resourceVersion": "1"});
    let spec = json!({"request": "", "issuerRef": {"name": "ca"}});
    put::<Lean<OrderKind>>(
        index,
        &json!({"metadata": meta, "spec": spec, "status": {"state": state}}),
    );
    let owner = json!({"apiVersion": "acme.cert-manager.io/v1", "kind": "Order", "name": name, "uid": name, "controller": true});
    let mut meta = meta;
    meta["ownerReferences"] = json!([owner]);
    let spec = json!({
        "url": "https://ca/c", "authorizationURL": "https://ca/a", "dnsName": "a.example", "type": challenge_type, "token": "t",
        "key": "t.k", "solver": {}, "issuerRef": {"name": "ca"},
    });
    put::<Lean<ChallengeKind>>(
        index,
        &json!({"metadata": meta, "spec": spec, "status": {"presented": presented}}),
    );
}

fn uids(names: &[&str]) -> HashSet<Box<str>> {
    names.iter().map(|name| (*name).into()).collect()
}

#[test]
fn orders_that_are_deleted_together_leave_nothing_though_the_index_shows_both() {
    let mut space = Space::default();
    let both = uids(&["a", "b"]);
    space.enter("a");
    space.enter("b");
    assert!(!space.leave("a", &both), "b needs the objects");
    assert!(space.leave("b", &both), "nobody needs them");
    assert!(!space.is_idle(), "a and b are still shown");
    space.enter("c");
    assert!(space.leave("c", &uids(&["a"])), "a was released");
}

#[test]
fn an_order_of_an_earlier_term_keeps_the_objects_until_it_is_released() {
    let mut space = Space::default();
    space.enter("a");
    assert!(!space.leave("a", &uids(&["a", "earlier"])));
    assert!(space.leave("earlier", &uids(&["earlier"])));
}

#[test]
fn an_order_that_presents_again_needs_the_objects_again() {
    let mut space = Space::default();
    space.enter("a");
    assert!(space.leave("a", &uids(&["a"])));
    space.enter("a");
    space.enter("b");
    assert!(!space.leave("b", &uids(&["a", "b"])));
}

#[test]
fn only_orders_in_flight_over_http_01_are_shown() {
    let index = Index::default();
    order(&index, "http", "HTTP-01", "pending", true);
    order(&index, "dns", "DNS-01", "pending", true);
    order(&index, "finished", "HTTP-01", "valid", true);
    order(&index, "new", "HTTP-01", "pending", false);
    assert_eq!(shown(&index, "shop"), uids(&["http"]));
    assert_eq!(shown(&index, "elsewhere"), uids(&[]));
}
