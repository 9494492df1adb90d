//! Watches of objects of which only the names are read, to know that one may have changed: Secrets without our label, and the ConfigMaps
//! of trust bundles. Nothing of them is in memory.
//!
//! Users and cert-manager create account keys, CA key pairs and keystore passwords without the label
//! `controller.cert-manager.io/fao`. Their content is read when it is needed and not watched.

use std::{borrow::Cow, marker::PhantomData, sync::Arc};

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
use crate::{
    api::bundle::BUNDLE_LABEL,
    plan::{seen::ObjectKey, settings::Settings},
};

const UNLABELLED: &str = "controller.cert-manager.io/fao!=true";
/// The type of Helm's release Secrets, which are megabytes in size and never hold a certificate.
const NOT_HELM: &str = "type!=helm.sh/release.v1";

/// Which objects are watched.
#[derive(Clone, Copy, Debug, Default)]
struct Selected {
    labels: Option<&'static str>,
    fields: Option<&'static str>,
}

impl Selected {
    fn of(self, mut config: watcher::Config) -> watcher::Config {
        if let Some(labels) = self.labels {
            config = config.labels(labels);
        }
        if let Some(fields) = self.fields {
            config = config.fields(fields);
        }
        config
    }
}

/// Reports the name of every unlabelled Secret that is created, changed or deleted to `observer`, in the background. In a process that
/// does not watch the content of the labelled ones, that of every Secret. Where there are trust bundles, also that of every ConfigMap
/// that may be a source or a target.
pub(crate) fn follow(client: Client, settings: &Settings, observer: Observer) {
    if settings.has_bundles() {
        for namespace in &settings.bundles.trust_namespaces {
            let api: Api<Name<ConfigMaps>> = Api::namespaced(client.clone(), namespace);
            tokio::spawn(report(api, Selected::default(), Arc::clone(&observer)));
        }
        let targets = Selected {
            labels: Some(BUNDLE_LABEL),
            ..Selected::default()
        };
        let api: Api<Name<ConfigMaps>> = Api::all(client.clone());
        tokio::spawn(report(api, targets, Arc::clone(&observer)));
    }
    let api: Api<SecretName> = match &settings.namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let selected = Selected {
        labels: (!settings.injection.alone).then_some(UNLABELLED),
        fields: Some(NOT_HELM),
    };
    tokio::spawn(report(api, selected, observer));
}

async fn report<N: Named>(api: Api<Name<N>>, selected: Selected, observer: Observer) {
    let streaming = selected.of(watcher::Config::default().streaming_lists());
    let mut events = watcher(api.clone(), streaming).default_backoff().boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(found) | watcher::Event::InitApply(found) | watcher::Event::Delete(found)) => {
                let (Some(namespace), Some(name)) = (found.metadata.namespace, found.metadata.name) else {
                    continue;
                };
                observer(N::one(ObjectKey::new(
                    Arc::<str>::from(namespace),
                    Arc::<str>::from(name),
                )));
            }
            // deletions during an interruption are not reported one by one
            Ok(watcher::Event::InitDone) => observer(N::all()),
            Ok(watcher::Event::Init) => {}
            Err(error) if refuses_streaming(&error) => {
                let listed = selected.of(watcher::Config::default());
                events = watcher(api.clone(), listed).default_backoff().boxed();
            }
            Err(error) => {
                tracing::warn!(%error, "the watch of the names of {}s was interrupted; retrying", N::KIND);
            }
        }
    }
}

/// A kind of which only names are read.
pub(super) trait Named: Clone + Send + Sync + std::fmt::Debug + 'static {
    /// Kind.
    const KIND: &'static str;
    /// Plural.
    const PLURAL: &'static str;

    /// The change of one object.
    fn one(key: ObjectKey) -> Change;

    /// The change after a list.
    fn all() -> Change;
}

/// Secrets.
#[derive(Clone, Debug)]
pub(super) struct Secrets;

impl Named for Secrets {
    const KIND: &'static str = "Secret";
    const PLURAL: &'static str = "secrets";

    fn one(key: ObjectKey) -> Change {
        Change::UnlabelledSecret(key)
    }

    fn all() -> Change {
        Change::UnlabelledSecrets
    }
}

/// ConfigMaps.
#[derive(Clone, Debug)]
pub(super) struct ConfigMaps;

impl Named for ConfigMaps {
    const KIND: &'static str = "ConfigMap";
    const PLURAL: &'static str = "configmaps";

    fn one(key: ObjectKey) -> Change {
        Change::ConfigMap(key)
    }

    fn all() -> Change {
        Change::ConfigMaps
    }
}

/// The name of a Secret.
pub(super) type SecretName = Name<Secrets>;

/// The only field that is read of an object: its name. Users may write unparsable times into `managedFields`, so these are
/// skipped.
#[derive(Clone, Debug)]
pub(super) struct Name<N> {
    metadata: ObjectMeta,
    kind: PhantomData<fn() -> N>,
}

impl<'de, N> Deserialize<'de> for Name<N> {
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
        Ok(Self {
            metadata,
            kind: PhantomData,
        })
    }
}

impl<N: Named> Resource for Name<N> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        N::KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        N::PLURAL.into()
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
