//! What wakes what: the table [`ROWS`], which is also in `docs/architecture.md`.

mod bundles;
mod copied;
mod find;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use self::copied::{copies_into, copies_of_certificate, copies_of_secret, every_copy};
use self::find::{
    answers, answers_of_issuer, answers_of_orders, certificate_of_challenge, certificate_of_order,
    certificates_of_issuer, every_issuer, gateways_of_route, getting_ca_of_certificate, getting_ca_of_secret,
    getting_ca_of_unlabelled, issuers_of_secret, itself, itself_as_issuer, itself_as_target, listener_sets_of,
    listener_sets_of_route, naming_secret, orders_of_issuer, orders_of_parent, owned_orders, owning_certificate,
    owning_gateway, owning_ingress, owning_listener_set, owning_order, owning_request, owning_signing_request, pair,
    requests_of_issuer, requests_of_secret, rotating, routed_orders, sharing_secrets, stored_at_issuer, waiting,
};
use super::Controllers;
use crate::{
    cluster::index::Change,
    plan::{
        injection::TargetId,
        issuer::IssuerId,
        seen::{Meta, ObjectKey},
    },
    work::{Key, Queue},
};

/// Delay between a change and the reconcile of an object of which thousands may change at once: the leaves of an issuer whose CA gets another key
/// pair, the routes of a Gateway.
const LATER: Duration = Duration::from_secs(1);

/// The kind that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Certificate,
    Request,
    Order,
    Challenge,
    Issuer,
    Ingress,
    Gateway,
    ListenerSet,
    HttpRoute,
    Secret,
    UnlabelledSecret,
    UnlabelledSecrets,
    SigningRequest,
    InjectionTarget,
    Bundle,
    Namespace,
    ConfigMap,
    ConfigMaps,
}

/// Finds the objects to reconcile.
type Find<K> = fn(&Controllers, &Seen<'_>) -> Vec<K>;

/// The queue for what was found, or another consumer.
enum Target {
    Certificates(Find<ObjectKey>),
    Requests(Find<ObjectKey>),
    Orders(Find<ObjectKey>),
    Issuers(Find<IssuerId>),
    IssuersLater(Find<IssuerId>),
    Ingresses(Find<ObjectKey>),
    Gateways(Find<ObjectKey>),
    GatewaysLater(Find<ObjectKey>),
    ListenerSets(Find<ObjectKey>),
    ListenerSetsLater(Find<ObjectKey>),
    Renewals(Find<ObjectKey>),
    SigningRequests(Find<ObjectKey>),
    /// Orders, whose failed self-checks are repeated now.
    Checks(Find<ObjectKey>),
    Injections(Find<TargetId>),
    Copies(Find<ObjectKey>),
    Bundles(Find<ObjectKey>),
    /// The responder, on every replica.
    Responder(fn(&Arc<Controllers>, &Seen<'_>)),
    /// Key pairs of CAs in memory, on every replica.
    Authorities(fn(&Arc<Controllers>, &Seen<'_>)),
}

/// A row: a change of one of these kinds wakes the consumer.
struct Row(
    &'static [Source],
    Target,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers, and for the map of the house"))] &'static str,
);

use Source::{
    Bundle, Certificate, Challenge, ConfigMap, ConfigMaps, Gateway, HttpRoute, Ingress, InjectionTarget, Issuer,
    ListenerSet, Namespace, Order, Request, Secret, SigningRequest, UnlabelledSecret, UnlabelledSecrets,
};
use Target::{
    Authorities, Bundles, Certificates, Checks, Copies, Gateways, GatewaysLater, Ingresses, Injections, Issuers,
    IssuersLater, ListenerSets, ListenerSetsLater, Orders, Renewals, Requests, Responder, SigningRequests,
};

/// The text of the third column.
const ROWS: &[Row] = &[
    Row(&[Certificate], Certificates(itself), "itself"),
    Row(&[Certificate], Renewals(itself), "itself"),
    Row(&[Certificate], Ingresses(owning_ingress), "the one that owns it"),
    Row(&[Certificate], Gateways(owning_gateway), "the one that owns it"),
    Row(
        &[Certificate],
        ListenerSets(owning_listener_set),
        "the one that owns it",
    ),
    Row(
        &[Certificate],
        Certificates(sharing_secrets),
        "those that name the same Secrets, unless only its status changed",
    ),
    Row(&[Request], Requests(itself), "itself"),
    Row(&[Request], Certificates(owning_certificate), "the one that owns it"),
    Row(
        &[Request, SigningRequest],
        Responder(answers_of_orders),
        "what it answers for its Orders",
    ),
    Row(&[Request, SigningRequest], Orders(owned_orders), "those that it owns"),
    Row(&[SigningRequest], SigningRequests(itself), "itself"),
    Row(&[Order], Responder(answers), "what it answers for it"),
    Row(&[Order], Orders(itself), "itself"),
    Row(
        &[Order],
        SigningRequests(owning_signing_request),
        "the one that owns it",
    ),
    Row(&[Order], Requests(owning_request), "the one that owns it"),
    Row(
        &[Order],
        Certificates(certificate_of_order),
        "the one that owns its request",
    ),
    Row(&[Challenge], Orders(owning_order), "the one that owns it"),
    Row(
        &[Challenge],
        Certificates(certificate_of_challenge),
        "the one that owns the request of its Order",
    ),
    Row(&[Issuer], Issuers(itself_as_issuer), "itself"),
    Row(&[Issuer], SigningRequests(waiting), "those that wait"),
    Row(&[Issuer], Requests(requests_of_issuer), "unfinished ones that name it"),
    Row(
        &[Issuer],
        Responder(answers_of_issuer),
        "what it answers for Orders that name it",
    ),
    Row(&[Issuer], Orders(orders_of_issuer), "those that name it"),
    Row(
        &[Issuer],
        Certificates(certificates_of_issuer),
        "those that name it and are not ready, or are being issued",
    ),
    Row(
        &[Issuer],
        Certificates(stored_at_issuer),
        "those whose Secret it names now or named before, under the same condition",
    ),
    Row(&[Ingress], Ingresses(itself), "itself"),
    Row(&[HttpRoute], Checks(routed_orders), "those whose challenges own it"),
    Row(
        &[Gateway, ListenerSet],
        Checks(orders_of_parent),
        "those with a solver for HTTPRoutes that names it, unless only addresses or the number of its routes changed",
    ),
    Row(&[Gateway], Gateways(itself), "itself"),
    Row(
        &[Gateway],
        ListenerSets(listener_sets_of),
        "those that add listeners to it",
    ),
    Row(&[ListenerSet], ListenerSets(itself), "itself"),
    Row(
        &[HttpRoute],
        GatewaysLater(gateways_of_route),
        "those that it is, or was, attached to and that take names from routes; a second later",
    ),
    Row(
        &[HttpRoute],
        ListenerSetsLater(listener_sets_of_route),
        "those that it is, or was, attached to and that take names from routes; a second later",
    ),
    Row(&[Secret, UnlabelledSecret], Authorities(pair), "the key pair in it"),
    Row(&[Secret, UnlabelledSecret], SigningRequests(waiting), "those that wait"),
    Row(
        &[Secret, UnlabelledSecret],
        Certificates(naming_secret),
        "those that name it",
    ),
    Row(
        &[Secret, UnlabelledSecret],
        Renewals(naming_secret),
        "those that name it",
    ),
    Row(
        &[Secret, UnlabelledSecret],
        Requests(requests_of_secret),
        "unfinished ones whose key is in it",
    ),
    Row(
        &[Secret, UnlabelledSecret],
        Issuers(issuers_of_secret),
        "those that name it",
    ),
    Row(
        &[Secret],
        IssuersLater(rotating),
        "the one that signed it, if its CA gets another key pair; a second later",
    ),
    Row(&[Secret], Certificates(owning_certificate), "the one that owns it"),
    Row(&[UnlabelledSecrets], Issuers(every_issuer), "all"),
    Row(&[InjectionTarget], Injections(itself_as_target), "itself"),
    Row(
        &[Certificate],
        Injections(getting_ca_of_certificate),
        "those into which its CA is injected",
    ),
    Row(
        &[Secret, UnlabelledSecret],
        Injections(getting_ca_of_secret),
        "those into which the CA in it is injected",
    ),
    Row(
        &[UnlabelledSecrets],
        Injections(getting_ca_of_unlabelled),
        "those whose CA is in a Secret without our label",
    ),
    Row(
        &[Certificate],
        Copies(copies_of_certificate),
        "its own, and those that other Certificates request in its namespace, unless only its status changed",
    ),
    Row(&[Namespace], Copies(copies_into), "those in it"),
    Row(
        &[Secret, UnlabelledSecret],
        Copies(copies_of_secret),
        "those of it, it itself, those that it accepts or whose name it has",
    ),
    Row(&[UnlabelledSecrets], Copies(every_copy), "all"),
    Row(&[Bundle], Bundles(itself), "itself"),
    Row(
        &[Namespace],
        Bundles(bundles::of_namespace),
        "those that have targets in it, or had, if it is new, or its labels changed, or it is being deleted",
    ),
    Row(
        &[Secret, UnlabelledSecret],
        Bundles(bundles::of_secret),
        "those that may read it, and the one of its name",
    ),
    Row(&[UnlabelledSecrets], Bundles(bundles::every), "all"),
    Row(
        &[ConfigMap],
        Bundles(bundles::of_config_map),
        "those that may read it, and the one of its name",
    ),
    Row(&[ConfigMaps], Bundles(bundles::every), "all"),
];

/// A change, as the functions of the table see it.
struct Seen<'a> {
    change: &'a Change,
    key: Option<&'a ObjectKey>,
    /// `None` if only the name is known.
    meta: Option<&'a Meta>,
}

/// Wakes everything that the table lists. While this process does not lead, queues are paused; they start with the index.
/// Therefore only rows for every replica apply to kinds of which there are thousands at startup.
pub(super) fn wake(controllers: &Arc<Controllers>, change: &Change) {
    let (source, meta) = split(change);
    let key = if let Change::UnlabelledSecret(key) | Change::ConfigMap(key) = change {
        Some(key)
    } else {
        meta.map(|meta| &meta.key)
    };
    let seen = Seen { change, key, meta };
    let many = matches!(
        source,
        Certificate
            | Ingress
            | Gateway
            | ListenerSet
            | HttpRoute
            | Request
            | SigningRequest
            | Secret
            | Namespace
            | ConfigMap
    );
    let only_replicas = many && controllers.ports.queues.issuers.is_paused();
    for Row(sources, target, _) in ROWS {
        if sources.contains(&source) && (target.is_for_replicas() || !only_replicas) {
            target.wake(controllers, &seen);
        }
    }
}

impl Target {
    fn wake(&self, controllers: &Arc<Controllers>, seen: &Seen<'_>) {
        let queues = &controllers.ports.queues;
        match self {
            Responder(notify) | Authorities(notify) => notify(controllers, seen),
            Certificates(find) => add(&queues.certificates, find(controllers, seen)),
            Requests(find) => add(&queues.requests, find(controllers, seen)),
            Orders(find) => add(&queues.orders, find(controllers, seen)),
            Checks(find) => {
                let mut found = find(controllers, seen);
                found.sort();
                found.dedup();
                controllers.orders.reconsider(&found);
                add(&queues.orders, found);
            }
            Issuers(find) => add(&queues.issuers, find(controllers, seen)),
            IssuersLater(find) => add_later(&queues.issuers, find(controllers, seen)),
            GatewaysLater(find) => add_later(&queues.gateways, find(controllers, seen)),
            ListenerSetsLater(find) => add_later(&queues.listener_sets, find(controllers, seen)),
            Ingresses(find) => add(&queues.ingresses, find(controllers, seen)),
            Gateways(find) => add(&queues.gateways, find(controllers, seen)),
            ListenerSets(find) => add(&queues.listener_sets, find(controllers, seen)),
            Renewals(find) => add(&queues.renewal_polls, find(controllers, seen)),
            SigningRequests(find) => add(&queues.signing_requests, find(controllers, seen)),
            Injections(find) => add(&queues.injections, find(controllers, seen)),
            Copies(find) => add(&queues.copies, find(controllers, seen)),
            Bundles(find) => add(&queues.bundles, find(controllers, seen)),
        }
    }

    /// Whether the row applies on every replica, not only on the leader.
    const fn is_for_replicas(&self) -> bool {
        matches!(self, Responder(_) | Authorities(_))
    }

    /// The name in `docs/architecture.md`.
    #[cfg(test)]
    const fn name(&self) -> &'static str {
        match self {
            Certificates(_) => "Certificates",
            Requests(_) => "CertificateRequests",
            Orders(_) => "Orders",
            Checks(_) => "self-checks of Orders",
            Issuers(_) | IssuersLater(_) => "Issuers, ClusterIssuers",
            Ingresses(_) => "Ingresses",
            Gateways(_) | GatewaysLater(_) => "Gateways",
            ListenerSets(_) | ListenerSetsLater(_) => "ListenerSets",
            Renewals(_) => "polls of renewal information",
            SigningRequests(_) => "CertificateSigningRequests",
            Injections(_) => "targets of CAs",
            Copies(_) => "copies of Secrets",
            Bundles(_) => "Bundles",
            Responder(_) => "the responder, on every replica",
            Authorities(_) => "CA keys in memory, on every replica",
        }
    }
}

fn add_later<K: Key>(queue: &Queue<K>, found: Vec<K>) {
    for key in found {
        queue.add_after(key, LATER);
    }
}

fn add<K: Key>(queue: &Queue<K>, found: Vec<K>) {
    for key in found {
        queue.add(key);
    }
}

/// The kind of a change, and the metadata of the new object, or of the deleted one.
fn split(change: &Change) -> (Source, Option<&Meta>) {
    match change {
        Change::Certificate(changed) => (Certificate, changed.meta()),
        Change::Request(changed) => (Request, changed.meta()),
        Change::Order(changed) => (Order, changed.meta()),
        Change::Challenge(changed) => (Challenge, changed.meta()),
        Change::Issuer(changed) => (Issuer, changed.meta()),
        Change::ClusterIssuer(changed) => (Issuer, changed.meta()),
        Change::Ingress(changed) => (Ingress, changed.meta()),
        Change::Gateway(changed) => (Gateway, changed.meta()),
        Change::ListenerSet(changed) => (ListenerSet, changed.meta()),
        Change::HttpRoute(changed) => (HttpRoute, changed.meta()),
        Change::Secret(changed) => (Secret, changed.meta()),
        Change::UnlabelledSecret(_) => (UnlabelledSecret, None),
        Change::UnlabelledSecrets => (UnlabelledSecrets, None),
        Change::SigningRequest(changed) => (SigningRequest, changed.meta()),
        Change::ValidatingWebhook(changed) => (InjectionTarget, changed.meta()),
        Change::MutatingWebhook(changed) => (InjectionTarget, changed.meta()),
        Change::ApiService(changed) => (InjectionTarget, changed.meta()),
        Change::Definition(changed) => (InjectionTarget, changed.meta()),
        Change::Bundle(changed) => (Bundle, changed.meta()),
        Change::Namespace(changed) => (Namespace, changed.meta()),
        Change::ConfigMap(_) => (ConfigMap, None),
        Change::ConfigMaps => (ConfigMaps, None),
    }
}
