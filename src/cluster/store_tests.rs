use serde_json::json;

use super::*;
use crate::plan::{kinds::OrderKind, seen::Lean};

type Order = Lean<OrderKind>;

fn order(name: &str, uid: &str, version: u32, owner: &str) -> Arc<Order> {
    let owners =
        json!([{"apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest", "name": "web-1", "uid": owner}]);
    let object = json!({
        "metadata": {"namespace": "shop", "name": name, "uid": uid, "resourceVersion": version.to_string(), "ownerReferences": owners},
        "spec": {"issuerRef": {"name": "ca"}, "request": ""},
    });
    Arc::new(serde_json::from_str(&object.to_string()).unwrap())
}

fn owned(store: &Store<Order>, owner: &str) -> Vec<String> {
    let found = store.linked(&Link::Owner(owner.into()));
    found.iter().map(|order| order.meta.name().to_owned()).collect()
}

fn version(store: &Store<Order>) -> Option<String> {
    let found = store.get(&ObjectKey::new("shop", "a"))?;
    Some(found.meta.resource_version.to_string())
}

fn remove(store: &Store<Order>, last: &Order) -> Option<Arc<Order>> {
    store.remove(&last.meta.key, &last.meta.uid, &last.meta.resource_version)
}

fn is_known(store: &Store<Order>, order: &Order) -> bool {
    store.is_known(&order.meta.key, &order.meta.uid, &order.meta.resource_version)
}

#[test]
fn an_event_is_not_read_where_the_answer_to_a_write_has_said_it_but_for_lists() {
    let store = Store::default();
    assert!(!is_known(&store, &order("a", "u", 5, "o")));
    store.apply(&order("a", "u", 5, "o"));
    let known = |number| is_known(&store, &order("a", "u", number, "o"));
    assert_eq!([4, 5, 6].map(known), [true, true, false]);
    store.begin_list();
    assert_eq!(
        [4, 5, 6].map(known),
        [false; 3],
        "a list that does not name it takes it away"
    );
    store.apply(&order("a", "u", 5, "o"));
    assert!(store.end_list().is_empty());
    remove(&store, &order("a", "u", 6, "o"));
    assert_eq!([5, 6, 7].map(known), [true, true, false]);
    assert!(!is_known(&store, &order("a", "its successor", 7, "o")));
}

#[test]
fn what_is_older_than_what_is_kept_is_not_taken_in() {
    let store = Store::default();
    assert!(matches!(store.apply(&order("a", "u", 5, "o")), Some(None)));
    assert!(store.apply(&order("a", "u", 4, "o")).is_none());
    assert!(store.apply(&order("a", "u", 5, "o")).is_none());
    assert!(store.apply(&order("a", "u", 10, "o")).is_some_and(|old| old.is_some()));
    assert_eq!(
        version(&store).as_deref(),
        Some("10"),
        "numbers, not texts, are compared"
    );
}

#[test]
fn an_answer_that_is_read_after_the_object_has_gone_does_not_bring_it_back() {
    let store = Store::default();
    store.apply(&order("a", "u", 5, "o"));
    // our write made version 6; the watch tells of the deletion, as version 7, before our answer is read
    assert!(remove(&store, &order("a", "u", 7, "o")).is_some());
    assert!(store.apply(&order("a", "u", 6, "o")).is_none());
    assert_eq!((version(&store), owned(&store, "o")), (None, Vec::new()));

    // the same for an object that was never seen before it went
    assert!(remove(&store, &order("b", "v", 9, "o")).is_none());
    assert!(store.apply(&order("b", "v", 8, "o")).is_none());
    assert!(store.is_empty());
}

#[test]
fn what_only_left_the_watch_comes_back_with_its_next_version() {
    let store = Store::default();
    store.apply(&order("a", "u", 5, "o"));
    remove(&store, &order("a", "u", 6, "o"));
    assert!(matches!(store.apply(&order("a", "u", 7, "o")), Some(None)));
    assert_eq!(owned(&store, "o"), ["a"]);
}

#[test]
fn the_successor_of_the_same_name_is_not_overwritten_by_a_late_word_about_its_predecessor() {
    let store = Store::default();
    store.apply(&order("a", "second", 9, "o"));
    assert!(store.apply(&order("a", "first", 8, "o")).is_none());
    assert!(remove(&store, &order("a", "first", 7, "o")).is_none());
    assert_eq!(version(&store).as_deref(), Some("9"));
}

#[test]
fn a_list_takes_away_what_it_does_not_name_and_knows_which_object_has_a_name() {
    let store = Store::default();
    store.apply(&order("a", "u", 50, "o"));
    store.apply(&order("b", "v", 51, "o"));
    store.begin_list();
    assert!(!store.is_ready());
    // restored from a backup: older numbers, and another object under the name
    store.apply(&order("a", "other", 7, "p"));
    assert_eq!(
        owned(&store, "o"),
        ["b"],
        "readers see what was there until the list ends"
    );
    let gone: Vec<String> = store
        .end_list()
        .iter()
        .map(|order| order.meta.name().to_owned())
        .collect();
    assert_eq!(gone, ["b"]);
    assert!(store.is_ready());
    assert_eq!(
        (owned(&store, "o"), owned(&store, "p")),
        (Vec::new(), vec!["a".to_owned()])
    );
    assert!(store.apply(&order("b", "v", 51, "o")).is_none(), "it is gone");
}

#[test]
fn links_follow_the_record_and_what_is_remembered_of_the_gone_is_bounded() {
    let store = Store::default();
    store.apply(&order("a", "u", 1, "first"));
    store.apply(&order("a", "u", 2, "second"));
    assert_eq!(
        (owned(&store, "first"), owned(&store, "second")),
        (Vec::new(), vec!["a".to_owned()])
    );
    for number in 0..u32::try_from(REMEMBERED * 2).unwrap() {
        remove(&store, &order("gone", &format!("uid-{number}"), number + 1, "o"));
    }
    assert_eq!(store.read().gone.len(), REMEMBERED);
}
