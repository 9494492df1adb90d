//! Messages about the progress of a rotation.

use jiff::Timestamp;

use super::{Leaf, LeafState, RotationObservation, Trust, is_under_way};
use crate::{pki::name::Name, text::first_few};

/// Number of leaves that are named. The others are counted.
const NAMED: usize = 3;
/// Number of characters of a reason that are quoted.
const REASON: usize = 160;

pub(super) fn quoted(name: &Name) -> String {
    format!("{:?}", name.to_string())
}

pub(super) fn done(issued: usize, all: usize, seen: &RotationObservation<'_>) -> String {
    format!(
        "{issued} of {all} certificates are issued by the current CA {}",
        quoted(&seen.authority.subject)
    )
}

pub(super) fn distributing(
    seen: &RotationObservation<'_>,
    trust: &Trust,
    stale: &[&Leaf<'_>],
    opens: Timestamp,
) -> String {
    let all = seen.leaves.len();
    let trusting = seen.leaves.iter().filter(|leaf| trust.holds(leaf.trusted)).count();
    format!(
        "{}, which has a new key pair. Its certificate is in ca.crt of {trusting} of {all} Secrets; the other certificates are re-issued when it is in \
         all of them, from {opens} on",
        done(all - stale.len(), all, seen)
    )
}

pub(super) fn reissuing(now: Timestamp, seen: &RotationObservation<'_>, stale: &[&Leaf<'_>]) -> String {
    let all = seen.leaves.len();
    let mut parts = vec![done(all - stale.len(), all, seen)];
    let under_way = stale.iter().filter(|leaf| is_under_way(now, leaf)).count();
    if under_way > 0 {
        parts.push(format!("{under_way} in progress"));
    }
    let waits = |leaf: &&&Leaf<'_>| matches!(leaf.state, LeafState::Issuing(_)) && !is_under_way(now, leaf);
    let waiting: Vec<String> = stale.iter().filter(waits).map(|leaf| leaf.key.to_string()).collect();
    if !waiting.is_empty() {
        let named = first_few(&waiting, NAMED);
        parts.push(format!("{} wait for approval or their issuer: {named}", waiting.len()));
    }
    let failed = stale.iter().filter_map(|leaf| match &leaf.state {
        LeafState::Failing(why) => Some(format!("{} ({})", leaf.key, shortened(why))),
        LeafState::Settled | LeafState::Issuing(_) => None,
    });
    let failing: Vec<String> = failed.collect();
    if !failing.is_empty() {
        let named = first_few(&failing, NAMED);
        parts.push(format!("{} failed and will be retried: {named}", failing.len()));
    }
    parts.join("; ")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(REASON) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
