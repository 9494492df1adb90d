//! The ACME clients of this process, one for each server, trust settings and account key. All users of an account share
//! its nonces, directory and connections.
//!
//! Every author of an issuer adds entries here, so each kind of entry has its own limit. An evicted entry takes those
//! built on it along. The last failure of an account outlives its client: many new issuers must not make the requests
//! of other accounts more frequent.

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

/// The most clients; the least recently used is evicted. There is one for each account, and a cluster may have an
/// account in every namespace.
const CLIENTS: usize = 4096;
/// The most servers, each with its directory.
const SERVERS: usize = 256;
/// The most sets of trust settings, each with its roots and connections.
const TRANSPORTS: usize = 64;
/// The most accounts whose last failure is cache.
const ATTEMPTS: usize = 8192;

/// Provides clients. There is one registry for each process.
pub struct Registry {
    settings: Settings,
    observer: Arc<dyn Observer>,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    /// Counts requests, to find the least recently used entry.
    clock: u64,
    clients: HashMap<ClientId, Used<Client>>,
    servers: HashMap<ServerId, Used<Server>>,
    transports: HashMap<TrustId, Used<Transport>>,
    attempts: HashMap<ClientId, Used<LastAttempt>>,
}

/// Trust settings by their digest, so that a large bundle is stored only once.
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
            cache: Mutex::default(),
        }
    }

    /// The client for the directory at `server`, with these trust settings and this account key.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`], [`Error::Trust`].
    pub fn client(&self, server: &str, trust: &Trust, key: &AccountKey) -> Result<Client, Error> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let id = ClientId {
            server: ServerId {
                url: server.to_owned(),
                trust: TrustId::of(trust),
            },
            thumbprint: key.thumbprint().to_owned(),
        };
        let now = cache.tick();
        // the server counts as used too: it must not be evicted before its clients
        let server = self.server_in(&mut cache, id.server.clone(), trust)?;
        if let Some(client) = used(&mut cache.clients, &id, now) {
            return Ok(client);
        }
        let attempt = used(&mut cache.attempts, &id, now).unwrap_or_default();
        let client = Client::new(server, key.clone(), Arc::clone(&attempt));
        keep(
            &mut cache.attempts,
            ATTEMPTS,
            id.clone(),
            Used {
                value: attempt,
                at: now,
            },
        );
        let value = client.clone();
        keep(&mut cache.clients, CLIENTS, id, Used { value, at: now });
        Ok(client)
    }

    /// The server whose directory is at `server`, for requests that need no account.
    ///
    /// # Errors
    /// As [`Registry::client`].
    pub fn server(&self, server: &str, trust: &Trust) -> Result<Server, Error> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let id = ServerId {
            url: server.to_owned(),
            trust: TrustId::of(trust),
        };
        self.server_in(&mut cache, id, trust)
    }

    fn server_in(&self, cache: &mut Cache, id: ServerId, trust: &Trust) -> Result<Server, Error> {
        let now = cache.tick();
        if let Some(server) = used(&mut cache.servers, &id, now) {
            if let Some(transport) = cache.transports.get_mut(&id.trust) {
                transport.at = now;
            }
            return Ok(server);
        }
        let transport = self.transport_in(cache, id.trust, trust)?;
        let server = Server::new(&id.url, transport)?;
        let value = server.clone();
        if let Some(gone) = keep(&mut cache.servers, SERVERS, id, Used { value, at: now }) {
            cache.clients.retain(|client, _| client.server != gone);
        }
        Ok(server)
    }

    fn transport_in(&self, cache: &mut Cache, id: TrustId, trust: &Trust) -> Result<Transport, Error> {
        let now = cache.tick();
        if let Some(transport) = used(&mut cache.transports, &id, now) {
            return Ok(transport);
        }
        let transport = Transport::new(trust, &self.settings, self.observer.clone())?;
        let value = transport.clone();
        if let Some(gone) = keep(&mut cache.transports, TRANSPORTS, id, Used { value, at: now }) {
            cache.servers.retain(|server, _| server.trust != gone);
            cache.clients.retain(|client, _| client.server.trust != gone);
        }
        Ok(transport)
    }
}

impl Cache {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

/// The cached value of this key, which counts as used now.
fn used<K: Eq + Hash, V: Clone>(map: &mut HashMap<K, Used<V>>, key: &K, now: u64) -> Option<V> {
    let used = map.get_mut(key)?;
    used.at = now;
    Some(used.value.clone())
}

/// Stores a value. Returns the key of the evicted entry, if the cache was full.
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
        assert_eq!(registry.cache.lock().unwrap().servers.len(), SERVERS);
        // the one that was asked for longest ago went
        let mut map =
            HashMap::from([("old", 1), ("older", 0), ("new", 2)].map(|(key, at)| (key, Used { value: (), at })));
        assert_eq!(keep(&mut map, 3, "newest", Used { value: (), at: 3 }), Some("older"));
        assert_eq!(keep(&mut map, 3, "new", Used { value: (), at: 4 }), None);
        let mut cache: Vec<_> = map.into_keys().collect();
        cache.sort_unstable();
        assert_eq!(cache, ["new", "newest", "old"]);
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
            let cache = registry.cache.lock().unwrap();
            (cache.transports.len(), cache.servers.len(), cache.clients.len())
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
