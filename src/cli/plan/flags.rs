//! The flags to plan with: those of the command line, or those of the controller that runs in the cluster.

use std::collections::BTreeSet;

use clap::Parser;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Client, ResourceExt as _, api::ListParams};

use super::mounted::{self, Mounts};
use crate::{
    cli::{
        args::{RunArgs, config},
        target::failed,
    },
    cluster::{
        controllers::{INSTALLED, USUAL_LEASE_NAMESPACE, USUAL_NAMESPACE, expanded, is_controller, is_pod_of},
        reader::{Reader, list_readable},
    },
    plan::settings::Settings,
    process::environment::Environment,
};

/// Label with the name of the program.
const NAME: &str = "app.kubernetes.io/name";

#[derive(Debug, Parser)]
#[command(name = "certlet run", no_binary_name = true, disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    run: RunArgs,
}

/// The namespaces that a caller names, in which a controller is believed.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cli) struct Places<'a> {
    /// The namespace of the controller. If it is named, no other counts.
    pub controller: Option<&'a str>,
    /// The namespace that the command is for, if it was named.
    pub command: Option<&'a str>,
}

/// The settings to plan with, and the controller that they belong to.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Chosen {
    /// The settings.
    pub settings: Settings,
    /// The namespace of the Lease; `None` without leader election.
    pub lease_namespace: Option<String>,
    /// The controller's Deployment, if one was found.
    pub running: Option<Running>,
    /// Where they come from, and what is not supported: sentences for standard error.
    pub remarks: Vec<String>,
}

/// A Deployment of a controller.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::cli) struct Running {
    /// `namespace/name`.
    pub place: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The ServiceAccount of its pods.
    pub service_account: String,
    /// The number of pods that it is to have.
    pub replicas: i32,
    /// Whether it is certlet, as opposed to cert-manager.
    pub is_certlet: bool,
    /// Its metadata.
    pub meta: ObjectMeta,
}

/// The settings to plan with. Remarks say where they come from.
pub(in crate::cli) async fn settings(client: &Client, places: Places<'_>, given: &[String]) -> Result<Chosen, String> {
    if !given.is_empty() {
        let flags = config::with_file(&config::CONTROLLER, &bare(given)).map_err(|error| error.to_string());
        let chosen = flags
            .and_then(|flags| parsed(&flags))
            .map_err(|why| format!("the flags after --: {why}"))?;
        // the flags are known; which program has them is needed only for remarks
        let running = running(client, places).await.ok().and_then(|found| found.controller);
        return Ok(chosen.of(running, Vec::new()));
    }
    let found = running(client, places).await?;
    let mut remarks = Vec::new();
    if !found.elsewhere.is_empty() {
        remarks.push(format!(
            "not considered, because anyone may create a Deployment in a namespace of theirs: {}. To use the flags of one, name its namespace (--help)",
            found.elsewhere.join(", ")
        ));
    }
    let Some(controller) = found.controller else {
        remarks.push(
            "found no controller in this cluster: using the default flags. To use others, add them after --".to_owned(),
        );
        return Ok(parsed(&[])?.of(None, remarks));
    };
    let Controller { running, flags, mounts } = &controller;
    let place = &running.place;
    remarks.push(format!(
        "planning with the flags of Deployment {place}: {}",
        flags.join(" ")
    ));
    let wrong = |why: String| {
        format!("the flags of Deployment {place} are not valid for certlet: {why}. Add the flags to plan with after --")
    };
    let flags = bare(flags);
    let chosen = match config::file_of(&flags) {
        None => parsed(&flags).map_err(wrong)?,
        Some(file) => {
            let source = mounted::source(mounts, &file).map_err(|why| unread(place, &file, &why))?;
            let text = source.read(client).await.map_err(|why| unread(place, &file, &why))?;
            remarks.push(format!("and with its configuration file {file}, from {source}"));
            let flags = config::with_text(&config::CONTROLLER, &flags, &file, &text)
                .map_err(|error| wrong(error.to_string()))?;
            parsed(&flags).map_err(wrong)?
        }
    };
    Ok(chosen.of(Some(controller), remarks))
}

impl Chosen {
    fn of(self, controller: Option<Controller>, mut remarks: Vec<String>) -> Self {
        remarks.extend(self.remarks);
        Self {
            running: controller.map(|controller| controller.running),
            remarks,
            ..self
        }
    }
}

/// The settings of the controller in the cluster, without remarks; those without flags if they cannot be read.
pub(in crate::cli) async fn running_settings(client: &Client) -> Settings {
    let chosen = settings(client, Places::default(), &[]).await;
    chosen
        .or_else(|_| parsed(&[]))
        .map(|chosen| chosen.settings)
        .unwrap_or_default()
}

fn unread(place: &str, file: &str, why: &str) -> String {
    format!(
        "Deployment {place} has a configuration file {file} that cannot be read here: {why}. \
         Give all flags to plan with after --, with --config=FILE for a copy of that file"
    )
}

/// The flags without the subcommand.
fn bare(flags: &[String]) -> Vec<String> {
    flags.iter().filter(|flag| *flag != "run").cloned().collect()
}

/// Parses flags into settings, with remarks on features that are not supported yet.
fn parsed(flags: &[String]) -> Result<Chosen, String> {
    let line = Line::try_parse_from(flags).map_err(|error| error.to_string().trim_end().to_owned())?;
    let missing = line.run.missing().into_iter();
    let remarks = missing.map(|missing| format!("this version of certlet does not support {missing} yet"));
    let settings = line
        .run
        .settings(&Environment::read())
        .map_err(|error| error.to_string())?;
    Ok(Chosen {
        settings,
        lease_namespace: line.run.lease_namespace(),
        running: None,
        remarks: remarks.collect(),
    })
}

/// A Deployment of a controller, with its flags.
#[derive(Clone, Debug)]
struct Controller {
    running: Running,
    flags: Vec<String>,
    mounts: Mounts,
}

/// The controller that is believed, and the Deployments that are not.
#[derive(Clone, Debug, Default)]
struct Found {
    controller: Option<Controller>,
    elsewhere: Vec<String>,
}

/// The controller that runs in the cluster. None if Deployments cannot be listed.
async fn running(client: &Client, places: Places<'_>) -> Result<Found, String> {
    let selected = ListParams::default().labels(INSTALLED);
    // users can create Deployments with these labels, and with content that cannot be decoded
    let found: Vec<Deployment> = match list_readable(client, None, &selected).await {
        Ok(found) => found,
        Err(kube::Error::Api(status)) if status.is_forbidden() => return Ok(Found::default()),
        Err(error) => return Err(failed("cannot list Deployments to find the controller", &error)),
    };
    let controllers: Vec<Controller> = found.iter().filter_map(controller).collect();
    let reader = Reader::new(client.clone());
    let mut holders = Vec::new();
    let own = controllers
        .iter()
        .map(|controller| controller.running.namespace.as_str());
    let lease_namespaces: BTreeSet<&str> = own.chain([USUAL_LEASE_NAMESPACE]).collect();
    for namespace in lease_namespaces {
        // without the right to read Leases, the names of namespaces decide
        if let Ok(Some(lease)) = reader.lease(namespace).await {
            holders.extend(lease.spec.holder_identity.map(|holder| (namespace.to_owned(), holder)));
        }
    }
    chosen(controllers, places, &holders)
}

/// The controller whose flags count: that of a namespace that the caller names, of the usual one, or the holder of a Lease. Anyone may
/// create a Deployment with these labels in a namespace of theirs. `holders` are the namespaces of Leases with their holders.
fn chosen(controllers: Vec<Controller>, places: Places<'_>, holders: &[(String, String)]) -> Result<Found, String> {
    let is_believed = |running: &Running| {
        let namespace = running.namespace.as_str();
        if let Some(named) = places.controller {
            return named == namespace;
        }
        let holds = holders.iter().any(|(of_lease, holder)| {
            [USUAL_LEASE_NAMESPACE, namespace].contains(&of_lease.as_str()) && is_pod_of(&running.name, holder)
        });
        namespace == USUAL_NAMESPACE || places.command == Some(namespace) || holds
    };
    let (mut believed, others): (Vec<Controller>, Vec<Controller>) = controllers
        .into_iter()
        .partition(|controller| is_believed(&controller.running));
    // a swap leaves the old one at 0
    if believed.iter().any(|controller| controller.running.replicas > 0) {
        believed.retain(|controller| controller.running.replicas > 0);
    }
    // any Deployment whose name begins as the holder's is believed, but does not compete with one in a namespace that counts anyway
    let is_named =
        |running: &Running| running.namespace == USUAL_NAMESPACE || places.command == Some(running.namespace.as_str());
    if places.controller.is_none() && believed.iter().any(|controller| is_named(&controller.running)) {
        believed.retain(|controller| is_named(&controller.running));
    }
    let places = |controllers: Vec<Controller>| -> Vec<String> {
        controllers
            .into_iter()
            .map(|controller| controller.running.place)
            .collect()
    };
    if believed.len() > 1 {
        return Err(format!(
            "found several controllers: {}. Name the namespace of one (see --help), or add the flags after --",
            places(believed).join(", ")
        ));
    }
    Ok(Found {
        elsewhere: if believed.is_empty() {
            places(others)
        } else {
            Vec::new()
        },
        controller: believed.pop(),
    })
}

fn controller(deployment: &Deployment) -> Option<Controller> {
    if !is_controller(deployment) {
        return None;
    }
    let namespace = deployment.namespace().unwrap_or_default();
    let name = deployment.name_any();
    let spec = deployment.spec.as_ref()?;
    let pod = spec.template.spec.as_ref()?;
    let container = pod.containers.first()?;
    Some(Controller {
        flags: expanded(container, &namespace, container.args.iter().flatten()),
        mounts: Mounts::new(&namespace, pod, container),
        running: Running {
            place: format!("{namespace}/{name}"),
            service_account: pod.service_account_name.clone().unwrap_or_else(|| "default".to_owned()),
            replicas: spec.replicas.unwrap_or(1),
            is_certlet: deployment.labels().get(NAME).is_some_and(|name| name == "certlet"),
            meta: deployment.metadata.clone(),
            namespace,
            name,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(labels: &serde_json::Value) -> Deployment {
        let container = json!({
            "name": "cert-manager-controller",
            "args": ["--v=2", "--cluster-resource-namespace=$(POD_NAMESPACE)", "--leader-election-namespace=kube-system",
                     "--acme-http01-solver-image=quay.io/jetstack/cert-manager-acmesolver:v1.21.1", "--max-concurrent-challenges=60"],
            "env": [{"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}],
        });
        serde_json::from_value(json!({
            "metadata": {"name": "cert-manager", "namespace": "security", "labels": labels},
            "spec": {"selector": {}, "template": {"spec": {"containers": [container]}}},
        }))
        .unwrap()
    }

    #[test]
    fn the_flags_of_cert_managers_deployment_are_taken_over_with_its_namespace() {
        let found = controller(&deployment(&json!({"app.kubernetes.io/component": "controller"}))).unwrap();
        assert_eq!(found.running.place, "security/cert-manager");
        let chosen = parsed(&found.flags).unwrap();
        assert_eq!(chosen.settings.cluster_resource_namespace, "security");
        assert_eq!(chosen.lease_namespace.as_deref(), Some("kube-system"));
    }

    fn at(namespace: &str, name: &str, replicas: i32) -> Controller {
        let mut found = controller(&deployment(&json!({}))).unwrap();
        found.running = Running {
            place: format!("{namespace}/{name}"),
            namespace: namespace.into(),
            name: name.into(),
            replicas,
            ..found.running
        };
        found
    }

    fn place(found: Result<Found, String>) -> (Option<String>, Vec<String>) {
        let found = found.unwrap();
        (
            found.controller.map(|controller| controller.running.place),
            found.elsewhere,
        )
    }

    #[test]
    fn a_deployment_counts_in_a_namespace_that_is_named_or_usual_or_if_its_pod_holds_the_lease() {
        let all = || vec![at("security", "cert-manager", 1), at("shop", "evil", 1)];
        let nothing = Places::default();
        let (found, elsewhere) = place(chosen(all(), nothing, &[]));
        assert_eq!((found, elsewhere.len()), (None, 2));
        let holder = [("kube-system".to_owned(), "cert-manager-7c9f-x".to_owned())];
        let (found, elsewhere) = place(chosen(all(), nothing, &holder));
        assert_eq!((found.as_deref(), elsewhere.len()), (Some("security/cert-manager"), 0));
        // a Lease that a user has made for a Deployment elsewhere
        let planted = [("shop".to_owned(), "cert-manager-7c9f-x".to_owned())];
        assert_eq!(place(chosen(all(), nothing, &planted)).0, None);
        let named = Places {
            controller: Some("security"),
            command: Some("shop"),
        };
        assert_eq!(
            place(chosen(all(), named, &[])).0.as_deref(),
            Some("security/cert-manager")
        );
        let command = Places {
            command: Some("shop"),
            ..nothing
        };
        assert_eq!(place(chosen(all(), command, &[])).0.as_deref(), Some("shop/evil"));
    }

    #[test]
    fn of_two_deployments_the_one_with_pods_counts_and_two_with_pods_are_an_error() {
        let of = |replicas: [i32; 2]| {
            let all = vec![
                at("cert-manager", "cert-manager", replicas[0]),
                at("cert-manager", "certlet", replicas[1]),
            ];
            chosen(all, Places::default(), &[])
        };
        assert_eq!(place(of([0, 2])).0.as_deref(), Some("cert-manager/certlet"));
        assert_eq!(place(of([1, 0])).0.as_deref(), Some("cert-manager/cert-manager"));
        for both in [[1, 1], [0, 0]] {
            let why = of(both).unwrap_err();
            assert!(
                why.contains("several controllers") && why.contains("see --help"),
                "{why}"
            );
        }
    }

    #[test]
    fn a_deployment_of_a_tenant_with_the_name_of_the_holder_does_not_compete_with_the_usual_namespace() {
        let holder = [("kube-system".to_owned(), "certlet-7c9f-x".to_owned())];
        let all = || vec![at("cert-manager", "certlet", 1), at("shop", "certlet", 1)];
        let found = place(chosen(all(), Places::default(), &holder));
        assert_eq!(found.0.as_deref(), Some("cert-manager/certlet"));
        // nothing distinguishes them elsewhere
        let elsewhere = vec![at("security", "certlet", 1), at("shop", "certlet", 1)];
        assert!(chosen(elsewhere, Places::default(), &holder).is_err());
    }

    #[test]
    fn the_webhook_is_no_controller() {
        assert!(controller(&deployment(&json!({"app.kubernetes.io/component": "webhook"}))).is_none());
    }

    #[test]
    fn a_flag_that_does_not_exist_is_named() {
        let why = parsed(&["--no-such-flag".to_owned()]).unwrap_err();
        assert!(why.contains("--no-such-flag"), "{why}");
    }
}
