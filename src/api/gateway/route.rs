//! HTTPRoutes. Of the rules, only the fields that certlet writes.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::{ACCEPTED, GATEWAY_KIND, GROUP, namespace_or};
use crate::api::{Condition, condition, http01::ParentRef};

/// The `spec` of an HTTPRoute.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "gateway.networking.k8s.io", version = "v1", kind = "HTTPRoute")]
#[kube(root = "HttpRoute", plural = "httproutes", namespaced)]
#[kube(status = "HttpRouteStatus", derive = "PartialEq", derive = "Default")]
#[kube(schema = "disabled", doc = "Which requests of the parents go to which Services.")]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteSpec {
    /// Gateways and ListenerSets that the route attaches to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<ParentRef>,
    /// Host names, all of the parents' listeners if empty. One may begin with `*.`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// Rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RouteRule>,
}

/// A rule: matching requests go to one of the Services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteRule {
    /// Alternatives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RouteMatch>,
    /// Services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backend_refs: Vec<BackendRef>,
}

/// A condition of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteMatch {
    /// The path of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
}

/// The path of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PathMatch {
    /// `Exact`, `PathPrefix` (if not set) or `RegularExpression`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// The path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A Service behind a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendRef {
    /// API group, empty for the core group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind, `Service` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name.
    pub name: String,
    /// Namespace; that of the route if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Port of the Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Share of the requests, 1 if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i32>,
}

/// The `status` of an HTTPRoute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpRouteStatus {
    /// What the controllers of the parents have made of the route, at most 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<RouteParentStatus>,
}

/// What the controller of one parent has made of a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteParentStatus {
    /// The entry of `spec.parentRefs`.
    pub parent_ref: ParentRef,
    /// Name of the controller.
    pub controller_name: String,
    /// Conditions, for example Accepted and ResolvedRefs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl RouteParentStatus {
    /// Whether the parent serves the route in `generation`. A condition without a generation counts for each.
    pub fn accepts(&self, generation: i64) -> bool {
        condition::get(&self.conditions, ACCEPTED)
            .is_some_and(|accepted| accepted.is_true() && accepted.is_of(generation))
    }
}

impl ParentRef {
    /// The kind, with the default of the Gateway API.
    pub fn kind_or_default(&self) -> &str {
        let kind = self.kind.as_deref().filter(|kind| !kind.is_empty());
        kind.unwrap_or(GATEWAY_KIND)
    }

    /// The kind, with the default of the Gateway API; `None` for a parent of another API group.
    pub fn gateway_kind(&self) -> Option<&str> {
        (self.group.as_deref().unwrap_or(GROUP) == GROUP).then(|| self.kind_or_default())
    }

    /// The namespace of the parent of a route in `namespace`.
    pub fn namespace_or<'a>(&'a self, namespace: &'a str) -> &'a str {
        namespace_or(self.namespace.as_deref(), namespace)
    }
}
