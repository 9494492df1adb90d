//! Which resources the issuer kinds of other API groups are: what the policy about approvals looks up in a ConfigMap, because a policy
//! cannot ask the API server itself (VAL-35).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::api::{
    GROUP, IssuerRef,
    reference::{CLUSTER_ISSUER_KIND, ISSUER_KIND},
};

/// Most kinds in the ConfigMap. A real cluster has a handful; every one of them exists, and none is taken out for another.
pub const MAX_KINDS: usize = 500;

/// Longest key of a ConfigMap.
const MAX_KEY: usize = 253;

/// The data of the ConfigMap: `StepIssuer.certmanager.step.sm` to `stepissuers/Namespaced`.
pub type Data = BTreeMap<String, String>;

/// The key of an issuer's kind; `None` for kinds of this API, which the policy knows, and for what is no key of a ConfigMap.
pub fn key(issuer: &IssuerRef) -> Option<String> {
    if issuer.is_ours() {
        return None;
    }
    let (kind, group) = (issuer.kind_or_default(), issuer.group_or_default());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let valid = kind.len() + group.len() < MAX_KEY && kind.bytes().chain(group.bytes()).all(allowed);
    valid.then(|| format!("{kind}.{group}"))
}

/// What the API server serves (`APIGroupDiscoveryList`), as values of the ConfigMap by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    kinds: Data,
    /// Groups of which the API server does not know at present what they have: their server does not answer.
    stale: BTreeSet<String>,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    metadata: Name,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Name {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(default)]
    freshness: String,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "resource")]
    plural: String,
    scope: String,
    #[serde(default, rename = "responseKind")]
    response_kind: Option<ResponseKind>,
}

#[derive(Deserialize)]
struct ResponseKind {
    #[serde(default)]
    kind: String,
}

impl Served {
    /// Reads the answer of `/apis`.
    ///
    /// # Errors
    /// When it is no `APIGroupDiscoveryList`.
    pub fn read(answer: &str) -> Result<Self, serde_json::Error> {
        let List { items } = serde_json::from_str(answer)?;
        let mut served = Self::default();
        for Group { metadata, versions } in items {
            for Version { resources, freshness } in versions {
                if freshness == "Stale" {
                    served.stale.insert(metadata.name.clone());
                }
                for Resource {
                    plural,
                    scope,
                    response_kind,
                } in resources
                {
                    let Some(ResponseKind { kind }) = response_kind else {
                        continue;
                    };
                    // the versions come in the order of preference
                    let key = format!("{kind}.{}", metadata.name);
                    served.kinds.entry(key).or_insert_with(|| format!("{plural}/{scope}"));
                }
            }
        }
        Ok(served)
    }

    /// Whether the kind of this key is served.
    pub fn has(&self, key: &str) -> bool {
        self.kinds.contains_key(key)
    }

    fn is_unknown(&self, key: &str) -> bool {
        !self.has(key) && key.split_once('.').is_some_and(|(_, group)| self.stale.contains(group))
    }
}

/// What the ConfigMap shall hold: kinds of this API, so that it is never empty; what it has and what still exists; and what of `wanted`
/// exists, as long as there is room.
pub fn data(current: &Data, wanted: impl IntoIterator<Item = String>, served: &Served) -> Data {
    let mut data: Data = current
        .iter()
        .filter_map(|(key, value)| {
            let kept = served.is_unknown(key).then_some(value);
            let value = served.kinds.get(key).or(kept)?;
            Some((key.clone(), value.clone()))
        })
        .take(MAX_KINDS)
        .collect();
    let ours = [
        (ISSUER_KIND, "issuers/Namespaced"),
        (CLUSTER_ISSUER_KIND, "clusterissuers/Cluster"),
    ];
    for (kind, resource) in ours {
        data.insert(format!("{kind}.{GROUP}"), resource.to_owned());
    }
    for key in wanted {
        if data.len() >= MAX_KINDS {
            break;
        }
        if let Some(value) = served.kinds.get(&key) {
            data.insert(key, value.clone());
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn group(name: &str, freshness: &str, resources: &[(&str, &str, &str)]) -> serde_json::Value {
        let resources: Vec<_> = resources
            .iter()
            .map(|(resource, kind, scope)| {
                json!({ "resource": resource, "scope": scope, "verbs": ["get"], "singularResource": "",
                    "responseKind": { "group": name, "version": "v1", "kind": kind } })
            })
            .collect();
        json!({ "metadata": { "name": name, "creationTimestamp": null },
            "versions": [{ "version": "v1", "freshness": freshness, "resources": resources }] })
    }

    fn served(groups: &[serde_json::Value]) -> Served {
        let list = json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": groups });
        Served::read(&list.to_string()).unwrap()
    }

    fn keys(data: &Data) -> Vec<&str> {
        data.keys().map(String::as_str).collect()
    }

    const OURS: [&str; 2] = ["ClusterIssuer.cert-manager.io", "Issuer.cert-manager.io"];

    #[test]
    fn kinds_of_other_groups_have_a_key_and_names_that_are_none_have_not() {
        let issuer = |group: &str, kind: &str| IssuerRef {
            group: Some(group.to_owned()),
            kind: Some(kind.to_owned()),
            name: "a".to_owned(),
        };
        assert_eq!(
            key(&issuer("a.example", "Authority")).as_deref(),
            Some("Authority.a.example")
        );
        assert_eq!(key(&issuer("a.example", "")).as_deref(), Some("Issuer.a.example"));
        assert_eq!(key(&issuer("cert-manager.io", "Other")), None);
        assert_eq!(key(&issuer("a/example", "Authority")), None);
        assert_eq!(key(&issuer(&"a".repeat(250), "Authority")), None);
    }

    #[test]
    fn what_is_asked_for_and_exists_is_kept_and_what_exists_no_more_goes() {
        let all = served(&[group(
            "a.example",
            "Current",
            &[
                ("authoritas", "Authority", "Cluster"),
                ("others", "Other", "Namespaced"),
            ],
        )]);
        let wanted = ["Authority.a.example", "Missing.a.example"].map(str::to_owned);
        let first = data(&Data::new(), wanted.clone(), &all);
        assert_eq!(keys(&first), ["Authority.a.example", OURS[0], OURS[1]]);
        assert_eq!(first["Authority.a.example"], "authoritas/Cluster");
        assert_eq!(data(&first, [], &all), first, "nobody asks any more");
        assert_eq!(keys(&data(&first, wanted, &served(&[]))), OURS);
        let stale = served(&[group("a.example", "Stale", &[])]);
        assert_eq!(data(&first, [], &stale), first, "its server does not answer");
        let again = served(&[group(
            "a.example",
            "Current",
            &[("authorities", "Authority", "Namespaced")],
        )]);
        assert_eq!(
            data(&first, [], &again)["Authority.a.example"],
            "authorities/Namespaced"
        );
    }

    #[test]
    fn there_is_a_limit_and_what_is_there_stays() {
        let names: Vec<(String, String)> = (0..2 * MAX_KINDS).map(|n| (format!("r{n}"), format!("K{n}"))).collect();
        let resources: Vec<(&str, &str, &str)> = names
            .iter()
            .map(|(resource, kind)| (resource.as_str(), kind.as_str(), "Cluster"))
            .collect();
        let all = served(&[group("a.example", "Current", &resources)]);
        let wanted = |from: usize| (from..2 * MAX_KINDS).map(|n| format!("K{n}.a.example"));
        let first = data(&Data::new(), wanted(0), &all);
        assert_eq!(first.len(), MAX_KINDS);
        assert_eq!(data(&first, wanted(MAX_KINDS), &all), first);
    }
}
