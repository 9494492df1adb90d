//! What signing keeps between two requests.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{asking::Waits, authorities::Authorities, claims::Claims};

/// What signing keeps between two requests.
#[derive(Debug, Default)]
pub struct Signing {
    /// Key pairs of CAs in use.
    pub authorities: Authorities,
    /// Requests that somebody is working on.
    pub claims: Arc<Claims>,
    /// Requests that a server has under way.
    pub waits: Waits,
    pub(super) identity: OnceCell<Identity>,
}

#[derive(Debug)]
pub(super) struct Identity {
    pub(super) username: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) groups: Vec<String>,
}

impl Signing {
    /// Drops the key pairs and what is under way at servers. Who works on which request ends with that work, and who we are does not change.
    pub fn clear(&self) {
        self.authorities.clear();
        self.waits.clear();
    }
}
