//! Detection of cert-manager's admission webhook. Its configurations may outlive cert-manager. The API server then rejects every
//! write of cert-manager's kinds.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    admissionregistration::v1::{
        MutatingWebhookConfiguration, ServiceReference, ValidatingWebhookConfiguration, WebhookClientConfig,
    },
    apps::v1::Deployment,
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams},
};

use super::{
    error::{Call, Error},
    reader::{Reader, within},
    scope::ClusterScoped,
};
use crate::api::names;

/// The name of the webhook in both configurations, whatever the names of the configurations (WHK-01, WHK-02).
const WEBHOOK: &str = "webhook.cert-manager.io";
/// Labels of the Deployment of the webhook: those of all versions, and those of old ones.
const PROGRAM: [&str; 2] = ["app.kubernetes.io/component=webhook", "app=webhook"];
const REFUSED: &str = "failed calling webhook \"webhook.cert-manager.io\"";

/// Which configurations to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those with the names from cert-manager's manifests. The controller may read no others.
    Usual,
    /// All: a Helm release with another name changes their names.
    All,
}

/// Configurations of one name that call cert-manager's webhook at the same Service, and that all block or all do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Webhook {
    /// Their name, for example `cert-manager-webhook`.
    pub name: String,
    /// Whether a ValidatingWebhookConfiguration and a MutatingWebhookConfiguration exist.
    pub kinds: (bool, bool),
    /// `namespace/name` of the Service that the webhook calls.
    pub service: Option<String>,
    /// Whether that Service has no ready endpoints, so that writes are rejected.
    pub blocks: bool,
}

impl Webhook {
    /// The effect of the configurations and the command that removes them, as sentences.
    pub(crate) fn sentences(&self) -> String {
        let (message, action) = self.message_and_action();
        format!("{message}. {action}")
    }

    /// The two sentences of [`Webhook::sentences`], without full stops. The second ends with the command.
    pub(crate) fn message_and_action(&self) -> (String, String) {
        let Self { name, service, .. } = self;
        let kinds = match self.kinds {
            (true, true) => "ValidatingWebhookConfiguration and MutatingWebhookConfiguration",
            (true, false) => "ValidatingWebhookConfiguration",
            _ => "MutatingWebhookConfiguration",
        };
        let service = service
            .as_ref()
            .map_or_else(String::new, |service| format!(" (Service {service})"));
        let command = self.command();
        if self.blocks {
            let message = format!(
                "{kinds} {name} of cert-manager: nothing answers the webhook{service}, so the API server refuses every write of \
                 cert-manager's kinds, certlet's too"
            );
            (
                message,
                format!("Remove the configuration (certlet check --fix does): {command}"),
            )
        } else {
            let message = format!(
                "{kinds} {name} of cert-manager: its webhook{service} judges every write of cert-manager's kinds, and \
                 without its program all of them are refused"
            );
            (
                message,
                format!("Before that Deployment goes, remove the configuration: {command}"),
            )
        }
    }

    /// The command that removes the configurations.
    pub(crate) fn command(&self) -> String {
        let kinds = match self.kinds {
            (true, true) => BOTH,
            (true, false) => "validatingwebhookconfigurations",
            _ => "mutatingwebhookconfigurations",
        };
        format!("kubectl delete {kinds} {}", self.name)
    }
}

const BOTH: &str = "validatingwebhookconfigurations,mutatingwebhookconfigurations";

/// What to do if the API server rejected a write with `message` because cert-manager's webhook does not answer; `None` for
/// another cause. The configurations have the name of the Service in the message.
pub(crate) fn advice(message: &str) -> Option<String> {
    let (_, why) = message.split_once(REFUSED)?;
    let is_unanswered = ["not found", "no endpoints available"]
        .iter()
        .any(|cause| why.contains(cause));
    // check --fix removes nothing that has endpoints
    let fix = if is_unanswered {
        " (certlet check --fix does)"
    } else {
        ""
    };
    let host = why.split_once("https://").map(|(_, url)| url);
    let name = host.and_then(|url| url.split(['.', ':', '/', '"']).next());
    let name = name
        .filter(|name| is_name(name))
        .unwrap_or(names::WEBHOOK_CONFIGURATION);
    Some(format!(
        "The webhook of cert-manager does not answer, and its configuration has writes refused without it. If cert-manager is \
         gone, remove it{fix}: kubectl delete {BOTH} {name} --ignore-not-found"
    ))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Removes the configurations of one name. One that does not exist any more is no error.
///
/// # Errors
/// If the API server rejects the call, or cannot be reached.
pub(crate) async fn remove(client: &Client, webhook: &Webhook) -> Result<(), Error> {
    let (validating, mutating) = webhook.kinds;
    if validating {
        delete::<ValidatingWebhookConfiguration>(client, &webhook.name).await?;
    }
    if mutating {
        delete::<MutatingWebhookConfiguration>(client, &webhook.name).await?;
    }
    Ok(())
}

async fn delete<K: ClusterScoped>(client: &Client, name: &str) -> Result<(), Error> {
    let api: Api<K> = Api::all(client.clone());
    let call = Call {
        verb: "delete",
        kind: K::kind(&()).into_owned(),
        object: name.to_owned(),
    };
    match within(call, api.delete(name, &DeleteParams::default())).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The Deployment of a webhook's program that is to run, as `namespace/name`, if there is one: without ready pods now, it answers again
/// later.
///
/// # Errors
/// If the API server rejects the list, or cannot be reached.
pub(crate) async fn program_to_run(reader: &Reader, webhook: &Webhook) -> Result<Option<String>, Error> {
    let Some((namespace, _)) = webhook.service.as_deref().and_then(|service| service.split_once('/')) else {
        return Ok(None);
    };
    for labels in PROGRAM {
        let found = reader.list::<Deployment>(Some(namespace), labels).await?;
        if let Some(deployment) = found.iter().find(|deployment| is_to_run(deployment)) {
            return Ok(Some(format!("{namespace}/{}", deployment.name_any())));
        }
    }
    Ok(None)
}

/// Whether a Deployment is to have pods: 1 without a number.
fn is_to_run(deployment: &Deployment) -> bool {
    deployment.spec.as_ref().and_then(|spec| spec.replicas) != Some(0)
}

/// A webhook of either kind of configuration.
struct Found {
    name: String,
    service: Option<ServiceReference>,
    required: bool,
}

/// The configurations that call cert-manager's webhook.
///
/// # Errors
/// If the API server rejects the list, or cannot be reached.
pub(crate) async fn find(client: &Client, which: Which) -> Result<Vec<Webhook>, Error> {
    let validating = named::<ValidatingWebhookConfiguration>(client, which).await?;
    let validating = validating.into_iter().flat_map(|object| {
        let name = object.name_any();
        let webhooks = object.webhooks.unwrap_or_default().into_iter();
        let found = move |webhook: k8s_openapi::api::admissionregistration::v1::ValidatingWebhook| {
            found(
                &name,
                &webhook.name,
                webhook.client_config,
                webhook.failure_policy.as_deref(),
            )
        };
        webhooks.filter_map(found).map(|found| (true, found))
    });
    let mutating = named::<MutatingWebhookConfiguration>(client, which).await?;
    let mutating = mutating.into_iter().flat_map(|object| {
        let name = object.name_any();
        let webhooks = object.webhooks.unwrap_or_default().into_iter();
        let found = move |webhook: k8s_openapi::api::admissionregistration::v1::MutatingWebhook| {
            found(
                &name,
                &webhook.name,
                webhook.client_config,
                webhook.failure_policy.as_deref(),
            )
        };
        webhooks.filter_map(found).map(|found| (false, found))
    });
    // a configuration that is answered must not be removed with the other one of its name
    let mut webhooks: BTreeMap<(String, Option<String>, bool), Webhook> = BTreeMap::new();
    for (validates, found) in validating.chain(mutating) {
        let answers = match &found.service {
            Some(service) => has_endpoints(client, service).await?,
            None => true,
        };
        let service = found
            .service
            .map(|service| format!("{}/{}", service.namespace, service.name));
        let blocks = found.required && !answers;
        let group = (found.name.clone(), service.clone(), blocks);
        let webhook = webhooks.entry(group).or_insert(Webhook {
            name: found.name,
            kinds: (false, false),
            service,
            blocks,
        });
        webhook.kinds.0 |= validates;
        webhook.kinds.1 |= !validates;
    }
    Ok(webhooks.into_values().collect())
}

fn found(name: &str, webhook: &str, config: WebhookClientConfig, policy: Option<&str>) -> Option<Found> {
    (webhook == WEBHOOK).then(|| Found {
        name: name.to_owned(),
        service: config.service,
        required: policy != Some("Ignore"),
    })
}

async fn named<K: ClusterScoped>(client: &Client, which: Which) -> Result<Vec<K>, Error> {
    let api: Api<K> = Api::all(client.clone());
    let call = |verb, object: &str| Call {
        verb,
        kind: K::kind(&()).into_owned(),
        object: object.to_owned(),
    };
    match which {
        Which::Usual => {
            let name = names::WEBHOOK_CONFIGURATION;
            let found = within(call("get", name), api.get_opt(name)).await?;
            Ok(found.into_iter().collect())
        }
        Which::All => {
            let found = within(call("list", "of the cluster"), api.list(&ListParams::default())).await?;
            Ok(found.items)
        }
    }
}

/// Whether a Service has ready endpoints.
async fn has_endpoints(client: &Client, service: &ServiceReference) -> Result<bool, Error> {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), &service.namespace);
    let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={}", service.name));
    let call = Call {
        verb: "list",
        kind: "EndpointSlice".to_owned(),
        object: format!("of Service {}/{}", service.namespace, service.name),
    };
    let found = within(call, slices.list(&of_service)).await?;
    // an unknown condition counts as ready (Kubernetes API)
    let ready = |slice: EndpointSlice| {
        let mut endpoints = slice.endpoints.into_iter();
        endpoints.any(|endpoint| endpoint.conditions.and_then(|conditions| conditions.ready) != Some(false))
    };
    Ok(found.items.into_iter().any(ready))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_the_webhook_stops_says_which_configuration_to_remove() {
        for (host, name) in [
            ("cert-manager-webhook", "cert-manager-webhook"),
            ("pki-cert-manager-webhook", "pki-cert-manager-webhook"),
        ] {
            let message = format!(
                "Internal error occurred: failed calling webhook \"webhook.cert-manager.io\": failed to call webhook: Post \
                 \"https://{host}.security.svc:443/validate?timeout=30s\": service \"{host}\" not found"
            );
            let advice = advice(&message).unwrap();
            assert!(
                advice.ends_with(&format!("mutatingwebhookconfigurations {name} --ignore-not-found")),
                "{advice}"
            );
            assert!(advice.contains("certlet check --fix"), "{advice}");
        }
    }

    #[test]
    fn without_a_service_in_the_message_it_is_the_usual_name() {
        let advice = advice("failed calling webhook \"webhook.cert-manager.io\": expected response.uid").unwrap();
        assert!(
            advice.contains("mutatingwebhookconfigurations cert-manager-webhook"),
            "{advice}"
        );
        // there is something that answers, if wrongly: --fix does not remove its configuration
        assert!(!advice.contains("--fix"), "{advice}");
        assert!(
            super::advice("failed calling webhook \"webhook.cert-manager.io\": Post \"https://$(rm):1/\"")
                .unwrap()
                .contains("cert-manager-webhook")
        );
    }

    #[test]
    fn a_deployment_runs_unless_it_is_scaled_to_nothing() {
        let of = |spec: serde_json::Value| {
            let deployment = serde_json::json!({"metadata": {"name": "cert-manager-webhook"}, "spec": spec});
            is_to_run(&serde_json::from_value(deployment).unwrap())
        };
        let spec =
            |replicas: serde_json::Value| serde_json::json!({"replicas": replicas, "selector": {}, "template": {}});
        assert!(of(spec(serde_json::json!(2))));
        assert!(of(spec(serde_json::Value::Null)));
        assert!(!of(spec(serde_json::json!(0))));
    }

    #[test]
    fn others_webhooks_and_refusals_by_it_are_no_reason_to_remove_it() {
        assert_eq!(
            advice("failed calling webhook \"validate.nginx.ingress.kubernetes.io\": no endpoints"),
            None
        );
        assert_eq!(
            advice("admission webhook \"webhook.cert-manager.io\" denied the request: spec.secretName"),
            None
        );
    }
}
