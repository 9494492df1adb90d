//! Presenting of proofs, and self-checks before challenges are accepted, each by its solver ([`crate::controller::solving`]).
//!
//! In the cluster, a proof is presented before the next step. Outside of it, and for self-checks, a task of its own
//! does that. It remembers the result, and puts the Order into its queue again.

use std::sync::Arc;

use super::{observe::Observed, orders::Orders, responder_sync};
use crate::{
    api::challenge::ChallengeType,
    controller::{
        ControllerError, FollowUp,
        solving::{Answer, Checked, Provable, Solver, calls, http01::Validation},
    },
    plan::{
        kinds::ChallengeKind,
        notice::Notice,
        order::{
            facts::Choice,
            memory::NotYet,
            outside::{self, Call},
            proof::Batch,
        },
        seen::Meta,
    },
    solver::token::{KeyAuthorization, Token},
};

/// Presents the proofs of these authorizations, and no others of the batch.
///
/// # Errors
/// The API server's error, or [`ControllerError::Stale`] if another replica leads.
pub(super) async fn present(
    controller: &Arc<Orders>,
    observed: &Observed,
    batch: Batch,
    authorizations: Vec<String>,
) -> Result<(), ControllerError> {
    if let Some(account) = &observed.account {
        // the responder knows the answers before anything routes the CA's requests here
        responder_sync::answer(controller, &observed.order, account.key());
    }
    let proofs = authorizations.iter().filter_map(|url| provable(observed, url));
    let proofs: Vec<Provable> = proofs.collect();
    let solver = controller.solving.solver(&controller.ports, &observed.order, &proofs);
    let (Some(solver), Some(first)) = (solver, proofs.first()) else {
        return Err(gone());
    };
    let attempt = Attempt::new(controller, observed, batch, authorizations);
    match attempt.batch {
        Batch::Order => attempt.end(solver.present().await?),
        Batch::Authorization(_) if !first.proof.is_written() => attempt.end(solver.present().await?),
        Batch::Authorization(_) => {
            let Some(challenge) = first.challenge.as_ref().map(|challenge| challenge.uid.clone()) else {
                return Err(gone());
            };
            let task = present_outside(solver, attempt, challenge.clone());
            controller.solving.calls.begin(&challenge, Call::Presenting, task);
        }
    }
    Ok(())
}

fn gone() -> ControllerError {
    ControllerError::Stale("its Challenges are not there any more".to_owned())
}

async fn present_outside(solver: Solver, attempt: Attempt, challenge: Box<str>) {
    let (controller, key) = (Arc::clone(&attempt.controller), attempt.order.key.clone());
    let answer = calls::answer(&solver, calls::Ask::Present, || controller.ports.now()).await;
    attempt.end(answer);
    controller.solving.calls.end(&challenge, None);
    controller.ports.queues.follow_up(FollowUp::Solved(key));
}

/// An attempt to present a batch of proofs.
struct Attempt {
    controller: Arc<Orders>,
    order: Meta,
    batch: Batch,
    authorizations: Vec<String>,
    /// The Challenges of the proofs.
    challenges: Vec<Meta>,
    /// Those that were not presented before.
    fresh: Vec<(Meta, ChallengeType)>,
    /// Why the last attempt failed.
    before: Option<String>,
}

impl Attempt {
    fn new(controller: &Arc<Orders>, observed: &Observed, batch: Batch, authorizations: Vec<String>) -> Self {
        let challenges = authorizations
            .iter()
            .filter_map(|url| Some((url, observed.challenge_of(url)?)));
        let is_fresh = |url: &str, presented: Option<bool>| {
            let is_written =
                !matches!(observed.choices.get(url), Some(Choice::Prove { proof, .. }) if !proof.is_written());
            is_written && !observed.memory.is_presented(&batch, url) && presented != Some(true)
        };
        let fresh = challenges
            .clone()
            .filter(|(url, challenge)| is_fresh(url, challenge.status.presented));
        Self {
            controller: Arc::clone(controller),
            order: observed.order.meta.clone(),
            fresh: fresh
                .map(|(_, challenge)| (challenge.meta.clone(), challenge.spec.type_))
                .collect(),
            challenges: challenges.map(|(_, challenge)| challenge.meta.clone()).collect(),
            before: observed.memory.obstacle(&batch).map(|obstacle| obstacle.reason.clone()),
            batch,
            authorizations,
        }
    }

    /// Remembers the result, and reports it (ORD-10).
    fn end(self, answer: Answer) {
        let Self {
            controller,
            order,
            batch,
            authorizations,
            challenges,
            fresh,
            before,
        } = self;
        let now = controller.ports.now();
        match answer {
            Ok(()) => {
                for (challenge, type_) in &fresh {
                    let message = format!("Presented challenge using {type_} challenge mechanism");
                    report(&controller, challenge, "Started", "Challenge scheduled for processing");
                    report(&controller, challenge, "Presented", &message);
                }
                controller.state.recall(&order.key, &order.uid, |memory| {
                    memory.present(now, batch, authorizations);
                });
            }
            Err(NotYet { reason, again }) => {
                let reason = format!("Error presenting challenge: {reason}");
                for challenge in challenges.iter().filter(|_| before.as_ref() != Some(&reason)) {
                    warn(&controller, challenge, "PresentError", &reason);
                }
                let not_yet = NotYet { reason, again };
                controller.state.recall(&order.key, &order.uid, |memory| {
                    memory.not_presented(now, batch, not_yet);
                });
            }
        }
    }
}

fn report(controller: &Orders, challenge: &Meta, reason: &'static str, message: &str) {
    controller
        .ports
        .events
        .publish::<ChallengeKind>(challenge, &Notice::normal(reason, message));
}

/// Publishes a warning Event of the Challenge.
pub(super) fn warn(controller: &Orders, challenge: &Meta, reason: &'static str, message: &str) {
    controller
        .ports
        .events
        .publish::<ChallengeKind>(challenge, &Notice::warning(reason, message));
}

/// The proof of an authorization, in the form that its solver takes.
fn provable(observed: &Observed, url: &str) -> Option<Provable> {
    let one = observed.memory.authorizations.get(url)?;
    let Choice::Prove {
        token, proof, solver, ..
    } = observed.choices.get(url)?
    else {
        return None;
    };
    let thumbprint = observed.account.as_ref()?.key().thumbprint();
    let challenge = observed.challenge_of(url).map(|challenge| &challenge.meta);
    Some(Provable {
        record: challenge.and_then(outside::record).map(str::to_owned),
        challenge: challenge.cloned(),
        solver: (**solver).clone(),
        issuer: observed.acme.as_ref()?.id.clone(),
        identifier: one.identifier.clone(),
        key_authorization: Token::parse(token)
            .ok()
            .map(|token| KeyAuthorization::new(token, thumbprint)),
        proof: proof.clone(),
    })
}

fn solver_of(controller: &Orders, observed: &Observed, url: &str) -> Option<Solver> {
    let proof = provable(observed, url)?;
    controller
        .solving
        .solver(&controller.ports, &observed.order, std::slice::from_ref(&proof))
}

/// Begins to locate where the proof of this authorization is written outside the cluster; the end of that puts the Order into its
/// queue again.
pub(super) fn locate(controller: &Arc<Orders>, observed: &Observed, url: String) {
    let order = &observed.order.meta;
    let Some(solver) = solver_of(controller, observed, &url) else {
        let not_yet = NotYet {
            reason: "its solver has no settings for DNS-01".to_owned(),
            again: controller.ports.now(),
        };
        let now = controller.ports.now();
        return controller
            .state
            .remember(order, |memory| memory.located(now, &url, Err(not_yet)));
    };
    controller.state.remember(order, |memory| memory.locating(&url));
    let challenge = observed.challenge_of(&url).map(|challenge| challenge.meta.clone());
    let batch = Batch::Authorization(url.clone());
    let before = observed.memory.obstacle(&batch).map(|obstacle| obstacle.reason.clone());
    let (controller, order) = (Arc::clone(controller), order.clone());
    tokio::spawn(async move {
        // the semaphore is never closed
        let permit = Arc::clone(&controller.state.probes).acquire_owned().await.ok();
        let outcome = solver.locate().await.map_err(|NotYet { reason, again }| NotYet {
            reason: format!("Error presenting challenge: {reason}"),
            again,
        });
        drop(permit);
        if let (Err(NotYet { reason, .. }), Some(challenge)) = (&outcome, &challenge)
            && before.as_ref() != Some(reason)
        {
            warn(&controller, challenge, "PresentError", reason);
        }
        let now = controller.ports.now();
        controller
            .state
            .recall(&order.key, &order.uid, |memory| memory.located(now, &url, outcome));
        controller.ports.queues.follow_up(FollowUp::Solved(order.key));
    });
}

/// Starts the self-check of an authorization. Its end puts the Order into its queue again.
pub(super) fn check(controller: &Arc<Orders>, observed: &Observed, url: String) {
    let order = &observed.order.meta;
    let Some(solver) = solver_of(controller, observed, &url) else {
        return;
    };
    let now = controller.ports.now();
    controller.state.remember(order, |memory| memory.probing(now, &url));
    let progress = observed.memory.proofs.get(&url);
    let since = progress.and_then(|progress| progress.probing_since).unwrap_or(now);
    let before = progress.and_then(|progress| progress.finding.clone());
    let challenge = observed.challenge_of(&url).map(|challenge| challenge.meta.clone());
    let (controller, order) = (Arc::clone(controller), order.clone());
    tokio::spawn(async move {
        // the semaphore is never closed
        let permit = Arc::clone(&controller.state.probes).acquire_owned().await.ok();
        let checked = {
            let mut check = std::pin::pin!(solver.check(since));
            tokio::select! {
                checked = &mut check => checked,
                sentence = solver.refused(since) => {
                    // the finding of the last check may have it already
                    if before.is_none_or(|before| !before.contains(&sentence)) {
                        controller.state.recall(&order.key, &order.uid, |memory| memory.reported(&url, sentence));
                        controller.ports.queues.follow_up(FollowUp::Probed(order.key.clone()));
                    }
                    check.await
                }
            }
        };
        drop(permit);
        if let Some(finding) = solver.finding(&checked) {
            controller.ports.metrics.findings.count("dns-01", finding);
        }
        if let (
            Checked::Until {
                remark: Some(remark), ..
            },
            Some(challenge),
        ) = (&checked, &challenge)
        {
            warn(&controller, challenge, "PersistUntil", remark);
        }
        controller.state.recall(&order.key, &order.uid, |memory| match checked {
            Checked::Visible => memory.probed(&url, Ok(())),
            Checked::Until { name, until, .. } => memory.probed_until(&url, name, until),
            Checked::NotYet(not_yet) => memory.probed(&url, Err(not_yet)),
            Checked::Refused(not_yet) => memory.refused(&url, not_yet),
            Checked::Moved => memory.moved(&url),
        });
        controller.ports.queues.follow_up(FollowUp::Probed(order.key));
    });
}

/// Listens for the CA's validation of this authorization, if this process can observe it. Must be called before the
/// challenge is accepted.
pub(super) fn validation(controller: &Orders, observed: &Observed, url: &str) -> Option<Validation> {
    solver_of(controller, observed, url)?.validation()
}

/// Waits, in a task, for the CA's request after a challenge was accepted. Then the authorization is due.
pub(super) fn follow(controller: &Arc<Orders>, observed: &Observed, url: String, validation: Validation) {
    let (controller, order) = (Arc::clone(controller), observed.order.meta.clone());
    tokio::spawn(async move {
        if validation.answered().await {
            let now = controller.ports.now();
            controller
                .state
                .recall(&order.key, &order.uid, |memory| memory.validated(now, &url));
            controller.ports.queues.follow_up(FollowUp::Probed(order.key));
        }
    });
}
