//! The Service and its slices, one for each namespace with challenges in flight.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::{
    api::{core::v1::Service, discovery::v1::EndpointSlice},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use tokio::{sync::OnceCell, time::Instant};

use crate::{
    api::{
        names::{SOLVER_NAME_PREFIX, label},
        order::State,
    },
    cluster::{index::Index, objects::Typed},
    controller::{ControllerError, Ports},
    plan::{
        ending::NOTICED,
        kinds::ChallengeKind,
        order::proof::is_in_cluster,
        seen::{Lean, Meta, ObjectKey, Owner},
        settings::Http01Settings,
    },
    solver::objects::{CHALLENGE_CRD, ServiceKind, crd_owner, endpoint_slices, leads_as_wanted, shared_service},
};

/// How long the objects are assumed to exist. After that they are verified before a challenge is presented again.
const TRUSTED: Duration = Duration::from_secs(20);

/// The namespaces in use.
#[derive(Debug, Default)]
pub(super) struct Shared {
    namespaces: Mutex<HashMap<Box<str>, Arc<tokio::sync::Mutex<Space>>>>,
    owner: OnceCell<Option<OwnerReference>>,
}

/// One namespace. Its lock is held while its objects are created or deleted, so that the end of one Order never deletes
/// objects that another Order has just verified.
#[derive(Debug, Default)]
struct Space {
    /// UIDs of the Orders with challenges in flight.
    orders: HashSet<Box<str>>,
    /// UIDs of the Orders that are released, while the index still shows them.
    released: HashSet<Box<str>>,
    made: BTreeMap<ServiceKind, (Vec<IpAddr>, Instant)>,
    /// Former addresses of the slices, with the time of their removal.
    former: BTreeMap<IpAddr, Instant>,
}

impl Space {
    /// Records that this Order has challenges in flight.
    fn enter(&mut self, order_uid: &str) {
        self.orders.insert(order_uid.into());
        self.released.remove(order_uid);
    }

    /// Records that this Order has none. Returns whether no Order needs the objects any more; `shown` are those of the
    /// index.
    ///
    /// The index alone does not tell: of Orders that are deleted together, each is still shown when the others are
    /// released, because an Order is released when its request is deleted, which is before its own deletion.
    fn leave(&mut self, order_uid: &str, shown: &HashSet<Box<str>>) -> bool {
        self.orders.remove(order_uid);
        self.released.insert(order_uid.into());
        self.released.retain(|uid| shown.contains(uid));
        self.orders.is_empty() && shown.is_subset(&self.released)
    }

    /// Records that the slices of this kind have these addresses now, instead of those in `before`.
    fn replace(&mut self, kind: ServiceKind, addresses: &[IpAddr], before: Vec<IpAddr>) {
        let now = Instant::now();
        self.former.extend(before.into_iter().map(|address| (address, now)));
        self.former
            .retain(|address, since| !addresses.contains(address) && since.elapsed() < NOTICED);
        self.made.insert(kind, (addresses.to_vec(), now));
    }

    fn is_idle(&self) -> bool {
        self.orders.is_empty() && self.made.is_empty() && self.released.is_empty()
    }
}

impl Shared {
    /// The remembered namespaces that have a Service and slices of ours.
    pub(super) fn in_use(&self) -> Vec<Box<str>> {
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        // a namespace that was locked when its last Order ended could not be removed then
        namespaces
            .retain(|_, space| Arc::strong_count(space) > 1 || space.try_lock().is_ok_and(|space| !space.is_idle()));
        namespaces.keys().cloned().collect()
    }

    /// Ensures that the namespace of this Order has the Service of this kind and its slices.
    ///
    /// # Errors
    /// The API server's error.
    pub(super) async fn ensure(
        &self,
        context: &Ports,
        order: &Meta,
        kind: ServiceKind,
        addresses: &[IpAddr],
    ) -> Result<(), ControllerError> {
        let space = self.space(order.namespace());
        let mut space = space.lock().await;
        space.enter(&order.uid);
        let is_fresh = |(with, since): &(Vec<IpAddr>, Instant)| with == addresses && since.elapsed() < TRUSTED;
        let made = space.made.get(&kind);
        if made.is_some_and(is_fresh) {
            return Ok(());
        }
        let with_these = made.is_some_and(|(with, _)| with == addresses);
        let before = if with_these && self.is_current(context, order.namespace(), kind, addresses).await? {
            Vec::new()
        } else {
            let known = made.map(|(with, _)| with.clone());
            self.make(context, order.namespace(), (kind, addresses), known).await?
        };
        space.replace(kind, addresses, before);
        Ok(())
    }

    /// Updates the slices of the namespace to these addresses, if they have others. Returns the former addresses
    /// that an ingress controller may still use.
    ///
    /// # Errors
    /// The API server's error.
    pub(super) async fn follow(
        &self,
        context: &Ports,
        namespace: &str,
        addresses: &[IpAddr],
    ) -> Result<Vec<IpAddr>, ControllerError> {
        let space = self.space(namespace);
        let mut space = space.lock().await;
        if !space.released.is_empty() {
            let shown = shown(&context.index, namespace);
            space.released.retain(|uid| shown.contains(uid));
        }
        let outdated = space.made.iter().filter(|(_, (with, _))| with != addresses);
        let outdated: Vec<(ServiceKind, Vec<IpAddr>)> =
            outdated.map(|(kind, (with, _))| (*kind, with.clone())).collect();
        for (kind, with) in outdated {
            let before = self.make(context, namespace, (kind, addresses), Some(with)).await?;
            space.replace(kind, addresses, before);
        }
        let former = space.former.iter().filter(|(_, since)| since.elapsed() < NOTICED);
        Ok(former.map(|(address, _)| *address).collect())
    }

    /// Creates the Service and its slices. Returns the former addresses of the slices: `known`, or those found,
    /// because another replica may have created them.
    async fn make(
        &self,
        context: &Ports,
        namespace: &str,
        (kind, addresses): (ServiceKind, &[IpAddr]),
        known: Option<Vec<IpAddr>>,
    ) -> Result<Vec<IpAddr>, ControllerError> {
        let (service, slices) = self.wanted(context, namespace, kind, addresses).await;
        let slices = async {
            let before = match known {
                Some(known) => known,
                None => named(
                    &context
                        .reader
                        .list::<EndpointSlice>(Some(namespace), &our_label())
                        .await?,
                ),
            };
            let slices = slices
                .iter()
                .map(|slice| context.writer.apply_object(&context.reader, slice));
            futures::future::try_join_all(slices).await?;
            Ok::<_, ControllerError>(before)
        };
        let (service, before) = tokio::join!(context.writer.apply_object(&context.reader, &service), slices);
        service?;
        before
    }

    /// Whether the Service of this kind and its slices exist and have these addresses.
    async fn is_current(
        &self,
        context: &Ports,
        namespace: &str,
        kind: ServiceKind,
        addresses: &[IpAddr],
    ) -> Result<bool, ControllerError> {
        let (service, slices) = self.wanted(context, namespace, kind, addresses).await;
        let (found_services, found_slices) = found(context, namespace).await?;
        Ok(leads_as_wanted((&service, &slices), (&found_services, &found_slices)))
    }

    async fn wanted(
        &self,
        context: &Ports,
        namespace: &str,
        kind: ServiceKind,
        addresses: &[IpAddr],
    ) -> (Service, Vec<EndpointSlice>) {
        let owner = self.owner(context).await;
        let Http01Settings { port, extra_labels, .. } = &context.settings.http01;
        let service = shared_service(namespace, kind, addresses, owner, extra_labels);
        let slices = endpoint_slices(namespace, kind, (addresses, *port), owner, extra_labels);
        (service, slices)
    }

    /// Records that this Order has no challenges in flight. Deletes the shared objects if no other Order uses them.
    ///
    /// # Errors
    /// The API server's error.
    pub(super) async fn release(
        &self,
        context: &Ports,
        order: &ObjectKey,
        order_uid: &str,
    ) -> Result<(), ControllerError> {
        let space = self.space(&order.namespace);
        let mut inside = space.lock().await;
        if inside.leave(order_uid, &shown(&context.index, &order.namespace)) {
            inside.made.clear();
            delete_shared(context, &order.namespace).await?;
        }
        let is_idle = inside.is_idle();
        drop(inside);
        if is_idle {
            self.forget(&order.namespace, space);
        }
        Ok(())
    }

    /// Forgets all namespaces.
    pub(super) fn clear(&self) {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn space(&self, namespace: &str) -> Arc<tokio::sync::Mutex<Space>> {
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        match namespaces.get(namespace) {
            Some(space) => Arc::clone(space),
            None => Arc::clone(namespaces.entry(namespace.into()).or_default()),
        }
    }

    /// Removes the entry of a namespace, unless another task is about to use it.
    fn forget(&self, namespace: &str, space: Arc<tokio::sync::Mutex<Space>>) {
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        // two references: the map's and ours; clones are only made under the map's lock
        if Arc::strong_count(&space) == 2 {
            namespaces.remove(namespace);
        }
        drop(space);
    }

    /// The CRD that owns the shared objects. Without the right to read it there is no owner, and only the clean-up
    /// deletes them; the rights of an installation for one namespace do not include CRDs.
    async fn owner(&self, context: &Ports) -> Option<&OwnerReference> {
        if context.settings.namespace.is_some() {
            return None;
        }
        let ask = async || {
            let crd = context
                .reader
                .cluster_metadata::<CustomResourceDefinition>(CHALLENGE_CRD)
                .await?;
            Ok::<_, crate::cluster::Error>(crd.and_then(|metadata| metadata.uid).map(|uid| crd_owner(&uid)))
        };
        match self.owner.get_or_try_init(ask).await {
            Ok(owner) => owner.as_ref(),
            Err(error) => {
                tracing::debug!("solver Services get no owner: {error}");
                None
            }
        }
    }
}

/// UIDs of the Orders of the namespace that have challenges over HTTP-01 in flight according to the index, perhaps from an
/// earlier term. A Challenge whose Order is deleted or finished only waits for its own deletion.
fn shown(index: &Index, namespace: &str) -> HashSet<Box<str>> {
    let in_flight = |owner: &Owner| {
        let order = index.orders.get(&ObjectKey::new(namespace, &*owner.name));
        order.is_some_and(|order| order.meta.uid == owner.uid && !order.status().state.is_some_and(State::is_final))
    };
    let is_outside = |challenge: &Lean<ChallengeKind>| {
        let parsed = challenge.parse();
        parsed.is_ok_and(|challenge| !is_in_cluster(challenge.spec.type_))
    };
    let challenges = index.challenges.in_namespace(namespace);
    let presented = challenges
        .iter()
        .filter(|challenge| challenge.status().presented == Some(true) && !is_outside(challenge));
    presented
        .filter_map(|challenge| challenge.meta.controller())
        .filter(|owner| in_flight(owner))
        .map(|owner| owner.uid.clone())
        .collect()
}

/// Deletes the shared Services and slices of a namespace: those with our label and name that no Challenge owns.
async fn delete_shared(context: &Ports, namespace: &str) -> Result<(), ControllerError> {
    let (services, slices) = found(context, namespace).await?;
    let (services, slices) = tokio::join!(delete_all(context, services), delete_all(context, slices));
    services?;
    slices
}

/// The Services and slices of a namespace that have our label.
async fn found(context: &Ports, namespace: &str) -> Result<(Vec<Service>, Vec<EndpointSlice>), ControllerError> {
    let labels = our_label();
    let (services, slices) = tokio::join!(
        context.reader.list::<Service>(Some(namespace), &labels),
        context.reader.list::<EndpointSlice>(Some(namespace), &labels)
    );
    Ok((services?, slices?))
}

fn our_label() -> String {
    format!("{}=true", label::HTTP01_SOLVER)
}

/// The addresses in these slices.
fn named(slices: &[EndpointSlice]) -> Vec<IpAddr> {
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    let addresses = endpoints.flat_map(|endpoint| &endpoint.addresses);
    addresses.filter_map(|address| address.parse().ok()).collect()
}

async fn delete_all<K>(context: &Ports, objects: Vec<K>) -> Result<(), ControllerError>
where
    K: Typed + kube::Resource + Send + Sync,
{
    let shared = objects.iter().filter(|object| is_shared(object.meta()));
    let deletions = shared.map(|object| context.writer.delete_object(object));
    futures::future::try_join_all(deletions).await?;
    Ok(())
}

fn is_shared(metadata: &ObjectMeta) -> bool {
    let owned = metadata
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.kind == "Challenge");
    let prefix = format!("{SOLVER_NAME_PREFIX}certlet");
    !owned && metadata.name.as_deref().is_some_and(|name| name.starts_with(&prefix))
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
