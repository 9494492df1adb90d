//! Proofs outside the cluster, such as a TXT record. They have no label, so their Challenge names them.
//!
//! Before a write outside the cluster, the Challenge gets its guard: cert-manager's finalizer, and an annotation that
//! names the record ([`guard`]). It keeps both until the withdrawal, also if its Order is deleted or the process is
//! killed in between.

use jiff::{SignedDuration, Timestamp};

use super::{memory::NotYet, timing};
use crate::{
    api::names::{CHALLENGE_FINALIZER, LEGACY_CHALLENGE_FINALIZER, annotation},
    plan::{
        challenge::finalizers_to_release,
        seen::{Meta, Next},
    },
};

/// How long a withdrawal is retried. Then the finalizer is removed, with an Event that names the record. A namespace
/// must not hang in its deletion because an account at a provider does not exist any more.
const WITHDRAWN_WITHIN: SignedDuration = SignedDuration::from_mins(30);

/// The last call outside the cluster for one Challenge. At most one is running. It may be lost at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A call that presents is running.
    Presenting,
    /// A call that withdraws is running.
    Withdrawing {
        /// When the first attempt began.
        since: Timestamp,
        /// The number of failures.
        failures: u32,
    },
    /// The last withdrawal failed.
    NotWithdrawn {
        /// When the first attempt began.
        since: Timestamp,
        /// The number of failures.
        failures: u32,
        /// The time of the next attempt.
        again: Timestamp,
    },
    /// Nothing is outside the cluster any more, or the withdrawal was given up.
    Withdrawn,
}

impl Call {
    /// The call for a withdrawal, after `before`.
    pub fn withdraw(now: Timestamp, before: Option<&Self>) -> Self {
        match before {
            Some(Self::NotWithdrawn { since, failures, .. }) => Self::Withdrawing {
                since: *since,
                failures: *failures,
            },
            Some(Self::Presenting | Self::Withdrawing { .. } | Self::Withdrawn) | None => Self::Withdrawing {
                since: now,
                failures: 0,
            },
        }
    }

    /// The call after a failed withdrawal. `None` if it is given up.
    pub fn not_withdrawn(&self, now: Timestamp, not_yet: &NotYet) -> Option<Self> {
        let (since, failures) = match self {
            Self::Withdrawing { since, failures } | Self::NotWithdrawn { since, failures, .. } => (*since, *failures),
            Self::Presenting | Self::Withdrawn => (now, 0),
        };
        let end = timing::add(since, WITHDRAWN_WITHIN);
        let again = timing::add(now, timing::retry(failures)).max(not_yet.again).min(end);
        (now < end).then(|| Self::NotWithdrawn {
            since,
            failures: failures.saturating_add(1),
            again,
        })
    }

    /// Whether the call is running.
    pub const fn is_under_way(&self) -> bool {
        match self {
            Self::Presenting | Self::Withdrawing { .. } => true,
            Self::NotWithdrawn { .. } | Self::Withdrawn => false,
        }
    }
}

/// What is needed before a Challenge may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanUp {
    /// A withdrawal outside the cluster.
    Withdraw,
    /// The end of a running call, or the time of the next attempt.
    Wait(Next),
    /// Nothing.
    Done,
}

/// What is needed before this Challenge may be deleted. `call` is the last call for it.
pub fn clean_up(now: Timestamp, challenge: &Meta, call: Option<&Call>) -> CleanUp {
    match (record(challenge), call) {
        (None, _) | (Some(_), Some(Call::Withdrawn)) => CleanUp::Done,
        (Some(_), None) => CleanUp::Withdraw,
        (Some(_), Some(Call::NotWithdrawn { again, .. })) if *again <= now => CleanUp::Withdraw,
        (Some(_), Some(Call::NotWithdrawn { again, .. })) => CleanUp::Wait(Next::At(*again)),
        (Some(_), Some(Call::Presenting | Call::Withdrawing { .. })) => CleanUp::Wait(Next::OnChange),
    }
}

/// The next step for a Challenge without an active Order: its Order is deleted, or no request explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Abandoned {
    /// A withdrawal outside the cluster.
    Withdraw,
    /// A removal of all finalizers but these.
    Release(Vec<String>),
    /// Nothing until then.
    Wait(Next),
}

/// The next step for such a Challenge. `call` is the last call for it.
pub fn abandoned(now: Timestamp, challenge: &Meta, call: Option<&Call>) -> Abandoned {
    match clean_up(now, challenge, call) {
        CleanUp::Withdraw => Abandoned::Withdraw,
        CleanUp::Wait(next) => Abandoned::Wait(next),
        CleanUp::Done => {
            let goes = challenge.deleting.is_some() || record(challenge).is_some();
            let rest = finalizers_to_release(challenge).filter(|_| goes);
            rest.map_or(Abandoned::Wait(Next::OnChange), Abandoned::Release)
        }
    }
}

/// What may be outside the cluster for this Challenge, from its annotation. `None` without the finalizer.
pub fn record(challenge: &Meta) -> Option<&str> {
    let is_kept = challenge.finalizers.iter().any(|name| is_of_cert_manager(name));
    challenge.annotations.get(annotation::RECORD).filter(|_| is_kept)
}

/// The finalizers that the Challenge needs before `record` is written outside the cluster. `None` if it has them and
/// the annotation.
pub fn guard(challenge: &Meta, written: &str) -> Option<Vec<String>> {
    (record(challenge) != Some(written)).then(|| {
        let others = challenge
            .finalizers
            .iter()
            .filter(|name| &***name != CHALLENGE_FINALIZER);
        let others = others.map(ToString::to_string);
        others.chain([CHALLENGE_FINALIZER.to_owned()]).collect()
    })
}

fn is_of_cert_manager(finalizer: &str) -> bool {
    finalizer == CHALLENGE_FINALIZER || finalizer == LEGACY_CHALLENGE_FINALIZER
}
