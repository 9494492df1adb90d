//! Proofs that are presented, checked before the CA is told, and withdrawn, each by its solver ([`crate::controller::solving`]).
//!
//! In the cluster that is done before the next step. Outside of it, and where the CA's view is checked, a task of its own does it:
//! what came of it is remembered, and the Order is put into its queue again.

use std::sync::Arc;

use super::{observe::Observed, responder_sync};
use crate::{
    api::challenge::ChallengeType,
    controller::{
        Context, ControllerError,
        solving::{Answer, Provable, Solver, calls, http01::Validation},
    },
    plan::{
        kinds::ChallengeKind,
        notice::Notice,
        order::{facts::Choice, memory::NotYet, outside::Call, proof::Batch},
        seen::Meta,
    },
    solver::token::{KeyAuthorization, Token},
};

/// Presents the proofs of these authorizations, and no others of the batch.
pub(super) async fn present(
    context: &Arc<Context>,
    observed: &Observed,
    batch: Batch,
    authorizations: Vec<String>,
) -> Result<(), ControllerError> {
    if let Some(account) = &observed.account {
        // before anything leads the CA here
        responder_sync::answer(context, &observed.order, account.key());
    }
    let proofs = authorizations.iter().filter_map(|url| provable(observed, url));
    let proofs: Vec<Provable> = proofs.collect();
    let solver = context.solving.solver(context, &observed.order, &proofs);
    let (Some(solver), Some(first)) = (solver, proofs.first()) else {
        return Err(ControllerError::Stale(
            "its Challenges are not there any more".to_owned(),
        ));
    };
    let attempt = Attempt::new(context, observed, batch, authorizations);
    match attempt.batch {
        Batch::Order => attempt.end(solver.present().await?),
        Batch::Authorization(_) => {
            let challenge = &first.challenge.uid;
            let task = present_outside(solver, attempt, challenge.clone());
            context.solving.calls.begin(challenge, Call::Presenting, task);
        }
    }
    Ok(())
}

async fn present_outside(solver: Solver, attempt: Attempt, challenge: Box<str>) {
    let (context, key) = (Arc::clone(&attempt.context), attempt.order.key.clone());
    let answer = calls::answer(&solver, calls::Ask::Present, || context.now()).await;
    attempt.end(answer);
    context.solving.calls.end(&challenge, None);
    context.queues.orders.add(key);
}

/// An attempt to present a batch of proofs.
struct Attempt {
    context: Arc<Context>,
    order: Meta,
    batch: Batch,
    authorizations: Vec<String>,
    /// Their Challenges.
    challenges: Vec<Meta>,
    /// Those of them that were not presented before.
    fresh: Vec<(Meta, ChallengeType)>,
    /// Why the last attempt failed.
    before: Option<String>,
}

impl Attempt {
    fn new(context: &Arc<Context>, observed: &Observed, batch: Batch, authorizations: Vec<String>) -> Self {
        let challenges = authorizations
            .iter()
            .filter_map(|url| Some((url, observed.challenge_of(url)?)));
        let is_fresh =
            |url: &str, presented: Option<bool>| !observed.memory.is_presented(&batch, url) && presented != Some(true);
        let fresh = challenges
            .clone()
            .filter(|(url, challenge)| is_fresh(url, challenge.status.presented));
        Self {
            context: Arc::clone(context),
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

    /// Remembers what came of it, and reports it (ORD-10).
    fn end(self, answer: Answer) {
        let Self {
            context,
            order,
            batch,
            authorizations,
            challenges,
            fresh,
            before,
        } = self;
        let now = context.now();
        match answer {
            Ok(()) => {
                for (challenge, type_) in &fresh {
                    let message = format!("Presented challenge using {type_} challenge mechanism");
                    report(&context, challenge, "Started", "Challenge scheduled for processing");
                    report(&context, challenge, "Presented", &message);
                }
                context.orders.recall(&order.key, &order.uid, |memory| {
                    memory.present(now, batch, authorizations);
                });
            }
            Err(NotYet { reason, again }) => {
                let reason = format!("Error presenting challenge: {reason}");
                for challenge in challenges.iter().filter(|_| before.as_ref() != Some(&reason)) {
                    warn(&context, challenge, "PresentError", &reason);
                }
                let not_yet = NotYet { reason, again };
                context.orders.recall(&order.key, &order.uid, |memory| {
                    memory.not_presented(now, batch, not_yet);
                });
            }
        }
    }
}

fn report(context: &Context, challenge: &Meta, reason: &'static str, message: &str) {
    context
        .events
        .publish::<ChallengeKind>(challenge, &Notice::normal(reason, message));
}

/// Reports in an Event of the Challenge that something does not work.
pub(super) fn warn(context: &Context, challenge: &Meta, reason: &'static str, message: &str) {
    context
        .events
        .publish::<ChallengeKind>(challenge, &Notice::warning(reason, message));
}

/// The proof of an authorization, as its solver wants it.
fn provable(observed: &Observed, url: &str) -> Option<Provable> {
    let one = observed.memory.authorizations.get(url)?;
    let Choice::Prove { token, proof, .. } = observed.choices.get(url)? else {
        return None;
    };
    let thumbprint = observed.account.as_ref()?.key().thumbprint();
    Some(Provable {
        challenge: observed.challenge_of(url)?.meta.clone(),
        identifier: one.identifier.clone(),
        key_authorization: KeyAuthorization::new(Token::parse(token).ok()?, thumbprint),
        proof: proof.clone(),
    })
}

fn solver_of(context: &Context, observed: &Observed, url: &str) -> Option<Solver> {
    let proof = provable(observed, url)?;
    context
        .solving
        .solver(context, &observed.order, std::slice::from_ref(&proof))
}

/// Begins to check whether the CA would find the proof of this authorization; the end of that puts the Order into its queue again.
pub(super) fn check(context: &Arc<Context>, observed: &Observed, url: String) {
    let order = &observed.order.meta;
    let Some(solver) = solver_of(context, observed, &url) else {
        return;
    };
    let now = context.now();
    context.orders.remember(order, |memory| memory.probing(now, &url));
    let progress = observed.memory.proofs.get(&url);
    let since = progress.and_then(|progress| progress.probing_since).unwrap_or(now);
    let (context, order) = (Arc::clone(context), order.clone());
    tokio::spawn(async move {
        // the semaphore is never closed
        let permit = Arc::clone(&context.orders.probes).acquire_owned().await.ok();
        let answer = solver.check(since).await;
        drop(permit);
        context
            .orders
            .recall(&order.key, &order.uid, |memory| memory.probed(&url, answer));
        context.queues.orders.add(order.key);
    });
}

/// Listens for the CA's validation of this authorization, where this process can hear it. To be called before the CA is told.
pub(super) fn validation(context: &Context, observed: &Observed, url: &str) -> Option<Validation> {
    solver_of(context, observed, url)?.validation()
}

/// The CA was told: once its request is answered, the authorization is due.
pub(super) fn follow(context: &Arc<Context>, observed: &Observed, url: String, validation: Validation) {
    let (context, order) = (Arc::clone(context), observed.order.meta.clone());
    tokio::spawn(async move {
        if validation.is_answered().await {
            let now = context.now();
            context
                .orders
                .recall(&order.key, &order.uid, |memory| memory.validated(now, &url));
            context.queues.orders.add(order.key);
        }
    });
}
