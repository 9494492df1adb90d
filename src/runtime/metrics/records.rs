//! The ends of records of dns-persist-01, computed from the index for each request.

use std::{cell::RefCell, sync::Arc};

use super::objects::labels;
use crate::{
    api::{IssuerRef, IssuerSpec, IssuerStatus, dns_persist::SOLVER},
    cluster::{index::Index, store::Link},
    plan::{
        order::persist::Ending,
        seen::{Kind, Lean, ObjectKey},
    },
    process::metrics::{Page, sample},
};

const UNTIL: &str = "certlet_certificate_persist_until_timestamp_seconds";

/// The end of the record by which the certificate of a Certificate was proved. Only Orders of issuers that have such a solver are
/// decoded, one at a time.
pub(super) fn ends(index: &Arc<Index>) -> impl Iterator<Item = String> + Send + 'static + use<> {
    let mut head = Page::default();
    head.head(
        UNTIL,
        "gauge",
        "End of the TXT record of dns-persist-01 by which the certificate was proved; absent without one.",
    );
    let (namespaced, cluster) = (index.issuers.keys(), index.cluster_issuers.keys());
    let (of_issuers, of_cluster_issuers, of_orders) = (Arc::clone(index), Arc::clone(index), Arc::clone(index));
    let namespaced = namespaced
        .into_iter()
        .filter_map(move |key| link(&*of_issuers.issuers.get(&key)?));
    let cluster = cluster
        .into_iter()
        .filter_map(move |key| link(&*of_cluster_issuers.cluster_issuers.get(&key)?));
    let links = namespaced.chain(cluster);
    let index = Arc::clone(index);
    let orders = links.flat_map(move |link| names(&of_orders, &link));
    std::iter::once(head.text).chain(orders.filter_map(move |order| series(&index, &order)))
}

/// The link of the Orders of an issuer that may have such a solver.
fn link<K: Kind<Spec = IssuerSpec, Status = IssuerStatus>>(issuer: &Lean<K>) -> Option<Link> {
    let reference = || IssuerRef {
        group: None,
        kind: Some(K::KIND.to_owned()),
        name: issuer.meta.name().to_owned(),
    };
    let may_have = issuer.spec.get().contains(SOLVER);
    may_have.then(|| Link::issuer(&reference(), issuer.meta.namespace()))
}

/// The names of Orders with this link. None is decoded.
fn names(index: &Index, link: &Link) -> Vec<ObjectKey> {
    let names = RefCell::new(Vec::new());
    index.orders.linked_besides(link, |name| {
        names.borrow_mut().push(name.clone());
        true
    });
    names.into_inner()
}

/// The series of an Order whose Certificate has its certificate.
fn series(index: &Index, order: &ObjectKey) -> Option<String> {
    let order = index.orders.get(order)?;
    let reason = order.status().reason?;
    let Ending {
        until,
        certificate: name,
        revision,
        ..
    } = Ending::of(&order.meta, &reason)?;
    let certificate = index.certificates.get(&name)?.parse().ok()?;
    (certificate.status.revision == Some(revision)).then(|| {
        let mut text = String::new();
        let labels = labels(&name, &certificate.spec.issuer_ref);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double exactly")]
        sample(&mut text, UNTIL, &labels, until.as_second() as f64);
        text
    })
}
