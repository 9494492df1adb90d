//! Orders: observe, plan, take the steps, and plan again until there is nothing to do (`plan::order`).
//!
//! | module | what it is |
//! |---|---|
//! | [`runtime`] | what is remembered between two looks; may be lost at any time |
//! | [`observe`] | what a plan is made from |
//! | [`account`] | the ACME account of an issuer |
//! | [`at_ca`] | steps at the CA |
//! | [`in_cluster`] | steps at the API server |
//! | [`showing`] | challenges made visible, probed, and taken away |
//! | [`lending`] | slots that were lent for long enough |
//! | [`responder_sync`] | what every replica answers |

mod account;
mod at_ca;
mod in_cluster;
mod lending;
mod observe;
pub mod responder_sync;
pub mod runtime;
mod showing;

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

pub use self::lending::lend_slots;
use self::{
    at_ca::Calls,
    observe::{Found, Observed},
};
use super::{Context, ControllerError};
use crate::{
    acme::url::origin,
    api::order::State,
    plan::{
        kinds::OrderKind,
        order::{self, Plan, Step, memory::Memory, timing},
        seen::{Meta, Next, Object, ObjectKey},
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

/// Brings one Order forward as far as it goes now.
///
/// # Errors
/// When the API server refuses or is not reached. What the CA says is no error here: it is remembered, and planned from.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Result<Next, ControllerError> {
    if !context.settings.controllers.enabled(controller::ORDERS) {
        return Ok(Next::OnChange);
    }
    let began = Instant::now();
    for _ in 0..MOST_ROUNDS {
        if began.elapsed() > TURN {
            return Ok(Next::At(context.now()));
        }
        let observed = match observe::observe(&context, &key).await? {
            Found::Gone => {
                gone(&context, &key).await?;
                return Ok(Next::OnChange);
            }
            Found::NotOurs(challenges) => {
                ignored(&context, &key, &challenges).await?;
                return Ok(Next::OnChange);
            }
            Found::Order(observed) => observed,
        };
        let plan = observed.plan(context.now());
        if let Some(next) = follow(&context, &observed, plan).await? {
            if observed.order.status.state.is_some_and(State::is_final) {
                context.orders.recall(&key, &observed.order.meta.uid, Memory::settle);
            }
            return Ok(next);
        }
    }
    tracing::warn!(order = %key, "needed more steps than expected, going on in a moment");
    Ok(Next::At(timing::add(context.now(), BREATH)))
}

/// What would be done for an Order now.
#[derive(Debug, Default)]
pub struct Outlook {
    /// The Order, as far as it can be read and is one that certlet acts for, with the next steps.
    pub order: Option<(Object<OrderKind>, Plan)>,
    /// Challenges of other Orders that somebody deletes, and that only wait for a finalizer of ours.
    pub released: Vec<Meta>,
}

/// What would be done for the Order of this name, without doing any of it and without asking the CA.
///
/// # Errors
/// When the API server refuses or is not reached, and when the account of its issuer cannot be used.
pub async fn dry_run(context: &Arc<Context>, key: &ObjectKey) -> Result<Outlook, ControllerError> {
    if !context.settings.controllers.enabled(controller::ORDERS) {
        return Ok(Outlook::default());
    }
    let left = match observe::observe(context, key).await? {
        Found::Order(observed) => {
            let plan = observed.plan(context.now());
            return Ok(Outlook {
                order: Some((observed.order, plan)),
                released: Vec::new(),
            });
        }
        Found::NotOurs(challenges) => challenges,
        Found::Gone => orphans(context, key),
    };
    let waits = |challenge: &Meta| in_cluster::finalizers_left(challenge).is_some();
    Ok(Outlook {
        order: None,
        released: left.into_iter().filter(waits).collect(),
    })
}

/// Challenges whose Order of this name does not exist.
fn orphans(context: &Context, key: &ObjectKey) -> Vec<Meta> {
    let in_namespace = context.index.challenges.in_namespace(&key.namespace);
    let left = in_namespace.iter().filter(|challenge| {
        let owner = challenge.meta.controller_of_kind::<OrderKind>();
        owner.is_some_and(|owner| *owner.name == *key.name)
    });
    left.map(|challenge| challenge.meta.clone()).collect()
}

/// Takes the steps of a plan; without any, says when to look again.
async fn follow(context: &Arc<Context>, observed: &Observed, plan: Plan) -> Result<Option<Next>, ControllerError> {
    let Plan { steps, next, keeps } = plan;
    if let Some(keeps) = &keeps {
        let keeps = keeps.iter().map(String::as_str).collect();
        for order in context.orders.release(context.now(), observed.uid(), &keeps) {
            context.queues.orders.add(order);
        }
    }
    if steps.is_empty() {
        return Ok(Some(next));
    }
    let mut steps = steps;
    while !steps.is_empty() {
        let rest = steps.split_off(together(&steps));
        let now = std::mem::replace(&mut steps, rest);
        let _call = match now.iter().any(Step::asks_ca).then(|| calling(context, observed)) {
            Some(Err(in_line)) => return Ok(Some(Next::At(in_line))),
            Some(Ok(call)) => Some(call),
            None => None,
        };
        stream::iter(now)
            .map(|step| take(context, observed, step))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        if context.orders.memory(&observed.order.meta).trouble.is_some() {
            break;
        }
    }
    Ok(None)
}

/// A call to the CA begins, unless too many workers wait for it already.
fn calling(context: &Context, observed: &Observed) -> Result<Call<ObjectKey>, Timestamp> {
    let server = observed.acme.as_ref().map(|acme| acme.acme.server.as_str());
    let server = server.and_then(origin).unwrap_or_default();
    let key = &observed.order.meta.key;
    context.queues.orders.calling(&server, key, context.now())
}

/// How many of the first steps can be taken at the same time.
fn together(steps: &[Step]) -> usize {
    let Some(first) = steps.first() else { return 0 };
    let alike = |step: &&Step| match (first, step) {
        (Step::CreateChallenge { .. }, Step::CreateChallenge { .. })
        | (Step::DeleteChallenge { .. }, Step::DeleteChallenge { .. })
        | (Step::WriteChallenge { .. }, Step::WriteChallenge { .. })
        | (Step::ReleaseChallenge { .. }, Step::ReleaseChallenge { .. })
        | (Step::Probe { .. }, Step::Probe { .. })
        | (Step::Accept { .. }, Step::Accept { .. }) => true,
        (_, _) => false,
    };
    steps.iter().take_while(alike).count().max(1)
}

/// Takes one step.
async fn take(context: &Arc<Context>, observed: &Observed, step: Step) -> Result<(), ControllerError> {
    match step {
        Step::CreateOrder(request) => Calls::new(context, observed)?.create(&request).await,
        Step::ReadOrder { url } => Calls::new(context, observed)?.read(&url).await,
        Step::ReadAuthorizations(urls) => Calls::new(context, observed)?.read_authorizations(urls).await,
        Step::Accept { authorization, url } => Calls::new(context, observed)?.accept(authorization, &url).await,
        Step::Finalize { url } => Calls::new(context, observed)?.finalize(&url).await?,
        Step::Download { url } => Calls::new(context, observed)?.download(&url).await,
        Step::Claim(claims) => {
            for order in context.orders.claim(context.now(), &observed.order, &claims) {
                if order != observed.order.meta.key {
                    context.queues.orders.add(order);
                }
            }
        }
        Step::Present(urls) => showing::present(context, observed, urls).await?,
        Step::Probe { authorization } => showing::probe(context, observed, authorization),
        Step::Withdraw => showing::withdraw(context, observed).await?,
        Step::WriteStatus(status) => in_cluster::write_status(context, observed, &status).await?,
        Step::StartOver => in_cluster::start_over(context, observed).await?,
        Step::CreateChallenge { name, spec } => in_cluster::create_challenge(context, observed, name, *spec).await?,
        Step::WriteChallenge { key, status } => {
            if let Some(challenge) = observed.challenge(&key) {
                in_cluster::write_challenge(context, challenge, &status).await?;
            }
        }
        Step::DeleteChallenge { key } => {
            if let Some(challenge) = observed.challenge(&key) {
                in_cluster::delete_challenge(context, &challenge.meta).await?;
            }
        }
        Step::ReleaseChallenge { key, finalizers } => {
            if let Some(challenge) = observed.challenge(&key) {
                in_cluster::release(context, &challenge.meta, &finalizers).await?;
            }
        }
    }
    Ok(())
}

/// The Order does not exist: what it showed goes, and Challenges that only wait for cert-manager's finalizer.
async fn gone(context: &Arc<Context>, key: &ObjectKey) -> Result<(), ControllerError> {
    if let Some(uid) = context.orders.forget(key) {
        forget_slots(context, &uid);
        showing::withdraw_by_uid(context, key, &uid).await?;
    }
    for challenge in orphans(context, key) {
        in_cluster::release_if_deleting(context, &challenge).await?;
    }
    Ok(())
}

/// An Order that nobody's approved request explains (any more): nothing is done for it, and what was shown goes.
async fn ignored(context: &Arc<Context>, key: &ObjectKey, challenges: &[Meta]) -> Result<(), ControllerError> {
    if let Some(uid) = context.orders.forget(key) {
        forget_slots(context, &uid);
        showing::withdraw_by_uid(context, key, &uid).await?;
    }
    for challenge in challenges {
        in_cluster::release_if_deleting(context, challenge).await?;
    }
    Ok(())
}

fn forget_slots(context: &Arc<Context>, uid: &str) {
    for order in context
        .orders
        .release(context.now(), uid, &std::collections::BTreeSet::new())
    {
        context.queues.orders.add(order);
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
