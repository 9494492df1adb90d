//! Withdrawal of an Order's proofs: when it is finished, when certlet does not act for it any more, and when it is
//! deleted.

use std::sync::Arc;

use super::{in_cluster, observe::Observed, orders::Orders, presenting::warn, responder_sync};
use crate::{
    controller::{
        ControllerError, FollowUp,
        solving::{Answer, Solver, calls},
    },
    plan::{
        kinds::ChallengeKind,
        order::{
            outside::{self, Abandoned, Call},
            proof::{Batch, Placed},
        },
        seen::{Lean, Meta, Next, Object, ObjectKey},
    },
};

/// Withdraws proofs. Outside the cluster, it only starts the withdrawal.
///
/// # Errors
/// The API server's error.
pub(super) async fn withdraw(
    controller: &Arc<Orders>,
    observed: &Observed,
    placed: &Placed,
) -> Result<(), ControllerError> {
    match placed {
        Placed::InCluster => withdraw_in_cluster(controller, observed).await,
        Placed::Outside(key) => {
            if let Some(challenge) = observed.challenge(key) {
                withdraw_outside(controller, &observed.order.meta.key, challenge);
            }
            Ok(())
        }
    }
}

async fn withdraw_in_cluster(controller: &Arc<Orders>, observed: &Observed) -> Result<(), ControllerError> {
    let Meta { key, uid, .. } = &observed.order.meta;
    let solver = controller
        .solving
        .of_order(&controller.ports, key, uid, Some(&observed.order));
    if let Err(error) = solver.withdraw().await {
        report_left(controller, observed, &error);
        return Err(error);
    }
    responder_sync::withdraw(controller, uid);
    controller
        .state
        .remember(&observed.order.meta, |memory| memory.withdrew(&Batch::Order));
    Ok(())
}

/// Reports once that proofs cannot be withdrawn (ORD-10). The withdrawal is retried.
fn report_left(controller: &Orders, observed: &Observed, error: &ControllerError) {
    if error.is_stale() || error.is_not_leader() {
        return;
    }
    let sentence = format!("Error cleaning up challenge: {error}");
    if controller
        .reported
        .is_new(&observed.order.meta, std::slice::from_ref(&sentence))
    {
        for challenge in &observed.challenges {
            warn(controller, &challenge.meta, "CleanUpError", &sentence);
        }
    }
}

/// Withdraws everything in the cluster for the deleted Order with this uid.
///
/// # Errors
/// The API server's error.
pub(super) async fn withdraw_by_uid(
    controller: &Arc<Orders>,
    key: &ObjectKey,
    uid: &str,
) -> Result<(), ControllerError> {
    let solver = controller.solving.of_order(&controller.ports, key, uid, None);
    solver.withdraw().await?.unwrap_or_default();
    responder_sync::withdraw(controller, uid);
    Ok(())
}

/// Cleans up Challenges without an active Order: withdraws their proofs outside the cluster, then releases them.
/// Returns when to retry.
///
/// # Errors
/// The API server's error.
pub(super) async fn abandon(
    controller: &Arc<Orders>,
    order: &ObjectKey,
    challenges: &[Arc<Lean<ChallengeKind>>],
) -> Result<Next, ControllerError> {
    let mut next = Next::OnChange;
    for challenge in challenges {
        let meta = &challenge.meta;
        let call = controller.solving.calls.last(&meta.uid);
        let parsed = challenge.parse();
        let left = parsed
            .as_ref()
            .map_or_else(|_| outside::left_by_name(meta), outside::left);
        match (
            outside::abandoned(controller.ports.now(), meta, left, call.as_ref()),
            &parsed,
        ) {
            (Abandoned::Withdraw, Ok(challenge)) => withdraw_outside(controller, order, challenge),
            (Abandoned::Withdraw, Err(_)) => give_up(controller, order, meta),
            (Abandoned::Release(rest), _) => drop(in_cluster::release(controller, meta, &rest).await?),
            (Abandoned::Wait(Next::At(again)), _) => next = next.or_at(again),
            (Abandoned::Wait(Next::OnChange), _) => {}
        }
    }
    Ok(next)
}

/// Starts the withdrawal of this Challenge's proof outside the cluster. Its end puts the Order into its queue again.
fn withdraw_outside(controller: &Arc<Orders>, order: &ObjectKey, challenge: &Object<ChallengeKind>) {
    let uid = &challenge.meta.uid;
    let record = outside::record(&challenge.meta);
    let Some(solver) = controller.solving.recover(&controller.ports, challenge, record) else {
        give_up(controller, order, &challenge.meta);
        return;
    };
    let call = Call::withdraw(controller.ports.now(), controller.solving.calls.last(uid).as_ref());
    let withdrawal = Withdrawal {
        controller: Arc::clone(controller),
        order: order.clone(),
        challenge: challenge.clone(),
        call: call.clone(),
    };
    controller.solving.calls.begin(uid, call, withdrawal.run(solver));
}

struct Withdrawal {
    controller: Arc<Orders>,
    order: ObjectKey,
    challenge: Object<ChallengeKind>,
    call: Call,
}

impl Withdrawal {
    async fn run(self, solver: Solver) {
        let controller = &self.controller;
        let answer = calls::answer(&solver, calls::Ask::Withdraw, || controller.ports.now()).await;
        self.end(answer);
    }

    /// Remembers the result, and reports a failure once (ORD-10).
    fn end(&self, answer: Answer) {
        let Self {
            controller,
            order,
            challenge,
            call,
        } = self;
        let meta = &challenge.meta;
        match answer {
            Ok(()) => {
                if let Some(owner) = meta.controller() {
                    let batch = Batch::Authorization(challenge.spec.authorization_url.clone());
                    controller
                        .state
                        .recall(order, &owner.uid, |memory| memory.withdrew(&batch));
                }
                controller.solving.calls.end(&meta.uid, Some(Call::Withdrawn));
            }
            Err(not_yet) => match call.not_withdrawn(controller.ports.now(), &not_yet) {
                Some(call) => {
                    let sentence = format!("Error cleaning up challenge: {}", not_yet.reason);
                    if controller.reported.is_new(meta, std::slice::from_ref(&sentence)) {
                        warn(controller, meta, "CleanUpError", &sentence);
                    }
                    controller.solving.calls.end(&meta.uid, Some(call));
                }
                None => return give_up(controller, order, meta),
            },
        }
        controller.ports.queues.follow_up(FollowUp::Solved(order.clone()));
    }
}

/// Reports that the withdrawal outside the cluster is given up: the user has to remove the record.
fn give_up(controller: &Orders, order: &ObjectKey, challenge: &Meta) {
    let record = outside::record(challenge).map_or_else(
        || "the TXT record that cert-manager has written".to_owned(),
        |record| format!("{record:?}"),
    );
    let sentence =
        format!("Error cleaning up challenge: {record} was not removed and is not tried any longer; remove it by hand");
    warn(controller, challenge, "CleanUpError", &sentence);
    controller.solving.calls.end(&challenge.uid, Some(Call::Withdrawn));
    controller.ports.queues.follow_up(FollowUp::Solved(order.clone()));
}
