//! Orders: observe, plan, take the steps, and plan again until there is nothing to do (`plan::order`).
//!
//! | module | what it is |
//! |---|---|
//! | [`state`] | what is remembered between two reconciles; may be lost at any time |
//! | [`observe`] | what a plan is made from |
//! | [`account`] | the ACME account of an issuer |
//! | [`at_ca`] | steps at the CA |
//! | [`in_cluster`] | steps at the API server |
//! | [`presenting`] | proofs that are presented and checked |
//! | [`withdrawing`] | proofs that are withdrawn |
//! | [`lending`] | slots that were lent for long enough |
//! | [`responder_sync`] | what every replica answers |

mod account;
mod at_ca;
mod in_cluster;
mod lending;
mod observe;
mod orders;
mod presenting;
pub mod responder_sync;
pub mod state;
mod withdrawing;

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use self::{
    at_ca::Calls,
    observe::{Found, Observed},
};
pub use self::{lending::lend_slots, orders::Orders};
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

/// How many steps of one Order are taken at once.
const AT_ONCE: usize = 8;
/// How many plans are made and followed in one go; more than any order needs.
const MOST_ROUNDS: usize = 100;
/// When to go on with an order that needed more.
const BREATH: SignedDuration = SignedDuration::from_secs(1);
/// For how long one Order may keep a worker, calls that are under way aside: then it is others' turn, and it stands in line again. A CA
/// that takes its time for every answer must not hold up the orders of others.
const TURN: Duration = Duration::from_secs(5);

/// What would be done for an Order now.
#[derive(Debug, Default)]
pub struct Outlook {
    /// The Order, as far as it can be read and is one that certlet acts for, with the next steps.
    pub order: Option<(Object<OrderKind>, Plan)>,
    /// Challenges of other Orders that somebody deletes, and that only wait for a finalizer of ours.
    pub released: Vec<Meta>,
}

impl Orders {
    /// Brings one Order forward as far as it goes now.
    ///
    /// # Errors
    /// When the API server refuses or is not reached. What the CA says is no error here: it is remembered, and planned from.
    pub async fn reconcile(self: Arc<Self>, key: ObjectKey) -> Result<Next, ControllerError> {
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
            let plan = observed.plan(self.ports.now());
            if let Some(next) = follow(&self, &observed, plan).await? {
                if observed.order.status.state.is_some_and(State::is_final) {
                    self.state.recall(&key, &observed.order.meta.uid, Memory::settle);
                }
                return Ok(next);
            }
        }
        tracing::warn!(order = %key, "needed more steps than expected, going on in a moment");
        Ok(Next::At(timing::add(self.ports.now(), BREATH)))
    }

    /// What would be done for the Order of this name, without doing any of it and without asking the CA.
    ///
    /// # Errors
    /// When the API server refuses or is not reached, and when the account of its issuer cannot be used.
    pub async fn dry_run(self: &Arc<Self>, key: &ObjectKey) -> Result<Outlook, ControllerError> {
        if !self.ports.settings.controllers.enabled(controller::ORDERS) {
            return Ok(Outlook::default());
        }
        let left = match observe::observe(self, key).await? {
            Found::Order(observed) => {
                let plan = observed.plan(self.ports.now());
                return Ok(Outlook {
                    order: Some((observed.order, plan)),
                    released: Vec::new(),
                });
            }
            Found::NotOurs(challenges) => challenges,
            Found::Gone => orphans(self, key),
        };
        let left = left.iter().map(|challenge| challenge.meta.clone());
        let waits = |challenge: &Meta| challenge.deleting.is_some() && finalizers_to_release(challenge).is_some();
        Ok(Outlook {
            order: None,
            released: left.filter(waits).collect(),
        })
    }
}

/// Challenges whose Order of this name does not exist.
fn orphans(controller: &Orders, key: &ObjectKey) -> Vec<Arc<Lean<ChallengeKind>>> {
    let in_namespace = controller.ports.index.challenges.in_namespace(&key.namespace);
    let left = in_namespace.into_iter().filter(|challenge| {
        let owner = challenge.meta.controller_of_kind::<OrderKind>();
        owner.is_some_and(|owner| *owner.name == *key.name)
    });
    left.collect()
}

/// Takes the steps of a plan; without any, says when to look again.
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

/// A call to the CA begins, unless too many workers wait for it already.
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

/// How many of the first steps can be taken at the same time.
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

/// Takes one step.
async fn take(controller: &Arc<Orders>, observed: &Observed, step: OrderStep) -> Result<(), ControllerError> {
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

/// An Order that does not exist, or that nobody's approved request explains (any more): nothing is done for it. What was placed is
/// withdrawn, and then its Challenges are let go.
async fn abandon(
    controller: &Arc<Orders>,
    key: &ObjectKey,
    challenges: &[Arc<Lean<ChallengeKind>>],
) -> Result<Next, ControllerError> {
    if let Some(uid) = controller.state.forget(key) {
        forget_slots(controller, &uid);
        withdrawing::withdraw_by_uid(controller, key, &uid).await?;
    }
    withdrawing::abandon(controller, key, challenges).await
}

fn forget_slots(controller: &Arc<Orders>, uid: &str) {
    for order in controller
        .state
        .release(controller.ports.now(), uid, &std::collections::BTreeSet::new())
    {
        controller.ports.queues.follow_up(FollowUp::SlotFree(order));
    }
}

/// What the plan itself needs of an order's identity.
impl Observed {
    fn uid(&self) -> &str {
        &self.order.meta.uid
    }

    fn plan(&self, now: Timestamp) -> Plan {
        order::plan(now, &self.seen())
    }
}
