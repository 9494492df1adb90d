//! Name resolution as a CA's resolver does it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::{MOST_ADDRESSES, NameProblem, Nameserver, ProbeError, Settings};

/// Resolves names without a cache, because a new record must be visible at once.
pub(super) struct Names {
    servers: Vec<Nameserver>,
    name_time: Duration,
    /// `None` if a server's own name has to be resolved first.
    resolver: Option<TokioResolver>,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names {
    /// Uses the given name servers, else the system's configuration with its hosts file, in which users enter the
    /// ingress to avoid hairpin NAT.
    ///
    /// # Errors
    /// [`ProbeError`] if the system's configuration is unreadable.
    pub(super) fn new(settings: &Settings) -> Result<Self, ProbeError> {
        let servers = &settings.nameservers;
        let addresses: Option<Vec<SocketAddr>> = servers.iter().map(Nameserver::address).collect();
        let resolver = addresses
            .map(|addresses| resolver(addresses, settings.name_time))
            .transpose();
        Ok(Self {
            servers: servers.clone(),
            name_time: settings.name_time,
            resolver: resolver.map_err(|error| ProbeError::Names(error.to_string()))?,
        })
    }

    /// A resolver for the name servers, whose own names the system resolves.
    async fn resolver(&self) -> Result<TokioResolver, NameProblem> {
        if let Some(resolver) = &self.resolver {
            return Ok(resolver.clone());
        }
        let mut addresses = Vec::new();
        for server in &self.servers {
            match server {
                Nameserver::Address(address) => addresses.push(*address),
                Nameserver::Name(name, port) => {
                    let found = timeout(self.name_time, lookup_host((name.as_str(), *port))).await;
                    // another server may be available
                    addresses.extend(
                        found
                            .ok()
                            .and_then(Result::ok)
                            .into_iter()
                            .flatten()
                            .take(MOST_ADDRESSES),
                    );
                }
            }
        }
        if addresses.is_empty() {
            return Err(NameProblem::TimedOut);
        }
        resolver(addresses, self.name_time).map_err(|error| problem(&error))
    }

    /// The addresses of a name: at most `most` of each family, IPv6 first, sorted.
    ///
    /// A failure of one family does not matter if the other has addresses, as with public CAs.
    ///
    /// # Errors
    /// [`NameProblem`] if there is no address.
    pub(super) async fn addresses(&self, name: &str, most: usize) -> Result<Vec<IpAddr>, NameProblem> {
        // The final dot excludes the search list of a pod's resolv.conf, which the CA does not have.
        let Ok(name) = Name::from_ascii(format!("{name}.")) else {
            return Err(NameProblem::Unusable);
        };
        let resolver = self.resolver().await?;
        let (v6, v4) = tokio::join!(
            lookup(&resolver, &name, RecordType::AAAA, most),
            lookup(&resolver, &name, RecordType::A, most)
        );
        let (mut addresses, v6_problem) = v6.map_or_else(|problem| (Vec::new(), Some(problem)), |found| (found, None));
        let v4_problem = match v4 {
            Ok(found) => {
                addresses.extend(found);
                None
            }
            Err(problem) => Some(problem),
        };
        if addresses.is_empty() {
            Err(worse(v4_problem, v6_problem))
        } else {
            Ok(addresses)
        }
    }
}

async fn lookup(
    resolver: &TokioResolver,
    name: &Name,
    kind: RecordType,
    most: usize,
) -> Result<Vec<IpAddr>, NameProblem> {
    let found = resolver
        .lookup(name.clone(), kind)
        .await
        .map_err(|error| problem(&error))?;
    let mut addresses: Vec<IpAddr> = found
        .answers()
        .iter()
        .filter_map(|record| address(&record.data))
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(most);
    if addresses.is_empty() {
        Err(NameProblem::NoAddress)
    } else {
        Ok(addresses)
    }
}

/// A resolver for these servers, or for those of the system if there are none.
fn resolver(servers: Vec<SocketAddr>, name_time: Duration) -> Result<TokioResolver, NetError> {
    let with = |servers| {
        let config = ResolverConfig::from_name_servers(servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let system = servers.is_empty();
    let mut builder = if system {
        TokioResolver::builder_tokio().unwrap_or_else(|error| {
            // functions without DNS work nevertheless; a probe reports that no server answers
            tracing::warn!(
                "the system's DNS configuration cannot be read ({error}): give name servers with \
                 --acme-http01-solver-nameservers"
            );
            with(Vec::new())
        })
    } else {
        with(servers.into_iter().map(name_server).collect())
    };
    let options = builder.options_mut();
    options.cache_size = 0;
    options.timeout = name_time;
    options.attempts = 1;
    if !system {
        options.use_hosts_file = ResolveHosts::Never;
    }
    builder.build()
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = server.port();
    }
    NameServerConfig::new(server.ip(), true, connections)
}

fn address(data: &RData) -> Option<IpAddr> {
    data.ip_addr()
}

fn problem(error: &NetError) -> NameProblem {
    if error.is_nx_domain() {
        return NameProblem::DoesNotExist;
    }
    // The errors are an open set: all others mean that there is no address.
    if let NetError::Timeout | NetError::Io(_) | NetError::NoConnections | NetError::Busy = error {
        NameProblem::TimedOut
    } else if let NetError::Dns(DnsError::NoRecordsFound(none)) = error {
        code_problem(none.response_code)
    } else if let NetError::Dns(DnsError::ResponseCode(code)) = error {
        code_problem(*code)
    } else {
        NameProblem::Unusable
    }
}

fn code_problem(code: ResponseCode) -> NameProblem {
    if code == ResponseCode::NXDomain {
        NameProblem::DoesNotExist
    } else if code == ResponseCode::ServFail {
        NameProblem::ServerFailure
    } else if code == ResponseCode::Refused {
        NameProblem::Refused
    } else if code == ResponseCode::NoError {
        NameProblem::NoAddress
    } else {
        NameProblem::Unusable
    }
}

/// The problem to report: the one that is not merely "no record of this family".
fn worse(first: Option<NameProblem>, second: Option<NameProblem>) -> NameProblem {
    let stated = |problem: &NameProblem| *problem != NameProblem::NoAddress;
    first
        .filter(stated)
        .or_else(|| second.filter(stated))
        .unwrap_or(NameProblem::NoAddress)
}
