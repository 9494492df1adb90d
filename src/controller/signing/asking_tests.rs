//! With a server that exists only here: it gives a number, and has the certificate later; or it never answers.

use std::sync::atomic::Ordering;

use super::*;
use crate::{
    api::{IssuerSpec, issuer::CaIssuer},
    controller::ControllerError,
    plan::{
        issuer::{FoundIssuer, IssuerType, Lookup},
        request::{
            RequestObservation, RequestPlan, RequestStep,
            fixture::{self, noon},
            plan, status_write,
        },
        seen::{ObjectKey, Pairs},
        settings::Settings,
    },
    signer::scripted::{PACE, Scripted},
};

/// A request, as the API server has it: nothing else survives a restart.
struct Stored {
    request: RequestSeen,
    /// What was written, in this order.
    writes: Vec<&'static str>,
}

/// What a process remembers.
struct Process {
    waits: Waits,
    queue: Arc<Queue<ObjectKey>>,
    server: Arc<Scripted>,
}

/// Where a process is killed.
#[derive(Clone, Copy, PartialEq)]
enum Killed {
    Never,
    /// After the first write of its next pass.
    AfterOneWrite,
}

fn issuer() -> FoundIssuer {
    let ca = CaIssuer {
        secret_name: "root".into(),
        ..CaIssuer::default()
    };
    fixture::issuer(
        "le",
        IssuerSpec {
            ca: Some(ca),
            ..IssuerSpec::default()
        },
    )
}

fn planned(request: &RequestSeen, now: Timestamp) -> RequestPlan {
    let seen = RequestObservation {
        request,
        issuer: &Lookup::Found(Box::new(issuer())),
        orders: &[],
        replaces: None,
        reordered: false,
        settings: &Settings::default(),
    };
    plan(now, &seen)
}

impl Process {
    fn start(server: &Arc<Scripted>) -> Self {
        let queue = Queue::new("test");
        queue.resume([]);
        Self {
            waits: Waits::default(),
            queue,
            server: Arc::clone(server),
        }
    }

    /// One pass, as the controller makes it: plan, ask, write. Returns when the signer is asked again; `None` once nothing is to be done.
    async fn pass(&self, stored: &mut Stored, now: Timestamp, killed: Killed) -> Option<Until> {
        let RequestPlan { approve, step, .. } = planned(&stored.request, now);
        if step == RequestStep::Nothing {
            return None;
        }
        assert_eq!(step, RequestStep::Sign(IssuerType::Ca));
        if approve {
            stored.write_status(now, None);
        }
        let (signer, key) = (
            Signer::Scripted(Arc::clone(&self.server)),
            stored.request.meta.key.clone(),
        );
        let annotation = signer.memo_annotation();
        let turn = Turn {
            queue: &self.queue,
            key: &key,
            now,
        };
        let outcome = match turn.ask(&self.waits, signer, &stored.request, &issuer().meta).await {
            SignerCall::Answered(outcome) => outcome,
            SignerCall::NotYet(Next::At(until)) => return Some(Until::At(until)),
            SignerCall::NotYet(Next::OnChange) => panic!("it has to be asked again some time"),
        };
        let Conclusion {
            memo, verdict, until, ..
        } = conclude(&stored.request, annotation, outcome);
        if let Some((annotation, memo)) = memo {
            let pairs = stored.request.meta.annotations.iter();
            let pairs = pairs.chain([(annotation, memo.as_str())]).collect();
            stored.request.meta.annotations = pairs;
            stored.writes.push("memo");
            if killed == Killed::AfterOneWrite {
                return Some(until);
            }
        }
        stored.write_status(now, Some(&verdict));
        Some(until)
    }
}

impl Stored {
    fn new() -> Self {
        Self {
            request: fixture::request(),
            writes: Vec::new(),
        }
    }

    fn write_status(&mut self, now: Timestamp, verdict: Option<&RequestVerdict>) {
        let approve = verdict.is_none();
        let Some(write) = status_write(now, &self.request, approve, verdict) else {
            return;
        };
        self.writes.push(match verdict {
            None => "approved",
            Some(RequestVerdict::Pending { .. }) => "pending",
            Some(RequestVerdict::Issued { .. }) => "issued",
            Some(RequestVerdict::Failed { .. }) => "failed",
            Some(RequestVerdict::Denied) => "denied",
        });
        if let Some(conditions) = write.patch.get("conditions") {
            self.request.conditions = serde_json::from_value(conditions.clone()).unwrap();
        }
    }
}

#[tokio::test]
async fn a_signer_that_waits_is_asked_again_at_its_time_and_reminded() {
    let server = Arc::new(Scripted::new("slow", Some(noon() + PACE * 2)));
    let (process, mut stored) = (Process::start(&server), Stored::new());
    let mut now = noon();
    for calls in [(1, 0), (1, 1)] {
        let until = process.pass(&mut stored, now, Killed::Never).await;
        assert_eq!((until, server.calls()), (Some(Until::At(now + PACE)), calls));
        // its own writes have it looked at again at once: the server is left alone until then
        let until = process.pass(&mut stored, now + PACE / 2, Killed::Never).await;
        assert_eq!((until, server.calls()), (Some(Until::At(now + PACE)), calls));
        now += PACE;
    }
    let until = process.pass(&mut stored, now, Killed::Never).await;
    assert_eq!((until, server.calls()), (Some(Until::Change), (1, 2)));
    assert_eq!(stored.writes, ["approved", "memo", "pending", "issued"]);
    assert_eq!(process.pass(&mut stored, now, Killed::Never).await, None);
}

#[tokio::test]
async fn the_memo_survives_a_restart_wherever_the_process_was_killed_after_it() {
    for killed in [Killed::Never, Killed::AfterOneWrite] {
        let server = Arc::new(Scripted::new("slow", Some(noon() + PACE)));
        let mut stored = Stored::new();
        Process::start(&server).pass(&mut stored, noon(), killed).await;
        assert_eq!(
            stored.request.meta.annotations.get(Scripted::ANNOTATION),
            Some("number 1")
        );
        let memo = stored.writes.iter().position(|write| *write == "memo").unwrap();
        assert!(!stored.writes[..memo].contains(&"pending"), "{:?}", stored.writes);
        // nothing but the stored object is left
        let until = Process::start(&server)
            .pass(&mut stored, noon() + PACE, Killed::Never)
            .await;
        assert_eq!(until, Some(Until::Change));
        assert_eq!(server.calls(), (1, 1), "it is not requested a second time");
        assert_eq!(stored.writes.last(), Some(&"issued"));
    }
}

#[tokio::test]
async fn a_memo_that_could_not_be_written_is_written_by_the_next_pass_of_the_same_process() {
    let server = Arc::new(Scripted::new("slow", Some(noon() + PACE)));
    let (process, mut stored) = (Process::start(&server), Stored::new());
    process.pass(&mut stored, noon(), Killed::AfterOneWrite).await;
    // the write was refused: the object is as it was
    stored.request.meta.annotations = Pairs::default();
    process.pass(&mut stored, noon() + PACE, Killed::Never).await;
    assert_eq!(server.calls(), (1, 1), "it is not requested a second time");
    assert_eq!(stored.writes.last(), Some(&"issued"));
}

#[tokio::test]
async fn an_edit_of_the_issuer_ends_the_wait() {
    let server = Arc::new(Scripted::new("slow", Some(noon() + PACE * 9)));
    let (process, mut stored) = (Process::start(&server), Stored::new());
    process.pass(&mut stored, noon(), Killed::Never).await;
    let (before, mut edited) = (issuer().meta, issuer().meta);
    edited.resource_version = "8".into();
    let until = |issuer| process.waits.until(&stored.request.meta, issuer, noon());
    assert_eq!((until(&before), until(&edited)), (Some(noon() + PACE), None));
    process.waits.clear();
    assert_eq!(process.waits.until(&stored.request.meta, &before, noon()), None);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_holds_up_nobody_elses_requests() {
    const WORKERS: usize = 8;
    let silent = Arc::new(Scripted::new("silent", None));
    let other = Arc::new(Scripted::new("other", Some(noon())));
    let queue: Arc<Queue<ObjectKey>> = Queue::new("test");
    let (done, mut answered) = tokio::sync::mpsc::unbounded_channel();
    let reconcile = {
        let (queue, silent, other) = (Arc::clone(&queue), Arc::clone(&silent), Arc::clone(&other));
        let waits = Arc::new(Waits::default());
        move |key: ObjectKey| {
            let server = Arc::clone(if key.name.starts_with("silent") {
                &silent
            } else {
                &other
            });
            let (queue, waits, done) = (Arc::clone(&queue), Arc::clone(&waits), done.clone());
            async move {
                let mut request = fixture::request();
                request.meta = fixture::meta(&key.name, &key.name);
                let turn = Turn {
                    queue: &queue,
                    key: &key,
                    now: noon(),
                };
                match turn
                    .ask(&waits, Signer::Scripted(server), &request, &issuer().meta)
                    .await
                {
                    SignerCall::NotYet(next) => Ok::<_, ControllerError>(next.time()),
                    SignerCall::Answered(_) => {
                        done.send(key.name.to_string()).unwrap();
                        Ok(None)
                    }
                }
            }
        }
    };
    let keys = |server: &'static str, count| (0..count).map(move |n| ObjectKey::new("shop", format!("{server}-{n}")));
    queue.resume(keys("silent", 50));
    tokio::spawn(Arc::clone(&queue).run(WORKERS, noon, reconcile));
    // only when the silent server keeps as many workers as it can get
    while queue.waiting() > 0 || silent.requested.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    keys("other", 20).for_each(|key| queue.add(key));
    for _ in 0..20 {
        let name = answered.recv().await.unwrap();
        assert!(name.starts_with("other"), "{name}");
    }
    assert_eq!(silent.requested.load(Ordering::Relaxed), WORKERS / 2);
}
