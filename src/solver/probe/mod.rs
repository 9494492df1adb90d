//! The self-check: certlet's own request for the proof before a challenge is accepted.
//!
//! The URL is fetched as the CA would: the name is resolved, IPv6 is tried before IPv4, redirects to ports 80 and 443
//! are followed, certificates are not verified (RFC 8555 section 8.3, and the practice of public CAs). No proxy is
//! used, because the CA uses none. The result is a [`Finding`]: status and hosts, never a part of a body. So a user who
//! controls the URL cannot read internal pages with a probe.

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
pub use crate::dns::Nameserver;
use crate::net::AddressPolicy;
pub use decide::{Evidence, Verdict, decide, retry_after};
use fetch::Fetcher;
pub use finding::{AnswerProblem, ConnectProblem, Finding, NameProblem, OtherBody, Place, RedirectProblem};
pub use nameserver::parse_nameservers;
use resolve::Names;

/// The most addresses of one family that are probed.
const MOST_ADDRESSES: usize = 4;

/// Settings of the probe.
#[derive(Clone, Debug)]
pub struct Settings {
    /// DNS servers to use instead of the system's (`--acme-http01-solver-nameservers`).
    pub nameservers: Vec<Nameserver>,
    /// The policy for addresses.
    pub addresses: AddressPolicy,
    /// The port behind `http://`; the CA always uses 80.
    pub http_port: u16,
    /// The port behind `https://`; the CA always uses 443.
    pub https_port: u16,
    /// The time-out of one connection.
    pub connect_time: Duration,
    /// The time-out of an answer, after the connection.
    pub answer_time: Duration,
    /// The time-out of one DNS query.
    pub name_time: Duration,
    /// The time-out of one address, with all its redirects. Without it, a server that delays each redirect could
    /// occupy the probe for minutes.
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

/// Why the probe cannot be created.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// A nameserver flag that is not a host.
    #[error("--acme-http01-solver-nameservers: {0:?} is not host:port, such as 10.96.0.10:53 or dns.example.com:53")]
    Nameserver(String),
    /// The system's DNS configuration is unusable.
    #[error(
        "failed to read the system's DNS configuration: {0}; name servers can be given with --acme-http01-solver-nameservers"
    )]
    Names(String),
    /// The TLS library rejects its own defaults.
    #[error("failed to set up TLS for the probe: {0}")]
    Tls(#[from] rustls::Error),
}

/// The target of a probe, and the expected answer.
#[derive(Clone, Debug)]
pub struct Target {
    /// The identifier that is being validated.
    pub host: Host,
    /// The answer that the CA must find.
    pub key_authorization: KeyAuthorization,
}

/// Fetches challenges as the CA would. Cheap to share. It has no state between probes.
#[derive(Debug)]
pub struct Probe {
    names: Names,
    fetcher: Fetcher,
    policy: AddressPolicy,
    whole_time: Duration,
}

impl Probe {
    /// Creates a probe.
    ///
    /// # Errors
    /// If a name server is invalid, the system's DNS configuration is unreadable, or TLS cannot be set up.
    pub fn new(settings: &Settings) -> Result<Self, ProbeError> {
        Ok(Self {
            names: Names::new(settings)?,
            fetcher: Fetcher::new(settings)?,
            policy: settings.addresses.clone(),
            whole_time: settings.whole_time,
        })
    }

    /// Probes the public name: what the CA would find now, as seen from here.
    ///
    /// Ends within [`Settings::whole_time`] after the name is resolved. The first wrong answer of an address
    /// decides, because the CA may reach that address. An address without a connection does not count while another
    /// one answers correctly.
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

    /// Probes an ingress controller at its own addresses, for clusters that cannot reach their public name from
    /// inside. Returns each address with its finding. Redirects are followed, at the same address while the name is
    /// the same.
    pub async fn ask_ingress(&self, target: &Target, ingress: &[IpAddr]) -> Vec<(IpAddr, Finding)> {
        let ask = |address: &IpAddr| {
            let address = *address;
            async move { (address, self.follow(target, address).await) }
        };
        join_all(ingress.iter().take(MOST_ADDRESSES * 2).map(ask)).await
    }

    /// Probes responders directly (address and port), with the challenge's host as `Host`. Follows no redirect.
    ///
    /// Every advertised address must be visible before a challenge is accepted: a replica whose watch is behind
    /// would fail a real validation.
    pub async fn probe_addresses(&self, target: &Target, responders: &[SocketAddr]) -> Vec<(SocketAddr, Finding)> {
        let ask = |address: &SocketAddr| {
            let address = *address;
            async move { (address, self.ask_responder(target, address).await) }
        };
        join_all(responders.iter().map(ask)).await
    }

    /// The addresses of a host: at most four of each family, IPv6 first, in a stable order.
    async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, NameProblem> {
        match host {
            Host::Address(address) => Ok(vec![*address]),
            Host::Name(name) => self.names.addresses(name, MOST_ADDRESSES).await,
        }
    }
}

/// One finding for several addresses: the first wrong answer, else the first correct one, else the first failed
/// connection.
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
