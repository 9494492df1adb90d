//! What the manifests in deploy/ let certlet do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::bed::project;

/// Group, resource (with subresource) and verb.
pub(crate) type Right = (String, String, String);

/// The rules of every `Role` and `ClusterRole` in a manifest, by name. No two have the same name: `certlet check` finds them by it, too.
pub(crate) fn roles(manifest: &str) -> BTreeMap<String, BTreeSet<Right>> {
    let text = std::fs::read_to_string(project().join(manifest)).unwrap();
    let objects = text
        .split("\n---\n")
        .map(|object| serde_saphyr::from_str::<Value>(object).unwrap());
    let mut roles = BTreeMap::new();
    for role in objects.filter(|object| object["kind"].as_str().is_some_and(|kind| kind.ends_with("Role"))) {
        let name = role["metadata"]["name"].as_str().unwrap().to_owned();
        let rights = role["rules"].as_array().unwrap().iter().flat_map(rights).collect();
        assert!(
            roles.insert(name, rights).is_none(),
            "{manifest} has two roles of one name"
        );
    }
    roles
}

fn rights(rule: &Value) -> Vec<Right> {
    let words = |field: &str| -> Vec<String> {
        let words = rule[field].as_array().unwrap();
        words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = Vec::new();
    for group in words("apiGroups") {
        for resource in words("resources") {
            for verb in words("verbs") {
                rights.push((group.clone(), resource.clone(), verb));
            }
        }
    }
    rights
}
