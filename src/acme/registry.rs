//! The ACME clients of this process: one per server, trust settings and account key, so that nonces, directories and
//! connections are shared by all that use the same account.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::tls::Trust;
use super::transport::{Observer, Settings, Transport};
use super::{AccountKey, Client, Error, Server};

/// How many clients are kept; the one that was not asked for longest goes. One for each account: a cluster may have an issuer
/// with an account of its own in every namespace, and what a client remembers keeps a failing one from being asked for too often.
const CLIENTS: usize = 4096;
/// How many servers are kept.
const SERVERS: usize = 256;

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
    clients: HashMap<(String, Trust, String), Used<Client>>,
    servers: HashMap<(String, Trust), Used<Server>>,
}

struct Used<T> {
    value: T,
    at: u64,
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
        kept.clock += 1;
        let now = kept.clock;
        let id = (server.to_owned(), trust.clone(), key.thumbprint().to_owned());
        if let Some(used) = kept.clients.get_mut(&id) {
            used.at = now;
            return Ok(used.value.clone());
        }
        let client = Client::new(self.server_in(&mut kept, server, trust)?, key.clone());
        keep(
            &mut kept.clients,
            CLIENTS,
            id,
            Used {
                value: client.clone(),
                at: now,
            },
        );
        Ok(client)
    }

    /// The server whose directory is at `server`, for what needs no account.
    ///
    /// # Errors
    /// As [`Registry::client`].
    pub fn server(&self, server: &str, trust: &Trust) -> Result<Server, Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        self.server_in(&mut kept, server, trust)
    }

    fn server_in(&self, kept: &mut Kept, url: &str, trust: &Trust) -> Result<Server, Error> {
        let now = kept.clock;
        let id = (url.to_owned(), trust.clone());
        if let Some(used) = kept.servers.get_mut(&id) {
            used.at = now;
            return Ok(used.value.clone());
        }
        let server = Server::new(url, Transport::new(trust, &self.settings, self.observer.clone())?)?;
        keep(
            &mut kept.servers,
            SERVERS,
            id,
            Used {
                value: server.clone(),
                at: now,
            },
        );
        Ok(server)
    }
}

fn keep<K: Clone + Eq + std::hash::Hash, V>(map: &mut HashMap<K, Used<V>>, most: usize, key: K, value: Used<V>) {
    if map.len() >= most && !map.contains_key(&key) {
        let oldest = map.iter().min_by_key(|(_, used)| used.at).map(|(key, _)| key.clone());
        oldest.and_then(|oldest| map.remove(&oldest));
    }
    map.insert(key, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::jws::generate_rsa_2048_pem;
    use crate::acme::transport::Unobserved;

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
        keep(&mut map, 3, "newest", Used { value: (), at: 3 });
        keep(&mut map, 3, "new", Used { value: (), at: 4 });
        let mut kept: Vec<_> = map.into_keys().collect();
        kept.sort_unstable();
        assert_eq!(kept, ["new", "newest", "old"]);
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
