//! Trust bundles: trust-manager's Bundles (BUN rows), from the sources to the targets and the condition.
//!
//! | module | what it is |
//! |---|---|
//! | [`spec`] | the spec, parsed: what trust-manager's webhook refuses is refused here |
//! | [`selector`] | label selectors |
//! | [`sources`] | the certificates of the sources |
//! | [`package`] | the package of default CAs |
//! | [`target`] | what a target is to have, and whether it has it |
//! | [`outcome`] | the condition |
//! | [`settings`] | what the administrator sets |

#[cfg(test)]
mod golden;
pub mod outcome;
pub mod package;
pub mod selector;
pub mod settings;
pub mod sources;
pub mod spec;
pub mod target;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;

pub use self::{
    outcome::{Failure, INVALID, NOT_FOUND, SECRETS_DISABLED, SOURCE_ERROR, failed, synced},
    package::Package,
    selector::Selector,
    settings::BundleSettings,
    sources::{Circumstances, Collected, Document, SourceSeen, collect},
    spec::{Choice, Keys, ObjectSource, Parsed, Source, parse},
    target::{Content, Existing, Files, TargetKind, TargetStep, Wanted},
};
use super::{
    namespace::NamespaceSeen,
    notice::Notice,
    seen::{Meta, Next, ObjectKey},
};
use crate::pki::bundle::Pool;

/// The most bytes of certificates in a bundle, in DER: a ConfigMap or Secret holds a mebibyte.
pub const MOST_BYTES: usize = 1 << 20;

/// The input of the planner for targets.
#[derive(Clone, Copy, Debug)]
pub struct BundleObservation<'a> {
    /// The Bundle's metadata.
    pub meta: &'a Meta,
    /// Its spec.
    pub spec: &'a Parsed,
    /// The certificates of its sources.
    pub pool: &'a Arc<Pool>,
    /// All Namespaces.
    pub namespaces: &'a [Arc<NamespaceSeen>],
    /// All objects that name it in their label.
    pub existing: &'a [Existing],
    /// What the administrator set.
    pub settings: &'a BundleSettings,
}

/// What to do for the targets of one Bundle.
#[derive(Debug)]
pub struct BundlePlan {
    /// The steps: first what is taken away, then what is written.
    pub steps: Vec<TargetStep>,
    /// What is written, with the digest for each kind of target.
    pub content: Content,
    /// The number of targets that the Bundle has.
    pub targets: usize,
}

impl BundlePlan {
    /// Whether any target is written, so that the files are needed.
    pub fn writes(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, TargetStep::Write(_)))
    }
}

/// Plans the targets of one Bundle whose sources were read.
pub fn plan(seen: &BundleObservation<'_>) -> BundlePlan {
    let BundleObservation {
        meta,
        spec,
        pool,
        namespaces,
        existing,
        settings,
    } = *seen;
    let content = Content::new(spec, pool);
    let wanted = wanted(meta, spec, namespaces, settings);
    let mut steps: Vec<TargetStep> = existing
        .iter()
        .filter(|target| !wanted.contains(&target.id()) && target.is_to_be_cleaned(&meta.uid))
        .map(|target| TargetStep::Clean(target.clone()))
        .collect();
    for (kind, key) in &wanted {
        let found = existing
            .iter()
            .find(|target| target.kind == *kind && target.meta.key == *key);
        if found.is_some_and(|found| content.is_in(found, meta)) {
            continue;
        }
        steps.push(TargetStep::Write(Wanted {
            kind: *kind,
            key: key.clone(),
            found: found.cloned(),
        }));
    }
    BundlePlan {
        targets: wanted.len(),
        steps,
        content,
    }
}

/// The targets that a Bundle has: one of each kind in every Namespace that it selects and that may have some.
fn wanted(
    meta: &Meta,
    spec: &Parsed,
    namespaces: &[Arc<NamespaceSeen>],
    settings: &BundleSettings,
) -> BTreeSet<(TargetKind, ObjectKey)> {
    let open = namespaces.iter().filter(|namespace| {
        namespace.is_open()
            && settings.reaches(namespace.meta.name())
            && spec.namespaces.matches(&namespace.meta.labels)
    });
    let kinds: Vec<TargetKind> = spec.kinds().collect();
    open.flat_map(|namespace| {
        let key = ObjectKey::new(Arc::clone(&namespace.meta.key.name), Arc::clone(&meta.key.name));
        kinds.iter().map(move |kind| (*kind, key.clone()))
    })
    .collect()
}

/// When the certificates change by themselves: the next expiry, if expired ones are left out.
pub fn next(now: Timestamp, pool: &Pool, settings: &BundleSettings) -> Next {
    let expiries = pool.anchors().map(|anchor| anchor.not_after).filter(|end| *end >= now);
    match expiries.min() {
        // the last second still counts as valid
        Some(end) if settings.filter_expired => end
            .checked_add(jiff::SignedDuration::from_secs(1))
            .map_or(Next::OnChange, Next::At),
        Some(_) | None => Next::OnChange,
    }
}

/// The Events about what was left out of a bundle.
pub fn notices(collected: &Collected) -> Vec<Notice> {
    const MOST: usize = 3;
    let passed = &collected.passed_over;
    if passed.is_empty() {
        return Vec::new();
    }
    let more = passed.len().saturating_sub(MOST);
    let named: Vec<&str> = passed.iter().take(MOST).map(String::as_str).collect();
    let more = if more == 0 {
        String::new()
    } else {
        format!("; and {more} more")
    };
    vec![Notice::warning(
        "PassedOver",
        format!("Not in the bundle, as trust-manager has it: {}{more}", named.join("; ")),
    )]
}
