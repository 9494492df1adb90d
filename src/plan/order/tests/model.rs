//! A CA and a cluster small enough to be wrong about nothing that matters here. It is no proof of ACME: that is Pebble's.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::super::{
    OrderStep, Plan,
    ca::{AuthorizationAtCa, OrderState},
    facts::{Choice, Gate, IssuerSeen, OrderSeen},
    fault::{Doing, Fault},
    memory::{Memory, NotYet},
    outside, plan,
    proof::{Batch, Placed},
    slots::{Claim, Slots},
    step::Claimed,
    timing,
};
use super::{
    model_ca::{CaAuthorization, CaOrder, number_of, unknown},
    model_objects::{assert_write_once, dns01, http01, issuer_ref, meta, record_of, set_guard},
    model_outside::Outside,
    model_weather::Weather,
};
use crate::{
    acme::Next,
    api::{
        challenge::ChallengeStatus,
        order::{OrderSpec, OrderStatus, State},
    },
    plan::{
        kinds::{ChallengeKind, OrderKind},
        seen::Object,
    },
};

pub(super) const SERVER: &str = "https://ca.example/dir";

type Choose = dyn Fn(&str, &AuthorizationAtCa) -> Choice;

/// The world around one Order.
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) weather: Weather,
    pub(super) order: Object<OrderKind>,
    pub(super) challenges: Vec<Object<ChallengeKind>>,
    pub(super) choices: Box<Choose>,
    pub(super) memory: Memory,
    pub(super) slots: Slots,
    pub(super) replaced: bool,
    pub(super) requested: Timestamp,
    pub(super) gate: Option<Gate>,
    pub(super) issuer: IssuerSeen,
    pub(super) shown: BTreeSet<String>,
    pub(super) outside: Outside,
    pub(super) writes: Vec<&'static str>,
    pub(super) restarts: u32,
    pub(super) orders: Vec<CaOrder>,
    /// Orders that were made without the answer being seen.
    pub(super) orders_lost: usize,
    pub(super) authorizations: BTreeMap<String, CaAuthorization>,
    pub(super) reads: u32,
    calls: u32,
    pub(super) steps: u32,
    probes: BTreeMap<String, u32>,
    versions: u32,
}

impl World {
    pub(super) fn new(names: &[&str], weather: Weather) -> Self {
        let spec = OrderSpec {
            dns_names: names.iter().map(ToString::to_string).collect(),
            issuer_ref: issuer_ref(),
            ..OrderSpec::default()
        };
        let by_dns = weather.by_dns.clone();
        let choose = move |_: &str, one: &AuthorizationAtCa| {
            if by_dns.contains(&one.identifier) {
                dns01(one)
            } else {
                http01(one)
            }
        };
        Self {
            now: "2026-11-21T06:00:00Z".parse().expect("a time"),
            weather,
            order: Object {
                meta: meta("shop-1-123", "order-uid", &[]),
                spec,
                status: OrderStatus::default(),
            },
            challenges: Vec::new(),
            choices: Box::new(choose),
            memory: Memory::default(),
            slots: Slots::new(60),
            replaced: false,
            requested: "2026-11-21T06:00:00Z".parse().expect("a time"),
            gate: None,
            issuer: IssuerSeen::Ready {
                server: SERVER.into(),
                account: SERVER.into(),
            },
            shown: BTreeSet::new(),
            outside: Outside::default(),
            writes: Vec::new(),
            restarts: 0,
            orders_lost: 0,
            orders: Vec::new(),
            authorizations: BTreeMap::new(),
            reads: 0,
            calls: 0,
            steps: 0,
            probes: BTreeMap::new(),
            versions: 0,
        }
    }

    pub(super) fn plan(&self) -> Plan {
        let choices = self
            .memory
            .authorizations
            .iter()
            .map(|(url, one)| (url.clone(), (self.choices)(url, one)))
            .collect();
        let slots = self
            .memory
            .authorizations
            .keys()
            .map(|url| (url.clone(), self.slots.slot(&self.order.meta.uid, url)))
            .collect();
        let seen = OrderSeen {
            order: &self.order,
            issuer: &self.issuer,
            challenges: &self.challenges,
            choices: &choices,
            memory: &self.memory,
            slots: &slots,
            calls: &self.outside.calls,
            replaced: self.replaced,
            requested: self.requested,
            gate: self.gate.as_ref(),
        };
        plan(self.now, &seen)
    }

    pub(super) fn restart(&mut self) {
        self.restarts += 1;
        if self.weather.validates_while_away {
            self.validate_unanswered();
        }
        self.replaced = false;
        self.memory = Memory::default();
        self.slots = Slots::new(60);
        self.outside.interrupt();
    }

    pub(super) fn orders_made(&self) -> usize {
        self.orders.len()
    }

    pub(super) fn orders_finalized(&self) -> usize {
        self.orders.iter().filter(|order| order.finalized.is_some()).count()
    }

    pub(super) fn state(&self) -> Option<State> {
        self.order.status.state
    }

    pub(super) fn reason(&self) -> &str {
        self.order.status.reason.as_deref().unwrap_or_default()
    }

    pub(super) fn forget_order(&mut self, index: usize) {
        self.orders[index].forgotten = true;
    }

    pub(super) fn take(&mut self, step: OrderStep) {
        match step {
            OrderStep::CreateOrder(request) => {
                let names = request
                    .identifiers
                    .iter()
                    .map(|one| one.clone().authorized(false).to_string())
                    .collect();
                self.call(
                    Doing::CreateOrder,
                    |world| Ok(world.make_order(names)),
                    Memory::saw_order,
                );
            }
            OrderStep::ReadOrder { url } => self.call(Doing::ReadOrder, |world| world.known(&url), Memory::saw_order),
            OrderStep::ReadAuthorizations(urls) => {
                for url in urls {
                    let read = |world: &mut Self| world.read_authorization(&url);
                    self.call(Doing::ReadAuthorization, read, |memory, one| {
                        memory.saw_authorization(&url, one);
                    });
                    if self.memory.trouble.is_some() {
                        break;
                    }
                }
            }
            OrderStep::Accept { authorization, .. } => {
                let now = self.now;
                let accept = |world: &mut Self| {
                    let one = world.authorizations.get_mut(&authorization).ok_or_else(unknown)?;
                    one.accepted.get_or_insert(0);
                    let name = one.name.clone();
                    assert!(
                        world.is_available(&name),
                        "a challenge is accepted that the CA cannot see"
                    );
                    Ok(())
                };
                self.memory.accepting(&authorization);
                self.call(Doing::Accept, accept, |memory, ()| memory.accepted(now, &authorization));
            }
            OrderStep::Finalize { url } => {
                let now = self.now;
                let order_url = url.replace("/finalize", "");
                let finalize = |world: &mut Self| {
                    let number = number_of(&order_url);
                    assert_eq!(
                        world.read_order(&order_url).state,
                        OrderState::Ready,
                        "finalized too early"
                    );
                    world.orders[number].finalized = Some(0);
                    Ok(world.read_order(&order_url))
                };
                self.call(Doing::Finalize, finalize, |memory, order| {
                    memory.finalized = Some(now);
                    memory.saw_order(order);
                });
            }
            OrderStep::Download { .. } => {
                let now = self.now;
                self.call(
                    Doing::Download,
                    |_| Ok(b"chain".to_vec()),
                    |memory, chain| memory.downloaded(now, chain),
                );
            }

            other @ (OrderStep::WriteStatus(_)
            | OrderStep::StartOver
            | OrderStep::Locate { .. }
            | OrderStep::CreateChallenge { .. }
            | OrderStep::GuardChallenge { .. }
            | OrderStep::Claim(_)
            | OrderStep::Present { .. }
            | OrderStep::WriteChallenge { .. }
            | OrderStep::Probe { .. }
            | OrderStep::Withdraw(_)
            | OrderStep::DeleteChallenge { .. }
            | OrderStep::ReleaseChallenge { .. }) => self.take_in_cluster(other),
        }
    }

    fn is_written(&self, authorization: &str) -> bool {
        let choice = (self.choices)(authorization, &self.memory.authorizations[authorization]);
        matches!(choice, Choice::Prove { proof, .. } if proof.is_written())
    }

    /// Whether the CA would find the proof of this name.
    pub(super) fn is_available(&self, name: &str) -> bool {
        self.shown.contains(name) || self.outside.zone.iter().any(|(record, _)| *record == record_of(name))
    }

    #[expect(clippy::too_many_lines, reason = "one arm per step")]
    fn take_in_cluster(&mut self, step: OrderStep) {
        match step {
            OrderStep::WriteStatus(status) => {
                assert_ne!(*status, self.order.status, "a write that changes nothing");
                assert_write_once(&self.order.status, &status);
                self.writes.push("order status");
                self.order.status = *status;
            }
            OrderStep::StartOver => {
                self.writes.push("start over");
                assert!(self.outside.zone.is_empty(), "nobody would find it again");
                self.order.meta.uid = "second-order-uid".into();
                self.order.status = OrderStatus::default();
                self.challenges.clear();
                self.memory = Memory::default();
                self.replaced = true;
            }
            OrderStep::CreateChallenge { name, spec, record } => {
                self.writes.push("challenge");
                assert!(
                    self.challenges.iter().all(|one| one.meta.name() != name),
                    "the name is taken"
                );
                self.versions += 1;
                let mut meta = meta(&name, &format!("challenge-{}", self.versions), &["order-uid"]);
                if let Some(record) = record {
                    let finalizers = outside::guard(&meta, &record).expect("it is new");
                    set_guard(&mut meta, finalizers, &record);
                }
                self.challenges.push(Object {
                    meta,
                    spec: *spec,
                    status: ChallengeStatus::default(),
                });
            }
            OrderStep::Claim(claims) => {
                let claim = |one: Claimed| Claim {
                    fresh: true,
                    since: self.order.meta.created,
                    order: self.order.meta.key.clone(),
                    uid: self.order.meta.uid.clone(),
                    authorization: one.authorization,
                    subject: (one.subject, one.challenge_type),
                };
                self.slots.claim(self.now, claims.into_iter().map(claim));
            }
            OrderStep::Locate { authorization } => {
                self.memory.locating(&authorization);
                let fails = self.weather.locations_failing > 0;
                self.weather.locations_failing = self.weather.locations_failing.saturating_sub(1);
                let name = &self.authorizations[&authorization].name;
                let not_yet = || NotYet {
                    reason: "no zone is found".into(),
                    again: self.now,
                };
                let outcome = if fails { Err(not_yet()) } else { Ok(record_of(name)) };
                self.memory.located(self.now, &authorization, outcome);
            }
            OrderStep::GuardChallenge {
                key,
                finalizers,
                record,
            } => {
                self.writes.push("guard challenge");
                let one = self.challenges.iter_mut().find(|one| one.meta.key == key);
                set_guard(&mut one.expect("it exists").meta, finalizers, &record);
            }
            OrderStep::Present { batch, authorizations } => match &batch {
                Batch::Order => {
                    self.writes.push("present");
                    let names = authorizations.iter().map(|url| self.authorizations[url].name.clone());
                    self.shown = names.collect();
                    self.memory.present(self.now, batch, authorizations);
                }
                Batch::Authorization(url) if self.is_written(url) => self.begin_to_present(url),
                Batch::Authorization(_) => self.memory.present(self.now, batch, authorizations),
            },
            OrderStep::WriteChallenge { key, status } => {
                self.writes.push("challenge status");
                let one = self
                    .challenges
                    .iter_mut()
                    .find(|one| one.meta.key == key)
                    .expect("it exists");
                assert_ne!(one.status, *status, "a write that changes nothing");
                one.status = *status;
            }
            OrderStep::Probe { authorization } => {
                self.memory.probing(self.now, &authorization);
                let count = self.probes.entry(authorization.clone()).or_default();
                *count += 1;
                let again = timing::add(self.now, SignedDuration::from_secs(1));
                let early = *count <= self.weather.probes_failing;
                let failed = early || !self.is_available(&self.authorizations[&authorization].name);
                let not_yet = || NotYet {
                    reason: "nothing listens there".into(),
                    again,
                };
                self.memory
                    .probed(&authorization, if failed { Err(not_yet()) } else { Ok(()) });
            }
            OrderStep::Withdraw(Placed::InCluster) => {
                self.writes.push("withdraw");
                self.shown.clear();
                self.memory.withdrew(&Batch::Order);
            }
            OrderStep::Withdraw(Placed::Outside(key)) => self.begin_to_withdraw(&key),
            OrderStep::DeleteChallenge { key } => {
                self.writes.push("delete challenge");
                self.let_go(&key);
                self.challenges.retain(|one| one.meta.key != key);
            }
            OrderStep::ReleaseChallenge { key, finalizers } => {
                assert!(finalizers.is_empty());
                self.let_go(&key);
                self.challenges
                    .retain(|one| one.meta.key != key || one.meta.deleting.is_none());
            }
            OrderStep::CreateOrder(_)
            | OrderStep::ReadOrder { .. }
            | OrderStep::ReadAuthorizations(_)
            | OrderStep::Accept { .. }
            | OrderStep::Finalize { .. }
            | OrderStep::Download { .. } => unreachable!("asked of the CA"),
        }
    }

    fn call<T>(
        &mut self,
        doing: Doing,
        ask: impl FnOnce(&mut Self) -> Result<T, Fault>,
        remember: impl FnOnce(&mut Memory, T),
    ) {
        self.calls += 1;
        assert!(
            self.memory
                .trouble
                .as_ref()
                .is_none_or(|trouble| trouble.until <= self.now),
            "the CA asked to wait"
        );
        let fault = |next| Fault {
            doing,
            sentence: "as the weather is".into(),
            next,
            excess: false,
            unknown: false,
            explained: true,
            outage: None,
        };
        if self.weather.limited.contains(&self.calls) {
            let until = timing::add(self.now, SignedDuration::from_secs(60));
            return self.memory.failed(self.now, &fault(Next::Wait(until)));
        }
        let answer = ask(self);
        if self.weather.answers_lost.contains(&self.calls) {
            self.orders_lost += usize::from(doing == Doing::CreateOrder);
            return self.memory.failed(self.now, &fault(Next::Retry));
        }
        match answer {
            Ok(answer) => remember(&mut self.memory, answer),
            Err(unknown) => self.memory.failed(self.now, &Fault { doing, ..unknown }),
        }
    }
}
