//! ListenerSets: further listeners of a Gateway, in an object of their own.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::{Listener, ListenerStatus, namespace_or};
use crate::api::Condition;

/// The `spec` of a ListenerSet.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "ListenerSet",
    namespaced
)]
#[kube(status = "ListenerSetStatus", schema = "disabled")]
#[kube(doc = "Further listeners of a Gateway.")]
#[serde(rename_all = "camelCase", default)]
pub struct ListenerSetSpec {
    /// The Gateway that the listeners are added to.
    pub parent_ref: ParentGateway,
    /// Listeners, at most 64.
    pub listeners: Vec<Listener>,
}

/// The Gateway of a ListenerSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParentGateway {
    /// API group, that of the Gateway API if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind, `Gateway` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name.
    pub name: String,
    /// Namespace; that of the ListenerSet if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl ParentGateway {
    /// The namespace of the Gateway of a ListenerSet in `namespace`.
    pub fn namespace_or<'a>(&'a self, namespace: &'a str) -> &'a str {
        namespace_or(self.namespace.as_deref(), namespace)
    }
}

/// The `status` of a ListenerSet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenerSetStatus {
    /// Conditions, for example Accepted and Programmed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The listeners of `spec`, each by its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<ListenerStatus>,
}
