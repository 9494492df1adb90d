//! Which objects a change wakes: the functions for the last column of the table.

use std::sync::Arc;

use super::Seen;
use crate::{
    api::{
        Condition, GROUP, IssuerRef, condition,
        gateway::{GatewayStatus, ListenerSetStatus, ListenerStatus},
        names::annotation,
    },
    cluster::{
        index::{Change, Changed},
        issuers,
        store::{Link, Store},
        wire::Record,
    },
    controller::{Controllers, injection, order::responder_sync, signing_request},
    plan::{
        injection::{TargetId, TargetKind},
        issuer::IssuerId,
        kinds::{
            CertificateKind, ChallengeKind, GatewayKind, IngressKind, ListenerSetKind, OrderKind, RequestKind,
            SigningRequestKind,
        },
        seen::{Kind, Lean, Meta, ObjectKey},
        shim::routes,
    },
};

pub(super) fn itself(_: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    seen.key.into_iter().cloned().collect()
}

pub(super) fn itself_as_issuer(_: &Controllers, seen: &Seen<'_>) -> Vec<IssuerId> {
    seen.key.into_iter().cloned().map(IssuerId).collect()
}

fn owners<K: Kind>(meta: Option<&Meta>) -> Vec<ObjectKey> {
    meta.map(|meta| meta.owners_of_kind::<K>().collect())
        .unwrap_or_default()
}

pub(super) fn owning_ingress(_: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    owners::<IngressKind>(seen.meta)
}

pub(super) fn owning_gateway(_: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    owners::<GatewayKind>(seen.meta)
}

pub(super) fn owning_listener_set(_: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    owners::<ListenerSetKind>(seen.meta)
}

/// ListenerSets inherit annotations of their Gateway.
pub(super) fn listener_sets_of(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    let link = seen.key.map(|key| Link::Parent(GatewayKind::KIND, key.clone()));
    link.map(|link| keys(controllers.ports.index.listener_sets.linked(&link)))
        .unwrap_or_default()
}

pub(super) fn gateways_of_route(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    parents_of_route(&controllers.ports.index.gateways, seen)
}

pub(super) fn listener_sets_of_route(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    parents_of_route(&controllers.ports.index.listener_sets, seen)
}

/// The parents of this kind that a route has, or had before the change, and that take names from routes.
fn parents_of_route<K: Kind>(store: &Store<Lean<K>>, seen: &Seen<'_>) -> Vec<ObjectKey>
where
    Lean<K>: Record,
{
    let Change::HttpRoute(changed) = seen.change else {
        return Vec::new();
    };
    let parent = |link| match link {
        Link::Parent(kind, key) if kind == K::KIND => Some(key),
        Link::Parent(..)
        | Link::Owner(_)
        | Link::Secret(_)
        | Link::ConfigMap(_)
        | Link::SomeSecrets
        | Link::SomeConfigMaps
        | Link::Issuer(..)
        | Link::Certificate(_)
        | Link::SyncTo(_)
        | Link::CopyOf(_)
        | Link::Synced
        | Link::Waiting => None,
    };
    let parents = links(changed).into_iter().filter_map(parent);
    parents
        .filter(|key| store.get(key).is_some_and(|found| routes::are_wanted(&found.meta)))
        .collect()
}

pub(super) fn owning_certificate(_: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    owners::<CertificateKind>(seen.meta)
}

pub(super) fn owning_request(_: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    owners::<RequestKind>(seen.meta)
}

pub(super) fn owning_order(_: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    owners::<OrderKind>(seen.meta)
}

pub(super) fn owning_signing_request(_: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    let owners = owners::<SigningRequestKind>(seen.meta).into_iter();
    owners.map(|owner| ObjectKey::cluster(owner.name)).collect()
}

/// The Certificate reports the reason of the Order.
pub(super) fn certificate_of_order(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    certificates_of(controllers, owning_request(controllers, seen))
}

/// The Certificate reports the reason of a Challenge.
pub(super) fn certificate_of_challenge(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    let orders = owning_order(controllers, seen).into_iter();
    let requests = orders.flat_map(|order| {
        let order = controllers.ports.index.orders.get(&order);
        owners::<RequestKind>(order.as_ref().map(|order| &order.meta))
    });
    certificates_of(controllers, requests.collect())
}

fn certificates_of(controllers: &Controllers, requests: Vec<ObjectKey>) -> Vec<ObjectKey> {
    let certificates = requests.into_iter().flat_map(|request| {
        let request = controllers.ports.index.requests.get(&request);
        owners::<CertificateKind>(request.as_ref().map(|request| &request.meta))
    });
    certificates.collect()
}

/// Certificates with the same target Secret: one may have to yield, or may proceed.
pub(super) fn sharing_secrets(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    let Change::Certificate(changed) = seen.change else {
        return Vec::new();
    };
    if let (Some(old), Some(new)) = (&changed.old, &changed.new)
        && old.meta.generation == new.meta.generation
        && old.meta.uid == new.meta.uid
    {
        return Vec::new();
    }
    let secrets = links(changed)
        .into_iter()
        .filter(|link| matches!(link, Link::Secret(_)));
    secrets
        .flat_map(|secret| keys(controllers.ports.index.certificates.linked(&secret)))
        .collect()
}

/// The Orders of the Challenges that own an HTTPRoute.
pub(super) fn routed_orders(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    let challenges = owners::<ChallengeKind>(seen.meta).into_iter();
    let orders = challenges.filter_map(|challenge| {
        let challenge = controllers.ports.index.challenges.get(&challenge)?;
        owners::<OrderKind>(Some(&challenge.meta)).into_iter().next()
    });
    orders.collect()
}

/// The Orders with a Challenge whose solver attaches HTTPRoutes to this Gateway or ListenerSet.
pub(super) fn orders_of_parent(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    let (kind, matters) = if let Change::Gateway(changed) = seen.change {
        let matters = matters(changed, |gateway| {
            let GatewayStatus {
                conditions, listeners, ..
            } = gateway.status();
            reported(conditions, listeners)
        });
        (GatewayKind::KIND, matters)
    } else if let Change::ListenerSet(changed) = seen.change {
        let matters = matters(changed, |set| {
            let ListenerSetStatus { conditions, listeners } = set.status();
            reported(conditions, listeners)
        });
        (ListenerSetKind::KIND, matters)
    } else {
        return Vec::new();
    };
    let Some(parent) = seen.key.filter(|_| matters) else {
        return Vec::new();
    };
    let link = Link::Parent(kind, parent.clone());
    let challenges = controllers.ports.index.challenges.linked(&link).into_iter();
    challenges
        .flat_map(|challenge| owners::<OrderKind>(Some(&challenge.meta)))
        .collect()
}

/// Whether an object was created or deleted, or its spec or what `of` it has changed.
fn matters<K: Kind, T: PartialEq>(changed: &Changed<Lean<K>>, of: impl Fn(&Lean<K>) -> T) -> bool
where
    Lean<K>: Record,
{
    match (&changed.old, &changed.new) {
        (Some(old), Some(new)) => old.spec.get() != new.spec.get() || of(old) != of(new),
        (None, _) | (_, None) => true,
    }
}

/// What the status of a Gateway or ListenerSet says of it, and of each listener.
fn reported(
    conditions: Vec<Condition>,
    listeners: Vec<ListenerStatus>,
) -> (Vec<Condition>, Vec<(String, Vec<Condition>)>) {
    let listeners = listeners
        .into_iter()
        .map(|ListenerStatus { name, conditions, .. }| (name, facts(conditions)));
    (facts(conditions), listeners.collect())
}

/// Conditions without times and generations: a controller that only renews these says nothing new.
fn facts(mut conditions: Vec<Condition>) -> Vec<Condition> {
    for condition in &mut conditions {
        condition.last_transition_time = None;
        condition.observed_generation = None;
    }
    conditions
}

pub(super) fn owned_orders(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    let owner = seen.meta.map(|meta| Link::Owner(meta.uid.clone()));
    owner
        .map(|owner| keys(controllers.ports.index.orders.linked(&owner)))
        .unwrap_or_default()
}

pub(super) fn answers(controllers: &Arc<Controllers>, seen: &Seen<'_>) {
    if let Change::Order(changed) = seen.change {
        responder_sync::changed(&controllers.orders, changed.old.as_deref(), changed.new.as_deref());
    }
}

/// An Order counts only while its request is approved.
pub(super) fn answers_of_orders(controllers: &Arc<Controllers>, seen: &Seen<'_>) {
    for order in owned_orders(controllers, seen) {
        responder_sync::resync(&controllers.orders, &order);
    }
}

pub(super) fn answers_of_issuer(controllers: &Arc<Controllers>, seen: &Seen<'_>) {
    for order in orders_of_issuer(controllers, seen) {
        responder_sync::resync(&controllers.orders, &order);
    }
}

fn link_to_issuer(seen: &Seen<'_>) -> Option<Link> {
    let id = IssuerId(seen.key?.clone());
    Some(Link::Issuer(id.kind().into(), GROUP.into(), id.0))
}

pub(super) fn requests_of_issuer(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    link_to_issuer(seen)
        .map(|link| keys(controllers.ports.index.requests.linked(&link)))
        .unwrap_or_default()
}

pub(super) fn orders_of_issuer(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    link_to_issuer(seen)
        .map(|link| keys(controllers.ports.index.orders.linked(&link)))
        .unwrap_or_default()
}

pub(super) fn certificates_of_issuer(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    link_to_issuer(seen)
        .map(|link| unready(controllers, &link))
        .unwrap_or_default()
}

/// Certificates whose target Secret is, or was before an edit, a Secret of the issuer.
pub(super) fn stored_at_issuer(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    let links = if let Change::Issuer(changed) = seen.change {
        links(changed)
    } else if let Change::ClusterIssuer(changed) = seen.change {
        links(changed)
    } else {
        Vec::new()
    };
    let secrets = links.into_iter().filter_map(|link| match link {
        Link::Secret(secret) if secret.namespace.is_empty() => {
            let namespace = controllers.ports.settings.cluster_resource_namespace.as_str();
            Some(Link::Secret(ObjectKey::new(namespace, secret.name)))
        }
        Link::Secret(_) => Some(link),
        Link::Owner(_)
        | Link::ConfigMap(_)
        | Link::SomeSecrets
        | Link::SomeConfigMaps
        | Link::Issuer(..)
        | Link::Certificate(_)
        | Link::Parent(..)
        | Link::SyncTo(_)
        | Link::CopyOf(_)
        | Link::Synced
        | Link::Waiting => None,
    });
    secrets.flat_map(|secret| unready(controllers, &secret)).collect()
}

/// The links of a record, before and after the change.
fn links<R: Record>(changed: &Changed<R>) -> Vec<Link> {
    let records = changed.old.iter().chain(&changed.new);
    records.flat_map(|record| record.links()).collect()
}

/// Only a Certificate that is not ready can wait for its issuer.
fn unready(controllers: &Controllers, link: &Link) -> Vec<ObjectKey> {
    let waits = |certificate: &Arc<Lean<CertificateKind>>| {
        let conditions = certificate.status().conditions;
        !condition::is_true(&conditions, "Ready") || condition::is_true(&conditions, "Issuing")
    };
    keys(
        controllers
            .ports
            .index
            .certificates
            .linked(link)
            .into_iter()
            .filter(waits)
            .collect(),
    )
}

pub(super) fn pair(controllers: &Arc<Controllers>, seen: &Seen<'_>) {
    if let Some(secret) = seen.key {
        controllers.services.signing.forget_secret(secret);
    }
}

pub(super) fn naming_secret(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    link_to_secret(seen)
        .map(|link| keys(controllers.ports.index.certificates.linked(&link)))
        .unwrap_or_default()
}

pub(super) fn requests_of_secret(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    link_to_secret(seen)
        .map(|link| keys(controllers.ports.index.requests.linked(&link)))
        .unwrap_or_default()
}

fn link_to_secret(seen: &Seen<'_>) -> Option<Link> {
    seen.key.cloned().map(Link::Secret)
}

/// The issuers that read this Secret.
pub(super) fn issuers_of_secret(controllers: &Controllers, seen: &Seen<'_>) -> Vec<IssuerId> {
    let Some(secret) = seen.key else { return Vec::new() };
    issuers::that_name(
        &controllers.ports.index,
        secret,
        &controllers.ports.settings.cluster_resource_namespace,
    )
}

pub(super) fn rotating(controllers: &Controllers, seen: &Seen<'_>) -> Vec<IssuerId> {
    let Some(meta) = seen.meta else { return Vec::new() };
    let value = |key: &str| meta.annotations.get(key).map(str::to_owned);
    let Some(name) = value(annotation::ISSUER_NAME) else {
        return Vec::new();
    };
    let reference = IssuerRef {
        name,
        kind: value(annotation::ISSUER_KIND),
        group: value(annotation::ISSUER_GROUP),
    };
    let issuer =
        IssuerId::of(&reference, meta.namespace()).filter(|id| controllers.services.rotations.of(id).is_some());
    issuer.into_iter().collect()
}

pub(super) fn every_issuer(controllers: &Controllers, _: &Seen<'_>) -> Vec<IssuerId> {
    issuers::all(&controllers.ports.index)
}

pub(super) fn itself_as_target(_: &Controllers, seen: &Seen<'_>) -> Vec<TargetId> {
    let kind = if let Change::ValidatingWebhook(_) = seen.change {
        TargetKind::ValidatingWebhook
    } else if let Change::MutatingWebhook(_) = seen.change {
        TargetKind::MutatingWebhook
    } else if let Change::ApiService(_) = seen.change {
        TargetKind::ApiService
    } else if let Change::Definition(_) = seen.change {
        TargetKind::Definition
    } else {
        return Vec::new();
    };
    let name = seen.key.map(|key| Arc::clone(&key.name));
    name.map(|name| TargetId { kind, name }).into_iter().collect()
}

pub(super) fn getting_ca_of_certificate(controllers: &Controllers, seen: &Seen<'_>) -> Vec<TargetId> {
    let certificate = seen.key.cloned().map(Link::Certificate);
    certificate
        .map(|link| injection::linked(&controllers.ports.index, &link))
        .unwrap_or_default()
}

/// Targets that name the Secret, and those that name a Certificate with this Secret.
pub(super) fn getting_ca_of_secret(controllers: &Controllers, seen: &Seen<'_>) -> Vec<TargetId> {
    let Some(secret) = link_to_secret(seen) else {
        return Vec::new();
    };
    let index = &controllers.ports.index;
    if injection::is_idle(index) {
        return Vec::new();
    }
    let mut found = injection::linked(index, &secret);
    for certificate in keys(index.certificates.linked(&secret)) {
        found.extend(injection::linked(index, &Link::Certificate(certificate)));
    }
    found
}

/// Targets are read whole, and may be large. The watch of labelled Secrets reports what changed in those.
pub(super) fn getting_ca_of_unlabelled(controllers: &Controllers, _: &Seen<'_>) -> Vec<TargetId> {
    injection::unlabelled(&controllers.ports.index)
}

/// Kubernetes CSRs are few and have no links.
pub(super) fn waiting(controllers: &Controllers, _: &Seen<'_>) -> Vec<ObjectKey> {
    signing_request::waiting(&controllers.ports.index)
}

pub(super) fn keys<R: Record>(records: Vec<Arc<R>>) -> Vec<ObjectKey> {
    records.into_iter().map(|record| record.meta().key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Condition, ListenerStatus, reported};

    #[test]
    fn a_condition_with_another_time_or_generation_is_the_same_and_one_with_another_reason_is_not() {
        let of = |time: &str, generation: i64, reason: &str| {
            let condition: Condition = serde_json::from_value(json!({
                "type": "Accepted", "status": "True", "reason": reason, "message": "m",
                "lastTransitionTime": time, "observedGeneration": generation,
            }))
            .unwrap();
            let listener = ListenerStatus {
                name: "http".to_owned(),
                attached_routes: 0,
                conditions: vec![condition],
            };
            reported(Vec::new(), vec![listener])
        };
        let first = of("2026-11-30T08:00:00Z", 1, "Accepted");
        assert_eq!(first, of("2026-11-30T08:00:05Z", 2, "Accepted"));
        assert_ne!(first, of("2026-11-30T08:00:00Z", 1, "Programmed"));
    }
}
