//! What to do for an ACME Order: the state machine of RFC 8555 section 7.1.6, as decisions (AOR, ACH, ORD rows).
//!
//! The Order's status holds what must survive: the ACME order's URL and its authorizations, written before anything else
//! is asked for. What the CA says beyond that is in [`memory`], and asked for again where it is missing. [`plan`] is given
//! both and says the next steps; whoever takes them adds what came of it, and plans again until there is nothing to do.
//!
//! | module | what it is |
//! |---|---|
//! | [`stage`] | where an Order is, parsed from its status |
//! | [`facts`] | what a plan is made from |
//! | [`ca`] | what the CA said |
//! | [`desired`] | the Order that a request stands for, and which Orders count as that |
//! | [`memory`] | what is remembered between two looks |
//! | [`fault`] | what a failed call means |
//! | [`proving`] | authorizations: which are to be proved, probes, what the CA is told |
//! | [`presenting`] | Challenges that are created, proofs that are presented |
//! | [`proof`] | what the CA has to find, and where that is placed |
//! | [`outside`] | what is placed outside the cluster, and how it is found again |
//! | [`closing`] | withdrawing, and Challenges that go |
//! | [`identifiers`] | which names are ordered |
//! | [`dns`] | whether the CA will find a TXT record |
//! | [`mirror`] | what Challenges show, and what is in the way, in words |
//! | [`outcome`] | the statuses that are written |
//! | [`slots`] | which challenges may be in flight at once |
//! | [`timing`] | when to ask again |

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
mod presenting;
pub mod proof;
pub mod proving;
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

/// How long after sending the signing request an order that does not seem to know of it is left alone.
const FINALIZE_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// How often the authorizations of an invalid order are asked for its cause.
const CAUSES_TRIED: u32 = 5;

/// How many more proofs than twice the names a CA may ask for. Each is a request, and an answer that every replica keeps.
const SPARE_PROOFS: usize = 8;

/// How many authorizations an Order can hold, by its definition.
const MAX_PROOFS: usize = 2000;

/// Decides what to do for the Order.
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

/// One plan in the making.
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

    /// What the last failure leads to, if it leads anywhere but on.
    fn in_trouble(&self) -> Option<Plan> {
        let memory = self.seen.memory;
        if let (Some(order), None) = (&memory.order, &self.status.url) {
            // an order that exists is written down before anything else, whatever came after
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

    /// No ACME order is known.
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

    /// The ACME order exists.
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
            OrderState::Processing => self.look_later(order).keeping(BTreeSet::new()),
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
            self.look_later(order)
        } else {
            Plan::now(OrderStep::Finalize {
                url: order.finalize.clone(),
            })
        }
    }

    /// Reads the order again when its time has come.
    fn look_later(&self, order: &OrderAtCa) -> Plan {
        let at = timing::poll(order.answered, order.retry_at, self.seen.memory.looks);
        if at <= self.now {
            Plan::now(OrderStep::ReadOrder { url: order.url.clone() })
        } else {
            Plan::wait(Next::At(at))
        }
    }

    fn complete(&self, order: &OrderAtCa) -> Plan {
        match (&self.seen.memory.chain, &order.certificate) {
            (Some(chain), _) => Plan::now(write(outcome::valid(self.opened(order, None), chain))),
            (None, Some(url)) => Plan::now(OrderStep::Download { url: url.clone() }),
            (None, None) => self.look_later(order),
        }
    }

    /// The order is invalid: its authorizations know why.
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

    /// Whether its request was made so recently that another ACME order may be made for it. A process that dies whenever the
    /// CA asks must not order for ever.
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

    /// The reason that is written.
    fn reason(&self) -> Option<String> {
        self.status.reason.clone()
    }

    fn opened(&self, order: &OrderAtCa, reason: Option<String>) -> OrderStatus {
        outcome::open(self.status, order, &self.seen.memory.authorizations, reason)
    }

    /// A CA that asks for proofs of what is not ordered, or for more than makes sense, is asked for nothing else.
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
