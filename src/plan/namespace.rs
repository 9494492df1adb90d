//! What is kept of a Namespace.

use super::seen::Meta;
use crate::api::names::annotation::ACCEPT_SECRETS_FROM;

/// A stored Namespace: its labels, which Bundles select, whether it accepts copies of Secrets, and whether it is being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceSeen {
    /// Metadata; of the annotations only `certlet.io/accept-secrets-from`.
    pub meta: Meta,
}

impl NamespaceSeen {
    /// The record of a Namespace with this metadata.
    pub fn new(meta: Meta) -> Self {
        let accepts = meta.annotations.iter().filter(|(key, _)| *key == ACCEPT_SECRETS_FROM);
        Self {
            meta: Meta {
                annotations: accepts.collect(),
                owners: Box::default(),
                finalizers: Box::default(),
                ..meta
            },
        }
    }

    /// Whether objects can be created in it, as far as it concerns the Namespace.
    pub fn is_open(&self) -> bool {
        self.meta.deleting.is_none()
    }
}
