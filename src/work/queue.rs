//! A work queue: each key at most once in it, never worked on twice at once, looked at again when it asked for it.

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

/// First and longest wait after an error; doubled each time (BKO-06).
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(300);
/// A stale plan is made again at once, but not without end.
const STALE_LIMIT: u32 = 20;

/// When a key is to be worked on again at the latest; `None`: when it is added again.
pub type Again = Option<Timestamp>;

/// What is queued.
pub trait Key: Clone + Eq + Hash + Ord + Debug + Display + Send + Sync + 'static {}
impl<T: Clone + Eq + Hash + Ord + Debug + Display + Send + Sync + 'static> Key for T {}

struct State<K> {
    ready: VecDeque<K>,
    queued: HashSet<K>,
    running: HashSet<K>,
    /// Came again while it was being worked on.
    again: HashSet<K>,
    /// When to look again, of keys that are not being looked at for that already; the heap may hold older entries for a key,
    /// which are skipped.
    due: HashMap<K, Instant>,
    timers: BinaryHeap<Reverse<(Instant, K)>>,
    failures: HashMap<K, u32>,
    paused: bool,
}

/// See the module.
pub struct Queue<K> {
    name: &'static str,
    state: Mutex<State<K>>,
    pub(super) servers: Mutex<Lanes<K>>,
    pub(super) accounts: Mutex<Lanes<K>>,
    wake: Notify,
    timer: Notify,
    idle: Notify,
    counters: [Counter; 2],
    /// Whether a key is counted by the second counter.
    is_second: fn(&K) -> bool,
}

#[derive(Default)]
struct Counter {
    calls: AtomicU64,
    errors: AtomicU64,
}

/// What was done with keys (MET-08).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often one was worked on.
    pub calls: u64,
    /// How often that failed; stale plans do not count.
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
    /// A paused queue for the controller of this name (as in `--controllers` and metrics).
    pub fn new(name: &'static str) -> Arc<Self> {
        Self::split(name, |_| false)
    }

    /// The same, for two kinds that are counted apart.
    pub fn split(name: &'static str, is_second: fn(&K) -> bool) -> Arc<Self> {
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
            is_second,
        })
    }

    /// The controller's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What was done with keys of each kind.
    pub fn counts(&self) -> [Counts; 2] {
        self.counters.each_ref().map(Counter::read)
    }

    /// What was done with keys of all kinds.
    pub fn total(&self) -> Counts {
        let [first, second] = self.counts();
        Counts {
            calls: first.calls + second.calls,
            errors: first.errors + second.errors,
        }
    }

    fn counter(&self, key: &K) -> &Counter {
        let [first, second] = &self.counters;
        if (self.is_second)(key) { second } else { first }
    }

    /// How many keys wait for a worker.
    pub fn waiting(&self) -> usize {
        self.lock().ready.len()
    }

    /// Whether nothing waits and nothing is being worked on.
    pub fn is_idle(&self) -> bool {
        let state = self.lock();
        state.ready.is_empty() && state.running.is_empty()
    }

    /// Returns once nothing waits and nothing is being worked on.
    pub async fn until_idle(&self) {
        loop {
            let changed = self.idle.notified();
            if self.is_idle() {
                return;
            }
            changed.await;
        }
    }

    /// Have `key` looked at as soon as a worker is free. Forgotten while the queue is paused.
    pub fn add(&self, key: K) {
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

    /// Have `key` looked at after `wait`, or earlier if it asked for that already.
    pub fn add_after(&self, key: K, wait: Duration) {
        let at = Instant::now() + wait;
        let mut state = self.lock();
        if state.paused || state.due.get(&key).is_some_and(|due| *due <= at) {
            return;
        }
        state.due.insert(key.clone(), at);
        state.timers.push(Reverse((at, key)));
        self.timer.notify_one();
    }

    /// Stops handing out keys and forgets all that wait: this process does not lead any more.
    pub fn pause(&self) {
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

    /// Whether keys are forgotten.
    pub fn is_paused(&self) -> bool {
        self.lock().paused
    }

    /// Starts handing out keys, beginning with `all`.
    pub fn resume(&self, all: impl IntoIterator<Item = K>) {
        self.lock().paused = false;
        for key in all {
            self.add(key);
        }
    }

    /// Works for ever with `workers` workers.
    pub async fn run<F, Fut, E>(self: Arc<Self>, workers: usize, now: fn() -> Timestamp, reconcile: F)
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
                    let work = AssertUnwindSafe(reconcile(key.clone())).catch_unwind();
                    let result = work.await.unwrap_or_else(|_| Err(E::panicked()));
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
        // workers never end, and a reconcile that panics does not take its worker along
        while tasks.join_next().await.is_some() {}
    }

    async fn take(&self) -> K {
        loop {
            let woken = self.wake.notified();
            {
                let mut state = self.lock();
                if let Some(key) = state.ready.pop_front() {
                    state.queued.remove(&key);
                    // kept by the look that begins now; what is asked for from here on is not
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
            tracing::debug!(controller = self.name, %key, %error, "it changed meanwhile, planning again");
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
        tracing::warn!(controller = self.name, %key, %error, "failed, trying again in {wait:?}");
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

/// A key that is being worked on; put back if it came again meanwhile, also when the work panicked.
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
