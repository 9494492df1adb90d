//! Authorizations: which need a proof, which proofs are probed, and when a challenge is accepted (ACH, SEL rows).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{
    OrderStep, Plan, Planner,
    ca::{AuthorizationAtCa, AuthorizationState, OrderAtCa},
    facts::Choice,
    memory::{Probe, Progress},
    outcome,
    proof::{Batch, Proof},
    slots::Slot,
    timing, write,
};
use crate::{
    api::order::OrderStatus,
    plan::{
        challenge::{self, Offer, Wanted},
        seen::Next,
    },
};

/// How often an order is polled that the CA still reports as pending after one of its authorizations failed.
const DOOMED_POLLS: u32 = 12;

/// An authorization that still needs a proof.
pub(super) struct Open<'a> {
    pub(super) url: &'a str,
    /// URL of the challenge.
    challenge: &'a str,
    pub(super) proof: &'a Proof,
    pub(super) batch: Batch,
    /// A fixed wait that replaces the self-check (ACH-04).
    pub(super) wait: Option<SignedDuration>,
    pub(super) progress: Progress,
    pub(super) slot: Slot,
    pub(super) wanted: Wanted,
    pub(super) identifier: &'a str,
}

impl Planner<'_> {
    /// The plan for an order that waits for its authorizations.
    pub(super) fn prove(&self, order: &OrderAtCa) -> Plan {
        let memory = self.seen.memory;
        if let Some(plan) = self.refuse_strange(order) {
            return plan.keeping(BTreeSet::new());
        }
        let unread = self.unread(order);
        if !unread.is_empty() {
            return Plan::now(OrderStep::ReadAuthorizations(unread));
        }
        let known = || {
            order
                .authorizations
                .iter()
                .filter_map(|url| Some((url.as_str(), memory.authorizations.get(url)?)))
        };
        if let Some(lost) = known()
            .map(|(_, one)| one)
            .filter(|one| one.is_lost())
            .map(|one| one.answered)
            .max()
        {
            return self.doomed(order, lost).keeping(BTreeSet::new());
        }
        let pending: Vec<_> = known()
            .filter(|(_, one)| one.state == AuthorizationState::Pending)
            .collect();
        if pending.is_empty() {
            return self.finalize(order).keeping(BTreeSet::new());
        }
        let mut refusals = Vec::new();
        let mut open = Vec::new();
        for (url, one) in pending {
            match self.open_one(url, one) {
                Ok(one) => open.push(one),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if refusals.is_empty() {
            self.prove_all(order, &open)
        } else {
            self.unsolvable(order, &refusals)
        }
    }

    /// The plan after an authorization failed at `lost`: the order is invalid, or will be in a moment. A CA that
    /// never reports that is not polled without end.
    fn doomed(&self, order: &OrderAtCa, lost: Timestamp) -> Plan {
        let polls = self.seen.memory.polls;
        let unseen = lost > order.answered;
        let left_pending = self.seen.memory.authorizations.values().any(|one| one.left_pending);
        if left_pending || (!unseen && polls >= DOOMED_POLLS) {
            return self.lost(order);
        }
        let read = if unseen {
            self.now
        } else {
            timing::poll(order.answered, order.retry_at, polls)
        };
        if read <= self.now {
            Plan::now(OrderStep::ReadOrder { url: order.url.clone() })
        } else {
            Plan::wait(Next::At(read))
        }
    }

    fn open_one<'b>(&'b self, url: &'b str, one: &'b AuthorizationAtCa) -> Result<Open<'b>, &'b str> {
        let (challenge, token, proof, solver, wait) = match self.seen.choices.get(url) {
            Some(Choice::Prove {
                url,
                token,
                proof,
                solver,
                wait,
            }) => (url, token, proof, solver, *wait),
            Some(Choice::None(sentence)) => return Err(sentence),
            None => return Err("no solver is selected yet"),
        };
        let offer = Offer {
            authorization: url,
            identifier: &one.identifier,
            wildcard: one.wildcard,
            url: challenge,
            token,
            proof,
            solver,
        };
        Ok(Open {
            url,
            challenge,
            proof,
            batch: proof.batch(url),
            wait,
            progress: self.seen.memory.proofs.get(url).cloned().unwrap_or_default(),
            slot: self.seen.slots.get(url).copied().unwrap_or_default(),
            wanted: challenge::wanted(&offer, &self.seen.order.spec.issuer_ref),
            identifier: &one.identifier,
        })
    }

    /// The plan without a solver for a name (AOR-13): it waits for an edit of the issuer.
    fn unsolvable(&self, order: &OrderAtCa, refusals: &[&str]) -> Plan {
        let mut distinct: Vec<&str> = Vec::new();
        for refusal in refusals {
            if !distinct.contains(refusal) {
                distinct.push(refusal);
            }
        }
        let reason = format!("{}{}", outcome::NO_SOLVER, distinct.join("; "));
        self.record(
            order,
            Some(reason),
            Next::At(timing::add(order.answered, timing::REREAD)),
            Vec::new(),
        )
        .keeping(BTreeSet::new())
    }

    fn prove_all(&self, order: &OrderAtCa, open: &[Open<'_>]) -> Plan {
        let keeps = open
            .iter()
            .filter(|one| !self.parked(one))
            .map(|one| one.url.to_owned())
            .collect();
        let mut steps = self.challenges(order, open);
        if steps.is_empty() {
            steps = self.presenting(open);
        }
        if steps.is_empty() {
            steps = open
                .iter()
                .filter_map(|one| self.mirror(one))
                .chain(self.proved())
                .collect();
            steps.extend(open.iter().filter_map(|one| self.advance(one)));
            let due = open
                .iter()
                .filter(|one| poll_at(one).is_some_and(|at| at <= self.now))
                .map(|one| one.url.to_owned());
            let due: Vec<String> = due.collect();
            if !due.is_empty() {
                steps.push(OrderStep::ReadAuthorizations(due));
            }
        }
        let reread = timing::add(order.answered, timing::REREAD);
        if steps.is_empty() && reread <= self.now {
            steps.push(OrderStep::ReadOrder { url: order.url.clone() });
        }
        let next = open
            .iter()
            .flat_map(|one| self.times(one))
            .fold(Next::At(reread), Next::or_at);
        self.record(order, self.finding(open), next, steps).keeping(keeps)
    }

    /// The steps, preceded by a write of the Order's status if it is outdated.
    fn record(&self, order: &OrderAtCa, reason: Option<String>, next: Next, steps: Vec<OrderStep>) -> Plan {
        let wanted: OrderStatus = self.opened(order, reason);
        let first = (wanted != *self.status).then(|| write(wanted));
        Plan::new(first.into_iter().chain(steps).collect(), next)
    }

    /// Probes a challenge, or accepts it.
    fn advance(&self, one: &Open<'_>) -> Option<OrderStep> {
        if !self.is_presented(one) || one.progress.accepted.is_some() || self.accept_again(one).is_some() {
            return None;
        }
        let authorization = one.url.to_owned();
        let probe = OrderStep::Probe {
            authorization: authorization.clone(),
        };
        let accept = || {
            (one.slot == Slot::Held).then(|| OrderStep::Accept {
                authorization,
                url: one.challenge.to_owned(),
            })
        };
        match (self.accept_at(one), &one.progress.probe) {
            (Some(at), _) => {
                if at <= self.now {
                    accept()
                } else {
                    None
                }
            }
            (None, Probe::Passed) => accept(),
            (None, Probe::Idle) => Some(probe),
            (None, Probe::Failed { again }) if *again <= self.now => Some(probe),
            (None, Probe::Failed { .. } | Probe::Running) => None,
        }
    }

    /// The time to accept a challenge with a fixed wait instead of a probe (ACH-04).
    pub(super) fn accept_at(&self, one: &Open<'_>) -> Option<Timestamp> {
        let wait = one.wait?;
        let written = self
            .mirror_of(one)
            .and_then(|challenge| challenge.status.presented_at.as_ref())
            .map(|time| time.0);
        let since = written.or_else(|| self.seen.memory.presented(&one.batch).map(|presented| presented.since));
        Some(timing::add(since.unwrap_or(self.now), wait))
    }

    /// The times at which it is due.
    fn times(&self, one: &Open<'_>) -> impl Iterator<Item = Timestamp> {
        let again = match &one.progress.probe {
            Probe::Failed { again } if one.progress.accepted.is_none() && self.is_presented(one) => Some(*again),
            Probe::Failed { .. } | Probe::Idle | Probe::Running | Probe::Passed => None,
        };
        let present_again = self.seen.memory.obstacle(&one.batch).map(|obstacle| obstacle.again);
        let may_present = self.may_be_presented(one) && self.is_presentable(one);
        let present_again = present_again.filter(|_| may_present || self.is_not_located(one));
        // without a slot no challenge is accepted; the Order is reconciled when it gets one
        let may_accept = one.slot == Slot::Held && one.progress.accepted.is_none() && self.is_presented(one);
        let accept_again = self.accept_again(one);
        let accept_at = self.accept_at(one).filter(|_| may_accept && accept_again.is_none());
        [again, present_again, poll_at(one), accept_at, accept_again]
            .into_iter()
            .flatten()
    }

    /// The time before which it is not accepted again, because the CA's last validation failed. `None` once it is over.
    fn accept_again(&self, one: &Open<'_>) -> Option<Timestamp> {
        one.progress.accept_again.filter(|at| *at > self.now)
    }
}

fn poll_at(one: &Open<'_>) -> Option<Timestamp> {
    one.progress.accepted.map(|since| one.progress.poll_at.unwrap_or(since))
}
