//! The model's DNS provider: records, calls that take their time, and the end of an Order that was deleted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    super::{
        memory::{Memory, NotYet},
        outside::{self, Abandoned, Call},
        proof::Batch,
        timing,
    },
    model::World,
};
use crate::plan::{
    kinds::ChallengeKind,
    seen::{Next, Object, ObjectKey},
};

/// A provider's zone, and the calls of it.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// Names and values of the records that are there.
    pub(super) zone: BTreeSet<(String, String)>,
    /// What the process knows of its calls.
    pub(super) calls: BTreeMap<Box<str>, Call>,
    /// Withdrawals that were given up.
    pub(super) given_up: u32,
    /// Calls so far.
    pub(super) count: u32,
    under_way: Vec<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    number: u32,
    ends: Timestamp,
    challenge: Box<str>,
    authorization: String,
    record: (String, String),
    puts: bool,
}

impl Outside {
    /// `next`, or when the next call ends.
    pub(super) fn or_ends(&self, next: Next) -> Next {
        self.under_way.iter().map(|call| call.ends).fold(next, Next::or_at)
    }

    /// The process ends: every second call that is under way has reached the provider.
    pub(super) fn interrupt(&mut self) {
        for call in std::mem::take(&mut self.under_way) {
            if call.number.is_multiple_of(2) {
                self.change(&call);
            }
        }
        self.calls.clear();
    }

    fn change(&mut self, call: &UnderWay) {
        if call.puts {
            self.zone.insert(call.record.clone());
        } else {
            self.zone.remove(&call.record);
        }
    }
}

impl World {
    pub(super) fn begin_to_present(&mut self, authorization: &str) {
        let challenge = self
            .challenges
            .iter()
            .find(|one| one.spec.authorization_url == authorization && one.meta.deleting.is_none())
            .expect("it has a Challenge");
        let challenge = challenge.clone();
        self.begin(&challenge, Call::Presenting);
    }

    pub(super) fn begin_to_withdraw(&mut self, key: &ObjectKey) {
        let challenge = self
            .challenges
            .iter()
            .find(|one| one.meta.key == *key)
            .expect("it exists");
        let challenge = challenge.clone();
        let call = Call::withdraw(self.now, self.outside.calls.get(&challenge.meta.uid));
        self.begin(&challenge, call);
    }

    fn begin(&mut self, challenge: &Object<ChallengeKind>, call: Call) {
        let record = outside::record(&challenge.meta).expect("the Challenge says what is written before it is");
        self.outside.count += 1;
        self.outside.under_way.push(UnderWay {
            number: self.outside.count,
            ends: timing::add(self.now, SignedDuration::from_secs(self.weather.dns_takes)),
            challenge: challenge.meta.uid.clone(),
            authorization: challenge.spec.authorization_url.clone(),
            record: (record.to_owned(), challenge.spec.key.clone()),
            puts: call == Call::Presenting,
        });
        let before = self.outside.calls.insert(challenge.meta.uid.clone(), call);
        assert!(
            !before.is_some_and(|before| before.is_under_way()),
            "two calls about one record"
        );
    }

    /// Calls whose time has come end.
    pub(super) fn finish_calls(&mut self) {
        let calls = std::mem::take(&mut self.outside.under_way);
        let (ended, goes_on) = calls.into_iter().partition(|call| call.ends <= self.now);
        self.outside.under_way = goes_on;
        for call in ended {
            self.finish(&call);
        }
    }

    fn finish(&mut self, call: &UnderWay) {
        let fails = self.weather.dns_down || self.weather.dns_failing.contains(&call.number);
        if !fails || (call.number.is_multiple_of(2) && !self.weather.dns_down) {
            self.outside.change(call);
        }
        let not_yet = NotYet {
            reason: "the provider is away".into(),
            again: self.now,
        };
        let batch = Batch::Authorization(call.authorization.clone());
        match (call.puts, fails) {
            (true, true) => self.memory.not_presented(self.now, batch, not_yet),
            (true, false) => self.memory.present(self.now, batch, [call.authorization.clone()]),
            (false, true) => {
                let after = self.outside.calls[&call.challenge].not_withdrawn(self.now, &not_yet);
                self.outside.given_up += u32::from(after.is_none());
                self.outside
                    .calls
                    .insert(call.challenge.clone(), after.unwrap_or(Call::Withdrawn));
                return;
            }
            (false, false) => {
                self.memory.withdrew(&batch);
                self.outside.calls.insert(call.challenge.clone(), Call::Withdrawn);
                return;
            }
        }
        self.outside.calls.remove(&call.challenge);
    }

    /// A Challenge loses its finalizer.
    pub(super) fn let_go(&mut self, key: &ObjectKey) {
        let Some(one) = self.challenges.iter_mut().find(|one| one.meta.key == *key) else {
            return;
        };
        if let Some(record) = outside::record(&one.meta) {
            let record = (record.to_owned(), one.spec.key.clone());
            let stays = self.outside.zone.contains(&record);
            assert!(!stays || self.outside.given_up > 0, "{record:?} stays for ever");
        }
        one.meta.finalizers = Box::default();
        self.outside.calls.remove(&one.meta.uid);
    }

    /// The Order is deleted: what is in the cluster goes, then its Challenges, as the controller does it.
    pub(super) fn delete_order(&mut self) {
        self.shown.clear();
        self.memory = Memory::default();
        self.slots.release(self.now, &self.order.meta.uid, &BTreeSet::new());
        for challenge in &mut self.challenges {
            challenge.meta.deleting = Some(self.now);
        }
        self.challenges.retain(|one| !one.meta.finalizers.is_empty());
        for _ in 0..1000 {
            self.finish_calls();
            let Some(next) = self.abandon_one() else { return };
            self.steps += 1;
            if self.weather.killed_after.contains(&self.steps) {
                self.outside.interrupt();
                continue;
            }
            match self.outside.or_ends(next) {
                Next::At(time) if time > self.now => self.wait(time),
                Next::At(_) | Next::OnChange => {}
            }
        }
        panic!("its Challenges never go: {:?}", self.challenges);
    }

    /// What is to be done for the first Challenge; `None` when there is none.
    fn abandon_one(&mut self) -> Option<Next> {
        let challenge = self.challenges.first()?.clone();
        let key = &challenge.meta.key;
        let call = self.outside.calls.get(&challenge.meta.uid);
        match outside::abandoned(self.now, &challenge.meta, outside::left(&challenge), call) {
            Abandoned::Withdraw => self.begin_to_withdraw(key),
            Abandoned::Release(finalizers) => {
                assert!(finalizers.is_empty());
                self.let_go(key);
                self.challenges.retain(|one| one.meta.key != *key);
            }
            Abandoned::Wait(next) => return Some(next),
        }
        Some(Next::OnChange)
    }
}
