//! The ACME clients of this process: one per server, trust settings and account key, so that nonces, directories and
//! connections are shared by all that use the same account.
//!
//! Everybody who may make an issuer decides what is in here, so each kind of thing has its own limit, and what is built on
//! something that goes, goes with it. How an account failed last outlives its client: whoever makes many issuers must not get
//! others' servers asked more often.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;

use super::client::LastAttempt;
use super::transport::{Settings, Transport};
use super::{AccountKey, Client, Error, Server};
use crate::net::Observer;
use crate::net::Trust;

/// How many clients are kept; the one that was not asked for longest goes. One for each account: a cluster may have an issuer
/// with an account of its own in every namespace.
const CLIENTS: usize = 4096;
/// How many servers are kept, each with its directory.
const SERVERS: usize = 256;
/// How many sets of trust settings are kept, each with its roots and connections.
const TRANSPORTS: usize = 64;
/// How many accounts' failures are remembered.
const ATTEMPTS: usize = 8192;

/// Gives out clients. One per process.
pub struct Registry {
    settings: Settings,
    observer: Arc<dyn Observer>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Counts requests, so that the least recently used can be told.
    clock: u64,
    clients: HashMap<ClientId, Used<Client>>,
    servers: HashMap<ServerId, Used<Server>>,
    transports: HashMap<TrustId, Used<Transport>>,
    attempts: HashMap<ClientId, Used<LastAttempt>>,
}

/// Trust settings by their digest: a bundle of a megabyte is kept once at most.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct TrustId([u8; 32]);

#[derive(Clone, Eq, Hash, PartialEq)]
struct ServerId {
    url: String,
    trust: TrustId,
}

#[derive(Clone, Eq, Hash, PartialEq)]
struct ClientId {
    server: ServerId,
    thumbprint: String,
}

struct Used<T> {
    value: T,
    at: u64,
}

impl TrustId {
    fn of(trust: &Trust) -> Self {
        let Trust { ca_bundle, skip_verify } = trust;
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[u8::from(*skip_verify), u8::from(ca_bundle.is_some())]);
        context.update(ca_bundle.as_deref().unwrap_or_default());
        let mut id = [0; 32];
        id.copy_from_slice(context.finish().as_ref());
        Self(id)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// An empty registry.
    pub fn new(settings: Settings, observer: Arc<dyn Observer>) -> Self {
        Self {
            settings,
            observer,
            kept: Mutex::default(),
        }
    }

    /// The client for the directory at `server`, trusted as `trust` says, with this account key.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`], [`Error::Trust`].
    pub fn client(&self, server: &str, trust: &Trust, key: &AccountKey) -> Result<Client, Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let id = ClientId {
            server: ServerId {
                url: server.to_owned(),
                trust: TrustId::of(trust),
            },
            thumbprint: key.thumbprint().to_owned(),
        };
        let now = kept.tick();
        // the server is used, too: it must not go before its clients
        let server = self.server_in(&mut kept, id.server.clone(), trust)?;
        if let Some(client) = used(&mut kept.clients, &id, now) {
            return Ok(client);
        }
        let attempt = used(&mut kept.attempts, &id, now).unwrap_or_default();
        let client = Client::new(server, key.clone(), Arc::clone(&attempt));
        keep(
            &mut kept.attempts,
            ATTEMPTS,
            id.clone(),
            Used {
                value: attempt,
                at: now,
            },
        );
        let value = client.clone();
        keep(&mut kept.clients, CLIENTS, id, Used { value, at: now });
        Ok(client)
    }

    /// The server whose directory is at `server`, for what needs no account.
    ///
    /// # Errors
    /// As [`Registry::client`].
    pub fn server(&self, server: &str, trust: &Trust) -> Result<Server, Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let id = ServerId {
            url: server.to_owned(),
            trust: TrustId::of(trust),
        };
        self.server_in(&mut kept, id, trust)
    }

    fn server_in(&self, kept: &mut Kept, id: ServerId, trust: &Trust) -> Result<Server, Error> {
        let now = kept.tick();
        if let Some(server) = used(&mut kept.servers, &id, now) {
            if let Some(transport) = kept.transports.get_mut(&id.trust) {
                transport.at = now;
            }
            return Ok(server);
        }
        let transport = self.transport_in(kept, id.trust, trust)?;
        let server = Server::new(&id.url, transport)?;
        let value = server.clone();
        if let Some(gone) = keep(&mut kept.servers, SERVERS, id, Used { value, at: now }) {
            kept.clients.retain(|client, _| client.server != gone);
        }
        Ok(server)
    }

    fn transport_in(&self, kept: &mut Kept, id: TrustId, trust: &Trust) -> Result<Transport, Error> {
        let now = kept.tick();
        if let Some(transport) = used(&mut kept.transports, &id, now) {
            return Ok(transport);
        }
        let transport = Transport::new(trust, &self.settings, self.observer.clone())?;
        let value = transport.clone();
        if let Some(gone) = keep(&mut kept.transports, TRANSPORTS, id, Used { value, at: now }) {
            kept.servers.retain(|server, _| server.trust != gone);
            kept.clients.retain(|client, _| client.server.trust != gone);
        }
        Ok(transport)
    }
}

impl Kept {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

/// What is kept under this key, which is used now.
fn used<K: Eq + Hash, V: Clone>(map: &mut HashMap<K, Used<V>>, key: &K, now: u64) -> Option<V> {
    let used = map.get_mut(key)?;
    used.at = now;
    Some(used.value.clone())
}

/// Keeps a value. Returns the key of the one that had to go for it.
fn keep<K: Clone + Eq + Hash, V>(map: &mut HashMap<K, Used<V>>, most: usize, key: K, value: Used<V>) -> Option<K> {
    let mut gone = None;
    if map.len() >= most && !map.contains_key(&key) {
        gone = map.iter().min_by_key(|(_, used)| used.at).map(|(key, _)| key.clone());
        if let Some(oldest) = &gone {
            map.remove(oldest);
        }
    }
    map.insert(key, value);
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::jws::generate_rsa_2048_pem;
    use crate::net::Unobserved;

    #[test]
    fn the_same_account_gets_the_same_client_and_the_registry_is_bounded() {
        let key = AccountKey::from_pem(generate_rsa_2048_pem().unwrap().expose()).unwrap();
        let registry = Registry::new(Settings::default(), Arc::new(Unobserved));
        let trust = Trust::default();
        let first = registry.client("https://ca.example/dir", &trust, &key).unwrap();
        assert!(first.is_same(&registry.client("https://ca.example/dir", &trust, &key).unwrap()));
        let lax = Trust {
            skip_verify: true,
            ..Trust::default()
        };
        assert!(!first.is_same(&registry.client("https://ca.example/dir", &lax, &key).unwrap()));
        for number in 0..=SERVERS {
            registry
                .client(&format!("https://ca{number}.example/dir"), &trust, &key)
                .unwrap();
        }
        assert_eq!(registry.kept.lock().unwrap().servers.len(), SERVERS);
        // the one that was asked for longest ago went
        let mut map =
            HashMap::from([("old", 1), ("older", 0), ("new", 2)].map(|(key, at)| (key, Used { value: (), at })));
        assert_eq!(keep(&mut map, 3, "newest", Used { value: (), at: 3 }), Some("older"));
        assert_eq!(keep(&mut map, 3, "new", Used { value: (), at: 4 }), None);
        let mut kept: Vec<_> = map.into_keys().collect();
        kept.sort_unstable();
        assert_eq!(kept, ["new", "newest", "old"]);
    }

    #[test]
    fn what_is_built_on_something_that_goes_goes_with_it_and_failures_are_remembered() {
        let key = AccountKey::from_pem(generate_rsa_2048_pem().unwrap().expose()).unwrap();
        let registry = Registry::new(Settings::default(), Arc::new(Unobserved));
        let root = rcgen::generate_simple_self_signed(["root.example".to_owned()])
            .unwrap()
            .cert
            .pem();
        let ask = |number: usize| {
            // as many trust settings as there are issuers: white space makes each another
            let bundle = [root.as_bytes(), &vec![b'\n'; number]].concat();
            let trust = Trust {
                ca_bundle: Some(bundle),
                skip_verify: false,
            };
            registry
                .client(&format!("https://ca{number}.example/dir"), &trust, &key)
                .unwrap()
        };
        let first = ask(0);
        for number in 1..=SERVERS + 1 {
            ask(number);
        }
        let sizes = || {
            let kept = registry.kept.lock().unwrap();
            (kept.transports.len(), kept.servers.len(), kept.clients.len())
        };
        assert_eq!(sizes(), (TRANSPORTS, TRANSPORTS, TRANSPORTS));
        let again = ask(0);
        assert!(!again.is_same(&first) && again.shares_attempts_with(&first));
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let key = AccountKey::from_pem(generate_rsa_2048_pem().unwrap().expose()).unwrap();
        let registry = Registry::new(Settings::default(), Arc::new(Unobserved));
        let trust = |bundle: &str, skip_verify| Trust {
            ca_bundle: Some(bundle.into()),
            skip_verify,
        };
        for trust in [trust("", false), trust("garbage", false), trust("x", true)] {
            assert!(matches!(
                registry.client("https://ca/dir", &trust, &key),
                Err(Error::Trust(_))
            ));
        }
        assert!(matches!(
            registry.client("ca/dir", &Trust::default(), &key),
            Err(Error::InvalidUrl { .. })
        ));
    }
}
