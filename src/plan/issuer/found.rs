//! The issuer that an `issuerRef` means, and the result of its look-up.

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

/// An Issuer, or a ClusterIssuer, whose key has no namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssuerId(pub ObjectKey);

impl IssuerId {
    /// The issuer that a reference in `namespace` means; `None` for an issuer of another controller.
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

    /// The namespace of its Secrets: its own, or the cluster resource namespace (SGN-07).
    pub fn namespace_of_secrets<'a>(&'a self, cluster_resource_namespace: &'a str) -> &'a str {
        namespace_of_secrets(&self.0, cluster_resource_namespace)
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

/// The key of a Secret of an issuer: in its own namespace, or in the cluster resource namespace (SGN-07).
pub fn secret_of(issuer: &Meta, name: &str, cluster_resource_namespace: &str) -> ObjectKey {
    ObjectKey::new(namespace_of_secrets(&issuer.key, cluster_resource_namespace), name)
}

fn namespace_of_secrets<'a>(issuer: &'a ObjectKey, cluster_resource_namespace: &'a str) -> &'a str {
    if issuer.namespace.is_empty() {
        cluster_resource_namespace
    } else {
        &issuer.namespace
    }
}

/// The result of a look-up.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// An issuer of another controller: of another API group, or of an unknown kind (SGN-06).
    External,
    /// The issuer does not exist.
    Missing(IssuerId),
    /// The issuer exists, and its spec cannot be decoded.
    Unreadable(IssuerId, InvalidField),
    /// The issuer.
    Found(Box<FoundIssuer>),
}

impl Lookup {
    /// The issuer, if it exists and can be decoded.
    pub fn found(&self) -> Option<&FoundIssuer> {
        if let Self::Found(issuer) = self {
            Some(issuer)
        } else {
            None
        }
    }
}

/// An existing Issuer or ClusterIssuer.
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
    /// The identity of this issuer.
    pub fn id(&self) -> IssuerId {
        IssuerId(self.meta.key.clone())
    }

    /// Whether its condition Ready is True.
    pub fn is_ready(&self) -> bool {
        condition::is_true(&self.status.conditions, READY)
    }

    /// Its type, see [`Backend::of`].
    pub fn backend(&self) -> Option<Backend<'_>> {
        Backend::of(&self.spec)
    }
}
