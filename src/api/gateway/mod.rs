//! The Gateway API (`gateway.networking.k8s.io/v1`): the fields of Gateways, ListenerSets and HTTPRoutes that are read or written.
//!
//! A test compares them with the CustomResourceDefinitions of the Gateway API.

mod listener;
mod listener_set;
mod route;

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::Condition;
pub use listener::{AllowedRoutes, Listener, ListenerTls, RouteKind, RouteNamespaces, SecretReference};
pub use listener_set::{ListenerSet, ListenerSetSpec, ListenerSetStatus, ParentGateway};
pub use route::{
    BackendRef, HttpRoute, HttpRouteSpec, HttpRouteStatus, PathMatch, RouteMatch, RouteParentStatus, RouteRule,
};

/// API group of Gateways, ListenerSets and HTTPRoutes.
pub const GROUP: &str = "gateway.networking.k8s.io";
/// The kind of the usual parent of an HTTPRoute.
pub const GATEWAY_KIND: &str = "Gateway";
/// The kind of the other parent of an HTTPRoute.
pub const LISTENER_SET_KIND: &str = "ListenerSet";
/// The condition of a route, a listener or a ListenerSet that its controller serves.
pub const ACCEPTED: &str = "Accepted";

/// The `spec` of a Gateway.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "gateway.networking.k8s.io", version = "v1", kind = "Gateway", namespaced)]
#[kube(status = "GatewayStatus", schema = "disabled")]
#[kube(doc = "Listeners at which requests enter the cluster.")]
#[serde(rename_all = "camelCase", default)]
pub struct GatewaySpec {
    /// Name of the GatewayClass.
    pub gateway_class_name: String,
    /// Listeners, at most 64.
    pub listeners: Vec<Listener>,
}

/// The `status` of a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayStatus {
    /// Addresses at which the Gateway is reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<GatewayAddress>,
    /// Conditions, for example Accepted and Programmed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The listeners of `spec`, each by its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<ListenerStatus>,
}

/// An address of a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewayAddress {
    /// `IPAddress` (if not set), `Hostname`, or a type of the implementation.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// The address.
    pub value: String,
}

/// The status of one listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListenerStatus {
    /// Name of the listener.
    pub name: String,
    /// Number of attached routes.
    pub attached_routes: i32,
    /// Conditions, for example Accepted, ResolvedRefs and Programmed.
    pub conditions: Vec<Condition>,
}

/// The namespace of a reference in an object of `own`.
fn namespace_or<'a>(named: Option<&'a str>, own: &'a str) -> &'a str {
    named.filter(|named| !named.is_empty()).unwrap_or(own)
}
