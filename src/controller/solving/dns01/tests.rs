//! One record through a process that is killed, and a provider that misbehaves: it never stays where nobody finds it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use proptest::{collection::vec, prelude::*};

use tokio::time::Instant;

use super::{
    Access, Dns01, Provider, Record,
    memory::{Behaviour, Zone},
};
use crate::{
    api::names::annotation,
    cloud::Cloud,
    controller::solving::{
        Checked, Solver,
        calls::{self, Ask, Calls},
    },
    net::ClientSettings,
    plan::{
        order::outside::{self, Abandoned, Call},
        seen::{Meta, Next, ObjectKey, Pairs},
        settings::Settings,
    },
    process::{clock, environment::CloudEnvironment},
    solver::dns01::target::Target,
};

const NAME: &str = "_acme-challenge.a.example";
const RECORD: &str = "_acme-challenge.a.example example";
const VALUE: &str = "gfj9Xq...Rg85nM";
const UID: &str = "challenge-uid";

/// What survives a process: the Challenge at the API server, and the records at the provider.
struct World {
    challenge: Meta,
    zone: Arc<Zone>,
    calls: Arc<Calls>,
    dns01: Arc<Dns01>,
}

impl World {
    fn new(script: Vec<Behaviour>) -> Self {
        Self {
            challenge: Meta {
                key: ObjectKey::new("shop", "web-1"),
                uid: UID.into(),
                ..Meta::default()
            },
            zone: Arc::new(Zone::new(script)),
            calls: Arc::default(),
            dns01: Arc::new(
                Dns01::with_clock(&Settings::default(), cloud(), paused_now).expect("no name server is named"),
            ),
        }
    }

    /// As after a restart: made from what the Challenge says.
    fn solver(&self) -> Solver {
        let record = outside::record(&self.challenge).expect("it was guarded");
        Solver::Dns01(Box::new(Record {
            dns01: Arc::clone(&self.dns01),
            access: Access::Provider(Provider::Memory(Arc::clone(&self.zone))),
            challenge: UID.into(),
            identifier: "a.example".to_owned(),
            target: Some(Target::parse(record).expect("it names a record")),
            value: VALUE.to_owned(),
        }))
    }

    /// As when its Challenge is created: its record is located before.
    fn plan_and_guard(&mut self) {
        self.dns01.written.plan(VALUE);
        self.guard();
    }

    fn calls(&self) -> usize {
        self.zone.calls.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn guard(&mut self) {
        if let Some(finalizers) = outside::guard(&self.challenge, RECORD) {
            self.challenge.finalizers = finalizers.into_iter().map(Into::into).collect();
            self.challenge.annotations = [(annotation::RECORD, RECORD)].into_iter().collect::<Pairs>();
        }
    }

    fn begin(&self, call: Call) {
        let (solver, calls, asked) = (self.solver(), Arc::clone(&self.calls), call.clone());
        self.calls.begin(UID, call, async move {
            let ask = if asked == Call::Presenting {
                Ask::Present
            } else {
                Ask::Withdraw
            };
            let answer = calls::answer(&solver, ask, clock::now).await;
            let after = match (ask, answer) {
                (Ask::Withdraw, Ok(())) => Some(Call::Withdrawn),
                // time stands still in this test: what is due later is due now
                (Ask::Present, _) | (Ask::Withdraw, Err(_)) => None,
            };
            calls.end(UID, after);
        });
    }

    /// The Order is gone: until its Challenge has gone, too.
    async fn abandon(&mut self) {
        self.challenge.deleting = Some(clock::now());
        for _ in 0..1000 {
            let call = self.calls.last(UID);
            let left = outside::left_by_name(&self.challenge);
            match outside::abandoned(clock::now(), &self.challenge, left, call.as_ref()) {
                Abandoned::Withdraw => self.begin(Call::withdraw(clock::now(), call.as_ref())),
                Abandoned::Release(rest) => {
                    assert!(rest.is_empty());
                    self.challenge.finalizers = Box::default();
                    self.calls.forget(UID);
                    return;
                }
                Abandoned::Wait(next) => {
                    if self.challenge.finalizers.is_empty() {
                        return;
                    }
                    assert_eq!(next, Next::OnChange);
                    // a refusal is repeated after an hour
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
            }
        }
        panic!("the Challenge never goes: {:?}", self.calls);
    }
}

fn cloud() -> Cloud {
    Cloud::new(&ClientSettings::default(), CloudEnvironment::default(), paused_now).expect("an HTTP client")
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        (0..90_u64).prop_map(Behaviour::Takes),
        Just(Behaviour::Fails),
        Just(Behaviour::Forbids),
        Just(Behaviour::LosesAnswer),
        Just(Behaviour::NeverAnswers),
    ]
}

/// The time of the paused runtime.
fn paused_now() -> Timestamp {
    static START: OnceLock<Instant> = OnceLock::new();
    let passed = Instant::now().duration_since(*START.get_or_init(Instant::now));
    Timestamp::UNIX_EPOCH + SignedDuration::try_from(passed).expect("a short time")
}

fn in_no_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(test)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_record_never_stays_and_is_never_written_after_it_was_withdrawn(
        script in vec(behaviour(), 0..8), waits in 0..120_u64, killed in any::<bool>(), presented_again in any::<bool>(),
    ) {
        in_no_time(async {
            let mut world = World::new(script);
            world.plan_and_guard();
            world.begin(Call::Presenting);
            tokio::time::sleep(Duration::from_secs(waits)).await;
            if killed {
                world.calls.clear();
                world.dns01.clear();
            }
            if presented_again {
                world.begin(Call::Presenting);
            }
            world.abandon().await;
            tokio::time::sleep(Duration::from_secs(600)).await;
            assert!(world.zone.is_empty(), "{:?}", world.zone);
            assert_eq!(world.zone.at_once.load(std::sync::atomic::Ordering::Relaxed).max(1), 1, "one call at a time");
        });
    }
}

#[test]
fn a_record_is_presented_found_and_withdrawn() {
    in_no_time(async {
        let mut world = World::new(Vec::new());
        world.guard();
        let solver = world.solver();
        let Checked::NotYet(missing) = solver.check(clock::now()).await else {
            panic!("nothing is there");
        };
        assert!(
            missing.reason.contains(NAME) && missing.again > clock::now(),
            "{missing:?}"
        );
        solver.present().await.expect("it may write").expect("it is there");
        assert_eq!(solver.check(clock::now()).await, Checked::Visible);
        solver.withdraw().await.expect("it may write").expect("it is gone");
        assert!(world.zone.is_empty() && solver.validation().is_none());
    });
}

#[test]
fn a_provider_that_never_answers_is_given_up_within_a_minute() {
    in_no_time(async {
        let mut world = World::new(vec![Behaviour::NeverAnswers]);
        world.guard();
        let began = Instant::now();
        let answer = calls::answer(&world.solver(), Ask::Present, clock::now).await;
        let reason = answer.expect_err("no answer").reason;
        assert!(reason.contains("did not answer within 25 seconds"), "{reason}");
        assert!(began.elapsed() < Duration::from_secs(60));
    });
}

#[test]
fn a_challenge_that_was_never_guarded_goes_at_once() {
    in_no_time(async {
        let mut world = World::new(vec![Behaviour::NeverAnswers]);
        world.abandon().await;
        assert_eq!(world.zone.at_once.load(std::sync::atomic::Ordering::Relaxed), 0);
    });
}

#[test]
fn a_record_that_was_only_ever_refused_is_not_withdrawn() {
    in_no_time(async {
        for presented in 0..3 {
            let mut world = World::new(vec![Behaviour::Forbids; 9]);
            world.plan_and_guard();
            for _ in 0..presented {
                let answer = world.solver().present().await.expect("no write to the cluster");
                answer.expect_err("it is refused");
                tokio::time::sleep(Duration::from_hours(1)).await;
            }
            let before = world.calls();
            world.abandon().await;
            assert_eq!(world.calls(), before, "after {presented}");
        }
    });
}

#[test]
fn a_refusal_after_a_lost_answer_or_a_restart_says_nothing_about_what_is_written() {
    in_no_time(async {
        for restarts in [false, true] {
            let mut world = World::new(vec![Behaviour::LosesAnswer, Behaviour::Forbids]);
            world.plan_and_guard();
            for _ in 0..2 {
                let answer = world.solver().present().await.expect("no write to the cluster");
                answer.expect_err("it fails");
                tokio::time::sleep(Duration::from_hours(1)).await;
                if restarts {
                    world.dns01.clear();
                }
            }
            assert!(world.zone.has(NAME, VALUE));
            world.abandon().await;
            assert!(world.zone.is_empty(), "{restarts}");
        }
    });
}
