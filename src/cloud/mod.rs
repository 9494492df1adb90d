//! HTTP APIs of providers: how they are called, what went wrong, and what is remembered of credentials.
//!
//! | module | what it is |
//! |---|---|
//! | [`api`] | one call: a request, its reply, and the faults that all APIs share |
//! | [`azure`] | access tokens of Microsoft Azure |
//! | [`edgegrid`] | signatures of Akamai's APIs |
//! | [`aws`] | Amazon Web Services: credentials and signed calls |
//! | [`fault`] | why a call failed, sorted by who can correct it and when to try again |
//! | [`google`] | access tokens of Google Cloud |
//! | [`oauth`] | access tokens in general: how they are requested and remembered |
//! | [`memo`] | access tokens and identifiers that are valid for a while |

pub(crate) mod api;
pub(crate) mod aws;
pub(crate) mod azure;
pub(crate) mod edgegrid;
pub(crate) mod fault;
pub(crate) mod google;
pub(crate) mod memo;
pub(crate) mod oauth;
#[cfg(test)]
pub(crate) mod scripted;

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use aws_lc_rs::digest;
use jiff::Timestamp;

pub(crate) use self::{
    api::{Api, Call, Reply, below},
    fault::{Fault, FaultKind},
    memo::Memo,
};
use crate::{
    net::{AddressPolicy, ClientSettings, HttpClient, Trust, TrustError, Unobserved},
    process::environment::CloudEnvironment,
};

/// How the APIs of providers are reached, and what is remembered of credentials. One per process, cheap to clone.
#[derive(Clone)]
pub(crate) struct Cloud {
    http: HttpClient,
    platform: HttpClient,
    /// What is remembered of credentials.
    pub memo: Arc<Memo>,
    /// The environment variables of the clouds' tools.
    pub environment: Arc<CloudEnvironment>,
    /// Reads the clock.
    pub now: fn() -> Timestamp,
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud")
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// The SHA-256 of a secret, in hexadecimal: identifies it without revealing it.
pub(crate) fn fingerprint(secret: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, secret).as_ref())
}

/// Bytes in lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

impl Cloud {
    /// The APIs, called with these settings. The address policy of `settings` applies to every server that a user can choose.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub(crate) fn new(
        settings: &ClientSettings,
        environment: CloudEnvironment,
        now: fn() -> Timestamp,
    ) -> Result<Self, TrustError> {
        // no user chooses these addresses: they are those of the platform that this process runs on
        let platform = ClientSettings {
            addresses: AddressPolicy::everything(),
            proxies: Vec::new(),
            ..settings.clone()
        };
        let client = |settings: &ClientSettings| HttpClient::new(&Trust::default(), settings, Arc::new(Unobserved));
        Ok(Self {
            http: client(settings)?,
            platform: client(&platform)?,
            memo: Arc::new(Memo::new(now)),
            environment: Arc::new(environment),
            now,
        })
    }

    /// An API in the network. `provider` is its name, for sentences.
    pub(crate) fn api(&self, provider: &'static str) -> Api {
        Api::new(self.http.clone(), provider, self.now)
    }

    /// An API of the platform that this process runs on, at an address that no user chose: a metadata service, an agent of the node.
    pub(crate) fn platform(&self, provider: &'static str) -> Api {
        Api::new(self.platform.clone(), provider, self.now)
    }
}
