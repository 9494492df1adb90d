//! Who has to look when something changed.

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use super::{context::Context, order::responder_sync};
use crate::{
    api::{IssuerRef, names::annotation},
    cluster::{
        index::{Change, Changed, Index, Observer},
        issuers,
        store::Link,
        wire::Record,
    },
    plan::{
        issuer::IssuerId,
        kinds::{CertificateKind, ChallengeKind},
        seen::{Kind, Lean, Meta, ObjectKey, RequestSeen},
        signing_request::SigningRequestKind,
    },
};

/// How long after a leaf the issuer is looked at whose CA gets another key pair.
const LEAVES_LATER: Duration = Duration::from_secs(1);

/// Tells the queues of a context about changes. Made before the context, which needs what it makes.
#[derive(Clone, Default)]
pub struct Router {
    context: Arc<OnceLock<Weak<Context>>>,
}

impl Router {
    /// Changes are routed from now on; before, they are only in the index.
    pub fn attach(&self, context: &Arc<Context>) {
        // a second call changes nothing: there is one context per process
        drop(self.context.set(Arc::downgrade(context)));
    }

    /// What watches and writes tell.
    pub fn observer(&self) -> Observer {
        let context = Arc::clone(&self.context);
        Arc::new(move |change| {
            if let Some(context) = context.get().and_then(Weak::upgrade) {
                route(&context, &change);
            }
        })
    }
}

fn route(context: &Arc<Context>, change: &Change) {
    let queues = &context.queues;
    if queues.issuers.is_paused() && keeps_up(context, change) {
        return;
    }
    match change {
        Change::Certificate(changed) => certificate(context, changed),
        Change::Request(changed) => request(context, changed),
        Change::Order(changed) => {
            responder_sync::changed(context, changed.old.as_deref(), changed.new.as_deref());
            each_key(changed, |key| queues.orders.add(key));
            owners(changed.meta(), SigningRequestKind::KIND, |key| {
                queues.signing_requests.add(ObjectKey::cluster(key.name));
            });
            owners(changed.meta(), "CertificateRequest", |key| {
                queues.requests.add(key.clone());
                // the Certificate tells what the Order says
                if let Some(request) = context.index.requests.get(&key) {
                    owners(Some(&request.meta), "Certificate", |key| queues.certificates.add(key));
                }
            });
        }
        Change::Challenge(changed) => challenge(context, changed),
        Change::Issuer(changed) => {
            issuer(context, changed.meta(), "Issuer");
            secrets_of_issuer(context, changed);
        }
        Change::ClusterIssuer(changed) => {
            issuer(context, changed.meta(), "ClusterIssuer");
            secrets_of_issuer(context, changed);
        }
        Change::Ingress(changed) => each_key(changed, |key| queues.ingresses.add(key)),
        Change::Secret(changed) => {
            if let Some(meta) = changed.meta() {
                secret(context, &meta.key);
                leaf_of_rotating(context, meta);
                owners(Some(meta), "Certificate", |key| queues.certificates.add(key));
            }
        }
        Change::UnlabelledSecret(key) => secret(context, key),
        Change::SigningRequest(changed) => {
            each_key(changed, |key| queues.signing_requests.add(key));
            if let Some(meta) = changed.meta() {
                orders_of(context, &meta.uid);
            }
        }
        // account keys and CAs are what certlet reads of them for good
        Change::UnlabelledSecrets => issuers::all(&context.index)
            .into_iter()
            .for_each(|issuer| queues.issuers.add(issuer)),
    }
}

/// What a process needs that does not lead, or not yet: its queues take nothing, and begin with [`everything`]. A start has
/// thousands of these changes to take in; says whether that is all there is to do. Nothing is lost between: the queues are
/// asked after the change is in the index, and filled from the index after they were opened.
fn keeps_up(context: &Arc<Context>, change: &Change) -> bool {
    match change {
        Change::Certificate(_) | Change::Ingress(_) => true,
        Change::Request(changed) => {
            if let Some(meta) = changed.meta() {
                orders_of(context, &meta.uid);
            }
            true
        }
        Change::SigningRequest(changed) => {
            if let Some(meta) = changed.meta() {
                orders_of(context, &meta.uid);
            }
            true
        }
        Change::Secret(changed) => {
            if let Some(meta) = changed.meta() {
                context.signing.authorities.forget(&meta.key);
            }
            true
        }
        Change::Order(_)
        | Change::Challenge(_)
        | Change::Issuer(_)
        | Change::ClusterIssuer(_)
        | Change::UnlabelledSecret(_)
        | Change::UnlabelledSecrets => false,
    }
}

fn certificate(context: &Context, changed: &Changed<Lean<CertificateKind>>) {
    each_key(changed, |key| {
        context.queues.certificates.add(key.clone());
        context.queues.renewals.add(key);
    });
    owners(changed.meta(), "Ingress", |key| context.queues.ingresses.add(key));
    if is_status_only(changed) {
        return;
    }
    // who shares the target Secret may have to step back, or may step in; who owns a request of ours is told as well
    for record in [&changed.old, &changed.new].into_iter().flatten() {
        for link in record.links() {
            if matches!(link, Link::Secret(_)) {
                for other in context.index.certificates.linked(&link) {
                    context.queues.certificates.add(other.meta.key.clone());
                }
            }
        }
    }
}

fn is_status_only<K: Kind>(changed: &Changed<Lean<K>>) -> bool {
    match (&changed.old, &changed.new) {
        (Some(old), Some(new)) => old.meta.generation == new.meta.generation && old.meta.uid == new.meta.uid,
        _ => false,
    }
}

fn request(context: &Arc<Context>, changed: &Changed<RequestSeen>) {
    each_key(changed, |key| context.queues.requests.add(key));
    owners(changed.meta(), "Certificate", |key| {
        context.queues.certificates.add(key);
    });
    if let Some(meta) = changed.meta() {
        orders_of(context, &meta.uid);
    }
}

/// An Order counts only while its request is approved: those of the request with this uid look again.
pub fn orders_of(context: &Arc<Context>, uid: &str) {
    for order in context.index.orders.linked(&Link::Owner(uid.into())) {
        responder_sync::look_again(context, &order.meta.key);
        context.queues.orders.add(order.meta.key.clone());
    }
}

fn challenge(context: &Context, changed: &Changed<Lean<ChallengeKind>>) {
    owners(changed.meta(), "Order", |key| {
        context.queues.orders.add(key.clone());
        // the Certificate tells what keeps a Challenge waiting
        let order = context.index.orders.get(&key);
        owners(order.as_ref().map(|order| &order.meta), "CertificateRequest", |key| {
            let request = context.index.requests.get(&key);
            owners(request.as_ref().map(|request| &request.meta), "Certificate", |key| {
                context.queues.certificates.add(key);
            });
        });
    });
}

fn issuer(context: &Arc<Context>, meta: Option<&Meta>, kind: &str) {
    let Some(meta) = meta else { return };
    context.queues.issuers.add(IssuerId(meta.key.clone()));
    waiting_look_again(context);
    let link = Link::Issuer(kind.into(), crate::api::GROUP.into(), meta.key.clone());
    for request in context.index.requests.linked(&link) {
        context.queues.requests.add(request.meta.key.clone());
    }
    for order in context.index.orders.linked(&link) {
        responder_sync::look_again(context, &order.meta.key);
        context.queues.orders.add(order.meta.key.clone());
    }
    for certificate in context.index.certificates.linked(&link) {
        if waits(&certificate) {
            context.queues.certificates.add(certificate.meta.key.clone());
        }
    }
}

/// Certificates that are to be stored where an issuer keeps something, or kept it before it was edited.
fn secrets_of_issuer<R: Record>(context: &Context, changed: &Changed<R>) {
    for record in changed.old.iter().chain(&changed.new) {
        let links = record.links().into_iter();
        for secret in links.filter_map(|link| if let Link::Secret(key) = link { Some(key) } else { None }) {
            let secret = if secret.namespace.is_empty() {
                ObjectKey::new(context.settings.cluster_resource_namespace.as_str(), secret.name)
            } else {
                secret
            };
            for certificate in context.index.certificates.linked(&Link::Secret(secret)) {
                if waits(&certificate) {
                    context.queues.certificates.add(certificate.meta.key.clone());
                }
            }
        }
    }
}

/// Only a Certificate that is not ready can have been waiting for its issuer.
fn waits(certificate: &Lean<CertificateKind>) -> bool {
    let conditions = certificate.status().conditions;
    !crate::api::condition::is_true(&conditions, "Ready") || crate::api::condition::is_true(&conditions, "Issuing")
}

fn secret(context: &Context, key: &ObjectKey) {
    context.signing.authorities.forget(key);
    waiting_look_again(context);
    let link = Link::Secret(key.clone());
    for certificate in context.index.certificates.linked(&link) {
        context.queues.certificates.add(certificate.meta.key.clone());
        context.queues.renewals.add(certificate.meta.key.clone());
    }
    for request in context.index.requests.linked(&link) {
        context.queues.requests.add(request.meta.key.clone());
    }
    for issuer in issuers::that_name(&context.index, key, &context.settings.cluster_resource_namespace) {
        context.queues.issuers.add(issuer);
    }
}

/// A leaf of an issuer whose CA gets another key pair has changed: soon, not at once, since there may be thousands.
fn leaf_of_rotating(context: &Context, meta: &Meta) {
    let value = |key: &str| meta.annotations.get(key).map(str::to_owned);
    let Some(name) = value(annotation::ISSUER_NAME) else {
        return;
    };
    let reference = IssuerRef {
        name,
        kind: value(annotation::ISSUER_KIND),
        group: value(annotation::ISSUER_GROUP),
    };
    let issuer = IssuerId::of(&reference, meta.namespace()).filter(|id| context.rotations.of(id).is_some());
    if let Some(issuer) = issuer {
        context.queues.issuers.add_after(issuer, LEAVES_LATER);
    }
}

/// Kubernetes' own requests are few and found by nothing: all that wait look again.
fn waiting_look_again(context: &Context) {
    for key in waiting_signing_requests(&context.index) {
        context.queues.signing_requests.add(key);
    }
}

/// Kubernetes' own requests that wait for something.
pub fn waiting_signing_requests(index: &Index) -> Vec<ObjectKey> {
    let waiting = index.signing_requests.linked(&Link::Waiting);
    waiting.iter().map(|request| request.meta.key.clone()).collect()
}

fn each_key<R: Record>(changed: &Changed<R>, mut add: impl FnMut(ObjectKey)) {
    if let Some(meta) = changed.meta() {
        add(meta.key.clone());
    }
}

fn owners(meta: Option<&Meta>, kind: &str, mut add: impl FnMut(ObjectKey)) {
    let Some(meta) = meta else { return };
    for owner in meta.owners.iter().filter(|owner| &*owner.kind == kind) {
        add(meta.key.sibling(&*owner.name));
    }
}

/// Keys of everything, for a process that begins to lead.
pub fn everything(context: &Context) {
    let (index, queues) = (&context.index, &context.queues);
    // what was remembered when this process led before is old
    context.orders.clear(context.settings.max_concurrent_challenges);
    context.http01.clear();
    context.rotations.clear();
    context.certificates.clear();
    queues.issuers.resume(issuers::all(index));
    queues.ingresses.resume(index.ingresses.keys());
    queues.certificates.resume(index.certificates.keys());
    queues.renewals.resume(index.certificates.keys());
    queues.requests.resume(index.requests.keys());
    queues.signing_requests.resume(waiting_signing_requests(index));
    let challenged = index.challenges.all();
    queues.orders.resume(index.orders.keys());
    for challenge in challenged {
        owners(Some(&challenge.meta), "Order", |key| queues.orders.add(key));
    }
}

/// Forgets everything that waits: this process does not lead any more.
pub fn nothing(context: &Context) {
    context.certificates.clear();
    context.signing.waits.clear();
    let queues = &context.queues;
    queues.issuers.pause();
    queues.ingresses.pause();
    queues.certificates.pause();
    queues.renewals.pause();
    queues.requests.pause();
    queues.signing_requests.pause();
    queues.orders.pause();
}
