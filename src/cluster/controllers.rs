//! How controllers are recognised: Deployments of certlet and cert-manager, and the pods that hold their Lease.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::LeaseSpec,
    core::v1::{Container, EnvVar},
};
use kube::ResourceExt as _;

/// Label selector of what cert-manager and certlet install.
pub(crate) const INSTALLED: &str = "app.kubernetes.io/name in (cert-manager,certlet)";
/// The usual namespace of the controller.
pub(crate) const USUAL_NAMESPACE: &str = "cert-manager";
/// The namespace of the Lease if no flag sets another.
pub(crate) const USUAL_LEASE_NAMESPACE: &str = "kube-system";
/// Label that distinguishes the controller from cert-manager's other Deployments: webhook, cainjector, startupapicheck.
const COMPONENT: &str = "app.kubernetes.io/component";

/// Whether a Deployment is that of a controller, as opposed to cert-manager's others.
pub(crate) fn is_controller(deployment: &Deployment) -> bool {
    let component = deployment.labels().get(COMPONENT).map(String::as_str);
    matches!(component, None | Some("controller"))
}

/// Whether the holder of a Lease is a pod of the Deployment of this name: an identity begins with the name of the pod. Anyone may create a
/// Deployment with such a name.
pub(crate) fn is_pod_of(deployment: &str, holder: &str) -> bool {
    holder
        .strip_prefix(deployment)
        .is_some_and(|rest| rest.starts_with('-'))
}

/// The holder of a Lease, if it names one. It may have ended.
pub(crate) fn holder(lease: &LeaseSpec) -> Option<&str> {
    lease.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// Words of a container in `namespace`, with `$(NAME)` expanded as the kubelet does.
pub(crate) fn expanded<'a>(
    container: &Container,
    namespace: &str,
    words: impl IntoIterator<Item = &'a String>,
) -> Vec<String> {
    let value = |variable: &EnvVar| {
        let field = variable
            .value_from
            .as_ref()
            .and_then(|from| from.field_ref.as_ref())
            .map(|field| field.field_path.as_str());
        match field {
            Some("metadata.namespace") => Some(namespace.to_owned()),
            Some(_) => None,
            None => variable.value.clone(),
        }
    };
    let variables: BTreeMap<String, String> = container
        .env
        .iter()
        .flatten()
        .filter_map(|variable| Some((format!("$({})", variable.name), value(variable)?)))
        .collect();
    let expand = |word: &String| {
        variables
            .iter()
            .fold(word.clone(), |text, (name, value)| text.replace(name, value))
    };
    words.into_iter().map(expand).collect()
}
