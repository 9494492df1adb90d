//! Links: references of a record by which it can be found.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{api::IssuerRef, plan::seen::ObjectKey};

/// A reference of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// Its owner's uid.
    Owner(Box<str>),
    /// A Secret that it reads or writes.
    Secret(ObjectKey),
    /// Its issuer: kind, group (both with their defaults applied), and namespace/name.
    Issuer(Box<str>, Box<str>, ObjectKey),
    /// It is unfinished and has no other link by which a change could find it.
    Waiting,
}

impl Link {
    /// The link of an object in `namespace` to its issuer.
    pub fn issuer(reference: &IssuerRef, namespace: &str) -> Self {
        let kind = reference.kind_or_default();
        let key = match kind {
            "ClusterIssuer" => ObjectKey::cluster(reference.name.as_str()),
            _ => ObjectKey::new(namespace, reference.name.as_str()),
        };
        Self::Issuer(kind.into(), reference.group_or_default().into(), key)
    }

    /// Links are stored as hashes. A collision only causes a superfluous reconcile.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}
