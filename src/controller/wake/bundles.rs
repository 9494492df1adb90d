//! Which Bundles a change wakes.

use std::sync::Arc;

use super::{Seen, find::keys};
use crate::{
    api::bundle::BundleSpec,
    cluster::{index::Change, store::Link},
    controller::Controllers,
    plan::{
        bundle::Selector,
        seen::{Meta, ObjectKey, Pairs},
    },
};

/// All of them.
pub(super) fn every(controllers: &Controllers, _: &Seen<'_>) -> Vec<ObjectKey> {
    controllers.ports.index.bundles.keys()
}

/// Those that may read a ConfigMap, and the one of its name.
pub(super) fn of_config_map(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    of_object(controllers, seen, Link::ConfigMap, &Link::SomeConfigMaps)
}

/// Those that may read a Secret, and the one of its name.
pub(super) fn of_secret(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    of_object(controllers, seen, Link::Secret, &Link::SomeSecrets)
}

fn of_object(
    controllers: &Controllers,
    seen: &Seen<'_>,
    by_name: fn(ObjectKey) -> Link,
    by_labels: &Link,
) -> Vec<ObjectKey> {
    let bundles = &controllers.ports.index.bundles;
    let Some(key) = seen.key.filter(|_| !bundles.is_empty()) else {
        return Vec::new();
    };
    let of_name = ObjectKey::cluster(Arc::clone(&key.name));
    let mut found = Vec::new();
    if controllers.ports.settings.bundles.trusts(&key.namespace) {
        found.extend(keys(bundles.linked(&by_name(of_name.clone()))));
        found.extend(keys(bundles.linked(by_labels)));
    }
    // a target has the name of its Bundle
    if bundles.get(&of_name).is_some() {
        found.push(of_name);
    }
    found
}

/// Those that select a Namespace, or did before the change.
pub(super) fn of_namespace(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    let Change::Namespace(changed) = seen.change else {
        return Vec::new();
    };
    let facts = |meta: &Meta| (meta.uid.clone(), meta.labels.clone(), meta.deleting.is_some());
    let (old, new) = (
        changed.old.as_ref().map(|old| facts(&old.meta)),
        changed.new.as_ref().map(|new| facts(&new.meta)),
    );
    if old == new {
        return Vec::new();
    }
    let labels: Vec<Pairs> = old.into_iter().chain(new).map(|(_, labels, _)| labels).collect();
    let selects = |spec: &str| {
        let spec: BundleSpec = serde_json::from_str(spec).unwrap_or_default();
        let selector = spec.target.namespace_selector.as_ref().map(Selector::of);
        match selector {
            None => true,
            Some(Ok(selector)) => labels.iter().any(|labels| selector.matches(labels)),
            Some(Err(_)) => false,
        }
    };
    let bundles = controllers.ports.index.bundles.all();
    keys(
        bundles
            .into_iter()
            .filter(|bundle| selects(bundle.spec.get()))
            .collect(),
    )
}
