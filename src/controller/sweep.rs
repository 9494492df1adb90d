//! Clean-up of left-over objects of challenges: when leadership begins, and hourly.

use std::{collections::HashSet, time::Duration};

use futures::future::join_all;
use k8s_openapi::api::{
    core::v1::{Pod, Service},
    discovery::v1::EndpointSlice,
    networking::v1::Ingress,
};
use kube::{Resource, ResourceExt, core::NamespaceResourceScope};

use super::{ControllerError, Ports};
use crate::{
    api::{gateway::HttpRoute, names::label, order::State},
    cluster::objects::Typed,
    plan::settings::SolverMode,
    solver::{
        objects::{Found, FoundKind, InFlight, Stray, strays},
        token::CHALLENGE_PREFIX,
    },
};

/// Interval between clean-ups.
const INTERVAL: Duration = Duration::from_secs(3600);
/// Interval at which the end of leadership is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Cleans up now and then hourly, while this process leads.
pub(crate) async fn hourly(ports: Ports) {
    while ports.writer.leads() {
        match sweep(&ports).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed left-over objects of finished challenges"),
            Err(error) => tracing::warn!("cannot list left-over objects of challenges: {error}"),
        }
        let mut waited = Duration::ZERO;
        while waited < INTERVAL && ports.writer.leads() {
            tokio::time::sleep(CHECK_INTERVAL).await;
            waited += CHECK_INTERVAL;
        }
    }
}

/// Removes every left-over object once. Returns their number.
///
/// # Errors
/// If the objects cannot be listed. A failed removal is logged, and retried by the next clean-up.
pub(crate) async fn sweep(ports: &Ports) -> Result<usize, ControllerError> {
    let strays = left_behind(ports, ports.settings.namespace.as_deref()).await?;
    let removals = strays.iter().map(|stray| remove(ports, stray));
    let removed = join_all(removals).await;
    for error in removed.iter().filter_map(|removed| removed.as_ref().err()) {
        tracing::warn!("cannot remove a left-over object of a finished challenge: {error}");
    }
    Ok(removed.iter().filter(|removed| removed.is_ok()).count())
}

/// The left-over objects, in one namespace or in all.
///
/// # Errors
/// If the objects cannot be listed.
pub(crate) async fn left_behind(ports: &Ports, namespace: Option<&str>) -> Result<Vec<Stray>, ControllerError> {
    let mut found = list::<Ingress>(ports, namespace, FoundKind::Ingress).await?;
    if ports.settings.gateway.enabled {
        found.extend(routes(ports, namespace).await?);
    }
    found.extend(list::<Service>(ports, namespace, FoundKind::Service).await?);
    found.extend(list::<EndpointSlice>(ports, namespace, FoundKind::EndpointSlice).await?);
    if ports.settings.http01.mode == SolverMode::Pod {
        found.extend(list::<Pod>(ports, namespace, FoundKind::Pod).await?);
    }
    let edited = edited(ports).await;
    // Orders are read after the lists, so that new objects are not taken for left-overs
    Ok(strays(found, &edited, &in_flight(ports)))
}

async fn list<K>(ports: &Ports, namespace: Option<&str>, kind: FoundKind) -> Result<Vec<Found>, ControllerError>
where
    K: Typed + Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let labels = format!("{}=true", label::HTTP01_SOLVER);
    let objects = ports.reader.list::<K>(namespace, &labels).await?;
    let found = |object: K| Found {
        kind,
        metadata: object.meta().clone(),
    };
    Ok(objects.into_iter().map(found).collect())
}

/// The temporary HTTPRoutes; none if the API server does not know the kind.
async fn routes(ports: &Ports, namespace: Option<&str>) -> Result<Vec<Found>, ControllerError> {
    match list::<HttpRoute>(ports, namespace, FoundKind::HttpRoute).await {
        Err(ControllerError::Cluster(error)) if error.is_not_found() => Ok(Vec::new()),
        found => found,
    }
}

/// Ingresses of users that contain challenge paths.
async fn edited(ports: &Ports) -> Vec<Ingress> {
    let mut ingresses = Vec::new();
    for ingress in ports.index.ingresses.all() {
        if ingress.meta.labels.contains(label::HTTP01_SOLVER) || !ingress.spec.get().contains(CHALLENGE_PREFIX) {
            continue;
        }
        match ports.reader.object::<Ingress>(&ingress.meta.key).await {
            Ok(live) => ingresses.extend(live),
            Err(error) => tracing::warn!("{error}"),
        }
    }
    ingresses
}

/// The unfinished Orders in the index, with their Challenges and tokens.
fn in_flight(ports: &Ports) -> InFlight {
    let mut in_flight = InFlight::default();
    let mut orders: HashSet<Box<str>> = HashSet::new();
    for order in ports.index.orders.all() {
        let status = order.status();
        if status.state.is_some_and(State::is_final) {
            continue;
        }
        let namespace = order.meta.namespace().to_owned();
        let offered = status
            .authorizations
            .iter()
            .flat_map(|authorization| &authorization.challenges);
        in_flight
            .tokens
            .extend(offered.map(|challenge| (namespace.clone(), challenge.token.clone())));
        in_flight.namespaces.insert(namespace);
        orders.insert(order.meta.uid.clone());
    }
    for challenge in ports.index.challenges.all() {
        if challenge.meta.owners.iter().any(|owner| orders.contains(&owner.uid)) {
            in_flight.challenges.insert(challenge.meta.uid.to_string());
        }
    }
    in_flight
}

async fn remove(ports: &Ports, stray: &Stray) -> Result<(), ControllerError> {
    match stray {
        Stray::Edit(ingress) => {
            ports.writer.replace_object(&**ingress).await?;
        }
        Stray::Delete(found) => match found.kind {
            FoundKind::Ingress => delete::<Ingress>(ports, found).await?,
            FoundKind::HttpRoute => delete::<HttpRoute>(ports, found).await?,
            FoundKind::Service => delete::<Service>(ports, found).await?,
            FoundKind::EndpointSlice => delete::<EndpointSlice>(ports, found).await?,
            FoundKind::Pod => delete::<Pod>(ports, found).await?,
        },
    }
    Ok(())
}

async fn delete<K: Typed + Default>(ports: &Ports, found: &Found) -> Result<(), ControllerError> {
    let mut object = K::default();
    *object.meta_mut() = found.metadata.clone();
    tracing::debug!(
        namespace = object.namespace(),
        name = object.name_any(),
        "deleting a left-over object of a finished challenge"
    );
    Ok(ports.writer.delete_object(&object).await?)
}
