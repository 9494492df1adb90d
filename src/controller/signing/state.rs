//! Signing: what it works with, and what it remembers between two requests.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OnceCell;

use super::{asking::Waits, authorities::Authorities, claims::Claims, sessions, vault::Sessions};
use crate::{controller::Ports, signer::venafi};

/// Maximum number of stored requests with a replaced Order.
const MOST_REORDERED: usize = 10_000;

/// Makes and asks signers, for the controllers of requests and for Certificates that are issued in one pass.
pub(crate) struct Signing {
    pub(super) ports: Ports,
    /// Key pairs of CAs in use.
    pub authorities: Authorities,
    /// Requests that are being signed in one pass.
    pub claims: Arc<Claims>,
    /// Requests that a remote signer is working on.
    pub waits: Waits,
    /// Sessions with Vault servers.
    pub vault: Sessions,
    /// Sessions with servers of Venafi.
    pub(super) venafi: sessions::Sessions<venafi::Session>,
    /// Requests whose Orders were replaced.
    pub reordered: Reordered,
    pub(super) identity: OnceCell<Identity>,
}

/// As whom the API server knows this process.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) username: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) groups: Vec<String>,
}

impl Signing {
    /// Remembers nothing yet.
    pub(crate) fn new(ports: Ports) -> Self {
        Self {
            ports,
            authorities: Authorities::default(),
            claims: Arc::default(),
            waits: Waits::default(),
            vault: Sessions::default(),
            venafi: sessions::Sessions::default(),
            reordered: Reordered::default(),
            identity: OnceCell::new(),
        }
    }

    /// Drops the key pairs, and forgets what is under way. Which request is being signed ends with that work, and the identity of this process
    /// does not change.
    pub(crate) fn clear(&self) {
        let Self {
            ports: _,
            claims: _,
            identity: _,
            authorities,
            waits,
            vault,
            venafi,
            reordered,
        } = self;
        authorities.clear();
        waits.clear();
        vault.clear();
        venafi.clear();
        reordered.clear();
    }
}

/// Requests, by uid, whose Order was deleted and replaced. That is done once.
#[derive(Debug, Default)]
pub(crate) struct Reordered(Mutex<HashSet<Box<str>>>);

impl Reordered {
    /// Whether the Order of the request with this uid was replaced before.
    pub(crate) fn contains(&self, request: &str) -> bool {
        self.lock().contains(request)
    }

    /// Records that the Order of the request with this uid is replaced.
    pub(crate) fn insert(&self, request: &str) {
        let mut reordered = self.lock();
        if reordered.len() >= MOST_REORDERED {
            reordered.clear();
        }
        reordered.insert(request.into());
    }

    /// Forgets all of them.
    fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Box<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
