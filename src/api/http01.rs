//! Proving a name by a file on its web server (RFC 8555 section 8.3, HTT rows).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Either ingress or gatewayHTTPRoute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Http01 {
    /// Through a temporary HTTPRoute of the Gateway API.
    #[serde(rename = "gatewayHTTPRoute", default, skip_serializing_if = "Option::is_none")]
    pub gateway_http_route: Option<GatewayHttpRoute>,
    /// Through a temporary Ingress, or by editing one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Http01Ingress>,
}

impl Http01 {
    /// The object that routes the CA's request to the solver; `None` if neither is configured. With both, which the API
    /// server rejects (VAL-29), the Ingress is used.
    pub fn routing(&self) -> Option<Routing> {
        let route = || self.gateway_http_route.clone().map(Routing::HttpRoute);
        self.ingress.clone().map(Routing::Ingress).or_else(route)
    }
}

/// The object that routes the CA's request to an HTTP-01 solver.
#[derive(Clone, Debug, PartialEq)]
pub enum Routing {
    /// A temporary Ingress, or one that is edited.
    Ingress(Http01Ingress),
    /// A temporary HTTPRoute.
    HttpRoute(GatewayHttpRoute),
}

impl Routing {
    /// Type of the Service in front of the solver.
    pub fn service_type(&self) -> Option<&str> {
        let type_ = match self {
            Self::Ingress(ingress) => &ingress.service_type,
            Self::HttpRoute(route) => &route.service_type,
        };
        type_.as_deref().filter(|type_| !type_.is_empty())
    }

    /// The template of solver pods.
    pub fn pod_template(&self) -> Option<&PodTemplate> {
        match self {
            Self::Ingress(ingress) => ingress.pod_template.as_ref(),
            Self::HttpRoute(route) => route.pod_template.as_ref(),
        }
    }
}

/// A temporary HTTPRoute (HTT-12).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayHttpRoute {
    /// Labels of the HTTPRoute.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Gateways that the HTTPRoute is attached to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<ParentRef>,
    /// For solver pods, where they are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// Type of the Service in front of solver pods: NodePort (if not set) or ClusterIP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_type: Option<String>,
}

/// A Gateway that an HTTPRoute is attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// API group of the parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind of the parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name of the parent.
    pub name: String,
    /// Namespace of the parent; that of the HTTPRoute if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Port of the parent's listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Name of the parent's listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
}

/// A temporary Ingress; at most one of ingressClassName, class and name is set (HTT-01).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Http01Ingress {
    /// Class of the temporary Ingress, written as the annotation kubernetes.io/ingress.class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Class of the temporary Ingress, written as its field ingressClassName.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_class_name: Option<String>,
    /// Labels and annotations of the temporary Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_template: Option<IngressTemplate>,
    /// An existing Ingress, to which the path is added for as long as it is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For solver pods, where they are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// Type of the Service in front of solver pods: NodePort (if not set) or ClusterIP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_type: Option<String>,
}

/// What a temporary Ingress has beside the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IngressTemplate {
    /// Labels and annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TemplateMetadata>,
}

/// Labels and annotations of an object that is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateMetadata {
    /// Annotations; they override those that are set by default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels; they override those that are set by default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What a solver pod has beside the solver (HTT-07).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PodTemplate {
    /// Labels and annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TemplateMetadata>,
    /// Where and how the pod runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<PodTemplateSpec>,
}

/// Where and how a solver pod runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplateSpec {
    /// Which nodes and neighbours are wanted, as in a Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<core::Affinity>,
    /// Secrets for pulling the image, added to the usual ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<core::LocalObjectReference>,
    /// Labels that a node has to have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// PriorityClass of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Resources of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<PodResources>,
    /// Security settings of the pod; if set, none of the usual ones remain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<PodSecurityContext>,
    /// ServiceAccount of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Taints that the pod tolerates, added to the usual ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<core::Toleration>,
}

/// Resources of a solver pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PodResources {
    /// The most that the pod may use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "super::schema::quantities")]
    pub limits: BTreeMap<String, IntOrString>,
    /// What is set aside for the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "super::schema::quantities")]
    pub requests: BTreeMap<String, IntOrString>,
}

/// Security settings of a solver pod, as in a Pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSecurityContext {
    /// Group that owns volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fs_group: Option<i64>,
    /// When the ownership of volumes is changed: Always or OnRootMismatch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fs_group_change_policy: Option<String>,
    /// Group of the processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<i64>,
    /// Whether the processes must not be root's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// User of the processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<i64>,
    /// `SELinux` labels of the processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub se_linux_options: Option<core::SELinuxOptions>,
    /// Which system calls are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp_profile: Option<core::SeccompProfile>,
    /// Further groups of the processes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supplemental_groups: Vec<i64>,
    /// Kernel parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sysctls: Vec<core::Sysctl>,
}
