//! Statuses of Challenges: the state of their proofs, and obstacles as sentences (ORD-08, ORD-09, ACH-06).

use super::{OrderStep, Planner, ca::AuthorizationState, memory::Probe, proving::Open, slots::Slot, timing};
use crate::{
    api::{GoDuration, challenge::ChallengeStatus, order::State},
    plan::{
        challenge::{self, Progress},
        kinds::ChallengeKind,
        seen::Object,
    },
};

impl Planner<'_> {
    /// Writes the Challenge's status, if it is outdated.
    pub(super) fn mirror(&self, one: &Open<'_>) -> Option<OrderStep> {
        let challenge = self.mirror_of(one)?;
        let obstacle = self.obstacle(one);
        let waiting = self.waiting(one, &challenge.status);
        let progress = match (self.is_presented(one), obstacle) {
            (true, None) => Progress::InFlight(waiting.as_deref()),
            (_, Some(reason)) if one.slot == Slot::Held => Progress::NotPresented(reason),
            (true, Some(_)) | (false, _) => return None,
        };
        write_challenge(challenge, challenge::status(&challenge.status, progress, self.now))
    }

    /// The obstacle of its batch, as a sentence.
    fn obstacle(&self, one: &Open<'_>) -> Option<&str> {
        let obstacle = self.seen.memory.obstacle(&one.batch)?;
        Some(&obstacle.reason)
    }

    /// Why a presented challenge is not accepted yet, as a sentence (ORD-09).
    fn waiting(&self, one: &Open<'_>, written: &ChallengeStatus) -> Option<String> {
        let progress = &one.progress;
        let is_due = progress.accepted.is_some() || progress.probe == Probe::Passed;
        let is_first = progress.ca_finding.is_none();
        if is_due && is_first {
            return None;
        }
        let challenge_type = one.proof.challenge_type();
        if let (Some(wait), true) = (
            one.wait,
            is_first && self.accept_at(one).is_some_and(|at| at > self.now),
        ) {
            let wait = GoDuration::try_from(wait).unwrap_or_default();
            return Some(format!(
                "Waiting {wait} before accepting {challenge_type} challenge without self-check"
            ));
        }
        let finding = progress.finding.as_ref().filter(|_| !is_due);
        match (self.patient(one), finding.or(progress.ca_finding.as_ref())) {
            (false, Some(finding)) => Some(challenge::waiting(challenge_type, finding)),
            // a finding from before a restart stays until the first result of a new probe
            (_, None | Some(_)) => written.reason.clone().filter(|reason| challenge::is_waiting(reason)),
        }
    }

    /// Whether it is too early to report a finding.
    fn patient(&self, one: &Open<'_>) -> bool {
        let is_early = one
            .progress
            .probing_since
            .is_none_or(|since| timing::add(since, timing::PATIENCE) > self.now);
        is_early && !one.progress.is_reported
    }

    /// Statuses of Challenges that are valid while others are not.
    pub(super) fn proved(&self) -> impl Iterator<Item = OrderStep> {
        self.seen.challenges.iter().filter_map(|challenge| {
            let one = self.seen.memory.authorizations.get(&challenge.spec.authorization_url)?;
            let is_news = one.state == AuthorizationState::Valid && challenge.status.state != Some(State::Valid);
            let wanted = challenge::status(&challenge.status, Progress::Proved, self.now);
            is_news.then(|| write_challenge(challenge, wanted)).flatten()
        })
    }

    /// The Order's reason: the first finding, and the number of further ones.
    pub(super) fn finding(&self, open: &[Open<'_>]) -> Option<String> {
        if let Some(reason) = open.iter().find_map(|one| self.obstacle(one)) {
            return Some(reason.to_owned());
        }
        let unwritten = ChallengeStatus::default();
        let mut found = open.iter().filter_map(|one| {
            let written = self.mirror_of(one).map(|challenge| &challenge.status);
            self.waiting(one, written.unwrap_or(&unwritten))
                .filter(|reason| challenge::is_waiting(reason))
        });
        let first = found.next()?;
        Some(match found.count() {
            0 => first,
            1 => format!("{first} (and 1 more name)"),
            more => format!("{first} (and {more} more names)"),
        })
    }

    /// Statuses of Challenges of a failed Order: none is presented any more, and those that failed have their error
    /// (AOR-10).
    pub(super) fn mirrors_of_failure(&self) -> Vec<OrderStep> {
        let mirror = |challenge: &Object<ChallengeKind>| {
            let one = self.seen.memory.authorizations.get(&challenge.spec.authorization_url);
            let lost = one.filter(|one| one.is_lost());
            let (state, reason) = match (lost, one) {
                (Some(lost), _) => {
                    let error = lost.error().unwrap_or("the CA does not say why");
                    (
                        lost.mirrored_state(),
                        Some(format!("Error accepting authorization: {error}")),
                    )
                }
                (None, Some(one)) if one.state == AuthorizationState::Valid => (State::Valid, None),
                (None, Some(_) | None) => (challenge.status.state.unwrap_or(State::Pending), None),
            };
            let status = challenge::status(&challenge.status, Progress::Ended(state, reason.as_deref()), self.now);
            write_challenge(challenge, status)
        };
        self.seen
            .challenges
            .iter()
            .filter(|challenge| challenge.meta.deleting.is_none())
            .filter_map(mirror)
            .collect()
    }
}

fn write_challenge(challenge: &Object<ChallengeKind>, status: ChallengeStatus) -> Option<OrderStep> {
    (status != challenge.status).then(|| OrderStep::WriteChallenge {
        key: challenge.meta.key.clone(),
        status: Box::new(status),
    })
}
