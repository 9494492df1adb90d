//! The HTTP server of every replica, which answers challenges in flight.
//!
//! It answers `/.well-known/acme-challenge/<token>` for the (host, token) pairs in its table. `/` and `/healthz` get an
//! empty 200, because ingress controllers probe their backends with them. All other requests get an empty 404. An
//! answer never contains a part of the request. Connections, headers, times and the table have limits.

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

/// The prefix of the User-Agent of certlet's own probe. Its requests are counted separately from the CA's.
pub const PROBE_AGENT: &str = "certlet-probe";

/// One answer: the content for a host and token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The identifier that is being validated.
    pub host: Host,
    /// The content.
    pub key_authorization: KeyAuthorization,
}

/// The number of answered requests since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Key authorizations for other clients than our probe: the CA's validations.
    pub validations: u64,
    /// Key authorizations for our own probe.
    pub probes: u64,
    /// Requests for `/` and `/healthz`.
    pub health: u64,
    /// All other requests, answered with 404.
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

/// Publishes the tokens of answered requests. There may be no listener, and none is waited for.
#[derive(Debug)]
struct Answered(broadcast::Sender<Arc<str>>);

/// The most validations that a listener may be behind.
const LAG: usize = 1024;

impl Default for Answered {
    fn default() -> Self {
        Self(broadcast::Sender::new(LAG))
    }
}

impl Responder {
    /// A responder without answers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tokens of the CA's requests that are answered from now on, without those of our own probe.
    pub fn validations(&self) -> broadcast::Receiver<Arc<str>> {
        self.answered.0.subscribe()
    }

    /// Adds one answer for `owner` (the UID of an Order). Adding it twice has no effect.
    ///
    /// # Errors
    /// [`TableFull`] if [`TABLE_LIMIT`] answers exist already.
    pub fn insert(&self, owner: &str, answer: Answer) -> Result<(), TableFull> {
        self.change(|table| table.insert(owner, answer))
    }

    /// Removes one answer of `owner`. Another owner's answer for the same host and token stays.
    pub fn remove(&self, owner: &str, answer: &Answer) {
        self.change(|table| table.remove(owner, answer));
    }

    /// Replaces all answers of `owner`. An empty list removes them.
    ///
    /// # Errors
    /// [`TableFull`] if not all fit. Those that fit are served.
    pub fn replace_all_for(&self, owner: &str, answers: Vec<Answer>) -> Result<(), TableFull> {
        self.change(|table| table.replace_all_for(owner, answers))
    }

    /// The content for this host and token, if they are in flight.
    #[must_use]
    pub fn lookup(&self, host: &Host, token: &str) -> Option<Bytes> {
        self.table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .lookup(host, token)
    }

    /// The number of answers.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.table.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until there are no answers.
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

    /// The status and body for one request.
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
            // the only error is that there is no listener
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

/// The host of a request: that of an absolute request target, else the only `Host` header (RFC 9112 section 3.2).
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
