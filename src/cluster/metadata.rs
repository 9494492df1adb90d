//! Secrets without our label: only their names are followed, and only to know that something may have changed.
//!
//! Account keys, CA key pairs and keystore passwords are made by people and by cert-manager without the label
//! `controller.cert-manager.io/fao`. Their contents are read when they are needed, never watched.

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
use crate::plan::seen::ObjectKey;

const UNLABELLED: &str = "controller.cert-manager.io/fao!=true";
/// Helm's release Secrets are megabytes each, and nobody's certificate.
const NOT_HELM: &str = "type!=helm.sh/release.v1";

/// Tells `observer` the name of every unlabelled Secret that comes, changes or goes.
pub async fn follow(client: Client, namespace: Option<String>, observer: Observer) {
    let api: Api<SecretName> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let selected = |config: watcher::Config| config.labels(UNLABELLED).fields(NOT_HELM);
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
            // what went while nobody watched is not told one by one
            Ok(watcher::Event::InitDone) => observer(Change::UnlabelledSecrets),
            Ok(watcher::Event::Init) => {}
            Err(error) if refuses_streaming(&error) => {
                events = watcher(api.clone(), selected(watcher::Config::default()))
                    .default_backoff()
                    .boxed();
            }
            Err(error) => tracing::warn!(%error, "the watch of Secrets' names was interrupted, trying again"),
        }
    }
}

/// What is read of a Secret: its name. The server is asked for metadata only, and whoever writes a Secret may write times into its
/// `managedFields` that nobody can read.
#[derive(Clone, Debug)]
struct SecretName {
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
