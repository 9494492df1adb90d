//! Rotation of the leaves of a CA issuer after its key pair changed: which leaves are re-issued, and the content of their
//! `ca.crt`.
//!
//! 1. The new CA's certificate is added to `ca.crt` of every leaf, so that holders of old leaves trust the new ones.
//! 2. Leaves are re-issued in batches, in the order of their expiry. Every `ca.crt` contains the old and the new CA.
//! 3. When all leaves are re-issued, the old CA is removed from every `ca.crt`.
//!
//! The leaf shows which CA signed it. The certificates of previous CAs are in a record that belongs to the issuer, because
//! content that users can write into a leaf's Secret must not be copied to another Secret. So a restart changes nothing, and a
//! second change during a rotation adds one more CA to the bundle.

mod progress;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::seen::{Next, ObjectKey};
use crate::{
    api::{
        GoDuration,
        condition::{self, Condition},
    },
    pki::{certificate::CertificateInfo, name::Name},
};

/// The condition type of an issuer with a rotation: True during a rotation, False with a reason afterwards.
pub const ROTATING: &str = "Rotating";
/// SHA-256 of a certificate's DER.
pub type Fingerprint = [u8; 32];

/// Settle time for the annotation value `true`. The kubelet updates mounted Secrets within a minute and a half.
const SETTLE: SignedDuration = SignedDuration::from_mins(2);
/// Maximum settle time in the annotation.
const MAX_SETTLE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Maximum number of leaves that are re-issued concurrently.
const MAX_BATCH: usize = 20;
/// Time after which a leaf that is being re-issued no longer occupies a slot of its batch.
const SLOT_TIME: SignedDuration = SignedDuration::from_secs(30);
/// Maximum delay of the first batch by Secrets that do not get the new CA's certificate.
const MAX_FIRST_DELAY: SignedDuration = SignedDuration::from_secs(60);
/// Minimum age of a leaf to be re-issued. Its signer may not have observed the new CA yet, and this must not cause a loop.
const MIN_AGE: SignedDuration = SignedDuration::from_secs(10);
/// Maximum number of previous CAs.
const MAX_PREVIOUS: usize = 8;
/// Interval at which the next batch may begin and waiting leaves are checked.
const INTERVAL: SignedDuration = SignedDuration::from_secs(1);
const SLOW_INTERVAL: SignedDuration = SignedDuration::from_secs(30);

/// The settle time in the annotation `certlet.io/rotate-leaves`; `None` if rotation is not requested.
///
/// # Errors
/// A sentence, if the value is neither `true`, `false` nor a duration.
pub fn settle_time(annotation: Option<&str>) -> Result<Option<SignedDuration>, String> {
    match annotation {
        None | Some("" | "false") => Ok(None),
        Some("true") => Ok(Some(SETTLE)),
        Some(text) => match text.parse::<GoDuration>().map(SignedDuration::from) {
            Ok(settle) if (SignedDuration::ZERO..=MAX_SETTLE).contains(&settle) => Ok(Some(settle)),
            Ok(_) | Err(_) => Err(format!(
                "{text:?} is neither true, false nor a duration between 0s and 168h, for example 10m"
            )),
        },
    }
}

/// The current CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its subject.
    pub subject: Name,
    /// Its key identifier, as in the leaves.
    pub key_id: Vec<u8>,
    /// The certificate by which its leaves are trusted, as in `ca.crt` of a new leaf.
    pub root: Fingerprint,
}

impl Authority {
    /// Whether this CA issued a leaf, by the issuer name and key identifier in the leaf. A leaf without a key identifier belongs
    /// to the first CA in its `ca.crt`.
    pub fn issued(&self, leaf: &CertificateInfo, trusted: &[Fingerprint]) -> bool {
        leaf.issuer == self.subject
            && match &leaf.authority_key_id {
                Some(id) => *id == self.key_id,
                None => trusted.first() == Some(&self.root),
            }
    }
}

/// The required content of `ca.crt` of every leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// These certificates, the current CA's first.
    pub bundle: Vec<Fingerprint>,
    /// Whether no other certificates are allowed.
    pub only: bool,
}

impl Trust {
    /// Whether a `ca.crt` with these certificates is correct.
    pub fn holds(&self, trusted: &[Fingerprint]) -> bool {
        let all = self.bundle.iter().all(|wanted| trusted.contains(wanted));
        all && (!self.only || trusted.len() == self.bundle.len())
    }
}

/// What the rotation requires of one Certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Whether to re-issue it now.
    pub due: bool,
    /// The required content of its `ca.crt`; `None` without a requirement.
    pub trust: Option<Trust>,
}

/// A leaf of the issuer, in its Secret.
#[derive(Clone, Debug)]
pub struct Leaf<'a> {
    /// The Certificate.
    pub key: &'a ObjectKey,
    /// The certificate in its Secret.
    pub certificate: &'a CertificateInfo,
    /// The certificates in its `ca.crt`.
    pub trusted: &'a [Fingerprint],
    /// The state by the Certificate's status.
    pub state: LeafState,
    /// Since when it may be re-issued.
    pub allowed: Option<Timestamp>,
}

/// The state of a Certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafState {
    /// No issuance.
    Settled,
    /// An issuance since this time.
    Issuing(Timestamp),
    /// The last issuance failed, for this reason.
    Failing(String),
}

/// The observation of a rotation.
#[derive(Clone, Debug)]
pub struct RotationObservation<'a> {
    /// The CA.
    pub authority: &'a Authority,
    /// The certificates in the issuer's record, the current CA's first; empty without a record.
    pub record: &'a [Fingerprint],
    /// All leaves.
    pub leaves: Vec<Leaf<'a>>,
    /// The current condition [`ROTATING`].
    pub condition: Option<&'a Condition>,
    /// The settle time of each step.
    pub settle: SignedDuration,
}

/// The plan of a rotation.
#[derive(Clone, Debug, PartialEq)]
pub struct RotationPlan {
    /// The required content of the record, to be written first.
    pub record: Vec<Fingerprint>,
    /// The required content of every `ca.crt`.
    pub trust: Trust,
    /// Leaves that may be re-issued from now on, in addition to earlier ones.
    pub allowed: Vec<ObjectKey>,
    /// Leaves whose `ca.crt` must be updated.
    pub distrusting: Vec<ObjectKey>,
    /// The condition [`ROTATING`]; `None` leaves it unchanged.
    pub condition: Option<Rotating>,
    /// When to plan again.
    pub next: Next,
}

/// The condition [`ROTATING`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotating {
    /// Whether the rotation is in progress.
    pub lasts: bool,
    /// The reason.
    pub reason: &'static str,
    /// The message.
    pub message: String,
    /// Whether a new rotation begins with this plan, even during another one: the times of the condition are reset.
    pub anew: bool,
}

impl Rotating {
    fn over(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            lasts: false,
            reason,
            message: message.into(),
            anew: false,
        }
    }
}

/// The condition of an issuer without the annotation.
pub fn not_requested(condition: Option<&Condition>) -> Option<Rotating> {
    let lasted = condition.filter(|condition| condition.is_true())?;
    let message = format!(
        "The annotation certlet.io/rotate-leaves was removed, and the rotation stopped at: {}",
        lasted.message()
    );
    Some(Rotating::over("Stopped", message))
}

/// The condition of an issuer with an invalid annotation.
pub fn invalid_annotation(why: &str) -> Rotating {
    Rotating::over(
        "InvalidAnnotation",
        format!("annotation certlet.io/rotate-leaves: {why}"),
    )
}

/// The condition of an issuer whose record has the name of another owner's Secret.
pub fn record_taken(record: &ObjectKey) -> Rotating {
    let message = format!(
        "Secret {record} belongs to another owner, but the record of this issuer's CAs needs its name; delete or rename it"
    );
    Rotating::over("RecordTaken", message)
}

/// Plans the next step.
pub fn plan(now: Timestamp, seen: &RotationObservation<'_>) -> RotationPlan {
    let lasted = seen.condition.filter(|condition| condition.is_true());
    let stale: Vec<&Leaf<'_>> = seen
        .leaves
        .iter()
        .filter(|leaf| !seen.authority.issued(leaf.certificate, leaf.trusted))
        .collect();
    match (stale.is_empty(), lasted) {
        (true, None) => at_rest(seen, None),
        (true, Some(_)) => ending(now, seen),
        (false, _) => rotating(now, seen, &stale),
    }
}

/// No leaf is from a previous CA, and there was no rotation.
fn at_rest(seen: &RotationObservation<'_>, condition: Option<Rotating>) -> RotationPlan {
    let record = vec![seen.authority.root];
    let trust = Trust {
        bundle: record.clone(),
        only: true,
    };
    RotationPlan {
        distrusting: distrusting(seen, &trust),
        record,
        trust,
        allowed: Vec::new(),
        condition,
        next: Next::OnChange,
    }
}

/// No leaf is from a previous CA any more: its certificate is removed after the settle time.
fn ending(now: Timestamp, seen: &RotationObservation<'_>) -> RotationPlan {
    let all = seen.leaves.len();
    let newest = seen.leaves.iter().map(|leaf| leaf.certificate.not_before).max();
    let until = newest.map(|newest| later(newest, seen.settle));
    let previous = seen.record.len() > 1 || seen.leaves.iter().any(|leaf| leaf.trusted.len() > 1);
    match until.filter(|until| *until > now && previous) {
        None => {
            let message = format!(
                "All {all} certificates are issued by the current CA {}, and ca.crt contains only that CA",
                progress::quoted(&seen.authority.subject)
            );
            at_rest(seen, Some(Rotating::over("Completed", message)))
        }
        Some(until) => {
            let message = format!(
                "{}. The previous CA will be removed from ca.crt at {until}",
                progress::done(all, all, seen)
            );
            let trust = together(seen);
            RotationPlan {
                record: trust.bundle.clone(),
                distrusting: distrusting(seen, &trust),
                trust,
                allowed: Vec::new(),
                condition: Some(Rotating {
                    lasts: true,
                    reason: "Settling",
                    message,
                    anew: false,
                }),
                next: Next::At(until),
            }
        }
    }
}

fn rotating(now: Timestamp, seen: &RotationObservation<'_>, stale: &[&Leaf<'_>]) -> RotationPlan {
    let trust = together(seen);
    // a CA that is not in the record is new
    let anew = seen.record.first() != Some(&seen.authority.root);
    let since = seen.condition.filter(|condition| condition.is_true() && !anew);
    let since = since.and_then(|condition| condition.last_transition_time.as_ref());
    let began = since.map_or_else(|| condition::whole_second(now).0, |time| time.0);
    let distrusting = distrusting(seen, &trust);
    let unready = seen
        .leaves
        .iter()
        .any(|leaf| leaf.state == LeafState::Settled && !trust.holds(leaf.trusted));
    let after = |wait| later(began, wait);
    let opens = after(if unready {
        seen.settle + MAX_FIRST_DELAY
    } else {
        seen.settle
    });
    let open = !anew && opens <= now;
    let allowed = if open { wave(now, stale) } else { Vec::new() };
    let next = match (open, allowed.len() == unallowed(stale)) {
        (false, _) => opens.max(later(now, INTERVAL)),
        (true, false) => later(now, INTERVAL),
        (true, true) => later(now, SLOW_INTERVAL),
    };
    let message = if open {
        progress::reissuing(now, seen, stale)
    } else {
        progress::distributing(seen, &trust, stale, opens)
    };
    RotationPlan {
        record: trust.bundle.clone(),
        trust,
        allowed,
        distrusting,
        condition: Some(Rotating {
            lasts: true,
            reason: if open { "Reissuing" } else { "DistributingCA" },
            message,
            anew,
        }),
        next: Next::At(next),
    }
}

/// `time` plus the duration, or `time` itself on overflow.
pub fn later(time: Timestamp, wait: SignedDuration) -> Timestamp {
    time.saturating_add(wait).unwrap_or(time)
}

/// The current CA and the previous ones.
fn together(seen: &RotationObservation<'_>) -> Trust {
    let root = seen.authority.root;
    let previous = seen.record.iter().copied().filter(|known| *known != root);
    Trust {
        bundle: std::iter::once(root).chain(previous.take(MAX_PREVIOUS)).collect(),
        only: false,
    }
}

fn distrusting(seen: &RotationObservation<'_>, trust: &Trust) -> Vec<ObjectKey> {
    let wrong = seen.leaves.iter().filter(|leaf| !trust.holds(leaf.trusted));
    wrong.map(|leaf| leaf.key.clone()).collect()
}

/// The leaves that may be re-issued from now on: as many as there are free slots, in the order of their expiry.
fn wave(now: Timestamp, stale: &[&Leaf<'_>]) -> Vec<ObjectKey> {
    let under_way = stale.iter().filter(|leaf| is_under_way(now, leaf)).count();
    let calm = |leaf: &Leaf<'_>| leaf.certificate.not_before.duration_until(now) >= MIN_AGE;
    let mut waiting: Vec<&Leaf<'_>> = stale
        .iter()
        .copied()
        .filter(|leaf| leaf.allowed.is_none() && calm(leaf))
        .collect();
    waiting.sort_by(|a, b| (a.certificate.not_after, a.key).cmp(&(b.certificate.not_after, b.key)));
    let room = MAX_BATCH.saturating_sub(under_way);
    waiting.into_iter().take(room).map(|leaf| leaf.key.clone()).collect()
}

fn unallowed(stale: &[&Leaf<'_>]) -> usize {
    stale.iter().filter(|leaf| leaf.allowed.is_none()).count()
}

/// Whether a leaf is being re-issued and occupies a slot.
fn is_under_way(now: Timestamp, leaf: &Leaf<'_>) -> bool {
    let since = match &leaf.state {
        LeafState::Failing(_) => None,
        LeafState::Issuing(since) => Some(leaf.allowed.map_or(*since, |allowed| allowed.max(*since))),
        LeafState::Settled => leaf.allowed,
    };
    since.is_some_and(|since| since.duration_until(now) < SLOT_TIME)
}

/// The leaves that may be re-issued, with the time since when: earlier ones that are not done, and those of this plan.
pub fn allowances(
    now: Timestamp,
    before: &BTreeMap<ObjectKey, Timestamp>,
    seen: &RotationObservation<'_>,
    plan: &RotationPlan,
) -> BTreeMap<ObjectKey, Timestamp> {
    let stale = seen
        .leaves
        .iter()
        .filter(|leaf| !seen.authority.issued(leaf.certificate, leaf.trusted));
    let kept = stale.filter_map(|leaf| before.get(leaf.key).map(|since| (leaf.key.clone(), *since)));
    kept.chain(plan.allowed.iter().map(|key| (key.clone(), now))).collect()
}

/// The state of a Certificate by its conditions.
pub fn leaf_state(conditions: &[Condition]) -> LeafState {
    match condition::get(conditions, condition::ISSUING) {
        Some(issuing) if issuing.is_true() => {
            let since = issuing.last_transition_time.as_ref();
            LeafState::Issuing(since.map_or(Timestamp::MIN, |time| time.0))
        }
        // cert-manager may leave this condition after a successful issuance
        Some(issuing) if issuing.reason() == "Issued" => LeafState::Settled,
        Some(issuing) => LeafState::Failing(issuing.message().to_owned()),
        None => LeafState::Settled,
    }
}
