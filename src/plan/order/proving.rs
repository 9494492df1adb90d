//! Authorizations: which challenges are made, shown, probed, and told to the CA (ACH, SEL rows).

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    Plan, Planner, Step,
    ca::{AuthorizationAtCa, AuthorizationState, OrderAtCa},
    facts::Choice,
    memory::{Probe, Proof},
    outcome,
    slots::Slot,
    timing, write,
};
use crate::{
    api::order::OrderStatus,
    plan::{
        challenge::{self, Offer, WAITING, Wanted},
        kinds::ChallengeKind,
        seen::{Next, Object},
    },
};

/// How often an order is looked at that one of its authorizations has ruined, and that its CA still calls pending.
const DOOMED_LOOKS: u32 = 12;

/// An authorization that is still to be proved.
pub(super) struct Open<'a> {
    pub(super) url: &'a str,
    pub(super) choice: &'a Choice,
    pub(super) proof: Proof,
    pub(super) slot: Slot,
    pub(super) wanted: Wanted,
    pub(super) identifier: &'a str,
}

impl Planner<'_> {
    /// The order waits for its authorizations.
    pub(super) fn prove(&self, order: &OrderAtCa) -> Plan {
        let memory = self.seen.memory;
        if let Some(plan) = self.refuse_strange(order) {
            return plan.keeping(BTreeSet::new());
        }
        let unread = self.unread(order);
        if !unread.is_empty() {
            return Plan::now(Step::ReadAuthorizations(unread));
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

    /// An authorization was lost at `lost`: the order is invalid, or will be in a moment. A CA that never says so is not asked for
    /// ever.
    fn doomed(&self, order: &OrderAtCa, lost: Timestamp) -> Plan {
        let looks = self.seen.memory.looks;
        let unseen = lost > order.answered;
        if !unseen && looks >= DOOMED_LOOKS {
            return self.lost(order);
        }
        let read = if unseen {
            self.now
        } else {
            timing::poll(order.answered, order.retry_at, looks)
        };
        if read <= self.now {
            Plan::now(Step::ReadOrder { url: order.url.clone() })
        } else {
            Plan::wait(Next::At(read))
        }
    }

    fn open_one<'b>(&'b self, url: &'b str, one: &'b AuthorizationAtCa) -> Result<Open<'b>, &'b str> {
        let choice = match self.seen.choices.get(url) {
            Some(Choice::None(sentence)) => return Err(sentence),
            Some(choice) => choice,
            None => return Err("no solver was looked for"),
        };
        let Choice::Http01 {
            url: challenge,
            token,
            key,
            solver,
            wait: _,
        } = choice
        else {
            return Err("not over HTTP");
        };
        let offer = Offer {
            authorization: url,
            identifier: &one.identifier,
            wildcard: one.wildcard,
            url: challenge,
            token,
            key,
            solver,
        };
        Ok(Open {
            url,
            choice,
            proof: self.seen.memory.proofs.get(url).cloned().unwrap_or_default(),
            slot: self.seen.slots.get(url).copied().unwrap_or_default(),
            wanted: challenge::wanted(&offer, &self.seen.order.spec.issuer_ref),
            identifier: &one.identifier,
        })
    }

    /// No solver for a name (AOR-13): waits for another issuer.
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
            steps = self.showing(open);
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
                .filter(|one| look_at(one).is_some_and(|at| at <= self.now))
                .map(|one| one.url.to_owned());
            let due: Vec<String> = due.collect();
            if !due.is_empty() {
                steps.push(Step::ReadAuthorizations(due));
            }
        }
        let reread = timing::add(order.answered, timing::REREAD);
        if steps.is_empty() && reread <= self.now {
            steps.push(Step::ReadOrder { url: order.url.clone() });
        }
        let next = open
            .iter()
            .flat_map(|one| self.times(one))
            .fold(Next::At(reread), Next::or_at);
        self.record(order, self.finding(open), next, steps).keeping(keeps)
    }

    /// The Order's status first, if it is to change.
    fn record(&self, order: &OrderAtCa, reason: Option<String>, next: Next, steps: Vec<Step>) -> Plan {
        let wanted: OrderStatus = self.opened(order, reason);
        let first = (wanted != *self.status).then(|| write(wanted));
        Plan::new(first.into_iter().chain(steps).collect(), next)
    }

    /// Challenges that are missing, and those that stand in their way or belong to another ACME order.
    fn challenges(&self, order: &OrderAtCa, open: &[Open<'_>]) -> Vec<Step> {
        let foreign = self
            .seen
            .challenges
            .iter()
            .filter(|one| !order.authorizations.contains(&one.spec.authorization_url));
        let mut steps: Vec<Step> = foreign
            .map(|one| Step::DeleteChallenge {
                key: one.meta.key.clone(),
            })
            .collect();
        for one in open.iter().filter(|one| self.mirror_of(one).is_none()) {
            let spec = &one.wanted.spec;
            let name = challenge::name(self.seen.order.meta.name(), spec);
            let occupant = self
                .seen
                .challenges
                .iter()
                .find(|challenge| challenge.meta.name() == name);
            if let Some(occupant) = occupant {
                // it carries our name and says something else: nobody but us writes Challenges
                let key = occupant.meta.key.clone();
                steps.push(Step::DeleteChallenge { key });
            }
            let name = if self.seen.memory.taken.contains(&name) {
                self.other_name(&name)
            } else {
                name
            };
            steps.push(Step::CreateChallenge {
                name,
                spec: Box::new(spec.clone()),
            });
        }
        steps
    }

    /// A stranger has the name: ours gets the beginning of the Order's uid.
    fn other_name(&self, name: &str) -> String {
        let uid = self
            .seen
            .order
            .meta
            .uid
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(8)
            .collect::<String>();
        format!("{name}-{}", uid.to_ascii_lowercase())
    }

    pub(super) fn mirror_of(&self, one: &Open<'_>) -> Option<&Object<ChallengeKind>> {
        self.seen
            .challenges
            .iter()
            .find(|challenge| challenge.meta.deleting.is_none() && one.wanted.is_mirrored_by(challenge))
    }

    /// Slots are asked for, and what has one is shown.
    fn showing(&self, open: &[Open<'_>]) -> Vec<Step> {
        let memory = self.seen.memory;
        let claims = open.iter().filter(|one| one.slot == Slot::None && !self.parked(one));
        let claims: Vec<_> = claims
            .map(|one| (one.url.to_owned(), one.identifier.to_owned()))
            .collect();
        if !claims.is_empty() {
            return vec![Step::Claim(claims)];
        }
        let wanted: Vec<&Open<'_>> = open.iter().filter(|one| self.may_be_shown(one)).collect();
        let unreached = wanted
            .iter()
            .any(|one| matches!(one.proof.probe, Probe::Failed { .. }) && one.proof.accepted.is_none());
        let due = match (&memory.hidden, &memory.shown) {
            (Some(hidden), _) => hidden.again <= self.now,
            (None, None) => true,
            (None, Some((_, since))) if unreached && timing::make_sure_at(*since, memory.made_sure) <= self.now => true,
            (None, Some((shown, _))) => !wanted.iter().all(|one| shown.contains(one.url)),
        };
        if due && !wanted.is_empty() {
            return vec![Step::Present(wanted.iter().map(|one| one.url.to_owned()).collect())];
        }
        Vec::new()
    }

    fn may_be_shown(&self, one: &Open<'_>) -> bool {
        one.slot == Slot::Held || self.is_shown(one) || self.parked(one)
    }

    pub(super) fn is_shown(&self, one: &Open<'_>) -> bool {
        self.seen
            .memory
            .shown
            .as_ref()
            .is_some_and(|(shown, _)| shown.contains(one.url))
    }

    /// Whether it could not be reached for so long that it goes on without a slot: by what this process found, or, before it has
    /// found anything, by what is written of it. So a restart does not give all that is hopeless a turn before all others.
    fn parked(&self, one: &Open<'_>) -> bool {
        let Proof {
            probe,
            probing_since,
            accepted,
            finding,
            ..
        } = &one.proof;
        let long_ago = |since: Timestamp| timing::add(since, timing::PARKED_AFTER) <= self.now;
        let found = finding.is_some() && probing_since.is_some_and(long_ago);
        let written = || {
            let status = &self.mirror_of(one)?.status;
            let waits = status.reason.as_deref()?.starts_with(WAITING);
            Some(waits && long_ago(status.presented_at.as_ref()?.0))
        };
        let unreached = *probe != Probe::Passed && accepted.is_none();
        unreached && (found || written().unwrap_or(false))
    }

    /// Probes it, or tells the CA.
    fn advance(&self, one: &Open<'_>) -> Option<Step> {
        if !self.is_shown(one) || one.proof.accepted.is_some() {
            return None;
        }
        let Choice::Http01 { url, .. } = one.choice else {
            return None;
        };
        let authorization = one.url.to_owned();
        let probe = Step::Probe {
            authorization: authorization.clone(),
        };
        let accept = || {
            (one.slot == Slot::Held).then(|| Step::Accept {
                authorization,
                url: url.clone(),
            })
        };
        match (self.accept_at(one), &one.proof.probe) {
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

    /// When the CA is told where a fixed wait replaces the probe (ACH-04).
    pub(super) fn accept_at(&self, one: &Open<'_>) -> Option<Timestamp> {
        let Choice::Http01 { wait: Some(wait), .. } = one.choice else {
            return None;
        };
        let written = self
            .mirror_of(one)
            .and_then(|challenge| challenge.status.presented_at.as_ref())
            .map(|time| time.0);
        let since = written.or_else(|| self.seen.memory.shown.as_ref().map(|(_, since)| *since));
        Some(timing::add(since.unwrap_or(self.now), *wait))
    }

    /// When something about it is due.
    fn times(&self, one: &Open<'_>) -> impl Iterator<Item = Timestamp> {
        let again = match &one.proof.probe {
            Probe::Failed { again } if one.proof.accepted.is_none() => Some(*again),
            Probe::Failed { .. } | Probe::Idle | Probe::Running | Probe::Passed => None,
        };
        let hidden = self.seen.memory.hidden.as_ref().map(|hidden| hidden.again);
        let hidden = hidden.filter(|_| self.may_be_shown(one));
        // without a slot the CA is not told: whoever gives one calls
        let may_tell = one.slot == Slot::Held && one.proof.accepted.is_none() && self.is_shown(one);
        let accept_at = self.accept_at(one).filter(|_| may_tell);
        [again, hidden, look_at(one), accept_at].into_iter().flatten()
    }
}

fn look_at(one: &Open<'_>) -> Option<Timestamp> {
    one.proof.accepted.map(|since| one.proof.look_at.unwrap_or(since))
}
