//! The controller of Orders: observe, plan, apply, and plan again until no step is left (`plan::order`).
//!
//! | module | what it is |
//! |---|---|
//! | [`state`] | what is remembered between two reconciles; may be lost at any time |
//! | [`observe`] | the observation that a plan is made from |
//! | [`account`] | the ACME account of an issuer |
//! | [`at_ca`] | steps at the CA |
//! | [`in_cluster`] | steps at the API server |
//! | [`presenting`] | presenting and self-checks of proofs |
//! | [`withdrawing`] | withdrawal of proofs |
//! | [`expiring`] | records of dns-persist-01 that end soon |
//! | [`lending`] | the transfer of slots that were held for too long |
//! | [`responder_sync`] | the answers of every replica's responder |

mod account;
mod at_ca;
mod expiring;
mod in_cluster;
mod lending;
mod observe;
mod orders;
mod presenting;
pub(crate) mod responder_sync;
pub(crate) mod state;
mod withdrawing;

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use self::{
    at_ca::Calls,
    observe::{Found, Observed},
};
pub(crate) use self::{
    lending::lend_slots,
    orders::{Orders, all},
};
use super::{ControllerError, FollowUp};
use crate::{
    acme::url::origin,
    api::order::State,
    plan::{
        challenge::finalizers_to_release,
        kinds::{ChallengeKind, OrderKind},
        order::{self, OrderStep, Plan, memory::Memory, timing},
        seen::{Lean, Meta, Next, Object, ObjectKey},
        settings::controller,
    },
    work::Call,
};

/// The most concurrent steps of one Order.
const AT_ONCE: usize = 8;
/// The most plans in one reconcile; more than any Order needs.
const MOST_ROUNDS: usize = 100;
/// The delay before an Order that needs more plans is reconciled again.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// How long one Order may occupy a worker, requests in progress aside. Then it is put back into the queue. A CA with
/// slow answers must not delay the Orders of others.
const TURN: Duration = Duration::from_secs(5);

/// The result of a dry run of an Order.
#[derive(Debug, Default)]
pub(crate) struct OrderDryRun {
    /// The Order with its next steps, if it is readable and certlet acts for it.
    pub order: Option<(Object<OrderKind>, Plan)>,
    /// Challenges of other Orders that are being deleted, and only wait for a finalizer of ours.
    pub released: Vec<Meta>,
}

impl Orders {
    /// Reconciles one Order, and returns when it is due next.
    ///
    /// # Errors
    /// The API server's error. An error of the CA is a result: it is remembered, and planned from.
    pub(crate) async fn reconcile(self: Arc<Self>, key: ObjectKey) -> Result<Next, ControllerError> {
        if !self.ports.settings.controllers.enabled(controller::ORDERS) {
            return Ok(Next::OnChange);
        }
        let began = Instant::now();
        for _ in 0..MOST_ROUNDS {
            if began.elapsed() > TURN {
                return Ok(Next::At(self.ports.now()));
            }
            let observed = match observe::observe(&self, &key).await? {
                Found::Gone => {
                    let challenges = orphans(&self, &key);
                    return abandon(&self, &key, &challenges).await;
                }
                Found::NotOurs(challenges) => return abandon(&self, &key, &challenges).await,
                Found::Order(observed) => observed,
            };
            observed.report_contact(&self);
            let plan = observed.plan(self.ports.now());
            if let Some(next) = follow(&self, &observed, plan).await? {
                if observed.order.status.state.is_some_and(State::is_final) {
                    self.state.recall(&key, &observed.order.meta.uid, Memory::settle);
                    let reported = expiring::report(&self, &observed, self.ports.now());
                    return Ok(match reported {
                        Next::At(at) => next.or_at(at),
                        Next::OnChange => next,
                    });
                }
                return Ok(next);
            }
        }
        tracing::warn!(order = %key, "needed more steps than expected, requeued");
        Ok(Next::At(timing::add(self.ports.now(), PAUSE)))
    }

    /// The plan for the Order of this name. It is not applied, and the CA is not contacted.
    ///
    /// # Errors
    /// The API server's error, and [`ControllerError::Failed`] if the account of its issuer cannot be used.
    pub(crate) async fn dry_run(self: &Arc<Self>, key: &ObjectKey) -> Result<OrderDryRun, ControllerError> {
        if !self.ports.settings.controllers.enabled(controller::ORDERS) {
            return Ok(OrderDryRun::default());
        }
        let left = match observe::observe(self, key).await? {
            Found::Order(observed) => {
                let plan = observed.plan(self.ports.now());
                return Ok(OrderDryRun {
                    order: Some((observed.order, plan)),
                    released: Vec::new(),
                });
            }
            Found::NotOurs(challenges) => challenges,
            Found::Gone => orphans(self, key),
        };
        let left = left.iter().map(|challenge| challenge.meta.clone());
        let waits = |challenge: &Meta| challenge.deleting.is_some() && finalizers_to_release(challenge).is_some();
        Ok(OrderDryRun {
            order: None,
            released: left.filter(waits).collect(),
        })
    }
}

/// Challenges of this Order's name whose Order does not exist.
fn orphans(controller: &Orders, key: &ObjectKey) -> Vec<Arc<Lean<ChallengeKind>>> {
    let in_namespace = controller.ports.index.challenges.in_namespace(&key.namespace);
    let left = in_namespace.into_iter().filter(|challenge| {
        let owner = challenge.meta.controller_of_kind::<OrderKind>();
        owner.is_some_and(|owner| *owner.name == *key.name)
    });
    left.collect()
}

/// Applies the steps of a plan. Returns the time of the next reconcile, if there is no step.
async fn follow(controller: &Arc<Orders>, observed: &Observed, plan: Plan) -> Result<Option<Next>, ControllerError> {
    let Plan { steps, next, keeps } = plan;
    if let Some(keeps) = &keeps {
        let keeps = keeps.iter().map(String::as_str).collect();
        for order in controller.state.release(controller.ports.now(), observed.uid(), &keeps) {
            controller.ports.queues.follow_up(FollowUp::SlotFree(order));
        }
    }
    if steps.is_empty() {
        return Ok(Some(next));
    }
    let mut steps = steps;
    while !steps.is_empty() {
        let rest = steps.split_off(together(&steps));
        let now = std::mem::replace(&mut steps, rest);
        let _call = match now
            .iter()
            .any(OrderStep::asks_ca)
            .then(|| calling(controller, observed))
        {
            Some(Err(in_line)) => return Ok(Some(Next::At(in_line))),
            Some(Ok(call)) => Some(call),
            None => None,
        };
        stream::iter(now)
            .map(|step| take(controller, observed, step))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        if controller.state.memory(&observed.order.meta).trouble.is_some() {
            break;
        }
    }
    Ok(None)
}

/// Registers a request to the CA, unless too many workers wait for the same CA.
fn calling(controller: &Orders, observed: &Observed) -> Result<Call<ObjectKey>, Timestamp> {
    let server = observed.acme.as_ref().map(|acme| acme.acme.server.as_str());
    let server = server.and_then(origin).unwrap_or_default();
    let key = &observed.order.meta.key;
    controller
        .ports
        .queues
        .orders
        .calling(&server, key, controller.ports.now())
}

/// How many of the first steps can be applied concurrently.
fn together(steps: &[OrderStep]) -> usize {
    let Some(first) = steps.first() else { return 0 };
    let alike = |step: &&OrderStep| match (first, step) {
        (OrderStep::CreateChallenge { .. }, OrderStep::CreateChallenge { .. })
        | (OrderStep::DeleteChallenge { .. }, OrderStep::DeleteChallenge { .. })
        | (OrderStep::WriteChallenge { .. }, OrderStep::WriteChallenge { .. })
        | (OrderStep::ReleaseChallenge { .. }, OrderStep::ReleaseChallenge { .. })
        | (OrderStep::Locate { .. }, OrderStep::Locate { .. })
        | (OrderStep::Probe { .. }, OrderStep::Probe { .. })
        | (OrderStep::Present { .. }, OrderStep::Present { .. })
        | (OrderStep::Accept { .. }, OrderStep::Accept { .. }) => true,
        (_, _) => false,
    };
    steps.iter().take_while(alike).count().max(1)
}

/// Applies one step.
async fn take(controller: &Arc<Orders>, observed: &Observed, step: OrderStep) -> Result<(), ControllerError> {
    tracing::debug!(order = %observed.order.meta.key, step = step.name(), "applying");
    match step {
        OrderStep::CreateOrder(request) => Calls::new(controller, observed)?.create(&request).await,
        OrderStep::ReadOrder { url } => Calls::new(controller, observed)?.read(&url).await,
        OrderStep::ReadAuthorizations(urls) => Calls::new(controller, observed)?.read_authorizations(urls).await,
        OrderStep::Accept { authorization, url } => Calls::new(controller, observed)?.accept(authorization, &url).await,
        OrderStep::Finalize { url } => Calls::new(controller, observed)?.finalize(&url).await?,
        OrderStep::Download { url } => Calls::new(controller, observed)?.download(&url).await,
        OrderStep::Claim(claims) => {
            for order in controller.state.claim(controller.ports.now(), &observed.order, claims) {
                if order != observed.order.meta.key {
                    controller.ports.queues.follow_up(FollowUp::SlotFree(order));
                }
            }
        }
        OrderStep::Present { batch, authorizations } => {
            presenting::present(controller, observed, batch, authorizations).await?;
        }
        OrderStep::Locate { authorization } => presenting::locate(controller, observed, authorization),
        OrderStep::Probe { authorization } => presenting::check(controller, observed, authorization),
        OrderStep::Withdraw(placed) => withdrawing::withdraw(controller, observed, &placed).await?,
        OrderStep::WriteStatus(status) => in_cluster::write_status(controller, observed, &status).await?,
        OrderStep::StartOver => in_cluster::start_over(controller, observed).await?,
        OrderStep::CreateChallenge { name, spec, record } => {
            in_cluster::create_challenge(controller, observed, name, *spec, record).await?;
        }
        OrderStep::GuardChallenge {
            key,
            finalizers,
            record,
        } => {
            if let Some(challenge) = observed.challenge(&key) {
                in_cluster::guard(controller, &challenge.meta, &finalizers, &record).await?;
            }
        }
        OrderStep::WriteChallenge { key, status } => {
            if let Some(challenge) = observed.challenge(&key) {
                in_cluster::write_challenge(controller, challenge, &status).await?;
            }
        }
        OrderStep::DeleteChallenge { key } => {
            if let Some(challenge) = observed.challenge(&key) {
                in_cluster::delete_challenge(controller, &challenge.meta).await?;
            }
        }
        OrderStep::ReleaseChallenge { key, finalizers } => {
            if let Some(challenge) = observed.challenge(&key) {
                in_cluster::release(controller, &challenge.meta, &finalizers).await?;
            }
        }
    }
    Ok(())
}

/// Cleans up for an Order that does not exist, or that no approved request explains. Proofs are withdrawn, and then its
/// Challenges are released.
async fn abandon(
    controller: &Arc<Orders>,
    key: &ObjectKey,
    challenges: &[Arc<Lean<ChallengeKind>>],
) -> Result<Next, ControllerError> {
    let withdrawn = match controller.state.remembered(key) {
        Some(uid) => {
            forget_slots(controller, &uid);
            withdrawing::withdraw_by_uid(controller, key, &uid).await
        }
        None => Ok(()),
    };
    if withdrawn.is_ok() {
        // not before: a retry finds the objects by the uid
        controller.state.forget(key);
    }
    // a failure in the cluster must not keep a record outside of it
    let next = withdrawing::abandon(controller, key, challenges).await?;
    withdrawn.map(|()| next)
}

fn forget_slots(controller: &Arc<Orders>, uid: &str) {
    for order in controller
        .state
        .release(controller.ports.now(), uid, &std::collections::BTreeSet::new())
    {
        controller.ports.queues.follow_up(FollowUp::SlotFree(order));
    }
}

/// What a plan needs to identify the order.
impl Observed {
    fn uid(&self) -> &str {
        &self.order.meta.uid
    }

    fn plan(&self, now: Timestamp) -> Plan {
        order::plan(now, &self.seen())
    }
}
