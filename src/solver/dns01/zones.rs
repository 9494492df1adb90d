//! One queue for each credential and zone. What several Orders want within a moment is one change of the zone; changes of a zone are
//! made one after the other; and a provider that refused is not asked again too soon, whatever asks.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::oneshot, task::AbortHandle};

use super::change::{Change, Receipt, Txt, Wanted};
use crate::cloud::fault::{Fault, FaultKind};

/// How long a queue collects before it asks the provider.
const COLLECTING: Duration = Duration::from_millis(50);
/// How long a change may take.
const LIMIT: Duration = Duration::from_secs(25);
/// The most records of one change.
const MOST_RECORDS: usize = 100;
/// How many refusals are remembered. Beyond that, those that are over are forgotten.
const MOST_GATES: usize = 4096;

/// What a provider does with TXT records.
pub(crate) trait TxtRecords: Clone + Send + Sync + 'static {
    /// Identifies the provider and the credential without revealing it. Another secret is another credential.
    fn credential(&self) -> &str;

    /// The zone that `name` is in, where the provider itself can tell; `None` to look it up in the DNS.
    fn zone(&self, name: &str) -> impl Future<Output = Result<Option<String>, Fault>> + Send {
        let _ = name;
        std::future::ready(Ok(None))
    }

    /// Changes records of `zone`. The receipt, if there is one, is for [`Self::is_done`].
    fn change(&self, zone: &str, change: &Change) -> impl Future<Output = Result<Option<Receipt>, Fault>> + Send;

    /// Whether the change has reached all name servers, as the provider knows.
    fn is_done(&self, receipt: &Receipt) -> impl Future<Output = Result<bool, Fault>> + Send {
        let _ = receipt;
        std::future::ready(Ok(true))
    }

    /// The most records of one change.
    fn most_records(&self) -> usize {
        MOST_RECORDS
    }

    /// How long a change may take.
    fn limit(&self) -> Duration {
        LIMIT
    }

    /// Whether the name servers that can be asked from here are all that a CA may ask. Otherwise records settle for a moment.
    fn serves_alike(&self) -> bool {
        false
    }

    /// Whether removed records stay: the server itself replaces them by newer ones.
    fn keeps_records(&self) -> bool {
        false
    }
}

/// All queues.
pub(crate) struct Zones {
    queues: Mutex<HashMap<QueueKey, Queue>>,
    gates: Mutex<HashMap<GateKey, Gate>>,
    now: fn() -> Timestamp,
}

/// A credential and a zone.
type QueueKey = (String, String);
/// A credential, and the name of the record; without it everything that the credential is for.
type GateKey = (String, Option<String>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    task: Option<AbortHandle>,
}

struct Waiting {
    txt: Txt,
    wanted: Wanted,
    answer: oneshot::Sender<Result<Option<Receipt>, Fault>>,
}

/// A refusal, and until when it is not asked again.
#[derive(Clone, Debug)]
struct Gate {
    fault: Fault,
    failures: u32,
    until: Timestamp,
}

impl std::fmt::Debug for Zones {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zones").finish_non_exhaustive()
    }
}

impl Zones {
    /// No queue. `now` reads the clock.
    pub(crate) fn new(now: fn() -> Timestamp) -> Self {
        Self {
            queues: Mutex::default(),
            gates: Mutex::default(),
            now,
        }
    }

    /// The zone of a name, as the provider tells ([`TxtRecords::zone`]).
    ///
    /// # Errors
    /// The fault of the provider, and when it may be asked again; without a call while that time has not come.
    pub(crate) async fn locate<P: TxtRecords>(
        &self,
        provider: &P,
        name: &str,
    ) -> Result<Option<String>, (Fault, Timestamp)> {
        if let Some(gate) = self.closed(provider.credential(), name) {
            return Err((gate.fault, gate.until));
        }
        let found = tokio::time::timeout(provider.limit(), provider.zone(name)).await;
        found
            .unwrap_or_else(|_| Err(no_answer(name, provider.limit())))
            .map_err(|fault| {
                let until = self.close(provider.credential(), name, &fault);
                (fault, until)
            })
    }

    /// Asks for the change of one record, together with what others want of the same zone.
    ///
    /// # Errors
    /// The fault of the provider, and when it may be asked again; without a call while that time has not come.
    pub(crate) async fn change<P: TxtRecords>(
        self: &Arc<Self>,
        provider: &P,
        zone: &str,
        txt: Txt,
        wanted: Wanted,
    ) -> Result<Option<Receipt>, (Fault, Timestamp)> {
        if let Some(gate) = self.closed(provider.credential(), &txt.name) {
            return Err((gate.fault, gate.until));
        }
        let (answer, answered) = oneshot::channel();
        self.enqueue(
            provider,
            zone,
            Waiting {
                txt: txt.clone(),
                wanted,
                answer,
            },
        );
        let result = answered.await.unwrap_or_else(|_| {
            let sentence = format!("the change of {} was interrupted", txt.name);
            Err(Fault::new(FaultKind::Other, sentence))
        });
        match result {
            Ok(receipt) => {
                self.open(provider.credential(), &txt.name);
                Ok(receipt)
            }
            Err(fault) => {
                let until = self.close(provider.credential(), &txt.name, &fault);
                Err((fault, until))
            }
        }
    }

    /// Ends every call, and forgets everything.
    pub(crate) fn clear(&self) {
        for (_, queue) in lock(&self.queues).drain() {
            if let Some(task) = queue.task {
                task.abort();
            }
        }
        lock(&self.gates).clear();
    }

    fn enqueue<P: TxtRecords>(self: &Arc<Self>, provider: &P, zone: &str, waiting: Waiting) {
        let key = (provider.credential().to_owned(), zone.to_owned());
        let mut queues = lock(&self.queues);
        let queue = queues.entry(key.clone()).or_default();
        queue.waiting.push_back(waiting);
        if queue.task.is_none() {
            // the lock is held: a task that ends at once ends after this
            let task = tokio::spawn(Arc::clone(self).work(provider.clone(), key));
            queue.task = Some(task.abort_handle());
        }
    }

    /// Makes changes until the queue is empty.
    async fn work<P: TxtRecords>(self: Arc<Self>, provider: P, key: QueueKey) {
        loop {
            tokio::time::sleep(COLLECTING).await;
            let batch: Vec<Waiting> = {
                let mut queues = lock(&self.queues);
                let Some(queue) = queues.get_mut(&key) else { return };
                let most = queue.waiting.len().min(provider.most_records());
                if most == 0 {
                    queues.remove(&key);
                    return;
                }
                queue.waiting.drain(..most).collect()
            };
            make(&provider, &key.1, batch).await;
        }
    }

    fn closed(&self, credential: &str, name: &str) -> Option<Gate> {
        let gates = lock(&self.gates);
        let now = (self.now)();
        let of = |name: Option<&str>| gates.get(&(credential.to_owned(), name.map(str::to_owned)));
        let closed = [of(None), of(Some(name))].into_iter().flatten();
        closed
            .filter(|gate| gate.until > now)
            .max_by_key(|gate| gate.until)
            .cloned()
    }

    fn close(&self, credential: &str, name: &str, fault: &Fault) -> Timestamp {
        let now = (self.now)();
        let name = (!fault.kind.is_of_credential()).then(|| name.to_owned());
        let mut gates = lock(&self.gates);
        if gates.len() >= MOST_GATES {
            gates.retain(|_, gate| gate.until > now);
        }
        let before = gates.get(&(credential.to_owned(), name.clone()));
        // records of one change fail together, which is one failure
        let failures = match before {
            Some(gate) if gate.until > now => gate.failures,
            Some(gate) => gate.failures.saturating_add(1),
            None => 0,
        };
        let until = fault.kind.again(now, failures);
        let gate = Gate {
            fault: fault.clone(),
            failures,
            until,
        };
        gates.insert((credential.to_owned(), name), gate);
        until
    }

    fn open(&self, credential: &str, name: &str) {
        let mut gates = lock(&self.gates);
        gates.remove(&(credential.to_owned(), None));
        gates.remove(&(credential.to_owned(), Some(name.to_owned())));
    }
}

/// Makes one change of all that is wanted. If the provider refuses it, each record is asked for alone: one that may not be changed
/// does not hold up the others.
async fn make<P: TxtRecords>(provider: &P, zone: &str, batch: Vec<Waiting>) {
    let mut change = Change::default();
    for one in &batch {
        change.insert(one.txt.clone(), one.wanted);
    }
    let result = within_limit(provider, zone, &change).await;
    let separately = match &result {
        Ok(_) => false,
        Err(fault) => match fault.kind {
            FaultKind::Right | FaultKind::NoZone | FaultKind::Conflict | FaultKind::Other => batch.len() > 1,
            FaultKind::Credential | FaultKind::Clock | FaultKind::Limited(_) | FaultKind::Unreachable => false,
        },
    };
    for Waiting { txt, wanted, answer } in batch {
        let result = if separately {
            within_limit(provider, zone, &Change::of(txt, wanted)).await
        } else {
            result.clone()
        };
        // one that was given up waits no longer
        drop(answer.send(result));
    }
}

/// A change that takes too long is given up: others of the zone wait for it.
async fn within_limit<P: TxtRecords>(provider: &P, zone: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
    let made = tokio::time::timeout(provider.limit(), provider.change(zone, change)).await;
    made.unwrap_or_else(|_| Err(no_answer(zone, provider.limit())))
}

fn no_answer(zone: &str, limit: Duration) -> Fault {
    let sentence = format!(
        "the provider of {zone} did not answer within {} seconds",
        limit.as_secs()
    );
    Fault::new(FaultKind::Unreachable, sentence)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "zones_tests.rs"]
mod tests;
