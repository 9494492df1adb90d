//! What an overview is made from: the records of the index, which watches fill in the controller. The command line lists or follows
//! only the kinds that an overview needs; Secrets are not among them.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, Client,
    api::{ListParams, PartialObjectMeta},
    runtime::{WatchStreamExt, watcher},
};

use super::{
    error::{Call, Error},
    index::{Index, KindVisitor, Observer, Registered, each_kind},
    reader::{Reader, list_readable, within},
    watch,
};
use crate::plan::{
    kinds::{BundleKind, CertificateKind, ChallengeKind, ClusterIssuerKind, IssuerKind, OrderKind, RequestKind},
    overview::Seen,
    seen::{Kind, Lean, RequestSeen},
    settings::Settings,
};

/// The most Events that are read of one object.
const MOST_EVENTS: u32 = 100;

/// All objects of the index that an overview is made from.
pub(crate) fn seen(index: &Index) -> impl Iterator<Item = Seen> + '_ {
    let certificates = index.certificates.keys().into_iter();
    let requests = index.requests.keys().into_iter();
    certificates
        .filter_map(|key| index.certificates.get(&key).map(Seen::Certificate))
        .chain(requests.filter_map(|key| index.requests.get(&key).map(Seen::Request)))
        .chain(index.orders.all().into_iter().map(Seen::Order))
        .chain(index.challenges.all().into_iter().map(Seen::Challenge))
        .chain(index.issuers.all().into_iter().map(Seen::Issuer))
        .chain(index.cluster_issuers.all().into_iter().map(Seen::ClusterIssuer))
        .chain(index.bundles.all().into_iter().map(Seen::Bundle))
}

/// A kind that may not be listed.
#[derive(Clone, Debug)]
pub(crate) struct Unlisted {
    /// The kind.
    pub kind: &'static str,
    /// The API server's refusal.
    pub sentence: String,
}

/// Lists these kinds once, page by page. Returns those that may not be listed.
///
/// # Errors
/// If the API server cannot be reached, or Certificates may not be listed.
pub(crate) async fn list(client: &Client, namespace: Option<&str>, index: &Index) -> Result<Vec<Unlisted>, Error> {
    let (certificates, requests, orders, challenges, issuers, cluster_issuers, bundles) = tokio::join!(
        watch::fill::<Lean<CertificateKind>>(client.clone(), namespace, index),
        watch::fill::<RequestSeen>(client.clone(), namespace, index),
        watch::fill::<Lean<OrderKind>>(client.clone(), namespace, index),
        watch::fill::<Lean<ChallengeKind>>(client.clone(), namespace, index),
        watch::fill::<Lean<IssuerKind>>(client.clone(), namespace, index),
        watch::fill::<Lean<ClusterIssuerKind>>(client.clone(), namespace, index),
        watch::fill::<Lean<BundleKind>>(client.clone(), namespace, index),
    );
    certificates?;
    // a cluster without their definition, or a reader without the right, has none
    bundles?;
    let mut denied = Vec::new();
    for (kind, result) in [
        (RequestKind::KIND, requests),
        (OrderKind::KIND, orders),
        (ChallengeKind::KIND, challenges),
        (IssuerKind::KIND, issuers),
        (ClusterIssuerKind::KIND, cluster_issuers),
    ] {
        match result {
            Err(error) if error.is_forbidden() => denied.push(Unlisted {
                kind,
                sentence: error.to_string(),
            }),
            result => result?,
        }
    }
    Ok(denied)
}

/// Follows these kinds with watches. `observer` is called after each change of the index.
pub(crate) fn follow(client: &Client, namespace: Option<&str>, index: &Arc<Index>, observer: &Observer) {
    fn start<R: Registered>(client: &Client, namespace: Option<&str>, index: &Arc<Index>, observer: &Observer) {
        let namespace = namespace.map(str::to_owned);
        let (index, observer) = (Arc::clone(index), Arc::clone(observer));
        tokio::spawn(watch::keep::<R>(client.clone(), namespace, R::WATCHED, index, observer));
    }
    start::<Lean<CertificateKind>>(client, namespace, index, observer);
    start::<RequestSeen>(client, namespace, index, observer);
    start::<Lean<OrderKind>>(client, namespace, index, observer);
    start::<Lean<ChallengeKind>>(client, namespace, index, observer);
    start::<Lean<IssuerKind>>(client, namespace, index, observer);
    start::<Lean<ClusterIssuerKind>>(client, namespace, index, observer);
    start::<Lean<BundleKind>>(client, namespace, index, observer);
}

/// Lists the kinds once into whose objects this installation injects CAs.
///
/// # Errors
/// If the API server rejects a list, or cannot be reached. A reader who may not list them is not shown an empty list.
pub(crate) async fn list_targets(client: &Client, settings: &Settings, index: &Index) -> Result<(), Error> {
    watch::fill_selected(
        client,
        settings,
        None,
        index,
        |kind| kind.is_target,
        |_, error| error.is_not_found(),
    )
    .await
}

/// Follows these kinds with watches. `observer` is called after each change of the index.
pub(crate) fn follow_targets(client: &Client, settings: &Settings, index: &Arc<Index>, observer: &Observer) {
    struct Follow<'a> {
        client: &'a Client,
        settings: &'a Settings,
        index: &'a Arc<Index>,
        observer: &'a Observer,
    }
    impl KindVisitor for Follow<'_> {
        fn visit<R: Registered>(&mut self) {
            let kind = R::WATCHED;
            if kind.is_target && (kind.when)(self.settings) {
                let (index, observer) = (Arc::clone(self.index), Arc::clone(self.observer));
                tokio::spawn(watch::keep::<R>(self.client.clone(), None, kind, index, observer));
            }
        }
    }
    each_kind(&mut Follow {
        client,
        settings,
        index,
        observer,
    });
}

/// The Events of these objects, by uid.
///
/// # Errors
/// If Events may not be listed, or the API server cannot be reached.
pub(crate) async fn events_of(reader: &Reader, namespace: &str, uids: &[String]) -> Result<Vec<Event>, Error> {
    let lists = uids.iter().map(|uid| {
        let parameters = ListParams::default()
            .fields(&format!("involvedObject.uid={uid}"))
            .limit(MOST_EVENTS);
        async move {
            let call = Call {
                verb: "list",
                kind: "Event".to_owned(),
                object: namespace.to_owned(),
            };
            within(call, list_readable(reader.client(), Some(namespace), &parameters)).await
        }
    });
    let lists: Vec<Vec<Event>> = futures::future::try_join_all(lists).await?;
    Ok(lists.into_iter().flatten().collect())
}

/// Calls `observer` after each change of an Event in the namespace.
pub(crate) fn follow_events(client: &Client, namespace: &str, observer: impl Fn() + Send + 'static) {
    let api: Api<PartialObjectMeta<Event>> = Api::namespaced(client.clone(), namespace);
    tokio::spawn(async move {
        let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
        while let Some(event) = events.next().await {
            if matches!(event, Ok(watcher::Event::Apply(_))) {
                observer();
            }
        }
    });
}
