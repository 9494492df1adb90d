//! The HTTP server in every replica that answers challenges in flight.
//!
//! It answers `/.well-known/acme-challenge/<token>` for the (host, token) pairs in its table, `/` and `/healthz` with an empty
//! 200 (ingress controllers ask their backends so), and everything else with an empty 404. What it answers never contains a
//! byte of the request. Connections, headers, waiting times and the table are bounded.

mod server;
mod table;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use tokio::sync::{Notify, broadcast};

use super::host::Host;
use super::token::{CHALLENGE_PREFIX, KeyAuthorization};
use table::Table;
pub use table::{TABLE_LIMIT, TableFull};

/// How the User-Agent of certlet's own probe begins; such requests are counted apart from the CA's.
pub const PROBE_AGENT: &str = "certlet-probe";

/// One answer in flight: what is served for a host's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The identifier that is being validated.
    pub host: Host,
    /// What is served.
    pub key_authorization: KeyAuthorization,
}

/// How many requests were answered, since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Key authorizations served to somebody who is not our probe: the CA's validations.
    pub validations: u64,
    /// Key authorizations served to our own probe.
    pub probes: u64,
    /// Requests for `/` and `/healthz`.
    pub health: u64,
    /// Everything else, answered 404.
    pub unknown: u64,
}

/// The challenges in flight, and the server that answers them.
#[derive(Debug, Default)]
pub struct Responder {
    table: RwLock<Table>,
    validations: AtomicU64,
    probes: AtomicU64,
    health: AtomicU64,
    unknown: AtomicU64,
    answered: Answered,
    changed: Notify,
}

/// Tells whoever listens which tokens were asked for. Nobody has to listen, and nobody is waited for.
#[derive(Debug)]
struct Answered(broadcast::Sender<Arc<str>>);

/// How many validations a listener may lag behind.
const LAG: usize = 1024;

impl Default for Answered {
    fn default() -> Self {
        Self(broadcast::Sender::new(LAG))
    }
}

impl Responder {
    /// A responder with nothing in flight.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tokens of the CA's requests that are answered from now on; our own probe's do not count.
    pub fn validations(&self) -> broadcast::Receiver<Arc<str>> {
        self.answered.0.subscribe()
    }

    /// Adds one answer on behalf of `owner` (the UID of an Order). Adding it twice is harmless.
    ///
    /// # Errors
    /// If [`TABLE_LIMIT`] answers are in flight already.
    pub fn insert(&self, owner: &str, answer: Answer) -> Result<(), TableFull> {
        self.change(|table| table.insert(owner, answer))
    }

    /// Takes back one answer of `owner`. Another owner's answer for the same host and token stays.
    pub fn remove(&self, owner: &str, answer: &Answer) {
        self.change(|table| table.remove(owner, answer));
    }

    /// Makes `answers` the only ones of `owner`; an empty list takes all of them back.
    ///
    /// # Errors
    /// If not all fit; what fits is served.
    pub fn replace_all_for(&self, owner: &str, answers: Vec<Answer>) -> Result<(), TableFull> {
        self.change(|table| table.replace_all_for(owner, answers))
    }

    /// What is served for this host and token, if they are in flight.
    #[must_use]
    pub fn lookup(&self, host: &Host, token: &str) -> Option<Bytes> {
        self.table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .lookup(host, token)
    }

    /// How many answers are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.table.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Returns once nothing is in flight.
    pub async fn emptied(&self) {
        loop {
            let changed = self.changed.notified();
            if self.in_flight() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// The counters, for `/metrics`.
    #[must_use]
    pub fn served(&self) -> Served {
        Served {
            validations: self.validations.load(Ordering::Relaxed),
            probes: self.probes.load(Ordering::Relaxed),
            health: self.health.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
        }
    }

    /// Decides what one request gets: status and body.
    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> (StatusCode, Bytes) {
        let may_read = *method == Method::GET || *method == Method::HEAD;
        let path = uri.path();
        if may_read && (path == "/" || path == "/healthz") {
            self.health.fetch_add(1, Ordering::Relaxed);
            return (StatusCode::OK, Bytes::new());
        }
        let found = path
            .strip_prefix(CHALLENGE_PREFIX)
            .filter(|_| may_read)
            .and_then(|token| self.lookup(&requested_host(uri, headers)?, token));
        let Some(body) = found else {
            self.unknown.fetch_add(1, Ordering::Relaxed);
            return (StatusCode::NOT_FOUND, Bytes::new());
        };
        if is_our_probe(headers) {
            self.probes.fetch_add(1, Ordering::Relaxed);
        } else {
            self.validations.fetch_add(1, Ordering::Relaxed);
            let token = path.strip_prefix(CHALLENGE_PREFIX).unwrap_or_default();
            // an error only says that nobody listens
            self.answered.0.send(Arc::from(token)).unwrap_or_default();
        }
        (StatusCode::OK, body)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let result = change(&mut self.table.write().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
        result
    }
}

/// The host a request is for: that of an absolute request target, else the one `Host` header (RFC 9112 section 3.2).
fn requested_host(uri: &Uri, headers: &HeaderMap) -> Option<Host> {
    if let Some(authority) = uri.authority() {
        return Host::parse(authority.as_str());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then(|| Host::parse(host))?
}

fn is_our_probe(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(PROBE_AGENT.as_bytes()))
}
