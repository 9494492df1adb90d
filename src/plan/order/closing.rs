//! The end of an Order and of its Challenges: proofs are withdrawn, then Challenges are deleted.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    OrderStep, Plan, Planner,
    outside::{self, CleanUp, Left},
    proof::{Batch, Placed, is_in_cluster},
};
use crate::plan::{
    challenge,
    kinds::ChallengeKind,
    seen::{Next, Object},
};

impl Planner<'_> {
    /// The plan for an issued certificate: nothing else is needed (AOR-11).
    pub(super) fn completed(&self) -> Plan {
        let keys = self.seen.challenges.iter().map(|challenge| challenge.meta.key.clone());
        self.closed(keys.map(|key| OrderStep::DeleteChallenge { key }).collect())
    }

    /// Withdraws all proofs, then applies `afterwards`.
    pub(super) fn closed(&self, afterwards: Vec<OrderStep>) -> Plan {
        let memory = self.seen.memory;
        let challenges = self.seen.challenges.iter();
        // a Challenge may have a proof that is still presented
        let in_cluster = memory.presented(&Batch::Order).is_some()
            || challenges.clone().any(|challenge| is_in_cluster(challenge.spec.type_));
        let mut steps = Vec::new();
        if in_cluster && !memory.withdrawn {
            steps.push(OrderStep::Withdraw(Placed::InCluster));
        }
        let mut held = Vec::new();
        for challenge in challenges.filter(|challenge| outside::left(challenge) != Left::Nothing) {
            let key = &challenge.meta.key;
            match self.clean_up(challenge) {
                CleanUp::Withdraw => {
                    steps.push(OrderStep::Withdraw(Placed::Outside(key.clone())));
                    held.push(key);
                }
                CleanUp::Wait(_) => held.push(key),
                // one write for each Challenge and plan: a second one would be planned from an outdated object
                CleanUp::Done if afterwards.iter().any(|step| step.challenge() == Some(key)) => {}
                CleanUp::Done => steps.extend(release(challenge).filter(|_| challenge.meta.deleting.is_none())),
            }
        }
        let is_free = |step: &OrderStep| {
            if let OrderStep::DeleteChallenge { key } = step {
                !held.contains(&key)
            } else {
                *step != OrderStep::StartOver || held.is_empty()
            }
        };
        steps.extend(afterwards.into_iter().filter(is_free));
        Plan::new(steps, Next::OnChange).keeping(BTreeSet::new())
    }

    /// Releases Challenges that another client deletes and that only wait for cert-manager's finalizer.
    pub(super) fn released(&self) -> impl Iterator<Item = OrderStep> {
        let deleting = self
            .seen
            .challenges
            .iter()
            .filter(|challenge| challenge.meta.deleting.is_some());
        deleting.filter_map(|challenge| self.cleaned(challenge, release(challenge)?))
    }

    /// Returns `then`, if nothing is outside the cluster for this Challenge any more. Otherwise the step that
    /// withdraws it.
    pub(super) fn cleaned(&self, challenge: &Object<ChallengeKind>, then: OrderStep) -> Option<OrderStep> {
        match self.clean_up(challenge) {
            CleanUp::Withdraw => Some(OrderStep::Withdraw(Placed::Outside(challenge.meta.key.clone()))),
            CleanUp::Wait(_) => None,
            CleanUp::Done => Some(then),
        }
    }

    fn clean_up(&self, challenge: &Object<ChallengeKind>) -> CleanUp {
        let call = self.seen.calls.get(&challenge.meta.uid);
        outside::clean_up(self.now, outside::left(challenge), call)
    }

    /// The times of the next attempts of failed withdrawals.
    pub(super) fn withdrawn_again(&self) -> impl Iterator<Item = Timestamp> {
        let waits = |challenge| match self.clean_up(challenge) {
            CleanUp::Wait(Next::At(again)) => Some(again),
            CleanUp::Wait(Next::OnChange) | CleanUp::Withdraw | CleanUp::Done => None,
        };
        self.seen.challenges.iter().filter_map(waits)
    }
}

fn release(challenge: &Object<ChallengeKind>) -> Option<OrderStep> {
    let finalizers = challenge::finalizers_to_release(&challenge.meta)?;
    Some(OrderStep::ReleaseChallenge {
        key: challenge.meta.key.clone(),
        finalizers,
    })
}
