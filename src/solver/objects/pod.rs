//! Pod mode: one Pod, Service and Ingress for each challenge, as cert-manager creates them (HTT-07, HTT-08).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, Pod, PodSecurityContext, PodSpec, ResourceRequirements, SeccompProfile,
    SecurityContext, Service, ServiceSpec,
};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::ingress::{Frame, build};
use super::route;
use super::{ChallengePath, PORT_NAME, add_labels, derived_name, identity_labels, service_port};
use crate::api::gateway::HttpRoute;
use crate::api::http01::{
    self, GatewayHttpRoute, Http01Ingress, ParentRef, PodResources, PodTemplateSpec, Routing, TemplateMetadata,
};
use crate::api::names::{SOLVER_PORT, annotation};
use crate::solver::classes::{Class, PathType};
use crate::solver::token::KeyAuthorization;

/// The settings of solver pods, from the flags (FLG-09..14).
#[derive(Clone, Debug, PartialEq)]
pub struct PodSettings {
    /// `--acme-http01-solver-image`.
    pub image: String,
    /// `--acme-http01-solver-resource-request-cpu`.
    pub request_cpu: String,
    /// `--acme-http01-solver-resource-request-memory`.
    pub request_memory: String,
    /// `--acme-http01-solver-resource-limits-cpu`.
    pub limit_cpu: String,
    /// `--acme-http01-solver-resource-limits-memory`.
    pub limit_memory: String,
    /// `--acme-http01-solver-run-as-non-root`.
    pub run_as_non_root: bool,
    /// `--acme-http01-solver-runtime-class-name`.
    pub runtime_class_name: Option<String>,
    /// `--acme-http01-solver-extra-labels`.
    pub extra_labels: BTreeMap<String, String>,
}

/// One challenge for a pod.
#[derive(Clone, Debug)]
pub struct PodChallenge<'a> {
    /// The Challenge's namespace.
    pub namespace: &'a str,
    /// The UID of the Order.
    pub order_uid: &'a str,
    /// The Challenge ([`super::challenge_owner`]).
    pub owner: &'a OwnerReference,
    /// Host and token.
    pub path: &'a ChallengePath,
    /// The pod's answer.
    pub key_authorization: &'a KeyAuthorization,
    /// The solver configuration.
    pub routing: &'a Routing,
}

/// The pod for one challenge.
#[must_use]
pub fn solver_pod(challenge: &PodChallenge<'_>, settings: &PodSettings) -> Pod {
    let template = challenge.routing.pod_template().cloned().unwrap_or_default();
    let mut metadata = metadata(challenge, &settings.extra_labels);
    metadata.annotations = Some(BTreeMap::from([
        (annotation::ISTIO_INJECT.to_owned(), "false".to_owned()),
        (annotation::SAFE_TO_EVICT.to_owned(), "true".to_owned()),
    ]));
    let TemplateMetadata { annotations, labels } = template.metadata.unwrap_or_default();
    metadata.annotations.get_or_insert_default().extend(annotations);
    add_labels(metadata.labels.get_or_insert_default(), &labels);
    Pod {
        metadata,
        spec: Some(pod_spec(challenge, settings, template.spec.unwrap_or_default())),
        status: None,
    }
}

/// The Service in front of the pod; `NodePort` unless the solver has another type (HTT-02).
#[must_use]
pub fn pod_service(challenge: &PodChallenge<'_>, settings: &PodSettings) -> Service {
    let mut metadata = metadata(challenge, &settings.extra_labels);
    metadata.annotations = Some(BTreeMap::from([(
        annotation::ISTIO_AUTH_8089.to_owned(),
        "NONE".to_owned(),
    )]));
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(challenge.routing.service_type().unwrap_or("NodePort").to_owned()),
            selector: Some(identity_labels(std::slice::from_ref(challenge.path))),
            ports: Some(vec![service_port()]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// The temporary Ingress of the challenge with these settings, and one of the path types of its class.
#[must_use]
pub fn pod_ingress(
    challenge: &PodChallenge<'_>,
    config: &Http01Ingress,
    settings: &PodSettings,
    (class, path_type): (&Class, PathType),
) -> Ingress {
    let name = derived_name(&[&challenge.owner.uid]);
    let frame = Frame {
        name: name.clone(),
        order_uid: challenge.order_uid,
        namespace: challenge.namespace,
        class,
        path_type,
        service: &name,
        extra_labels: &settings.extra_labels,
    };
    build(
        &frame,
        config,
        std::slice::from_ref(challenge.path),
        vec![challenge.owner.clone()],
    )
}

/// The temporary HTTPRoute of the challenge with these settings.
#[must_use]
pub fn pod_route(
    challenge: &PodChallenge<'_>,
    config: (&GatewayHttpRoute, &[ParentRef]),
    settings: &PodSettings,
) -> HttpRoute {
    let name = derived_name(&[&challenge.owner.uid]);
    let frame = route::Frame {
        name: name.clone(),
        order_uid: challenge.order_uid,
        namespace: challenge.namespace,
        service: &name,
        extra_labels: &settings.extra_labels,
    };
    route::build(
        &frame,
        config,
        std::slice::from_ref(challenge.path),
        vec![challenge.owner.clone()],
    )
}

fn metadata(challenge: &PodChallenge<'_>, extra_labels: &BTreeMap<String, String>) -> ObjectMeta {
    super::metadata(
        derived_name(&[&challenge.owner.uid]),
        (challenge.namespace, challenge.order_uid),
        std::slice::from_ref(challenge.path),
        extra_labels,
        vec![challenge.owner.clone()],
    )
}

fn pod_spec(challenge: &PodChallenge<'_>, settings: &PodSettings, template: PodTemplateSpec) -> PodSpec {
    let PodTemplateSpec {
        affinity,
        image_pull_secrets,
        node_selector,
        priority_class_name,
        resources,
        security_context,
        service_account_name,
        tolerations,
    } = template;
    let mut nodes = BTreeMap::from([("kubernetes.io/os".to_owned(), "linux".to_owned())]);
    nodes.extend(node_selector);
    let default_context = PodSecurityContext {
        run_as_non_root: Some(settings.run_as_non_root),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    };
    PodSpec {
        affinity,
        automount_service_account_token: Some(false),
        containers: vec![container(challenge, settings, resources.unwrap_or_default())],
        enable_service_links: Some(false),
        image_pull_secrets: (!image_pull_secrets.is_empty()).then_some(image_pull_secrets),
        node_selector: Some(nodes),
        priority_class_name,
        restart_policy: Some("OnFailure".to_owned()),
        runtime_class_name: settings.runtime_class_name.clone(),
        // HTT-07: a given context replaces the default one; the two are not merged.
        security_context: Some(security_context.map_or(default_context, core_context)),
        service_account_name,
        tolerations: (!tolerations.is_empty()).then_some(tolerations),
        ..PodSpec::default()
    }
}

fn container(challenge: &PodChallenge<'_>, settings: &PodSettings, resources: PodResources) -> Container {
    // cert-manager's image is the solver itself; ours is certlet, which has the solver as a subcommand.
    let subcommand = (!settings.image.contains("acmesolver")).then(|| "acmesolver".to_owned());
    let options = [
        format!("--listen-port={SOLVER_PORT}"),
        format!("--domain={}", challenge.path.host),
        format!("--token={}", challenge.path.token),
        format!("--key={}", challenge.key_authorization.as_str()),
    ];
    Container {
        name: "acmesolver".to_owned(),
        image: Some(settings.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(subcommand.into_iter().chain(options).collect()),
        ports: Some(vec![ContainerPort {
            name: Some(PORT_NAME.to_owned()),
            container_port: i32::from(SOLVER_PORT),
            ..ContainerPort::default()
        }]),
        resources: Some(ResourceRequirements {
            requests: Some(quantities(
                &settings.request_cpu,
                &settings.request_memory,
                resources.requests,
            )),
            limits: Some(quantities(
                &settings.limit_cpu,
                &settings.limit_memory,
                resources.limits,
            )),
            claims: None,
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

fn quantities(cpu: &str, memory: &str, template: BTreeMap<String, IntOrString>) -> BTreeMap<String, Quantity> {
    let mut quantities = BTreeMap::from([
        ("cpu".to_owned(), Quantity(cpu.to_owned())),
        ("memory".to_owned(), Quantity(memory.to_owned())),
    ]);
    quantities.extend(template.into_iter().map(|(resource, amount)| {
        let amount = match amount {
            IntOrString::Int(number) => number.to_string(),
            IntOrString::String(text) => text,
        };
        (resource, Quantity(amount))
    }));
    quantities
}

fn core_context(context: http01::PodSecurityContext) -> PodSecurityContext {
    let http01::PodSecurityContext {
        fs_group,
        fs_group_change_policy,
        run_as_group,
        run_as_non_root,
        run_as_user,
        se_linux_options,
        seccomp_profile,
        supplemental_groups,
        sysctls,
    } = context;
    PodSecurityContext {
        fs_group,
        fs_group_change_policy,
        run_as_group,
        run_as_non_root,
        run_as_user,
        se_linux_options,
        seccomp_profile,
        supplemental_groups: (!supplemental_groups.is_empty()).then_some(supplemental_groups),
        sysctls: (!sysctls.is_empty()).then_some(sysctls),
        ..PodSecurityContext::default()
    }
}
