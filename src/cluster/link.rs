//! What objects refer to.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{api::IssuerRef, plan::seen::ObjectKey};

/// What an object refers to, so that it is found from there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// Its owner's uid.
    Owner(Box<str>),
    /// A Secret that it reads or writes.
    Secret(ObjectKey),
    /// Its issuer: kind, group (both with their defaults applied), and namespace/name.
    Issuer(Box<str>, Box<str>, ObjectKey),
    /// It waits for something that is found by nothing else.
    Waiting,
}

impl Link {
    /// The link to an issuer, from an object in `namespace`.
    pub fn issuer(reference: &IssuerRef, namespace: &str) -> Self {
        let kind = reference.kind_or_default();
        let key = match kind {
            "ClusterIssuer" => ObjectKey::cluster(reference.name.as_str()),
            _ => ObjectKey::new(namespace, reference.name.as_str()),
        };
        Self::Issuer(kind.into(), reference.group_or_default().into(), key)
    }

    /// Links are kept as hashes: a collision only makes somebody look once in vain.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}
