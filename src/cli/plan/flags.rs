//! The flags to plan with: those of the command line, or those of the controller that runs in the cluster.

use std::collections::BTreeMap;

use clap::Parser;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Container, EnvVar},
};
use kube::{Client, ResourceExt as _, api::ListParams};

use super::mounted::{self, Mounts};
use crate::{
    cli::{
        args::{RunArgs, config},
        remark,
        target::failed,
    },
    cluster::reader::list_readable,
    plan::settings::Settings,
    process::environment::Environment,
};

/// Label selector for the Deployments of cert-manager and certlet.
const SELECTOR: &str = "app.kubernetes.io/name in (cert-manager,certlet)";
/// Label that distinguishes the controller from cert-manager's other Deployments: webhook, cainjector, startupapicheck.
const COMPONENT: &str = "app.kubernetes.io/component";

#[derive(Debug, Parser)]
#[command(name = "certlet run", no_binary_name = true, disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    run: RunArgs,
}

/// The settings to plan with. Remarks on standard error say where they come from.
pub(in crate::cli) async fn settings(client: &Client, given: &[String]) -> Result<Settings, String> {
    if !given.is_empty() {
        let flags = config::with_file(&bare(given)).map_err(|error| error.to_string());
        return flags
            .and_then(|flags| parsed(&flags))
            .map_err(|why| format!("the flags after --: {why}"));
    }
    let Some(Controller { place, flags, mounts }) = running(client).await? else {
        remark(
            "found no controller in this cluster: planning with the default flags. To use others, add them after --",
        );
        return parsed(&[]);
    };
    remark(&format!(
        "planning with the flags of Deployment {place}: {}",
        flags.join(" ")
    ));
    let wrong = |why: String| {
        format!("the flags of Deployment {place} are not valid for certlet: {why}. Add the flags to plan with after --")
    };
    let flags = bare(&flags);
    let Some(file) = config::file_of(&flags) else {
        return parsed(&flags).map_err(wrong);
    };
    let source = mounted::source(&mounts, &file).map_err(|why| unread(&place, &file, &why))?;
    let text = source.read(client).await.map_err(|why| unread(&place, &file, &why))?;
    remark(&format!("and with its configuration file {file}, from {source}"));
    let flags = config::with_text(&flags, &file, &text).map_err(|error| wrong(error.to_string()))?;
    parsed(&flags).map_err(wrong)
}

/// The settings of the controller in the cluster, without remarks; the defaults if they cannot be read.
pub(in crate::cli) async fn running_settings(client: &Client) -> Settings {
    let found = async {
        let Controller { flags, mounts, .. } = running(client).await.ok()??;
        let flags = bare(&flags);
        let flags = match config::file_of(&flags) {
            None => flags,
            Some(file) => {
                let text = mounted::source(&mounts, &file).ok()?.read(client).await.ok()?;
                config::with_text(&flags, &file, &text).ok()?
            }
        };
        let line = Line::try_parse_from(flags).ok()?;
        line.run.settings(&Environment::read()).ok()
    };
    found.await.unwrap_or_default()
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

/// Parses flags into settings, and remarks on features that are not supported yet.
fn parsed(flags: &[String]) -> Result<Settings, String> {
    let line = Line::try_parse_from(flags).map_err(|error| error.to_string().trim_end().to_owned())?;
    for missing in line.run.missing() {
        remark(&format!("this version of certlet does not support {missing} yet"));
    }
    line.run
        .settings(&Environment::read())
        .map_err(|error| error.to_string())
}

struct Controller {
    place: String,
    flags: Vec<String>,
    mounts: Mounts,
}

/// The controller that runs in the cluster. `None` if Deployments cannot be listed.
async fn running(client: &Client) -> Result<Option<Controller>, String> {
    let selected = ListParams::default().labels(SELECTOR);
    // users can create Deployments with these labels, and with content that cannot be decoded
    let found: Vec<Deployment> = match list_readable(client, None, &selected).await {
        Ok(found) => found,
        Err(kube::Error::Api(status)) if status.is_forbidden() => return Ok(None),
        Err(error) => return Err(failed("cannot list Deployments to find the controller", &error)),
    };
    let mut controllers: Vec<Controller> = found.iter().filter_map(controller).collect();
    match controllers.len() {
        0 | 1 => Ok(controllers.pop()),
        _ => {
            let places: Vec<String> = controllers.into_iter().map(|controller| controller.place).collect();
            Err(format!(
                "found several controllers: {}. Add the flags to plan with after --",
                places.join(", ")
            ))
        }
    }
}

fn controller(deployment: &Deployment) -> Option<Controller> {
    let component = deployment.labels().get(COMPONENT).map(String::as_str);
    if !matches!(component, None | Some("controller")) {
        return None;
    }
    let namespace = deployment.namespace().unwrap_or_default();
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    let container = pod.containers.first()?;
    Some(Controller {
        place: format!("{namespace}/{}", deployment.name_any()),
        flags: flags(container, &namespace),
        mounts: Mounts::new(&namespace, pod, container),
    })
}

/// The arguments of a container, with `$(NAME)` expanded as the kubelet does.
fn flags(container: &Container, namespace: &str) -> Vec<String> {
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
    let expand = |argument: &String| {
        variables
            .iter()
            .fold(argument.clone(), |text, (name, value)| text.replace(name, value))
    };
    container.args.iter().flatten().map(expand).collect()
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
        assert_eq!(found.place, "security/cert-manager");
        let settings = parsed(&found.flags).unwrap();
        assert_eq!(settings.cluster_resource_namespace, "security");
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
