//! The watch of Secrets without our label: only their names, to know that a Secret may have changed.
//!
//! Users and cert-manager create account keys, CA key pairs and keystore passwords without the label
//! `controller.cert-manager.io/fao`. Their content is read when it is needed and not watched.

use std::{borrow::Cow, sync::Arc};

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, Resource,
    core::NamespaceResourceScope,
    runtime::{WatchStreamExt, watcher},
};
use serde::{Deserialize, Deserializer};

use super::{
    index::{Change, Observer},
    watch::refuses_streaming,
};
use crate::plan::{seen::ObjectKey, settings::Settings};

const UNLABELLED: &str = "controller.cert-manager.io/fao!=true";
/// The type of Helm's release Secrets, which are megabytes in size and never hold a certificate.
const NOT_HELM: &str = "type!=helm.sh/release.v1";

/// Reports the name of every unlabelled Secret that is created, changed or deleted to `observer`, in the background. In a process that
/// does not watch the content of the labelled ones, that of every Secret.
pub(crate) fn follow(client: Client, settings: &Settings, observer: Observer) {
    let api: Api<SecretName> = match &settings.namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let labels = (!settings.injection.alone).then_some(UNLABELLED);
    tokio::spawn(report(api, labels, observer));
}

async fn report(api: Api<SecretName>, labels: Option<&'static str>, observer: Observer) {
    let selected = |config: watcher::Config| {
        let config = config.fields(NOT_HELM);
        match labels {
            Some(labels) => config.labels(labels),
            None => config,
        }
    };
    let mut events = watcher(api.clone(), selected(watcher::Config::default().streaming_lists()))
        .default_backoff()
        .boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(secret) | watcher::Event::InitApply(secret) | watcher::Event::Delete(secret)) => {
                let (Some(namespace), Some(name)) = (secret.metadata.namespace, secret.metadata.name) else {
                    continue;
                };
                observer(Change::UnlabelledSecret(ObjectKey::new(
                    Arc::<str>::from(namespace),
                    Arc::<str>::from(name),
                )));
            }
            // deletions during an interruption are not reported one by one
            Ok(watcher::Event::InitDone) => observer(Change::UnlabelledSecrets),
            Ok(watcher::Event::Init) => {}
            Err(error) if refuses_streaming(&error) => {
                events = watcher(api.clone(), selected(watcher::Config::default()))
                    .default_backoff()
                    .boxed();
            }
            Err(error) => tracing::warn!(%error, "the watch of the names of Secrets was interrupted; retrying"),
        }
    }
}

/// The only field that is read of a Secret: its name. Users may write unparsable times into `managedFields`, so these are
/// skipped.
#[derive(Clone, Debug)]
pub(super) struct SecretName {
    metadata: ObjectMeta,
}

impl<'de> Deserialize<'de> for SecretName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct In {
            metadata: Names,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Names {
            name: Option<String>,
            namespace: Option<String>,
            resource_version: Option<String>,
        }
        let Names {
            name,
            namespace,
            resource_version,
        } = In::deserialize(deserializer)?.metadata;
        let metadata = ObjectMeta {
            name,
            namespace,
            resource_version,
            ..ObjectMeta::default()
        };
        Ok(Self { metadata })
    }
}

impl Resource for SecretName {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Secret".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "secrets".into()
    }

    fn metadata_api() -> bool {
        true
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
