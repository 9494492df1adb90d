//! Which issuer an `issuerRef` means, and what was found there.

use std::fmt;

use super::Backend;
use crate::{
    api::{
        GROUP, InvalidField, IssuerRef, IssuerSpec, IssuerStatus,
        condition::{self, READY},
        reference::{CLUSTER_ISSUER_KIND, ISSUER_KIND},
    },
    plan::seen::{Meta, ObjectKey},
};

/// An Issuer (in a namespace) or a ClusterIssuer (whose key has none).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssuerId(pub ObjectKey);

impl IssuerId {
    /// The issuer that a reference from `namespace` means; `None` if it is another controller's.
    pub fn of(reference: &IssuerRef, namespace: &str) -> Option<Self> {
        match (reference.group_or_default(), reference.kind_or_default()) {
            (GROUP, ISSUER_KIND) => Some(Self(ObjectKey::new(namespace, reference.name.as_str()))),
            (GROUP, CLUSTER_ISSUER_KIND) => Some(Self(ObjectKey::cluster(reference.name.as_str()))),
            _ => None,
        }
    }

    /// Whether this is a ClusterIssuer.
    pub fn is_cluster(&self) -> bool {
        self.0.namespace.is_empty()
    }

    /// `Issuer` or `ClusterIssuer`.
    pub fn kind(&self) -> &'static str {
        if self.is_cluster() {
            CLUSTER_ISSUER_KIND
        } else {
            ISSUER_KIND
        }
    }
}

impl fmt::Display for IssuerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.0)
    }
}

/// The key of a Secret that an issuer names: in its own namespace, or in the cluster resource namespace (SGN-07).
pub fn secret_of(issuer: &Meta, name: &str, cluster_resource_namespace: &str) -> ObjectKey {
    if issuer.key.namespace.is_empty() {
        ObjectKey::new(cluster_resource_namespace, name)
    } else {
        issuer.key.sibling(name)
    }
}

/// What an `issuerRef` leads to.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// To another controller's issuer: of another API group, or of a kind that is not ours (SGN-06).
    External,
    /// To nothing: there is no such issuer.
    Missing(IssuerId),
    /// To an issuer whose spec does not have the shape of one.
    Unreadable(IssuerId, InvalidField),
    /// To this issuer.
    Found(Box<FoundIssuer>),
}

impl Lookup {
    /// The issuer, if it is there and can be read.
    pub fn found(&self) -> Option<&FoundIssuer> {
        if let Self::Found(issuer) = self {
            Some(issuer)
        } else {
            None
        }
    }
}

/// An Issuer or ClusterIssuer that exists.
#[derive(Clone, Debug)]
pub struct FoundIssuer {
    /// Metadata; the namespace of a ClusterIssuer is empty.
    pub meta: Meta,
    /// `spec`.
    pub spec: IssuerSpec,
    /// `status`.
    pub status: IssuerStatus,
}

impl FoundIssuer {
    /// Which issuer this is.
    pub fn id(&self) -> IssuerId {
        IssuerId(self.meta.key.clone())
    }

    /// Whether its condition Ready is True.
    pub fn is_ready(&self) -> bool {
        condition::is_true(&self.status.conditions, READY)
    }

    /// What it signs with, see [`Backend::of`].
    pub fn backend(&self) -> Option<Backend<'_>> {
        Backend::of(&self.spec)
    }
}
