//! Watches: feed the events of the API server into the index.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture, stream::BoxStream};
use kube::{
    Api, Client,
    api::ListParams,
    runtime::{WatchStreamExt, watcher},
};

use super::{
    access::{self, Right},
    error::{Call, Error},
    index::{Index, KindVisitor, Observer, Registered, each_kind},
    reader::within,
    wire::{Record, Wire},
};
use crate::plan::{
    kinds::{Presence, Watched},
    settings::Settings,
};

/// Page size for servers without streaming lists. Small pages limit peak memory.
const PAGE_SIZE: u32 = 100;

/// Interval between two checks of a right that is missing.
const RIGHTS_INTERVAL: Duration = Duration::from_secs(60);

/// Starts the watches of all kinds that this installation watches. Other kinds count as listed.
pub(crate) fn watch_all(client: &Client, settings: &Settings, index: &Arc<Index>, observer: &Observer) {
    struct Start<'a> {
        client: &'a Client,
        settings: &'a Settings,
        index: &'a Arc<Index>,
        observer: &'a Observer,
    }
    impl KindVisitor for Start<'_> {
        fn visit<R: Registered>(&mut self) {
            let Self {
                client,
                settings,
                index,
                observer,
            } = *self;
            if !(R::WATCHED.when)(settings) {
                R::store(index).set_ready();
                return;
            }
            let (client, namespace) = (client.clone(), settings.namespace.clone());
            tokio::spawn(keep::<R>(
                client,
                namespace,
                R::WATCHED,
                Arc::clone(index),
                Arc::clone(observer),
            ));
        }
    }
    each_kind(&mut Start {
        client,
        settings,
        index,
        observer,
    });
}

/// Lists all kinds that this installation watches once, for a process without watches.
///
/// # Errors
/// If the API server rejects a list, or cannot be reached.
pub(crate) async fn fill_all(
    client: &Client,
    settings: &Settings,
    namespace: Option<&str>,
    index: &Index,
) -> Result<(), Error> {
    fill_selected(client, settings, namespace, index, |_| true, is_absent).await
}

/// Lists those of them once that `select` selects.
///
/// # Errors
/// As [`fill_all`]; `absent` says which of the API server's errors are none.
pub(super) async fn fill_selected(
    client: &Client,
    settings: &Settings,
    namespace: Option<&str>,
    index: &Index,
    select: fn(&Watched) -> bool,
    absent: Absent,
) -> Result<(), Error> {
    struct Fill<'a> {
        client: &'a Client,
        settings: &'a Settings,
        namespace: Option<&'a str>,
        index: &'a Index,
        select: fn(&Watched) -> bool,
        absent: Absent,
        lists: Vec<BoxFuture<'a, Result<(), Error>>>,
    }
    impl KindVisitor for Fill<'_> {
        fn visit<R: Registered>(&mut self) {
            if (self.select)(&R::WATCHED) && (R::WATCHED.when)(self.settings) {
                self.lists.push(Box::pin(fill_unless::<R>(
                    self.client.clone(),
                    self.namespace,
                    self.index,
                    self.absent,
                )));
            }
        }
    }
    let mut fill = Fill {
        client,
        settings,
        namespace,
        index,
        select,
        absent,
        lists: Vec::new(),
    };
    each_kind(&mut fill);
    for list in fill.lists {
        list.await?;
    }
    Ok(())
}

/// Synchronises the store of `R` with the API server. Never returns.
pub(super) async fn keep<R: Registered>(
    client: Client,
    namespace: Option<String>,
    kind: Watched,
    index: Arc<Index>,
    observer: Observer,
) {
    if kind.by_right {
        until_allowed::<R>(&client, &index, &observer).await;
    }
    let selected = |config: watcher::Config| match kind.labels {
        Some(labels) => config.labels(labels),
        None => config,
    };
    let config = selected(watcher::Config::default().streaming_lists());
    let mut events = watch::<R>(client.clone(), namespace.as_deref(), config);
    let mut is_unknown = false;
    while let Some(event) = events.next().await {
        let was_unknown = std::mem::replace(&mut is_unknown, event.as_ref().is_err_and(is_unknown_kind));
        match event {
            Ok(event) => take::<R>(event, &index, &observer),
            Err(error) if refuses_streaming(&error) => {
                tracing::info!(
                    kind = R::KIND,
                    "the API server has no streaming lists: using lists with pages of {PAGE_SIZE}"
                );
                let config = selected(watcher::Config::default().page_size(PAGE_SIZE));
                events = watch::<R>(client.clone(), namespace.as_deref(), config);
            }
            Err(_) if is_unknown && kind.presence == Presence::Optional => {
                if !was_unknown {
                    tracing::info!(
                        "the API server does not know {} of {}; certlet continues without them",
                        R::PLURAL,
                        R::GROUP
                    );
                }
                none::<R>(&index, &observer);
            }
            Err(_) if is_unknown => {
                tracing::warn!(
                    "the API server does not know {} of {}; are the definitions in crds/ applied?",
                    R::PLURAL,
                    R::GROUP
                );
            }
            Err(error) => tracing::warn!(kind = R::KIND, %error, "the watch was interrupted; retrying"),
        }
    }
}

/// Lists the objects of `R` once.
pub(super) async fn fill<R: Registered>(client: Client, namespace: Option<&str>, index: &Index) -> Result<(), Error> {
    fill_unless::<R>(client, namespace, index, is_absent).await
}

/// As [`fill`]; `absent` says which errors mean that there are none.
async fn fill_unless<R: Registered>(
    client: Client,
    namespace: Option<&str>,
    index: &Index,
    absent: Absent,
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
    if let Some(labels) = R::WATCHED.labels {
        page = page.labels(labels);
    }
    loop {
        let found = match within(call.clone(), api.list(&page)).await {
            Err(error) if absent(&R::WATCHED, &error) => break,
            found => found?,
        };
        for record in found.items.iter().filter_map(read) {
            store.apply(&record);
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

/// Returns when this process may watch the kind. Until then it has no records. An installation of an earlier version may not.
async fn until_allowed<R: Registered>(client: &Client, index: &Index, observer: &Observer) {
    let right = Right {
        group: R::GROUP.to_owned(),
        resource: R::PLURAL.to_owned(),
        verb: "watch".to_owned(),
        ..Right::default()
    };
    let mut is_reported = false;
    // without an answer, the watch itself reports what is wrong
    while let Ok(false) = access::caller_may(client, &right).await {
        if !std::mem::replace(&mut is_reported, true) {
            tracing::info!(
                "certlet may not watch {} of {}, and continues without them",
                R::PLURAL,
                R::GROUP
            );
        }
        none::<R>(index, observer);
        tokio::time::sleep(RIGHTS_INTERVAL).await;
    }
}

/// Handles a kind that the API server does not know: all records are removed, and the kind counts as listed.
fn none<R: Registered>(index: &Index, observer: &Observer) {
    let store = R::store(index);
    store.begin_list();
    for gone in store.end_list() {
        observer(R::change(Some(gone), None));
    }
}

fn take<R: Registered>(event: watcher::Event<Wire<R>>, index: &Index, observer: &Observer) {
    let store = R::store(index);
    match event {
        watcher::Event::Init => store.begin_list(),
        watcher::Event::Apply(wire) if store.is_known(&wire.key(), wire.uid(), wire.resource_version()) => {}
        watcher::Event::InitApply(wire) | watcher::Event::Apply(wire) => match read(&wire) {
            Some(record) => {
                if let Some(old) = store.apply(&record) {
                    observer(R::change(old, Some(record)));
                }
            }
            None => {
                if let Some(old) = store.leave(&wire.key(), wire.uid(), wire.resource_version()) {
                    observer(R::change(Some(old), None));
                }
            }
        },
        watcher::Event::Delete(wire) => {
            if let Some(old) = store.remove(&wire.key(), wire.uid(), wire.resource_version()) {
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

/// The record of an object, if it is one that is stored.
fn read<R: Registered>(wire: &Wire<R>) -> Option<Arc<R>> {
    match wire.record() {
        Ok(record) => record.is_relevant().then_some(record),
        Err(error) => {
            let object = wire.key();
            tracing::error!(kind = R::KIND, %object, %error, "an object cannot be read: it is as if there were none; this is a bug");
            None
        }
    }
}

fn is_unknown_kind(error: &watcher::Error) -> bool {
    let (watcher::Error::WatchStartFailed(error) | watcher::Error::InitialListFailed(error)) = error else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether an error of a list means that there are no objects of the kind.
type Absent = fn(&Watched, &Error) -> bool;

/// Whether a list is refused, and the kind may be absent.
fn is_absent(kind: &Watched, error: &Error) -> bool {
    kind.presence == Presence::Optional && (error.is_not_found() || error.is_forbidden())
}

/// Whether streaming lists are disabled (status 400 or 422). kube's watcher would retry them for ever.
pub(super) fn refuses_streaming(error: &watcher::Error) -> bool {
    let watcher::Error::WatchStartFailed(kube::Error::Api(status)) = error else {
        return false;
    };
    matches!(status.code, 400 | 422)
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
