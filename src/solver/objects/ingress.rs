//! The temporary Ingress of one Order and solver configuration.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::{ChallengePath, Group, add_labels, derived_name, metadata};
use crate::api::http01::{Http01Ingress, TemplateMetadata};
use crate::api::names::{SOLVER_PORT, annotation};
use crate::solver::classes::{Class, PathType};

/// Allows every source address (ANW-10).
const EVERYBODY: &str = "0.0.0.0/0,::/0";

/// The inputs of one temporary Ingress.
#[derive(Clone, Debug)]
pub struct Exposure<'a> {
    /// The namespace of the Order.
    pub namespace: &'a str,
    /// The UID of the Order, from which the name is derived.
    pub order_uid: &'a str,
    /// The solver configuration with the challenges that share it.
    pub group: &'a Group<Http01Ingress>,
    /// The requirements of the ingress controller.
    pub class: &'a Class,
    /// The path type of this attempt.
    pub path_type: PathType,
    /// The Service behind it.
    pub service: &'a str,
    /// `--acme-http01-solver-extra-labels`.
    pub extra_labels: &'a BTreeMap<String, String>,
}

/// The Ingress that routes the group's challenge paths to the Service: one rule for each host (HTT-01, HTT-04, HTT-06).
#[must_use]
pub fn temporary_ingress(exposure: &Exposure<'_>) -> Ingress {
    let Exposure {
        namespace,
        order_uid,
        group,
        class,
        path_type,
        service,
        extra_labels,
    } = exposure;
    // Derived from the configuration and not from the challenges: the name stays the same when some of them are
    // finished.
    let config = serde_json::to_string(&group.config).unwrap_or_default();
    let name = derived_name(&[order_uid, &config]);
    build(
        &Frame {
            name,
            order_uid,
            namespace,
            class,
            path_type: *path_type,
            service,
            extra_labels,
        },
        &group.config,
        &group.paths,
        group.owners.clone(),
    )
}

/// The parts of a temporary Ingress without its rules.
pub(super) struct Frame<'a> {
    pub(super) name: String,
    pub(super) order_uid: &'a str,
    pub(super) namespace: &'a str,
    pub(super) class: &'a Class,
    pub(super) path_type: PathType,
    pub(super) service: &'a str,
    pub(super) extra_labels: &'a BTreeMap<String, String>,
}

/// Builds a temporary Ingress.
pub(super) fn build(
    frame: &Frame<'_>,
    config: &Http01Ingress,
    paths: &[ChallengePath],
    owners: Vec<OwnerReference>,
) -> Ingress {
    let Http01Ingress {
        class,
        ingress_class_name,
        ingress_template,
        name: _,
        pod_template: _,
        service_type: _,
    } = config;
    let template = ingress_template
        .as_ref()
        .and_then(|template| template.metadata.clone())
        .unwrap_or_default();
    let place = (frame.namespace, frame.order_uid);
    let mut metadata = metadata(frame.name.clone(), place, paths, frame.extra_labels, owners);
    add_labels(metadata.labels.get_or_insert_default(), &template.labels);
    metadata.annotations = Some(annotations(class.as_deref(), frame.class, template));
    Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: ingress_class_name.clone(),
            rules: Some(rules(paths, frame.service, frame.path_type)),
            ..IngressSpec::default()
        }),
        status: None,
    }
}

/// The class annotation, the open source range and the controller's requirements, overridden by the template.
fn annotations(class: Option<&str>, wants: &Class, template: TemplateMetadata) -> BTreeMap<String, String> {
    let mut annotations: BTreeMap<String, String> = wants
        .annotations
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    if let Some(class) = class {
        annotations.insert(annotation::INGRESS_CLASS.to_owned(), class.to_owned());
    }
    // HTT-06: a template that restricts source addresses, with the annotation of any controller, is kept.
    if !template
        .annotations
        .keys()
        .any(|key| key.ends_with("/whitelist-source-range"))
    {
        annotations.insert(
            annotation::NGINX_WHITELIST_SOURCE_RANGE.to_owned(),
            EVERYBODY.to_owned(),
        );
    }
    annotations.extend(template.annotations);
    annotations
}

/// One rule for each host. The paths of addresses share the rule without host.
fn rules(paths: &[ChallengePath], service: &str, path_type: PathType) -> Vec<IngressRule> {
    let mut by_host: BTreeMap<Option<&str>, Vec<HTTPIngressPath>> = BTreeMap::new();
    for path in paths {
        by_host
            .entry(path.host.in_rule())
            .or_default()
            .push(ingress_path(path, service, path_type));
    }
    let rule = |(host, paths): (Option<&str>, _)| IngressRule {
        host: host.map(str::to_owned),
        http: Some(HTTPIngressRuleValue { paths }),
    };
    by_host.into_iter().map(rule).collect()
}

/// The path of one challenge (HTT-04).
pub(super) fn ingress_path(path: &ChallengePath, service: &str, path_type: PathType) -> HTTPIngressPath {
    HTTPIngressPath {
        path: Some(path.token.path()),
        path_type: path_type.as_str().to_owned(),
        backend: IngressBackend {
            resource: None,
            service: Some(IngressServiceBackend {
                name: service.to_owned(),
                port: Some(ServiceBackendPort {
                    name: None,
                    number: Some(i32::from(SOLVER_PORT)),
                }),
            }),
        },
    }
}
