//! Calls of solvers outside the cluster, such as those of a DNS provider. They run concurrently with the reconcile of
//! their Order, so a slow provider delays neither other proofs of the Order nor other Orders. At most one call runs for
//! each Challenge: nothing is written after a withdrawal.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::task::AbortHandle;

use super::{Answer, Solver};
use crate::{
    controller::ControllerError,
    plan::order::{memory::NotYet, outside::Call},
};

/// The time-out of a call.
const LIMIT: Duration = Duration::from_secs(60);
/// The most Challenges that are remembered. Beyond that, finished calls are forgotten: a second withdrawal does no
/// harm.
const MOST: usize = 10_000;

/// The last call for each Challenge, by its uid. Successful calls that present are not kept.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<HashMap<Box<str>, Entry>>);

#[derive(Debug)]
struct Entry {
    call: Call,
    task: Option<AbortHandle>,
}

impl Calls {
    /// The last call for the Challenge with this uid.
    pub(crate) fn last(&self, challenge: &str) -> Option<Call> {
        self.lock().get(challenge).map(|entry| entry.call.clone())
    }

    /// The last calls for these Challenges, by uid.
    pub(crate) fn of<'a>(&self, challenges: impl Iterator<Item = &'a str>) -> BTreeMap<Box<str>, Call> {
        let calls = self.lock();
        challenges
            .filter_map(|challenge| Some((challenge.into(), calls.get(challenge)?.call.clone())))
            .collect()
    }

    /// Starts a call for a Challenge, unless one is running.
    pub(crate) fn begin(&self, challenge: &str, call: Call, task: impl Future<Output = ()> + Send + 'static) {
        let mut calls = self.lock();
        if calls.get(challenge).is_some_and(|entry| entry.call.is_under_way()) {
            return;
        }
        if calls.len() >= MOST {
            calls.retain(|_, entry| entry.call.is_under_way());
        }
        // the lock is held: a task that ends at once ends after this
        let task = Some(tokio::spawn(task).abort_handle());
        calls.insert(challenge.into(), Entry { call, task });
    }

    /// Stores the result of the call for a Challenge.
    pub(crate) fn end(&self, challenge: &str, call: Option<Call>) {
        match call {
            Some(call) => drop(self.lock().insert(challenge.into(), Entry { call, task: None })),
            None => self.forget(challenge),
        }
    }

    /// Forgets a Challenge: nothing of it is outside the cluster any more.
    pub(crate) fn forget(&self, challenge: &str) {
        self.lock().remove(challenge);
    }

    /// Aborts every call, and forgets all of them.
    pub(crate) fn clear(&self) {
        for (_, entry) in self.lock().drain() {
            if let Some(task) = entry.task {
                task.abort();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The request to a solver outside the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// To present.
    Present,
    /// To withdraw.
    Withdraw,
}

/// The solver's answer, or a failure after [`LIMIT`]. `now` reads the clock.
pub(crate) async fn answer(solver: &Solver, ask: Ask, now: impl Fn() -> Timestamp) -> Answer {
    let not_yet = |reason: String| NotYet { reason, again: now() };
    let asked = async {
        match ask {
            Ask::Present => solver.present().await,
            Ask::Withdraw => solver.withdraw().await,
        }
    };
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Err(not_yet(ControllerError::to_string(&error))),
        Err(_) => Err(not_yet(format!("no answer within {} seconds", LIMIT.as_secs()))),
    }
}
