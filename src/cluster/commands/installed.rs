//! The controllers that are installed in a cluster, and which of them leads.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::{Lease, LeaseSpec},
    core::v1::PodTemplateSpec,
};
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use serde::Serialize;

use crate::{
    api::names::LEASE_NAME,
    cluster::{
        controllers::{self, INSTALLED, USUAL_LEASE_NAMESPACE, USUAL_NAMESPACE, expanded, is_controller, is_pod_of},
        installation::is_stale,
        reader::list_readable,
    },
};

/// Label with the version.
const VERSION: &str = "app.kubernetes.io/version";
/// A Deployment of cert-manager's or certlet's controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Installed {
    /// Namespace of the Deployment.
    pub(crate) namespace: String,
    /// Name of the Deployment.
    pub(crate) deployment: String,
    /// Its version: the label of the pods or of the Deployment, otherwise the tag of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// Its image.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) image: String,
    /// The value of `--feature-gates`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) feature_gates: Vec<String>,
    /// Number of wanted replicas.
    pub(crate) replicas: i32,
    /// Number of ready replicas.
    pub(crate) ready_replicas: i32,
    /// The namespace of its Lease.
    pub(crate) lease_namespace: String,
    /// Whether one of its pods holds the Lease: that of kube-system if that is held.
    pub(crate) leads: bool,
}

/// The controllers, and the holder of the Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Controllers {
    /// The Deployments.
    pub(crate) installed: Vec<Installed>,
    /// The holder of the Lease, and the namespace of the Lease.
    pub(crate) holder: Option<(String, String)>,
    /// What cannot be read, as sentences.
    pub(crate) unseen: Vec<String>,
}

/// The controllers in the cluster. What the caller may not read is a sentence in the result.
///
/// # Errors
/// If the API server cannot be reached.
pub(crate) async fn controllers(client: &Client, namespace: &str, now: Timestamp) -> Result<Controllers, kube::Error> {
    let selected = ListParams::default().labels(INSTALLED);
    let mut controllers = Controllers::default();
    let found: Vec<Deployment> = match list_readable(client, None, &selected).await {
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            controllers.unseen.push(format!(
                "Deployments of other namespaces than {namespace:?} cannot be listed: {}",
                status.message
            ));
            match list_readable(client, Some(namespace), &selected).await {
                Err(kube::Error::Api(status)) if status.is_forbidden() => Vec::new(),
                found => found?,
            }
        }
        found => found?,
    };
    controllers.installed = found.iter().filter_map(installed).collect();
    let mut places: Vec<String> = controllers
        .installed
        .iter()
        .map(|one| one.lease_namespace.clone())
        .collect();
    places.push(USUAL_LEASE_NAMESPACE.to_owned());
    // the first one that is held counts; anyone may hold a Lease in a namespace of theirs
    places.sort_by(|one, other| rank(one).cmp(&rank(other)).then_with(|| one.cmp(other)));
    places.dedup();
    for place in places {
        let leases: Api<Lease> = Api::namespaced(client.clone(), &place);
        let holder = match leases.get_opt(LEASE_NAME).await {
            Ok(lease) => lease.and_then(|lease| holder(now, &lease.spec?)),
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                controllers.unseen.push(format!(
                    "the Lease in namespace {place:?} cannot be read: {}",
                    status.message
                ));
                None
            }
            Err(error) => return Err(error),
        };
        if let Some(holder) = holder {
            mark(&mut controllers.installed, &place, &holder);
            controllers.holder = Some((place, holder));
            break;
        }
    }
    Ok(controllers)
}

/// The order of namespaces: the usual ones first.
fn rank(namespace: &str) -> usize {
    let usual = [USUAL_LEASE_NAMESPACE, USUAL_NAMESPACE];
    usual
        .iter()
        .position(|usual| *usual == namespace)
        .unwrap_or(usual.len())
}

/// The holder of a Lease; `None` if it has ended.
fn holder(now: Timestamp, lease: &LeaseSpec) -> Option<String> {
    let holder = controllers::holder(lease).filter(|_| !is_stale(now, lease));
    holder.map(str::to_owned)
}

/// Marks the Deployment whose pod holds the Lease. One in the usual namespace counts more than others, and of several namespaces otherwise
/// none.
fn mark(installed: &mut [Installed], lease_namespace: &str, holder: &str) {
    let mut able: Vec<&mut Installed> = installed
        .iter_mut()
        .filter(|one| one.lease_namespace == lease_namespace && is_pod_of(&one.deployment, holder))
        .collect();
    if able.iter().any(|one| one.namespace == USUAL_NAMESPACE) {
        able.retain(|one| one.namespace == USUAL_NAMESPACE);
    }
    let namespaces: BTreeSet<String> = able.iter().map(|one| one.namespace.clone()).collect();
    if namespaces.len() > 1 {
        return;
    }
    if let Some(leader) = able.into_iter().max_by_key(|one| one.deployment.len()) {
        leader.leads = true;
    }
}

/// The controller of a Deployment; `None` for cert-manager's other Deployments.
fn installed(deployment: &Deployment) -> Option<Installed> {
    if !is_controller(deployment) {
        return None;
    }
    let namespace = deployment.namespace().unwrap_or_default();
    let spec = deployment.spec.as_ref()?;
    let container = spec.template.spec.as_ref()?.containers.first()?;
    let image = container.image.clone().unwrap_or_default();
    let words = container
        .args
        .iter()
        .flatten()
        .chain(container.command.iter().flatten());
    let words = expanded(container, &namespace, words);
    Some(Installed {
        deployment: deployment.name_any(),
        version: label(deployment, &spec.template).or_else(|| tag(&image)),
        feature_gates: flag(&words, "--feature-gates")
            .map(|gates| gates.split(',').map(str::to_owned).collect())
            .unwrap_or_default(),
        replicas: spec.replicas.unwrap_or(1),
        ready_replicas: deployment
            .status
            .as_ref()
            .and_then(|status| status.ready_replicas)
            .unwrap_or(0),
        lease_namespace: flag(&words, "--leader-election-namespace")
            .unwrap_or_else(|| USUAL_LEASE_NAMESPACE.to_owned()),
        image,
        leads: false,
        namespace,
    })
}

fn label(deployment: &Deployment, template: &PodTemplateSpec) -> Option<String> {
    let of_pods = template.metadata.as_ref().and_then(|meta| meta.labels.as_ref());
    let found = of_pods.and_then(|labels| labels.get(VERSION));
    found.or_else(|| deployment.labels().get(VERSION)).cloned()
}

/// The tag of an image, without its digest.
fn tag(image: &str) -> Option<String> {
    let (name, _digest) = image.split_once('@').unwrap_or((image, ""));
    let (_, tag) = name.rsplit_once(':')?;
    // a port is no tag
    (!tag.contains('/')).then(|| tag.to_owned())
}

/// The last value of a flag, in both of its forms.
fn flag(words: &[String], name: &str) -> Option<String> {
    let mut words = words.iter().map(String::as_str);
    let mut found = None;
    while let Some(word) = words.next() {
        let value = match word.strip_prefix(name) {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        found = value.map(str::to_owned).or(found);
    }
    found.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(name: &str, labels: &serde_json::Value, image: &str, args: &[&str]) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "pki", "labels": labels},
            "spec": {"replicas": 2, "selector": {}, "template": {"spec": {"containers": [
                {"name": "controller", "image": image, "args": args,
                 "env": [{"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}]}
            ]}}},
            "status": {"readyReplicas": 1}
        }))
        .unwrap()
    }

    #[test]
    fn version_gates_and_lease_are_those_of_the_deployment() {
        let args = [
            "run",
            "--feature-gates=A=true,B=false",
            "--leader-election-namespace",
            "$(POD_NAMESPACE)",
        ];
        let found = installed(&deployment(
            "certlet",
            &json!({}),
            "registry:5000/certlet:1.2.3@sha256:ab",
            &args,
        ))
        .unwrap();
        assert_eq!(found.version.as_deref(), Some("1.2.3"));
        assert_eq!(found.feature_gates, ["A=true", "B=false"]);
        assert_eq!(found.lease_namespace, "pki");
        assert_eq!((found.replicas, found.ready_replicas, found.leads), (2, 1, false));
        let labelled = json!({"app.kubernetes.io/version": "v1.21.1"});
        let found = installed(&deployment("cert-manager", &labelled, "registry:5000/x", &[])).unwrap();
        assert_eq!(
            (found.version.as_deref(), found.lease_namespace.as_str()),
            (Some("v1.21.1"), "kube-system")
        );
        let webhook = json!({"app.kubernetes.io/component": "webhook"});
        assert_eq!(installed(&deployment("w", &webhook, "", &[])), None);
        assert_eq!(tag("registry:5000/x"), None);
    }

    #[test]
    fn the_leader_is_the_deployment_whose_pod_holds_the_lease() {
        let named = |name: &str| Installed {
            deployment: name.to_owned(),
            lease_namespace: "kube-system".to_owned(),
            ..Installed::default()
        };
        let mut all = [named("cert"), named("cert-manager"), named("certlet")];
        mark(&mut all, "kube-system", "cert-manager-5d8f-x7_1");
        assert_eq!(all.clone().map(|one| one.leads), [false, true, false]);
        let mut all = [named("certlet")];
        mark(&mut all, "elsewhere", "certlet-5d8f-x7_1");
        assert!(!all[0].leads);
    }

    #[test]
    fn a_deployment_of_a_tenant_with_the_name_of_the_holder_is_not_the_leader() {
        let at = |namespace: &str, name: &str| Installed {
            namespace: namespace.to_owned(),
            deployment: name.to_owned(),
            lease_namespace: "kube-system".to_owned(),
            ..Installed::default()
        };
        let mut all = [at("cert-manager", "certlet"), at("shop", "certlet-5d8f")];
        mark(&mut all, "kube-system", "certlet-5d8f-x7_1");
        assert_eq!(all.map(|one| one.leads), [true, false]);
        let mut all = [at("security", "certlet"), at("shop", "certlet-5d8f")];
        mark(&mut all, "kube-system", "certlet-5d8f-x7_1");
        assert_eq!(all.map(|one| one.leads), [false, false]);
        let mut all = [at("security", "certlet")];
        mark(&mut all, "kube-system", "certlet-5d8f-x7_1");
        assert!(all[0].leads);
    }

    #[test]
    fn a_lease_that_is_not_renewed_has_no_holder_and_that_of_kube_system_is_first() {
        let now = Timestamp::UNIX_EPOCH;
        let lease = |ago: i64| -> LeaseSpec {
            let renewed = (now - jiff::SignedDuration::from_secs(ago)).strftime("%Y-%m-%dT%H:%M:%S.000000Z");
            let lease = json!({"holderIdentity": "certlet-5d8f-x7_1", "leaseDurationSeconds": 15, "renewTime": renewed.to_string()});
            serde_json::from_value(lease).unwrap()
        };
        assert_eq!(holder(now, &lease(14)).as_deref(), Some("certlet-5d8f-x7_1"));
        assert_eq!(holder(now, &lease(16)), None);
        assert!(rank("kube-system") < rank("cert-manager") && rank("cert-manager") < rank("a"));
    }
}
