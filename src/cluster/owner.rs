//! Owner references (`metadata.ownerReferences[]`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::plan::seen::{Kind, Meta};

/// A reference to the object of kind `K` with this metadata as the managing controller, with `blockOwnerDeletion`.
pub(crate) fn controlling<K: Kind>(owner: &Meta) -> OwnerReference {
    OwnerReference {
        controller: Some(true),
        block_owner_deletion: Some(true),
        ..owning::<K>(owner)
    }
}

/// A reference to the object of kind `K` with this metadata as an owner, not as the controller.
pub(crate) fn owning<K: Kind>(owner: &Meta) -> OwnerReference {
    OwnerReference {
        api_version: format!("{}/{}", K::GROUP, K::VERSION),
        kind: K::KIND.to_owned(),
        name: owner.name().to_owned(),
        uid: owner.uid.to_string(),
        controller: None,
        block_owner_deletion: None,
    }
}
