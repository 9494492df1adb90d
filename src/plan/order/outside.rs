//! What is placed outside the cluster, such as a TXT record. No label finds it, so its Challenge says that it may be there.
//!
//! Before anything is written outside, the Challenge gets cert-manager's finalizer and an annotation that names what will be
//! written ([`guard`]). It keeps both until that is withdrawn, also where its Order is deleted or a process dies in between.

use jiff::{SignedDuration, Timestamp};

use super::{memory::NotYet, timing};
use crate::{
    api::names::{CHALLENGE_FINALIZER, LEGACY_CHALLENGE_FINALIZER, annotation},
    plan::{
        challenge::finalizers_to_release,
        seen::{Meta, Next},
    },
};

/// How long a withdrawal is tried. Then the finalizer goes, with an Event that names what stays: a namespace must not hang in its
/// deletion because an account at a provider is gone.
const WITHDRAWN_WITHIN: SignedDuration = SignedDuration::from_mins(30);

/// The last call about what is outside the cluster for one Challenge. At most one is under way. All of it may be lost at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// It is being presented.
    Presenting,
    /// It is being withdrawn.
    Withdrawing {
        /// Since when that is tried.
        since: Timestamp,
        /// Failures so far.
        failures: u32,
    },
    /// It could not be withdrawn.
    NotWithdrawn {
        /// Since when that is tried.
        since: Timestamp,
        /// Failures so far.
        failures: u32,
        /// When to try again.
        again: Timestamp,
    },
    /// Nothing is there any more, or nobody tries to remove it any longer.
    Withdrawn,
}

impl Call {
    /// The call that withdraws, after `before`.
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

    /// What is known after a withdrawal failed. `None` where it is given up.
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

    /// Whether an answer is waited for.
    pub const fn is_under_way(&self) -> bool {
        match self {
            Self::Presenting | Self::Withdrawing { .. } => true,
            Self::NotWithdrawn { .. } | Self::Withdrawn => false,
        }
    }
}

/// What has to happen before a Challenge may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanUp {
    /// What is outside the cluster for it is to be withdrawn.
    Withdraw,
    /// A call is under way, or failed and is repeated at this time.
    Wait(Next),
    /// Nothing.
    Done,
}

/// What has to happen before this Challenge may go, where `call` is the last call about it.
pub fn clean_up(now: Timestamp, challenge: &Meta, call: Option<&Call>) -> CleanUp {
    match (record(challenge), call) {
        (None, _) | (Some(_), Some(Call::Withdrawn)) => CleanUp::Done,
        (Some(_), None) => CleanUp::Withdraw,
        (Some(_), Some(Call::NotWithdrawn { again, .. })) if *again <= now => CleanUp::Withdraw,
        (Some(_), Some(Call::NotWithdrawn { again, .. })) => CleanUp::Wait(Next::At(*again)),
        (Some(_), Some(Call::Presenting | Call::Withdrawing { .. })) => CleanUp::Wait(Next::OnChange),
    }
}

/// What is to be done for a Challenge whose Order nobody follows: it is deleted, or no request explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Abandoned {
    /// What is outside the cluster for it is to be withdrawn.
    Withdraw,
    /// Only these finalizers stay.
    Release(Vec<String>),
    /// Nothing, until then.
    Wait(Next),
}

/// What is to be done for such a Challenge, where `call` is the last call about it.
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

/// What may be outside the cluster for this Challenge, as its annotation names it. Without the finalizer nothing is there.
pub fn record(challenge: &Meta) -> Option<&str> {
    let is_kept = challenge.finalizers.iter().any(|name| is_of_cert_manager(name));
    challenge.annotations.get(annotation::RECORD).filter(|_| is_kept)
}

/// The finalizers that the Challenge has to have before `record` is written outside the cluster; `None` where it has them and the
/// annotation.
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
