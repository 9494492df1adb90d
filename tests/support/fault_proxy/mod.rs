//! A proxy in front of the API server or of Pebble that counts, delays, breaks and kills.
//!
//! TLS ends on both sides of it. Its own certificate is that of the server behind it, so a client needs to change
//! nothing but the address. Clients may speak HTTP/1.1 or HTTP/2; answers are streamed, so watches pass.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use http::Method;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::bed::Bed;
use super::certlet::Certlet;
use super::pebble::Pebble;
use super::wait::{IN_TIME, eventually};

mod faults;
mod serve;
mod tls;

pub(crate) use faults::{Fault, Times};
pub(crate) use tls::acceptor;

/// A running proxy; dropping it ends it.
pub(crate) struct FaultProxy {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// The head of a request, as rules and traps see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The HTTP method.
    pub(crate) method: Method,
    /// Path with query.
    pub(crate) path: String,
}

/// A write that came to the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    /// What was asked.
    pub(crate) head: Head,
    /// What the server answered, if it was asked and has.
    pub(crate) status: Option<u16>,
}

/// When a trap springs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The server never sees the request.
    BeforeForward,
    /// The server sees the request after the callback; the client never sees the answer.
    OnTheWay,
    /// The server has done its work; the client never sees the answer.
    BeforeReply,
}

type Question = Box<dyn Fn(&Head) -> bool + Send + Sync>;
type Callback = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// What springs a trap.
enum Bait {
    /// The write of this number.
    Write(usize),
    /// The first request that this says yes to.
    Request(Question),
}

struct Trap {
    bait: Bait,
    moment: Moment,
    callback: Callback,
}

struct Rule {
    question: Question,
    left: Times,
    fault: Fault,
}

struct State {
    upstream: String,
    client: serve::Upstream,
    counts: Question,
    requests: Mutex<Vec<Head>>,
    writes: Mutex<Vec<Write>>,
    traps: Mutex<Vec<Trap>>,
    rules: Mutex<Vec<Rule>>,
    /// Cancelled when the server "goes away"; every connection holds a child of it.
    away: Mutex<CancellationToken>,
    end: CancellationToken,
}

impl FaultProxy {
    /// A proxy in front of the API server; use it through [`Bed::kubeconfig_for`]. Its writes are all but those of
    /// Events, Leases and reviews.
    pub(crate) async fn before_api_server(bed: &Bed) -> Self {
        let quiet = [
            "/events",
            "/leases",
            "selfsubject",
            "tokenreviews",
            "subjectaccessreviews",
        ];
        let counts = move |head: &Head| !quiet.iter().any(|part| head.path.contains(part));
        let certificate = ("pki/apiserver.crt", "pki/apiserver.key", "pki/ca.crt");
        Self::start(bed, "127.0.0.1:6443", certificate, Box::new(counts)).await
    }

    /// A proxy in front of an ACME server. ACME reads with POST too, so every POST is a write here.
    pub(crate) async fn before_pebble(bed: &Bed, pebble: &Pebble) -> Self {
        let certificate = ("pki/pebble.crt", "pki/pebble.key", "pki/acme-ca.crt");
        Self::start(bed, pebble.authority(), certificate, Box::new(|_| true)).await
    }

    async fn start(bed: &Bed, upstream: &str, files: (&str, &str, &str), counts: Question) -> Self {
        let (certificate, key, ca) = files;
        let acceptor = acceptor(&bed.path(certificate), &bed.path(key));
        let end = CancellationToken::new();
        let state = Arc::new(State {
            upstream: upstream.to_owned(),
            client: tls::client(&bed.path(ca)),
            counts,
            requests: Mutex::default(),
            writes: Mutex::default(),
            traps: Mutex::default(),
            rules: Mutex::default(),
            away: Mutex::new(end.child_token()),
            end,
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(serve::accept(listener, acceptor, Arc::clone(&state)));
        Self {
            address,
            state,
            accepting,
        }
    }

    /// `https://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The directory URL, for a proxy in front of an ACME server.
    pub(crate) fn directory(&self) -> String {
        format!("{}/dir", self.url())
    }

    /// Runs a callback at the n-th write from now (1: the next one), once. The client gets no answer to that write;
    /// its connection is cut.
    ///
    /// ```ignore
    /// let killer = certlet.killer();
    /// proxy.on_write(n, Moment::BeforeForward, move || async move { killer.kill() });
    /// ```
    pub(crate) fn on_write<F>(&self, nth: usize, moment: Moment, callback: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let nth = lock(&self.state.writes).len() + nth;
        self.set(Bait::Write(nth), moment, callback);
    }

    /// The same at the first request from now on that `question` says yes to.
    pub(crate) fn on_first<F>(
        &self,
        question: impl Fn(&Head) -> bool + Send + Sync + 'static,
        moment: Moment,
        callback: impl FnOnce() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        self.set(Bait::Request(Box::new(question)), moment, callback);
    }

    fn set<F>(&self, bait: Bait, moment: Moment, callback: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let callback: Callback = Box::new(move || Box::pin(callback()));
        lock(&self.state.traps).push(Trap { bait, moment, callback });
    }

    /// Whether the one trap that was set has sprung and killed this certlet. It is taken back: from now on it cannot spring.
    ///
    /// To be asked once everything looks done: a last write may come after that, and be the one that the trap is for.
    pub(crate) async fn has_killed(&self, certlet: &Certlet) -> bool {
        // a trap that is gone has sprung, though its callback may still be at work
        if !std::mem::take(&mut *lock(&self.state.traps)).is_empty() {
            return false;
        }
        let killer = certlet.killer();
        eventually("the process that was killed is gone", IN_TIME, async || {
            killer.ended().map(drop)
        })
        .await;
        true
    }

    /// Traps that have not sprung: an empty answer proves that the n-th write has come.
    pub(crate) fn traps_left(&self) -> usize {
        lock(&self.state.traps).len()
    }

    /// Answers requests with a fault as long as `times` allows. The fault that was added last is asked first.
    pub(crate) fn inject(&self, fault: Fault, times: Times, question: impl Fn(&Head) -> bool + Send + Sync + 'static) {
        lock(&self.state.rules).push(Rule {
            question: Box::new(question),
            left: times,
            fault,
        });
    }

    /// Faults that were to happen so often, and have not yet: an empty answer proves that each was met.
    pub(crate) fn left(&self) -> Vec<String> {
        let rules = lock(&self.state.rules);
        let left = rules.iter().enumerate().filter_map(|(number, rule)| match rule.left {
            Times::Count(left) if left > 0 => Some(format!("{left} of fault number {number}, {:?}", rule.fault)),
            Times::Count(_) | Times::Always => None,
        });
        left.collect()
    }

    /// Forgets all faults and traps, and ends [`Self::go_away`].
    pub(crate) fn heal(&self) {
        lock(&self.state.rules).clear();
        lock(&self.state.traps).clear();
        self.come_back();
    }

    /// Cuts all connections and every new one, as if the server were not there.
    pub(crate) fn go_away(&self) {
        lock(&self.state.away).cancel();
    }

    /// Ends [`Self::go_away`].
    pub(crate) fn come_back(&self) {
        let mut away = lock(&self.state.away);
        if away.is_cancelled() {
            *away = self.state.end.child_token();
        }
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Head> {
        lock(&self.state.requests).clone()
    }

    /// All writes so far.
    pub(crate) fn writes(&self) -> Vec<Write> {
        lock(&self.state.writes).clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.state.end.cancel();
        self.accepting.abort();
    }
}

/// Locks, also after a test that panicked while it held the lock.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
