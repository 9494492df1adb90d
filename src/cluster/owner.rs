//! References by which one object owns another (`metadata.ownerReferences[]`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::plan::seen::{Kind, Meta};

/// The reference by which the object of kind `K` with this metadata owns another as its managing controller, and holds up its own
/// deletion in the foreground until the other is gone.
pub fn controlling<K: Kind>(owner: &Meta) -> OwnerReference {
    OwnerReference {
        controller: Some(true),
        block_owner_deletion: Some(true),
        ..owning::<K>(owner)
    }
}

/// The reference by which the object of kind `K` with this metadata owns another, and nothing more.
pub fn owning<K: Kind>(owner: &Meta) -> OwnerReference {
    OwnerReference {
        api_version: format!("{}/{}", K::GROUP, K::VERSION),
        kind: K::KIND.to_owned(),
        name: owner.name().to_owned(),
        uid: owner.uid.to_string(),
        controller: None,
        block_owner_deletion: None,
    }
}
