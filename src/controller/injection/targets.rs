//! The targets of CAs in the index, of all kinds.

use std::sync::Arc;

use crate::{
    cluster::{index::Index, store::Link},
    plan::{
        injection::{TargetId, TargetKind},
        seen::{Annotated, Kind, ObjectKey},
    },
};

/// All targets.
pub(crate) fn all(index: &Index) -> Vec<TargetId> {
    let kinds = [
        (TargetKind::ValidatingWebhook, index.validating_webhooks.keys()),
        (TargetKind::MutatingWebhook, index.mutating_webhooks.keys()),
        (TargetKind::ApiService, index.api_services.keys()),
        (TargetKind::Definition, index.definitions.keys()),
    ];
    kinds.into_iter().flat_map(|(kind, keys)| ids(kind, keys)).collect()
}

/// The targets with this link.
pub(crate) fn linked(index: &Index, link: &Link) -> Vec<TargetId> {
    let kinds = [
        (
            TargetKind::ValidatingWebhook,
            of(index.validating_webhooks.linked(link)),
        ),
        (TargetKind::MutatingWebhook, of(index.mutating_webhooks.linked(link))),
        (TargetKind::ApiService, of(index.api_services.linked(link))),
        (TargetKind::Definition, of(index.definitions.linked(link))),
    ];
    kinds.into_iter().flat_map(|(kind, keys)| ids(kind, keys)).collect()
}

/// Whether there is no target, so that a change of one of many Secrets concerns none.
pub(crate) fn is_idle(index: &Index) -> bool {
    index.validating_webhooks.is_empty()
        && index.mutating_webhooks.is_empty()
        && index.api_services.is_empty()
        && index.definitions.is_empty()
}

fn of<K: Kind>(records: Vec<Arc<Annotated<K>>>) -> Vec<ObjectKey> {
    records.into_iter().map(|record| record.meta.key.clone()).collect()
}

fn ids(kind: TargetKind, keys: Vec<ObjectKey>) -> impl Iterator<Item = TargetId> {
    keys.into_iter().map(move |key| TargetId { kind, name: key.name })
}
