//! The key pair of a CA issuer changed: which of its leaves are issued again now, and what their `ca.crt` holds meanwhile.
//!
//! 1. The new CA's certificate is added to `ca.crt` of every leaf, so that holders of old leaves trust the new ones.
//! 2. Leaves are issued again in waves, those that end first before the others. Everybody's `ca.crt` holds the old CA and the new one.
//! 3. When none is left of the old CA, its certificate leaves every `ca.crt`.
//!
//! Which CA signed a leaf is read from the leaf. The certificates of former CAs are in a record that belongs to the issuer: what users can
//! write into a leaf's Secret is never copied into another Secret. So a restart changes nothing, and a second change in the middle is
//! one CA more in the bundle.

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

/// The condition of an issuer whose leaves are being issued again: True while it lasts, False with a reason when it is over.
pub const ROTATING: &str = "Rotating";
/// SHA-256 of a certificate's DER.
pub type Fingerprint = [u8; 32];

/// How long each step waits for what mounts Secrets to see them, where the annotation only says `true`: a kubelet takes a minute and a half.
const SETTLE: SignedDuration = SignedDuration::from_mins(2);
/// The longest that an annotation may ask for.
const LONGEST_SETTLE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Leaves that are being issued again at once.
const WAVE: usize = 20;
/// A leaf that takes longer than this waits for somebody, or fails: it no longer holds up the others.
const SLOW: SignedDuration = SignedDuration::from_secs(30);
/// Secrets that never get the new CA's certificate do not hold up the first wave for longer than this.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// A leaf this young is not issued again: whoever signed it may not have seen the new CA, and must not become a loop.
const CALM: SignedDuration = SignedDuration::from_secs(10);
/// Former CAs that are remembered at once.
const MOST_FORMER: usize = 8;
/// How soon the next wave may begin, and how soon waiting leaves are looked at again.
const TICK: SignedDuration = SignedDuration::from_secs(1);
const SLOW_TICK: SignedDuration = SignedDuration::from_secs(30);

/// What the annotation `certlet.io/rotate-leaves` asks for: `None` is nothing, otherwise how long each step waits.
///
/// # Errors
/// A sentence, when it is neither `true`, `false` nor a duration.
pub fn asked(annotation: Option<&str>) -> Result<Option<SignedDuration>, String> {
    match annotation {
        None | Some("" | "false") => Ok(None),
        Some("true") => Ok(Some(SETTLE)),
        Some(text) => match text.parse::<GoDuration>().map(SignedDuration::from) {
            Ok(settle) if (SignedDuration::ZERO..=LONGEST_SETTLE).contains(&settle) => Ok(Some(settle)),
            Ok(_) | Err(_) => Err(format!(
                "{text:?} is neither true, false nor a duration between 0s and 168h, for example 10m"
            )),
        },
    }
}

/// The CA as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its subject.
    pub subject: Name,
    /// The identifier of its key, as leaves state it.
    pub key_id: Vec<u8>,
    /// What its leaves are trusted by: the certificate that `ca.crt` of a new leaf holds.
    pub root: Fingerprint,
}

impl Authority {
    /// Whether a leaf, with the certificates in its `ca.crt`, is of this CA: its name and key are stated in the leaf. A leaf that states no
    /// key is of the CA that comes first in its `ca.crt`.
    pub fn issued(&self, leaf: &CertificateInfo, trusted: &[Fingerprint]) -> bool {
        leaf.issuer == self.subject
            && match &leaf.authority_key_id {
                Some(id) => *id == self.key_id,
                None => trusted.first() == Some(&self.root),
            }
    }
}

/// What `ca.crt` of every leaf has to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// These certificates, the present CA's first.
    pub bundle: Vec<Fingerprint>,
    /// And no others.
    pub only: bool,
}

impl Trust {
    /// Whether a `ca.crt` with these certificates will do.
    pub fn holds(&self, trusted: &[Fingerprint]) -> bool {
        let all = self.bundle.iter().all(|wanted| trusted.contains(wanted));
        all && (!self.only || trusted.len() == self.bundle.len())
    }
}

/// What this asks of one Certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// It is to be issued again now.
    pub due: bool,
    /// What its `ca.crt` has to hold; `None` where that is nobody's concern.
    pub trust: Option<Trust>,
}

/// A certificate that was issued by the issuer, in its Secret.
#[derive(Clone, Debug)]
pub struct Leaf<'a> {
    /// The Certificate.
    pub key: &'a ObjectKey,
    /// What is in its Secret.
    pub certificate: &'a CertificateInfo,
    /// What is in its `ca.crt`.
    pub trusted: &'a [Fingerprint],
    /// What the Certificate's status says.
    pub state: LeafState,
    /// Since when it may be issued again.
    pub allowed: Option<Timestamp>,
}

/// What a Certificate does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafState {
    /// Nothing.
    Settled,
    /// It is being issued, since then.
    Issuing(Timestamp),
    /// Its last issuance failed; why.
    Failing(String),
}

/// Everything that the plan depends on.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// The CA.
    pub authority: &'a Authority,
    /// The certificates in the issuer's record, the CA's own first; empty where there is none yet.
    pub record: &'a [Fingerprint],
    /// All leaves.
    pub leaves: Vec<Leaf<'a>>,
    /// The condition [`ROTATING`] as it is.
    pub condition: Option<&'a Condition>,
    /// How long each step waits.
    pub settle: SignedDuration,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What the record has to hold, to be written before anything else.
    pub record: Vec<Fingerprint>,
    /// What every leaf's `ca.crt` has to hold.
    pub trust: Trust,
    /// Leaves that may be issued again from now on, beside those that may already.
    pub allowed: Vec<ObjectKey>,
    /// Leaves whose `ca.crt` does not hold it.
    pub distrusting: Vec<ObjectKey>,
    /// The condition [`ROTATING`]; `None` leaves it as it is.
    pub condition: Option<Rotating>,
    /// When to look again.
    pub next: Next,
}

/// The condition [`ROTATING`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotating {
    /// Whether it lasts.
    pub lasts: bool,
    /// In one word.
    pub reason: &'static str,
    /// In a sentence.
    pub message: String,
    /// It begins with this plan, also if another one has not ended: the times of the condition start anew.
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

/// The condition of an issuer that does not ask for it, given the one it has.
pub fn not_asked(condition: Option<&Condition>) -> Option<Rotating> {
    let lasted = condition.filter(|condition| condition.is_true())?;
    let message = format!(
        "The annotation certlet.io/rotate-leaves is gone, nothing more is issued again for the new CA; it was: {}",
        lasted.message()
    );
    Some(Rotating::over("Stopped", message))
}

/// The condition of an issuer whose annotation cannot be understood.
pub fn misunderstood(why: &str) -> Rotating {
    Rotating::over(
        "InvalidAnnotation",
        format!("annotation certlet.io/rotate-leaves: {why}"),
    )
}

/// The condition of an issuer whose record cannot be kept: a Secret of somebody else has its name.
pub fn record_taken(record: &ObjectKey) -> Rotating {
    let message = format!(
        "Secret {record} belongs to somebody else, and its name is that of the record of this issuer's CAs; delete or rename it"
    );
    Rotating::over("RecordTaken", message)
}

/// Decides what to do now.
pub fn plan(now: Timestamp, seen: &Seen<'_>) -> Plan {
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

/// No leaf is of a former CA.
fn at_rest(seen: &Seen<'_>, condition: Option<Rotating>) -> Plan {
    let record = vec![seen.authority.root];
    let trust = Trust {
        bundle: record.clone(),
        only: true,
    };
    Plan {
        distrusting: distrusting(seen, &trust),
        record,
        trust,
        allowed: Vec::new(),
        condition,
        next: Next::OnChange,
    }
}

/// No leaf is of a former CA any more: its certificate goes once everybody has seen the new leaves.
fn ending(now: Timestamp, seen: &Seen<'_>) -> Plan {
    let all = seen.leaves.len();
    let newest = seen.leaves.iter().map(|leaf| leaf.certificate.not_before).max();
    let until = newest.map(|newest| later(newest, seen.settle));
    let former = seen.record.len() > 1 || seen.leaves.iter().any(|leaf| leaf.trusted.len() > 1);
    match until.filter(|until| *until > now && former) {
        None => {
            let message = format!(
                "All {all} certificates are issued by the present CA {}, and only it is in ca.crt",
                progress::quoted(&seen.authority.subject)
            );
            at_rest(seen, Some(Rotating::over("Completed", message)))
        }
        Some(until) => {
            let message = format!(
                "{}. The former CA leaves ca.crt at {until}",
                progress::done(all, all, seen)
            );
            let trust = together(seen);
            Plan {
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

fn rotating(now: Timestamp, seen: &Seen<'_>, stale: &[&Leaf<'_>]) -> Plan {
    let trust = together(seen);
    // a CA that is not in the record is one that nobody has seen yet
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
    let opens = after(if unready { seen.settle + PATIENCE } else { seen.settle });
    let open = !anew && opens <= now;
    let allowed = if open { wave(now, stale) } else { Vec::new() };
    let next = match (open, allowed.len() == unallowed(stale)) {
        (false, _) => opens.max(later(now, TICK)),
        (true, false) => later(now, TICK),
        (true, true) => later(now, SLOW_TICK),
    };
    let message = if open {
        progress::reissuing(now, seen, stale)
    } else {
        progress::distributing(seen, &trust, stale, opens)
    };
    Plan {
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

/// That long after `time`; `time` itself where there is no such time.
pub fn later(time: Timestamp, wait: SignedDuration) -> Timestamp {
    time.saturating_add(wait).unwrap_or(time)
}

/// The present CA with those before it.
fn together(seen: &Seen<'_>) -> Trust {
    let root = seen.authority.root;
    let former = seen.record.iter().copied().filter(|known| *known != root);
    Trust {
        bundle: std::iter::once(root).chain(former.take(MOST_FORMER)).collect(),
        only: false,
    }
}

fn distrusting(seen: &Seen<'_>, trust: &Trust) -> Vec<ObjectKey> {
    let wrong = seen.leaves.iter().filter(|leaf| !trust.holds(leaf.trusted));
    wrong.map(|leaf| leaf.key.clone()).collect()
}

/// Of the leaves that may not be issued again yet, those that may now: as many as there is room for, the first to end first.
fn wave(now: Timestamp, stale: &[&Leaf<'_>]) -> Vec<ObjectKey> {
    let under_way = stale.iter().filter(|leaf| is_under_way(now, leaf)).count();
    let calm = |leaf: &Leaf<'_>| leaf.certificate.not_before.duration_until(now) >= CALM;
    let mut waiting: Vec<&Leaf<'_>> = stale
        .iter()
        .copied()
        .filter(|leaf| leaf.allowed.is_none() && calm(leaf))
        .collect();
    waiting.sort_by(|a, b| (a.certificate.not_after, a.key).cmp(&(b.certificate.not_after, b.key)));
    let room = WAVE.saturating_sub(under_way);
    waiting.into_iter().take(room).map(|leaf| leaf.key.clone()).collect()
}

fn unallowed(stale: &[&Leaf<'_>]) -> usize {
    stale.iter().filter(|leaf| leaf.allowed.is_none()).count()
}

/// Whether a leaf is being issued again, and not waiting for anybody.
fn is_under_way(now: Timestamp, leaf: &Leaf<'_>) -> bool {
    let since = match &leaf.state {
        LeafState::Failing(_) => None,
        LeafState::Issuing(since) => Some(leaf.allowed.map_or(*since, |allowed| allowed.max(*since))),
        LeafState::Settled => leaf.allowed,
    };
    since.is_some_and(|since| since.duration_until(now) < SLOW)
}

/// The leaves that may be issued again, with since when: those from before that are still to be, and those of this plan.
pub fn allowances(
    now: Timestamp,
    before: &BTreeMap<ObjectKey, Timestamp>,
    seen: &Seen<'_>,
    plan: &Plan,
) -> BTreeMap<ObjectKey, Timestamp> {
    let stale = seen
        .leaves
        .iter()
        .filter(|leaf| !seen.authority.issued(leaf.certificate, leaf.trusted));
    let kept = stale.filter_map(|leaf| before.get(leaf.key).map(|since| (leaf.key.clone(), *since)));
    kept.chain(plan.allowed.iter().map(|key| (key.clone(), now))).collect()
}

/// What a Certificate does, by its conditions.
pub fn leaf_state(conditions: &[Condition]) -> LeafState {
    match condition::get(conditions, condition::ISSUING) {
        Some(issuing) if issuing.is_true() => {
            let since = issuing.last_transition_time.as_ref();
            LeafState::Issuing(since.map_or(Timestamp::MIN, |time| time.0))
        }
        // cert-manager may leave a successful issuance like this
        Some(issuing) if issuing.reason() == "Issued" => LeafState::Settled,
        Some(issuing) => LeafState::Failing(issuing.message().to_owned()),
        None => LeafState::Settled,
    }
}
