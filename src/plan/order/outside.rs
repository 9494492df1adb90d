//! Proofs outside the cluster, such as a TXT record. They have no label, so their Challenge names them.
//!
//! Before a write outside the cluster, the Challenge gets its guard: cert-manager's finalizer, and an annotation that
//! names the record ([`guard`]). It keeps both until the withdrawal, also if its Order is deleted or the process is
//! killed in between. A Challenge that cert-manager has left in flight has the finalizer, and names no record
//! ([`Left::Unnamed`]).

use jiff::{SignedDuration, Timestamp};

use super::{memory::NotYet, timing};
use crate::{
    api::{
        challenge::ChallengeType,
        names::{CHALLENGE_FINALIZER, LEGACY_CHALLENGE_FINALIZER, annotation},
    },
    plan::{
        challenge::finalizers_to_release,
        kinds::ChallengeKind,
        seen::{Meta, Next, Object},
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

/// What may be outside the cluster for a Challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left<'a> {
    /// Nothing.
    Nothing,
    /// The record that its annotation names.
    Named(&'a str),
    /// A record of cert-manager's, which has to be located.
    Unnamed,
}

/// What may be outside the cluster for this Challenge. cert-manager sets its finalizer before it presents, and says in the status that
/// it is at work until it has cleaned up.
pub fn left(challenge: &Object<ChallengeKind>) -> Left<'_> {
    let named = left_by_name(&challenge.meta);
    let status = &challenge.status;
    let is_at_work = status.presented == Some(true) || status.processing == Some(true);
    let is_outside = challenge.spec.type_ == ChallengeType::Dns01;
    if named == Left::Nothing && is_outside && is_at_work && is_kept(&challenge.meta) {
        Left::Unnamed
    } else {
        named
    }
}

/// The same for a Challenge that cannot be decoded.
pub fn left_by_name(challenge: &Meta) -> Left<'_> {
    record(challenge).map_or(Left::Nothing, Left::Named)
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

/// What is needed before a Challenge may be deleted. `call` is the last call for it.
pub fn clean_up(now: Timestamp, left: Left<'_>, call: Option<&Call>) -> CleanUp {
    if left == Left::Nothing {
        return CleanUp::Done;
    }
    match call {
        Some(Call::Withdrawn) => CleanUp::Done,
        None => CleanUp::Withdraw,
        Some(Call::NotWithdrawn { again, .. }) if *again <= now => CleanUp::Withdraw,
        Some(Call::NotWithdrawn { again, .. }) => CleanUp::Wait(Next::At(*again)),
        Some(Call::Presenting | Call::Withdrawing { .. }) => CleanUp::Wait(Next::OnChange),
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

/// The next step for such a Challenge. `call` is the last call for it. What cert-manager has left is touched only once the Challenge is
/// being deleted: certlet does not act for its Order, and others may.
pub fn abandoned(now: Timestamp, challenge: &Meta, left: Left<'_>, call: Option<&Call>) -> Abandoned {
    match clean_up(now, left, call) {
        CleanUp::Withdraw if left == Left::Unnamed && challenge.deleting.is_none() => Abandoned::Wait(Next::OnChange),
        CleanUp::Withdraw => Abandoned::Withdraw,
        CleanUp::Wait(next) => Abandoned::Wait(next),
        CleanUp::Done => {
            let goes = challenge.deleting.is_some() || record(challenge).is_some();
            let rest = finalizers_to_release(challenge).filter(|_| goes);
            rest.map_or(Abandoned::Wait(Next::OnChange), Abandoned::Release)
        }
    }
}

/// The record that the annotation of this Challenge names. `None` without the finalizer.
pub fn record(challenge: &Meta) -> Option<&str> {
    challenge
        .annotations
        .get(annotation::RECORD)
        .filter(|_| is_kept(challenge))
}

fn is_kept(challenge: &Meta) -> bool {
    challenge.finalizers.iter().any(|name| is_of_cert_manager(name))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A Challenge as cert-manager has left it: with this finalizer and, in its status, `presented` and `processing`.
    fn of_cert_manager(
        finalizer: &str,
        type_: ChallengeType,
        presented: bool,
        processing: bool,
    ) -> Object<ChallengeKind> {
        let mut challenge = Object::<ChallengeKind> {
            meta: Meta::default(),
            spec: crate::api::challenge::ChallengeSpec::default(),
            status: crate::api::challenge::ChallengeStatus::default(),
        };
        challenge.meta.finalizers = [finalizer].map(Into::into).into();
        challenge.spec.type_ = type_;
        (challenge.status.presented, challenge.status.processing) = (Some(presented), Some(processing));
        challenge
    }

    #[test]
    fn what_cert_manager_leaves_in_flight_has_a_record_that_is_located_and_withdrawn() {
        let now = Timestamp::UNIX_EPOCH;
        for finalizer in [CHALLENGE_FINALIZER, LEGACY_CHALLENGE_FINALIZER] {
            for (presented, processing) in [(true, true), (false, true), (true, false)] {
                let mut challenge = of_cert_manager(finalizer, ChallengeType::Dns01, presented, processing);
                assert_eq!(left(&challenge), Left::Unnamed);
                assert_eq!(clean_up(now, Left::Unnamed, None), CleanUp::Withdraw);
                let next =
                    |challenge: &Object<ChallengeKind>, call| abandoned(now, &challenge.meta, left(challenge), call);
                assert_eq!(next(&challenge, None), Abandoned::Wait(Next::OnChange));
                challenge.meta.deleting = Some(now);
                assert_eq!(next(&challenge, None), Abandoned::Withdraw);
                assert_eq!(next(&challenge, Some(&Call::Withdrawn)), Abandoned::Release(Vec::new()));
            }
        }
    }

    #[test]
    fn what_cert_manager_has_cleaned_up_or_never_began_or_proves_over_http_has_no_record() {
        for challenge in [
            of_cert_manager(CHALLENGE_FINALIZER, ChallengeType::Dns01, false, false),
            of_cert_manager("somebody.example/else", ChallengeType::Dns01, true, true),
            of_cert_manager(CHALLENGE_FINALIZER, ChallengeType::Http01, true, true),
        ] {
            assert_eq!(left(&challenge), Left::Nothing, "{challenge:?}");
        }
    }
}
