//! The only look-up of issuers in the index: by reference, by name, and by a Secret that they refer to.

use std::sync::Arc;

use super::{index::Index, store::Link};
use crate::{
    api::{IssuerRef, IssuerSpec, IssuerStatus},
    plan::{
        issuer::{FoundIssuer, IssuerId, Lookup},
        kinds::{ClusterIssuerKind, IssuerKind},
        seen::{Kind, Lean, ObjectKey},
    },
};

/// The record of an issuer. Only the issuers' own controller, which writes it, distinguishes the two kinds.
#[derive(Clone, Debug)]
pub(crate) enum IssuerRecord {
    /// An Issuer.
    Namespaced(Arc<Lean<IssuerKind>>),
    /// A ClusterIssuer.
    Cluster(Arc<Lean<ClusterIssuerKind>>),
}

/// The issuer that a reference in `namespace` means.
pub(crate) fn find(index: &Index, reference: &IssuerRef, namespace: &str) -> Lookup {
    match IssuerId::of(reference, namespace) {
        None => Lookup::External,
        Some(id) => get(index, id),
    }
}

/// The result for this issuer name.
pub(crate) fn get(index: &Index, id: IssuerId) -> Lookup {
    match record(index, &id) {
        None => Lookup::Missing(id),
        Some(IssuerRecord::Namespaced(issuer)) => parsed(id, &issuer),
        Some(IssuerRecord::Cluster(issuer)) => parsed(id, &issuer),
    }
}

/// The record of this issuer, if it exists.
pub(crate) fn record(index: &Index, id: &IssuerId) -> Option<IssuerRecord> {
    if id.is_cluster() {
        index.cluster_issuers.get(&id.0).map(IssuerRecord::Cluster)
    } else {
        index.issuers.get(&id.0).map(IssuerRecord::Namespaced)
    }
}

/// The value of an annotation of this issuer.
pub(crate) fn annotation(index: &Index, id: &IssuerId, name: &str) -> Option<String> {
    let record = record(index, id)?;
    let meta = match &record {
        IssuerRecord::Namespaced(issuer) => &issuer.meta,
        IssuerRecord::Cluster(issuer) => &issuer.meta,
    };
    meta.annotations.get(name).map(str::to_owned)
}

/// All issuers, namespaced ones first.
pub(crate) fn all(index: &Index) -> Vec<IssuerId> {
    let keys = index.issuers.keys().into_iter().chain(index.cluster_issuers.keys());
    keys.map(IssuerId).collect()
}

/// The issuers that refer to this Secret, namespaced ones first.
pub(crate) fn that_name(index: &Index, secret: &ObjectKey, cluster_resource_namespace: &str) -> Vec<IssuerId> {
    let own = index.issuers.linked(&Link::Secret(secret.clone()));
    let mut found: Vec<ObjectKey> = own.iter().map(|issuer| issuer.meta.key.clone()).collect();
    if &*secret.namespace == cluster_resource_namespace {
        // links do not contain the cluster resource namespace
        let link = Link::Secret(ObjectKey::cluster(Arc::clone(&secret.name)));
        let cluster = index.cluster_issuers.linked(&link);
        found.extend(cluster.iter().map(|issuer| issuer.meta.key.clone()));
    }
    found.into_iter().map(IssuerId).collect()
}

fn parsed<K: Kind<Spec = IssuerSpec, Status = IssuerStatus>>(id: IssuerId, issuer: &Lean<K>) -> Lookup {
    match issuer.parse() {
        Ok(issuer) => Lookup::Found(Box::new(FoundIssuer {
            meta: issuer.meta,
            spec: issuer.spec,
            status: issuer.status,
        })),
        Err(invalid) => Lookup::Unreadable(id, invalid),
    }
}
