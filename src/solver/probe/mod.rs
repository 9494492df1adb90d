//! The fetch that is made before the CA is told, and what it found.
//!
//! The URL is fetched as the CA would: the name is resolved, IPv6 is tried before IPv4, redirects to ports 80 and 443 are
//! followed, certificates are not verified (RFC 8555 section 8.3 and what public CAs do). No proxy is used, because the CA
//! uses none. What comes back is a [`Finding`]: status and hosts, never a byte of a body, so that a probe somebody else can
//! steer reads nothing for them.

mod decide;
mod fetch;
mod finding;
mod follow;
mod nameserver;
mod resolve;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::future::join_all;
use thiserror::Error;

use super::host::Host;
use super::token::KeyAuthorization;
use crate::net::AddressPolicy;
pub use decide::{Evidence, Verdict, decide, retry_after};
use fetch::Fetcher;
pub use finding::{AnswerProblem, ConnectProblem, Finding, NameProblem, OtherBody, Place, RedirectProblem};
pub use crate::dns::Nameserver;
pub use nameserver::parse_nameservers;
use resolve::Names;

/// How many addresses of one family are asked.
const MOST_ADDRESSES: usize = 4;

/// How the probe reaches the world.
#[derive(Clone, Debug)]
pub struct Settings {
    /// DNS servers to ask instead of the system's (`--acme-http01-solver-nameservers`).
    pub nameservers: Vec<Nameserver>,
    /// Which addresses may be asked.
    pub addresses: AddressPolicy,
    /// The port behind `http://`; the CA always uses 80.
    pub http_port: u16,
    /// The port behind `https://`; the CA always uses 443.
    pub https_port: u16,
    /// How long one connection may take.
    pub connect_time: Duration,
    /// How long an answer may take, once connected.
    pub answer_time: Duration,
    /// How long one DNS query may take.
    pub name_time: Duration,
    /// How long one address may take, with all its redirects: somebody who draws each of them out must not keep a place for
    /// minutes.
    pub whole_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nameservers: Vec::new(),
            addresses: AddressPolicy::default(),
            http_port: 80,
            https_port: 443,
            connect_time: Duration::from_secs(3),
            answer_time: Duration::from_secs(5),
            name_time: Duration::from_secs(3),
            whole_time: Duration::from_secs(30),
        }
    }
}

/// Why no probe can be made.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// A nameserver flag that is no host.
    #[error("--acme-http01-solver-nameservers: {0:?} is not host:port, such as 10.96.0.10:53 or dns.example.com:53")]
    Nameserver(String),
    /// The system's DNS configuration cannot be used.
    #[error(
        "failed to read the system's DNS configuration: {0}; name servers can be given with --acme-http01-solver-nameservers"
    )]
    Names(String),
    /// The TLS library refuses its own defaults.
    #[error("failed to set up TLS for the probe: {0}")]
    Tls(#[from] rustls::Error),
}

/// What is fetched, and what must come back.
#[derive(Clone, Debug)]
pub struct Target {
    /// The identifier that is being validated.
    pub host: Host,
    /// What the CA must find.
    pub key_authorization: KeyAuthorization,
}

/// Fetches challenges as the CA would. Cheap to share; holds no state between attempts.
#[derive(Debug)]
pub struct Probe {
    names: Names,
    fetcher: Fetcher,
    policy: AddressPolicy,
    whole_time: Duration,
}

impl Probe {
    /// Makes a probe.
    ///
    /// # Errors
    /// If the system's DNS configuration cannot be read and no name servers are given.
    pub fn new(settings: &Settings) -> Result<Self, ProbeError> {
        Ok(Self {
            names: Names::new(settings)?,
            fetcher: Fetcher::new(settings)?,
            policy: settings.addresses.clone(),
            whole_time: settings.whole_time,
        })
    }

    /// One attempt by the public name: what the CA would find now, as seen from here.
    ///
    /// Ends within [`Settings::whole_time`] after the name is resolved. The first address that answers
    /// wrongly decides, because the CA may reach that one; an address that cannot be connected to does not count while
    /// another one answers rightly.
    pub async fn attempt(&self, target: &Target) -> Finding {
        let addresses = match self.addresses(&target.host).await {
            Ok(addresses) => addresses,
            Err(problem) => {
                return Finding::Name {
                    host: target.host.clone(),
                    problem,
                };
            }
        };
        let findings = join_all(addresses.into_iter().map(|address| self.follow(target, address))).await;
        combine(&target.host, findings)
    }

    /// Asks an ingress at its own addresses, for clusters that cannot reach their public name from inside: each address
    /// with its finding. Redirects are followed, on the same address while the name stays the same.
    pub async fn ask_ingress(&self, target: &Target, ingress: &[IpAddr]) -> Vec<(IpAddr, Finding)> {
        let ask = |address: &IpAddr| {
            let address = *address;
            async move { (address, self.follow(target, address).await) }
        };
        join_all(ingress.iter().take(MOST_ADDRESSES * 2).map(ask)).await
    }

    /// Asks responders directly (address and port), with the challenge's host as `Host`. Follows nothing.
    ///
    /// Every advertised address must be visible before the CA is told: a replica whose watch lags would fail a real
    /// validation.
    pub async fn probe_addresses(&self, target: &Target, responders: &[SocketAddr]) -> Vec<(SocketAddr, Finding)> {
        let ask = |address: &SocketAddr| {
            let address = *address;
            async move { (address, self.ask_responder(target, address).await) }
        };
        join_all(responders.iter().map(ask)).await
    }

    /// The addresses to ask for a host: at most four of each family, IPv6 first, in a stable order.
    async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, NameProblem> {
        match host {
            Host::Address(address) => Ok(vec![*address]),
            Host::Name(name) => self.names.addresses(name, MOST_ADDRESSES).await,
        }
    }
}

/// One finding of several addresses: the first wrong answer, else the first right one, else why nothing could be reached.
fn combine(host: &Host, findings: Vec<Finding>) -> Finding {
    let mut unreachable = None;
    let mut visible = None;
    for finding in findings {
        match finding {
            Finding::Visible => visible = Some(finding),
            Finding::Connect { .. } => unreachable = unreachable.or(Some(finding)),
            Finding::Name { .. }
            | Finding::Address { .. }
            | Finding::Handshake { .. }
            | Finding::NoAnswer { .. }
            | Finding::Status { .. }
            | Finding::Body { .. }
            | Finding::Elsewhere { .. }
            | Finding::Redirect { .. } => return finding,
        }
    }
    let nothing_asked = || Finding::Name {
        host: host.clone(),
        problem: NameProblem::NoAddress,
    };
    visible.or(unreachable).unwrap_or_else(nothing_asked)
}
