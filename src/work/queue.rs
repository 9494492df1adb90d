//! A work queue with its workers: it holds each key once, never reconciles a key concurrently, and requeues it on request.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    fmt::{Debug, Display},
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use jiff::Timestamp;
use tokio::{sync::Notify, time::Instant};

use super::{
    failure::{Failure, Retry},
    lanes::{Lane, Lanes},
};
use crate::process::metrics::Histogram;

/// Minimum and maximum back-off after an error; it doubles with each failure (BKO-06).
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(300);
/// Maximum number of immediate retries of a stale plan.
const STALE_LIMIT: u32 = 20;

/// Upper bounds of the buckets for durations of reconciles, in seconds.
const DURATIONS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0];

/// When to requeue a key at the latest; `None`: when it is added again.
pub(crate) type Again = Option<Timestamp>;

/// The state of the queue.
pub(crate) trait Key: Clone + Eq + Hash + Ord + Debug + Display + Send + Sync + 'static {}
impl<T: Clone + Eq + Hash + Ord + Debug + Display + Send + Sync + 'static> Key for T {}

struct State<K> {
    ready: VecDeque<K>,
    queued: HashSet<K>,
    running: HashSet<K>,
    /// Keys that were added while they were being reconciled.
    again: HashSet<K>,
    /// When to requeue, for keys with a timer. The heap may contain older entries for a key, which are skipped.
    due: HashMap<K, Instant>,
    timers: BinaryHeap<Reverse<(Instant, K)>>,
    failures: HashMap<K, u32>,
    paused: bool,
}

/// A queue of keys, with pause and resume.
pub(crate) struct Queue<K> {
    name: &'static str,
    state: Mutex<State<K>>,
    pub(super) servers: Mutex<Lanes<K>>,
    pub(super) accounts: Mutex<Lanes<K>>,
    wake: Notify,
    timer: Notify,
    idle: Notify,
    counters: [Counter; 2],
    durations: Histogram,
    /// Whether a key counts for the second counter.
    is_second: fn(&K) -> bool,
}

#[derive(Default)]
struct Counter {
    calls: AtomicU64,
    errors: AtomicU64,
}

/// Counters of reconciles (MET-08).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Number of reconciles.
    pub calls: u64,
    /// Number of failed reconciles, without stale plans.
    pub errors: u64,
}

impl Counter {
    fn read(&self) -> Counts {
        Counts {
            calls: self.calls.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
        }
    }
}

impl<K: Key> Queue<K> {
    /// A paused queue of the controller `name` (a name of `--controllers` and metrics).
    pub(crate) fn new(name: &'static str) -> Arc<Self> {
        Self::split(name, |_| false)
    }

    /// Like [`Queue::new`], with separate counters for two kinds.
    pub(crate) fn split(name: &'static str, is_second: fn(&K) -> bool) -> Arc<Self> {
        let state = State {
            ready: VecDeque::new(),
            queued: HashSet::new(),
            running: HashSet::new(),
            again: HashSet::new(),
            due: HashMap::new(),
            timers: BinaryHeap::new(),
            failures: HashMap::new(),
            paused: true,
        };
        Arc::new(Self {
            name,
            state: Mutex::new(state),
            servers: Mutex::new(Lanes::new(Lane::Server)),
            accounts: Mutex::new(Lanes::new(Lane::Account)),
            wake: Notify::new(),
            timer: Notify::new(),
            idle: Notify::new(),
            counters: <[Counter; 2]>::default(),
            durations: Histogram::new(&DURATIONS),
            is_second,
        })
    }

    /// The controller's name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The counters of each kind.
    pub(crate) fn counts(&self) -> [Counts; 2] {
        self.counters.each_ref().map(Counter::read)
    }

    /// The sum of the counters.
    pub(crate) fn total(&self) -> Counts {
        let [first, second] = self.counts();
        Counts {
            calls: first.calls + second.calls,
            errors: first.errors + second.errors,
        }
    }

    /// Durations of reconciles, waits for servers included.
    pub(crate) fn durations(&self) -> &Histogram {
        &self.durations
    }

    fn counter(&self, key: &K) -> &Counter {
        let [first, second] = &self.counters;
        if (self.is_second)(key) { second } else { first }
    }

    /// The number of keys that wait for a worker.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().ready.len()
    }

    /// Whether no key waits or is being reconciled.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.ready.is_empty() && state.running.is_empty()
    }

    /// Returns when no key waits or is being reconciled.
    pub(crate) async fn until_idle(&self) {
        loop {
            let changed = self.idle.notified();
            if self.is_idle() {
                return;
            }
            changed.await;
        }
    }

    /// Requeues `key` at once. Ignored while the queue is paused.
    pub(crate) fn add(&self, key: K) {
        let mut state = self.lock();
        if state.paused {
            return;
        }
        if state.running.contains(&key) {
            state.again.insert(key);
        } else if state.queued.insert(key.clone()) {
            state.ready.push_back(key);
            self.wake.notify_one();
        }
    }

    /// Requeues `key` after `wait`, or earlier if it has an earlier timer.
    pub(crate) fn add_after(&self, key: K, wait: Duration) {
        let at = Instant::now() + wait;
        let mut state = self.lock();
        if state.paused || state.due.get(&key).is_some_and(|due| *due <= at) {
            return;
        }
        state.due.insert(key.clone(), at);
        state.timers.push(Reverse((at, key)));
        self.timer.notify_one();
    }

    /// Pauses the queue and forgets all waiting keys, for the end of leadership.
    pub(crate) fn pause(&self) {
        let mut state = self.lock();
        state.paused = true;
        state.ready.clear();
        state.queued.clear();
        state.again.clear();
        state.due.clear();
        state.timers.clear();
        state.failures.clear();
        drop(state);
        self.lanes(Lane::Server).clear_lines();
        self.lanes(Lane::Account).clear_lines();
        self.idle.notify_waiters();
    }

    /// Whether the queue is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.lock().paused
    }

    /// Resumes the queue, beginning with `all`.
    pub(crate) fn resume(&self, all: impl IntoIterator<Item = K>) {
        self.lock().paused = false;
        for key in all {
            self.add(key);
        }
    }

    /// Runs `workers` workers. Never returns.
    pub(crate) async fn run<F, Fut, E>(self: Arc<Self>, workers: usize, now: fn() -> Timestamp, reconcile: F)
    where
        F: Fn(K) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Again, E>> + Send + 'static,
        E: Failure,
    {
        self.lanes(Lane::Server).set_workers(workers);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..workers {
            let (queue, reconcile) = (Arc::clone(&self), reconcile.clone());
            tasks.spawn(async move {
                loop {
                    let key = queue.take().await;
                    let done = Running {
                        queue: &queue,
                        key: &key,
                    };
                    let began = Instant::now();
                    let work = AssertUnwindSafe(reconcile(key.clone())).catch_unwind();
                    let result = work.await.unwrap_or_else(|_| Err(E::panicked()));
                    queue.durations.observe(began.elapsed());
                    tracing::trace!(controller = queue.name, %key, took = ?began.elapsed(), "reconciled");
                    drop(done);
                    queue.settle(key, result, now());
                }
            });
        }
        tasks.spawn(async move {
            loop {
                self.tick().await;
            }
        });
        // a reconcile that panics does not end its worker
        while tasks.join_next().await.is_some() {}
    }

    async fn take(&self) -> K {
        loop {
            let woken = self.wake.notified();
            {
                let mut state = self.lock();
                if let Some(key) = state.ready.pop_front() {
                    state.queued.remove(&key);
                    // this reconcile covers earlier requests; later ones are kept
                    state.due.remove(&key);
                    state.running.insert(key.clone());
                    if !state.ready.is_empty() {
                        self.wake.notify_one();
                    }
                    return key;
                }
            }
            woken.await;
        }
    }

    fn settle<E: Failure>(&self, key: K, result: Result<Again, E>, now: Timestamp) {
        self.counter(&key).calls.fetch_add(1, Ordering::Relaxed);
        match result {
            Ok(again) => {
                self.lock().failures.remove(&key);
                if let Some(time) = again {
                    self.add_after(
                        key,
                        Duration::try_from(time.duration_since(now)).unwrap_or(Duration::ZERO),
                    );
                }
            }
            Err(error) => self.retry(key, &error, now),
        }
    }

    fn retry<E: Failure>(&self, key: K, error: &E, now: Timestamp) {
        let retry = error.retry();
        if retry == Retry::Never {
            return;
        }
        let attempt = {
            let mut state = self.lock();
            let failures = state.failures.entry(key.clone()).or_default();
            *failures = failures.saturating_add(1);
            *failures
        };
        if retry == Retry::AtOnce && attempt <= STALE_LIMIT {
            tracing::debug!(controller = self.name, %key, %error, "the object changed; planning again");
            self.add_after(key, Duration::from_millis(5 * u64::from(attempt)));
            return;
        }
        self.counter(&key).errors.fetch_add(1, Ordering::Relaxed);
        let attempt = if retry == Retry::AtOnce {
            attempt.saturating_sub(STALE_LIMIT)
        } else {
            attempt
        };
        let wait = match retry {
            Retry::NotBefore(time) => Duration::try_from(time.duration_since(now)).unwrap_or(Duration::ZERO),
            Retry::Never | Retry::AtOnce | Retry::BackOff => RETRY_FIRST
                .saturating_mul(1 << attempt.saturating_sub(1).min(16))
                .min(RETRY_LONGEST),
        };
        tracing::warn!(controller = self.name, %key, %error, "failed; retrying in {wait:?}");
        self.add_after(key, wait);
    }

    async fn tick(&self) {
        let changed = self.timer.notified();
        let next = {
            let mut state = self.lock();
            let now = Instant::now();
            let mut due = Vec::new();
            while let Some(Reverse((at, key))) = state.timers.pop() {
                if at > now {
                    state.timers.push(Reverse((at, key)));
                    break;
                }
                if state.due.get(&key) == Some(&at) {
                    state.due.remove(&key);
                    due.push(key);
                }
            }
            let next = state.timers.peek().map(|Reverse((at, _))| *at);
            drop(state);
            for key in due {
                self.add(key);
            }
            next
        };
        match next {
            Some(at) => tokio::select! { () = tokio::time::sleep_until(at) => {}, () = changed => {} },
            None => changed.await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key that is being reconciled. It is requeued on drop if it was added meanwhile, also after a panic.
struct Running<'a, K: Key> {
    queue: &'a Queue<K>,
    key: &'a K,
}

impl<K: Key> Drop for Running<'_, K> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.running.remove(self.key);
        let again = state.again.remove(self.key);
        drop(state);
        if again {
            self.queue.add(self.key.clone());
        }
        if self.queue.is_idle() {
            self.queue.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
