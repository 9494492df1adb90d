//! The planner of ACME Orders: the state machine of RFC 8555 section 7.1.6 as decisions (AOR, ACH, ORD rows).
//!
//! The Order's status holds what must survive: the ACME order's URL and its authorizations, which are written before
//! any other request. The rest of the CA's state is in [`memory`], and is read again if it is missing. [`plan`] returns
//! the next steps for both. The caller applies them, records their results, and plans again until there is no step.
//!
//! | module | what it is |
//! |---|---|
//! | [`stage`] | the stage of an Order, parsed from its status |
//! | [`facts`] | the observation of an Order |
//! | [`ca`] | the CA's view of an order |
//! | [`desired`] | the Order for a request, and which Orders certlet acts for |
//! | [`memory`] | what is remembered between two reconciles |
//! | [`progress`] | the progress of one proof, as a part of it |
//! | [`presentation`] | what is presented of it, and what prevents that, as a part of it |
//! | [`fault`] | failed requests and their consequence |
//! | [`proving`] | authorizations: probes, and when a challenge is accepted |
//! | [`presenting`] | Challenges that are created, proofs that are presented |
//! | [`proof`] | the proof of an authorization, and where it is presented |
//! | [`outside`] | proofs outside the cluster, and how they are found again |
//! | [`closing`] | withdrawal, and deletion of Challenges |
//! | [`identifiers`] | the names and addresses of an Order |
//! | [`dns`] | whether the CA will find a TXT record |
//! | [`persist`] | the TXT record of dns-persist-01 |
//! | [`mirror`] | statuses of Challenges |
//! | [`outcome`] | statuses of Orders |
//! | [`slots`] | which challenges may be in flight at once |
//! | [`timing`] | delays and intervals |

pub mod ca;
mod closing;
pub mod desired;
pub mod dns;
pub mod facts;
pub mod fault;
pub mod identifiers;
pub mod memory;
pub mod mirror;
pub mod outcome;
pub mod outside;
pub mod persist;
mod presentation;
mod presenting;
mod progress;
pub mod proof;
pub mod proving;
pub mod route;
pub mod slots;
pub mod stage;
mod step;
pub mod timing;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

pub use step::{Claimed, OrderStep, Plan};

use self::{
    ca::{OrderAtCa, OrderState},
    facts::{IssuerSeen, OrderSeen},
    fault::Verdict,
    stage::{Open, OrderStage},
};
use crate::{
    acme::order::NewOrderRequest,
    api::order::{OrderStatus, State},
    plan::seen::Next,
};

/// How long an order is not touched after its finalization, if its status does not show it.
const FINALIZE_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// How often the authorizations of an invalid order are read for its cause.
const CAUSES_TRIED: u32 = 5;

/// How many more proofs than twice the names a CA may ask for. Each is a request, and an answer in every replica.
const SPARE_PROOFS: usize = 8;

/// The most authorizations in an Order, by its definition.
const MAX_PROOFS: usize = 2000;

/// Plans the next steps for the Order.
pub fn plan(now: Timestamp, seen: &OrderSeen<'_>) -> Plan {
    let planner = Planner {
        now,
        seen,
        status: &seen.order.status,
    };
    let released = planner.released();
    let mut plan = planner.plan();
    plan.steps.splice(
        0..0,
        released.filter(|step| !plan.steps.contains(step)).collect::<Vec<_>>(),
    );
    plan.next = planner.withdrawn_again().fold(plan.next, Next::or_at);
    plan
}

/// The inputs of one plan.
struct Planner<'a> {
    now: Timestamp,
    seen: &'a OrderSeen<'a>,
    status: &'a OrderStatus,
}

impl Planner<'_> {
    fn plan(&self) -> Plan {
        if self.seen.order.meta.deleting.is_some() {
            return self.closed(Vec::new());
        }
        let (server, account) = match self.seen.issuer {
            IssuerSeen::Ready { server, account } => (server.as_str(), account.as_str()),
            IssuerSeen::NotReady(_) => ("", ""),
        };
        match (OrderStage::parse(self.status, server, account), self.seen.issuer) {
            (OrderStage::Valid, _) => self.completed(),
            (OrderStage::Failed(_), _) => self.closed(self.mirrors_of_failure()),
            (OrderStage::New | OrderStage::Open(_) | OrderStage::Foreign { .. }, IssuerSeen::NotReady(sentence)) => {
                self.explain(Some(sentence.clone()), Next::OnChange)
            }
            (OrderStage::Foreign { url }, IssuerSeen::Ready { .. }) => {
                self.fail(State::Errored, &outcome::foreign(url, server))
            }
            (OrderStage::New, IssuerSeen::Ready { .. }) => self.in_trouble().unwrap_or_else(|| self.create()),
            (OrderStage::Open(open), IssuerSeen::Ready { .. }) => {
                self.in_trouble().unwrap_or_else(|| self.follow(open))
            }
        }
    }

    /// The plan after a failure, if the failure does not allow to continue.
    fn in_trouble(&self) -> Option<Plan> {
        let memory = self.seen.memory;
        if let (Some(order), None) = (&memory.order, &self.status.url) {
            // the status gets the URL of an existing order before anything else, whatever failed since
            return memory
                .trouble
                .is_some()
                .then(|| Plan::now(write(self.opened(order, None))));
        }
        let trouble = memory.trouble.as_ref()?;
        match trouble.verdict {
            Verdict::Final(state) => Some(self.fail(state, &trouble.sentence)),
            Verdict::Gone if self.seen.replaced => Some(self.fail(State::Errored, &trouble.sentence)),
            Verdict::Gone => Some(self.closed(vec![OrderStep::StartOver])),
            Verdict::Wait(_) | Verdict::Retry | Verdict::Reread if trouble.until <= self.now => None,
            Verdict::Wait(_) | Verdict::Retry | Verdict::Reread => {
                let reason = outcome::trouble(trouble, memory.failures).or_else(|| self.reason());
                Some(self.explain(reason, Next::At(trouble.until)))
            }
        }
    }

    /// The plan for an Order without an ACME order.
    fn create(&self) -> Plan {
        let memory = self.seen.memory;
        let Some(order) = &memory.order else {
            if let Some(gate) = self.seen.gate.filter(|gate| gate.until > self.now) {
                return self.explain(Some(outcome::gated(gate)), Next::At(gate.until));
            }
            return Plan::now(OrderStep::CreateOrder(Box::new(self.new_order())));
        };
        if let Some(plan) = self.refuse_strange(order) {
            return plan;
        }
        let unread = self.unread(order);
        if unread.is_empty() {
            Plan::now(write(self.opened(order, None)))
        } else {
            Plan::now(OrderStep::ReadAuthorizations(unread))
        }
    }

    /// The plan for an existing ACME order.
    fn follow(&self, open: Open<'_>) -> Plan {
        let Some(order) = self.seen.memory.order.as_ref().filter(|order| order.url == open.url) else {
            return Plan::now(OrderStep::ReadOrder {
                url: open.url.to_owned(),
            });
        };
        if let Some(plan) = self.refuse_strange(order) {
            return plan;
        }
        match order.state {
            OrderState::Pending => self.prove(order),
            OrderState::Ready => self.finalize(order).keeping(BTreeSet::new()),
            OrderState::Processing => self.poll(order).keeping(BTreeSet::new()),
            OrderState::Valid => self.complete(order).keeping(BTreeSet::new()),
            OrderState::Invalid => self.lost(order).keeping(BTreeSet::new()),
        }
    }

    fn finalize(&self, order: &OrderAtCa) -> Plan {
        let recently = self
            .seen
            .memory
            .finalized
            .is_some_and(|at| timing::add(at, FINALIZE_AGAIN) > self.now);
        if recently {
            self.poll(order)
        } else {
            Plan::now(OrderStep::Finalize {
                url: order.finalize.clone(),
            })
        }
    }

    /// Polls the order at its time.
    fn poll(&self, order: &OrderAtCa) -> Plan {
        let at = timing::poll(order.answered, order.retry_at, self.seen.memory.polls);
        if at <= self.now {
            Plan::now(OrderStep::ReadOrder { url: order.url.clone() })
        } else {
            Plan::wait(Next::At(at))
        }
    }

    fn complete(&self, order: &OrderAtCa) -> Plan {
        match (&self.seen.memory.chain, &order.certificate) {
            (Some(chain), _) => {
                let end = self.seen.memory.first_end();
                let note = end.map(|(until, name)| persist::note(name, *until));
                Plan::now(write(outcome::valid(self.opened(order, note), chain)))
            }
            (None, Some(url)) => Plan::now(OrderStep::Download { url: url.clone() }),
            (None, None) => self.poll(order),
        }
    }

    /// The plan for an invalid order: its authorizations have the cause.
    fn lost(&self, order: &OrderAtCa) -> Plan {
        let memory = self.seen.memory;
        let unknown = order
            .authorizations
            .iter()
            .filter(|url| match memory.authorizations.get(*url) {
                Some(known) => !known.is_lost() && known.answered < order.answered,
                None => true,
            });
        let unknown: Vec<String> = unknown.cloned().collect();
        if !unknown.is_empty() && memory.failures <= CAUSES_TRIED {
            Plan::now(OrderStep::ReadAuthorizations(unknown))
        } else if memory.was_away() && self.is_young() && !self.seen.replaced {
            self.closed(vec![OrderStep::StartOver])
        } else {
            self.fail(State::Invalid, &outcome::invalid(order, &memory.authorizations))
        }
    }

    /// Whether its request is recent enough for another ACME order. A process that is killed at every validation
    /// must not create orders without end.
    fn is_young(&self) -> bool {
        timing::add(self.seen.requested, timing::STARTED_OVER_FOR) > self.now
    }

    fn fail(&self, state: State, reason: &str) -> Plan {
        Plan::now(write(outcome::failed(self.status, state, reason, self.now)))
    }

    /// Waits for `next`, with `reason` in the Order's status.
    fn explain(&self, reason: Option<String>, next: Next) -> Plan {
        let status = OrderStatus {
            reason,
            ..self.status.clone()
        };
        let step = (status != *self.status).then(|| write(status));
        Plan::new(step.into_iter().collect(), next)
    }

    /// The reason for the Order's status.
    fn reason(&self) -> Option<String> {
        self.status.reason.clone()
    }

    fn opened(&self, order: &OrderAtCa, reason: Option<String>) -> OrderStatus {
        outcome::open(self.status, order, &self.seen.memory.authorizations, reason)
    }

    /// Ends the Order if the CA asks for proofs of other names, or for too many. Nothing else is read from such a CA.
    fn refuse_strange(&self, order: &OrderAtCa) -> Option<Plan> {
        let spec = &self.seen.order.spec;
        let names = identifiers::identifiers(spec).len();
        let proofs = order.authorizations.len();
        if proofs > (2 * names + SPARE_PROOFS).min(MAX_PROOFS) {
            return Some(self.fail(State::Errored, &outcome::too_many_proofs(proofs, names)));
        }
        let known = order
            .authorizations
            .iter()
            .filter_map(|url| self.seen.memory.authorizations.get(url));
        let strange = known
            .map(|one| one.identifier.as_str())
            .find(|identifier| !identifiers::may_be_asked_for(spec, identifier))?;
        Some(self.fail(State::Errored, &outcome::not_ordered(strange)))
    }

    fn unread(&self, order: &OrderAtCa) -> Vec<String> {
        let unread = order
            .authorizations
            .iter()
            .filter(|url| !self.seen.memory.authorizations.contains_key(*url));
        unread.cloned().collect()
    }

    fn new_order(&self) -> NewOrderRequest {
        let spec = &self.seen.order.spec;
        let duration = spec
            .duration
            .map(|duration| SignedDuration::from_nanos(duration.as_nanoseconds()));
        NewOrderRequest {
            identifiers: identifiers::identifiers(spec),
            not_after: duration.map(|duration| timing::add(self.now, duration)),
            profile: spec.profile.clone().filter(|profile| !profile.is_empty()),
            replaces: spec.replaces.clone().filter(|id| !id.is_empty()),
        }
    }
}

fn write(status: OrderStatus) -> OrderStep {
    OrderStep::WriteStatus(Box::new(status))
}
