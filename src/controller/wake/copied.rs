//! Which copies of Secrets a change concerns. Where nothing is copied, each of these is one or two look-ups of a hash.

use super::Seen;
use crate::{
    api::names::ACCEPTING_SECRET,
    cluster::{
        index::{Change, Index},
        store::Link,
    },
    controller::{Controllers, copies},
    plan::{
        copies::{copy_of, is_requested},
        kinds::CertificateKind,
        link::target_secret,
        seen::{Lean, ObjectKey},
    },
};

/// The Certificate itself, if it requests copies, did so before, or has some. And those that request a copy in its namespace: it may write
/// the Secret of that name itself, or not any more.
pub(super) fn copies_of_certificate(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    let index = &controllers.ports.index;
    let (Change::Certificate(changed), Some(key)) = (seen.change, seen.key) else {
        return Vec::new();
    };
    if let (Some(old), Some(new)) = (&changed.old, &changed.new)
        && is_same(old, new)
    {
        return Vec::new();
    }
    let mut found = requested(index, &key.namespace);
    let mut versions = changed.old.iter().chain(&changed.new);
    if versions.any(|version| is_requested(&version.meta)) || index.secrets.may_have(&Link::CopyOf(key.clone())) {
        found.push(key.clone());
    }
    found
}

/// Those that request a copy in this namespace.
pub(super) fn copies_into(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    seen.key.map_or_else(Vec::new, |namespace| {
        requested(&controllers.ports.index, &namespace.name)
    })
}

/// Those whose Secret it is; it itself, if it is a copy; and those that its namespace accepts by it, or that would have its name.
pub(super) fn copies_of_secret(controllers: &Controllers, seen: &Seen<'_>) -> Vec<ObjectKey> {
    let Some(secret) = seen.key else { return Vec::new() };
    let index = &controllers.ports.index;
    let mut found = Vec::new();
    if let Change::Secret(changed) = seen.change {
        let versions = changed.old.iter().chain(&changed.new);
        found.extend(versions.filter_map(|version| copy_of(&version.meta)));
    }
    // no Certificate requests copies
    if !index.certificates.may_have(&Link::Synced) {
        return found;
    }
    let own = index.certificates.linked(&Link::Secret(secret.clone())).into_iter();
    let own = own.filter(|certificate| is_requested(&certificate.meta));
    found.extend(own.map(|certificate| certificate.meta.key.clone()));
    if *secret.name == *ACCEPTING_SECRET {
        found.extend(requested(index, &secret.namespace));
    } else {
        found.extend(named(index, &secret.namespace, &secret.name));
    }
    found
}

/// All.
pub(super) fn every_copy(controllers: &Controllers, _: &Seen<'_>) -> Vec<ObjectKey> {
    copies::all(&controllers.ports.index)
}

/// Whether nothing has changed that copies depend on.
fn is_same(old: &Lean<CertificateKind>, new: &Lean<CertificateKind>) -> bool {
    old.meta.uid == new.meta.uid
        && old.meta.generation == new.meta.generation
        && old.meta.annotations == new.meta.annotations
        && old.meta.deleting == new.meta.deleting
}

/// Those that request a copy in this namespace.
fn requested(index: &Index, namespace: &str) -> Vec<ObjectKey> {
    let requesting = index.certificates.linked(&Link::SyncTo(namespace.into())).into_iter();
    requesting.map(|certificate| certificate.meta.key.clone()).collect()
}

/// Those that request a copy of this name in this namespace.
fn named(index: &Index, namespace: &str, name: &str) -> Vec<ObjectKey> {
    let requesting = index.certificates.linked(&Link::SyncTo(namespace.into())).into_iter();
    let named = requesting.filter(|certificate| target_secret(certificate).is_some_and(|secret| *secret == *name));
    named.map(|certificate| certificate.meta.key.clone()).collect()
}
