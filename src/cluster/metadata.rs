//! Secrets without our label: only their names are followed, and only to know that something may have changed.
//!
//! Account keys, CA key pairs and keystore passwords are made by people and by cert-manager without the label
//! `controller.cert-manager.io/fao`. Their contents are read when they are needed, never watched.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::PartialObjectMeta,
    runtime::{WatchStreamExt, watcher},
};

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
    let api: Api<PartialObjectMeta<Secret>> = match &namespace {
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
