//! Watches: streams of the API server's events into the index.

use std::sync::Arc;

use futures::{StreamExt, stream::BoxStream};
use kube::{
    Api, Client,
    api::ListParams,
    runtime::{WatchStreamExt, watcher},
};

use super::{
    error::{Call, Error},
    index::{Index, Observer},
    reader::within,
    wire::{Record, Wire},
};

/// Page size where the server has no streaming lists: small pages keep the peak of memory low.
const PAGE_SIZE: u32 = 100;

/// Keeps the store of `R` equal to what the server has, for ever. `labels` selects on the server.
pub async fn keep<R: Record>(
    client: Client,
    namespace: Option<String>,
    labels: Option<&'static str>,
    index: Arc<Index>,
    observer: Observer,
) {
    let mut config = watcher::Config::default().streaming_lists();
    if let Some(labels) = labels {
        config = config.labels(labels);
    }
    let mut events = watch::<R>(client.clone(), namespace.as_deref(), config.clone());
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => take::<R>(event, &index, &observer),
            Err(error) if refuses_streaming(&error) => {
                tracing::info!(
                    kind = R::KIND,
                    "the API server has no streaming lists: listing in pages of {PAGE_SIZE}"
                );
                config = watcher::Config::default().page_size(PAGE_SIZE);
                if let Some(labels) = labels {
                    config = config.labels(labels);
                }
                events = watch::<R>(client.clone(), namespace.as_deref(), config.clone());
            }
            Err(error) if is_unknown_kind(&error) => {
                tracing::warn!(
                    "the API server does not know {} of {}; are the definitions in crds/ applied?",
                    R::PLURAL,
                    R::GROUP
                );
            }
            Err(error) => tracing::warn!(kind = R::KIND, %error, "the watch was interrupted, trying again"),
        }
    }
}

/// Fills the store of `R` once, for a process that only looks. `labels` selects on the server.
///
/// # Errors
/// When the API server refuses, or is not reached.
pub async fn fill<R: Record>(
    client: Client,
    namespace: Option<&str>,
    labels: Option<&str>,
    index: &Index,
) -> Result<(), Error> {
    let api = api::<R>(client, namespace);
    let call = Call {
        verb: "list",
        kind: R::KIND.to_owned(),
        object: namespace.filter(|_| R::NAMESPACED).unwrap_or("*").to_owned(),
    };
    let store = R::store(index);
    store.begin_list();
    let mut page = ListParams::default().limit(PAGE_SIZE);
    if let Some(labels) = labels {
        page = page.labels(labels);
    }
    loop {
        let found = within(call.clone(), api.list(&page)).await?;
        for wire in found.items.iter().filter(|wire| wire.record.is_kept()) {
            store.apply(&wire.record);
        }
        match found.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    store.end_list();
    Ok(())
}

type Events<R> = BoxStream<'static, watcher::Result<watcher::Event<Wire<R>>>>;

fn watch<R: Record>(client: Client, namespace: Option<&str>, config: watcher::Config) -> Events<R> {
    watcher(api(client, namespace), config).default_backoff().boxed()
}

fn api<R: Record>(client: Client, namespace: Option<&str>) -> Api<Wire<R>> {
    match namespace {
        Some(namespace) if R::NAMESPACED => Api::namespaced_with(client, namespace, &()),
        _ => Api::all(client),
    }
}

fn take<R: Record>(event: watcher::Event<Wire<R>>, index: &Index, observer: &Observer) {
    let store = R::store(index);
    match event {
        watcher::Event::Init => store.begin_list(),
        watcher::Event::InitApply(wire) | watcher::Event::Apply(wire) => {
            if wire.record.is_kept()
                && let Some(old) = store.apply(&wire.record)
            {
                observer(R::change(old, Some(wire.record)));
            }
        }
        watcher::Event::Delete(wire) => {
            if let Some(old) = store.remove(wire.record.meta()) {
                observer(R::change(Some(old), None));
            }
        }
        watcher::Event::InitDone => {
            for gone in store.end_list() {
                observer(R::change(Some(gone), None));
            }
        }
    }
}

fn is_unknown_kind(error: &watcher::Error) -> bool {
    let (watcher::Error::WatchStartFailed(error) | watcher::Error::InitialListFailed(error)) = error else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Streaming lists are switched off on some servers (400 or 422); kube's watcher would ask for them for ever.
pub(super) fn refuses_streaming(error: &watcher::Error) -> bool {
    let watcher::Error::WatchStartFailed(kube::Error::Api(status)) = error else {
        return false;
    };
    matches!(status.code, 400 | 422)
}
