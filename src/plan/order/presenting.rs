//! Creation of Challenges, and presenting of proofs (ACH, SEL rows).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    OrderStep, Planner,
    ca::OrderAtCa,
    memory::{Location, Probe, Progress},
    outside::{self, Call, Left},
    proof::Batch,
    proving::Open,
    slots::Slot,
    step::Claimed,
    timing,
};
use crate::plan::{challenge, kinds::ChallengeKind, seen::Object};

impl Planner<'_> {
    /// Creates missing Challenges, and deletes those that are outdated or belong to another ACME order.
    pub(super) fn challenges(&self, order: &OrderAtCa, open: &[Open<'_>]) -> Vec<OrderStep> {
        let delete = |one: &Object<ChallengeKind>| {
            let key = one.meta.key.clone();
            self.cleaned(one, OrderStep::DeleteChallenge { key })
        };
        let foreign = self
            .seen
            .challenges
            .iter()
            .filter(|one| !order.authorizations.contains(&one.spec.authorization_url));
        let mut steps: Vec<OrderStep> = foreign.filter_map(delete).collect();
        for one in open {
            if self.is_to_be_located(one) {
                let authorization = one.url.to_owned();
                steps.push(OrderStep::Locate { authorization });
                continue;
            }
            if let Some(challenge) = self.mirror_of(one) {
                steps.extend(self.guarded(one, challenge));
                continue;
            }
            if one.progress.location == Location::Locating {
                // its Challenge is created with its record, in one write
                continue;
            }
            let spec = &one.wanted.spec;
            let name = challenge::name(self.seen.order.meta.name(), spec);
            let occupant = self
                .seen
                .challenges
                .iter()
                .find(|challenge| challenge.meta.name() == name);
            if let Some(occupant) = occupant {
                // it has our name and another content: no other client writes Challenges
                let gone = delete(occupant);
                let stays = !matches!(gone, Some(OrderStep::DeleteChallenge { .. }));
                steps.extend(gone);
                if stays {
                    continue;
                }
            }
            let name = if self.seen.memory.taken.contains(&name) {
                self.other_name(&name)
            } else {
                name
            };
            steps.push(OrderStep::CreateChallenge {
                name,
                spec: Box::new(spec.clone()),
                record: self.record_of(one).map(str::to_owned),
            });
        }
        steps
    }

    /// Writes the Challenge's guard, before anything is written outside the cluster. The record of an earlier guard
    /// is withdrawn first. What cert-manager has written for it stays: it is the same record.
    fn guarded(&self, one: &Open<'_>, challenge: &Object<ChallengeKind>) -> Option<OrderStep> {
        let record = self.record_of(one)?;
        let finalizers = outside::guard(&challenge.meta, record)?;
        let guard = OrderStep::GuardChallenge {
            key: challenge.meta.key.clone(),
            finalizers,
            record: record.to_owned(),
        };
        match outside::left(challenge) {
            Left::Named(_) => self.cleaned(challenge, guard),
            Left::Unnamed | Left::Nothing => Some(guard),
        }
    }

    /// The record of a proof outside the cluster, as its Challenge has to name it; `None` as long as it is not located.
    fn record_of<'b>(&'b self, one: &'b Open<'_>) -> Option<&'b str> {
        if !one.proof.is_outside() {
            return None;
        }
        match &one.progress.location {
            Location::Found(record) => Some(record),
            Location::Unknown => outside::record(&self.mirror_of(one)?.meta),
            Location::Moved | Location::Locating => None,
        }
    }

    /// Whether it has to be found out now where the proof is written.
    fn is_to_be_located(&self, one: &Open<'_>) -> bool {
        let obstacle = self.seen.memory.obstacle(&one.batch);
        self.is_not_located(one) && obstacle.is_none_or(|obstacle| obstacle.again <= self.now)
    }

    /// Whether the location of the proof is unknown, and no look-up of it is under way.
    pub(super) fn is_not_located(&self, one: &Open<'_>) -> bool {
        one.proof.is_outside() && one.progress.location != Location::Locating && self.record_of(one).is_none()
    }

    /// The name with the beginning of the Order's uid, if another client's object has `name`.
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

    /// The Challenge of this authorization.
    pub(super) fn mirror_of(&self, one: &Open<'_>) -> Option<&Object<ChallengeKind>> {
        self.seen
            .challenges
            .iter()
            .find(|challenge| challenge.meta.deleting.is_none() && one.wanted.is_mirrored_by(challenge))
    }

    /// Claims slots, and presents the proofs that have one.
    pub(super) fn presenting(&self, open: &[Open<'_>]) -> Vec<OrderStep> {
        let claims = open.iter().filter(|one| one.slot == Slot::None && !self.parked(one));
        let claims = claims.map(|one| Claimed {
            authorization: one.url.to_owned(),
            subject: one.proof.subject(one.identifier, one.url),
            challenge_type: one.proof.challenge_type(),
        });
        let claims: Vec<_> = claims.collect();
        if !claims.is_empty() {
            return vec![OrderStep::Claim(claims)];
        }
        let mut batches: BTreeMap<&Batch, Vec<&Open<'_>>> = BTreeMap::new();
        for one in open.iter().filter(|one| self.may_be_presented(one)) {
            batches.entry(&one.batch).or_default().push(one);
        }
        let due = batches.into_iter().filter(|(batch, wanted)| self.is_due(batch, wanted));
        due.map(|(batch, wanted)| OrderStep::Present {
            batch: batch.clone(),
            authorizations: wanted.iter().map(|one| one.url.to_owned()).collect(),
        })
        .collect()
    }

    /// Whether these proofs of a batch are due for presenting.
    fn is_due(&self, batch: &Batch, wanted: &[&Open<'_>]) -> bool {
        let memory = self.seen.memory;
        if !wanted.iter().all(|one| self.is_presentable(one)) {
            return false;
        }
        let unreached = wanted
            .iter()
            .any(|one| matches!(one.progress.probe, Probe::Failed { .. }) && one.progress.accepted.is_none());
        match (memory.obstacle(batch), memory.presented(batch)) {
            (Some(obstacle), _) => obstacle.again <= self.now,
            (None, None) => true,
            (None, Some(presented)) if unreached => {
                timing::verify_at(presented.since, presented.repeated, presented.is_doubtful) <= self.now
                    || !wanted.iter().all(|one| presented.authorizations.contains(one.url))
            }
            (None, Some(presented)) => !wanted.iter().all(|one| presented.authorizations.contains(one.url)),
        }
    }

    /// Whether its solver may be called. Outside the cluster, its Challenge must have the guard, and no other call
    /// for it may be running.
    pub(super) fn is_presentable(&self, one: &Open<'_>) -> bool {
        if !one.proof.is_outside() {
            return true;
        }
        let Some(record) = self.record_of(one) else {
            return false;
        };
        self.mirror_of(one).is_some_and(|challenge| {
            let call = self.seen.calls.get(&challenge.meta.uid);
            outside::guard(&challenge.meta, record).is_none() && !call.is_some_and(Call::is_under_way)
        })
    }

    /// Whether its proof may be presented now: with a slot, or without one if it is presented already or was unreachable for long.
    pub(super) fn may_be_presented(&self, one: &Open<'_>) -> bool {
        one.slot == Slot::Held || self.is_presented(one) || self.parked(one)
    }

    /// Whether its proof is presented.
    pub(super) fn is_presented(&self, one: &Open<'_>) -> bool {
        self.seen.memory.is_presented(&one.batch, one.url)
    }

    /// Whether it was unreachable for so long that it continues without a slot: by the probe's findings, or, before
    /// the first one, by its written reason. So a restart does not give slots to unreachable challenges first.
    pub(super) fn parked(&self, one: &Open<'_>) -> bool {
        let Progress {
            probe,
            probing_since,
            accepted,
            finding,
            ..
        } = &one.progress;
        let long_ago = |since: Timestamp| timing::add(since, timing::PARKED_AFTER) <= self.now;
        let found = finding.is_some() && probing_since.is_some_and(long_ago);
        let written = || {
            let status = &self.mirror_of(one)?.status;
            let waits = status.reason.as_deref().is_some_and(challenge::is_waiting);
            Some(waits && long_ago(status.presented_at.as_ref()?.0))
        };
        // with a fixed wait, nothing but the CA's validation tells that it is reachable again
        let unreached = one.wait.is_none() && *probe != Probe::Passed && accepted.is_none();
        unreached && (found || written().unwrap_or(false))
    }
}
