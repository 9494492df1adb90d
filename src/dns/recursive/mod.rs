//! Recursive servers: what the DNS says about a name, without a cache of our own (DNS-11).

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::system_conf::{parse_resolv_conf, read_system_conf};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::{Instant, timeout};
use url::Url;

use super::exchange::AskProblem;
use super::name::shown;
use super::nameserver::{Nameserver, PORT};
use super::query::{Answer, Data, Question, ask, code_name};
use crate::net::{HttpClient, Request, TrustError};
use crate::text::short_line;

/// What cert-manager asks where there is no configuration.
const PUBLIC: [Ipv4Addr; 2] = [Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(8, 8, 4, 4)];

/// The most name servers of a zone that are used. The DNS has room for 13 in a small message.
const MOST_NAMESERVERS: usize = 16;

/// The most addresses of one family that are used of a name server.
const MOST_ADDRESSES: usize = 4;

/// The media type of DNS over HTTPS (RFC 8484).
const DNS_MESSAGE: HeaderValue = HeaderValue::from_static("application/dns-message");

/// The largest answer over HTTPS, in bytes.
const MAX_BODY: usize = 65_535;

/// How much of a value that is no server is quoted.
const QUOTED: usize = 100;

/// A recursive server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecursiveServer {
    /// Over UDP and TCP.
    Plain(Nameserver),
    /// Over HTTPS (RFC 8484).
    Https(Url),
}

/// A value that is no recursive server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no DNS server: use host:port, such as 10.96.0.10:53, or https://host/path for DNS over HTTPS")]
pub struct InvalidServer(String);

/// The recursive servers.
#[derive(Clone, Debug)]
pub struct Recursive {
    servers: Vec<RecursiveServer>,
    https: Option<HttpClient>,
    limit: Duration,
}

/// A zone, as its SOA record describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name.
    pub name: Name,
    /// Its primary server.
    pub primary: Name,
    /// The serial number of its content.
    pub serial: u32,
    /// How long resolvers remember that a name does not exist, in seconds.
    pub minimum: u32,
}

/// The TXT records of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Their values.
    pub values: Vec<Vec<u8>>,
    /// How long the server remembers that there is none, if it says so and there is none.
    pub absent_for: Option<Duration>,
}

/// Why a recursive server was of no use. As text it is a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecursiveProblem {
    /// No answer.
    #[error("recursive DNS server {server} cannot be used for {kind} of {name}: {problem}")]
    NoAnswer {
        /// The last server that was asked.
        server: String,
        /// The name.
        name: String,
        /// The type of the records.
        kind: RecordType,
        /// The reason.
        problem: AskProblem,
    },
    /// An answer with an error.
    #[error("recursive DNS server {server} answers {} for {kind} of {name}", code_name(*code))]
    Code {
        /// The last server that was asked.
        server: String,
        /// The name.
        name: String,
        /// The type of the records.
        kind: RecordType,
        /// The response code.
        code: ResponseCode,
    },
    /// No SOA record above a name.
    #[error("no DNS zone was found for {name}: {server} knows no SOA record for any of {}", asked.join(", "))]
    NoZone {
        /// The server that was asked.
        server: String,
        /// The name.
        name: String,
        /// The names that could have been a zone.
        asked: Vec<String>,
    },
    /// A zone without name servers.
    #[error("recursive DNS server {server} knows no name servers of zone {zone}")]
    NoNameservers {
        /// The server that was asked.
        server: String,
        /// The zone.
        zone: String,
    },
}

impl RecursiveServer {
    /// Reads a value of `--dns01-recursive-nameservers`, or of `nameservers` of a solver: `ip:port`, `host:port`, or
    /// `https://host/path`.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(text: &str) -> Result<Self, InvalidServer> {
        let text = text.trim();
        let server = if text.starts_with("https://") {
            Url::parse(text).ok().filter(Url::has_host).map(Self::Https)
        } else {
            Nameserver::parse(text).map(Self::Plain)
        };
        server.ok_or_else(|| InvalidServer(short_line(text, QUOTED)))
    }

    /// The servers of `/etc/resolv.conf`, or Google's public ones if it has none.
    pub fn of_system() -> Vec<Self> {
        Self::configured(&read_system_conf().map(|(config, _)| config))
    }

    /// As [`Self::of_system`], with the content of `resolv.conf`.
    pub fn of_resolv_conf(content: &[u8]) -> Vec<Self> {
        Self::configured(&parse_resolv_conf(content).map(|(config, _)| config))
    }

    fn configured<E>(config: &Result<ResolverConfig, E>) -> Vec<Self> {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for server in config.iter().flat_map(ResolverConfig::name_servers) {
            if !addresses.contains(&server.ip) {
                addresses.push(server.ip);
            }
        }
        if addresses.is_empty() {
            addresses = PUBLIC.map(IpAddr::V4).to_vec();
        }
        let plain = |address| Self::Plain(Nameserver::Address(SocketAddr::new(address, PORT)));
        addresses.into_iter().map(plain).collect()
    }
}

impl fmt::Display for RecursiveServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(server) => server.fmt(f),
            Self::Https(url) => f.write_str(url.as_str()),
        }
    }
}

impl Recursive {
    /// Asks these servers in order, each within `limit`; those of the system if there are none. `https` makes the client for DNS over
    /// HTTPS, and is called only if a server needs it.
    ///
    /// # Errors
    /// If the client cannot be made.
    pub fn new(
        mut servers: Vec<RecursiveServer>,
        limit: Duration,
        https: impl FnOnce() -> Result<HttpClient, TrustError>,
    ) -> Result<Self, TrustError> {
        if servers.is_empty() {
            servers = RecursiveServer::of_system();
        }
        let needs_https = servers.iter().any(|server| matches!(server, RecursiveServer::Https(_)));
        Ok(Self {
            servers,
            https: needs_https.then(https).transpose()?,
            limit,
        })
    }

    /// The servers, in order.
    pub fn servers(&self) -> &[RecursiveServer] {
        &self.servers
    }

    /// The zone that a name is in: the longest name at or above it with an SOA record. An alias is no zone, and neither is the root.
    ///
    /// # Errors
    /// If no server answers, or there is no such zone.
    pub async fn zone_of(&self, name: &Name) -> Result<Zone, RecursiveProblem> {
        let mut asked = Vec::new();
        let mut last = String::new();
        let mut candidate = name.clone();
        while !candidate.is_root() {
            let (server, answer) = self.lookup(&candidate, RecordType::SOA).await?;
            if let Some(zone) = zone_in(&candidate, &answer) {
                return Ok(zone);
            }
            asked.push(shown(&candidate));
            last = server.to_string();
            candidate = candidate.base_name();
        }
        Err(RecursiveProblem::NoZone {
            server: last,
            name: shown(name),
            asked,
        })
    }

    /// What a name is an alias of, if it is one: one step.
    ///
    /// # Errors
    /// If no server answers.
    pub async fn cname(&self, name: &Name) -> Result<Option<Name>, RecursiveProblem> {
        let (_, answer) = self.lookup(name, RecordType::CNAME).await?;
        Ok(answer.cname(name).cloned())
    }

    /// The name servers of a zone with their addresses, at most 16. A server whose name has no address has none here.
    ///
    /// # Errors
    /// If no server answers, or the zone has no name servers.
    pub async fn nameservers(&self, zone: &Name) -> Result<Vec<(Name, Vec<IpAddr>)>, RecursiveProblem> {
        let (server, answer) = self.lookup(zone, RecordType::NS).await?;
        let mut names: Vec<Name> = Vec::new();
        for record in &answer.answers {
            if let Data::Ns(name) = &record.data
                && record.name == *zone
                && names.len() < MOST_NAMESERVERS
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        if names.is_empty() {
            return Err(RecursiveProblem::NoNameservers {
                server: server.to_string(),
                zone: shown(zone),
            });
        }
        names.sort();
        let addresses = join_all(names.iter().map(|name| self.addresses(name))).await;
        Ok(names.into_iter().zip(addresses).collect())
    }

    /// The TXT records of a name, also where it is an alias.
    ///
    /// # Errors
    /// If no server answers.
    pub async fn txt(&self, name: &Name) -> Result<Texts, RecursiveProblem> {
        let (_, answer) = self.lookup(name, RecordType::TXT).await?;
        let values: Vec<Vec<u8>> = answer.texts().map(<[u8]>::to_vec).collect();
        let absent_for = if values.is_empty() { absence(&answer) } else { None };
        Ok(Texts { values, absent_for })
    }

    /// The addresses of a name, IPv4 first. None if no server answers: another name server may have one.
    async fn addresses(&self, name: &Name) -> Vec<IpAddr> {
        let (v4, v6) = tokio::join!(self.lookup(name, RecordType::A), self.lookup(name, RecordType::AAAA));
        let mut addresses = Vec::new();
        for (_, answer) in [v4, v6].into_iter().flatten() {
            let found = answer.answers.iter().filter_map(|record| match record.data {
                Data::Address(address) => Some(address),
                Data::Cname(_) | Data::Txt(_) | Data::Soa { .. } | Data::Ns(_) => None,
            });
            addresses.extend(found.take(MOST_ADDRESSES));
        }
        addresses
    }

    /// The answer of the first server that has one: no error, or that the name does not exist.
    async fn lookup(&self, name: &Name, kind: RecordType) -> Result<(&RecursiveServer, Answer), RecursiveProblem> {
        let question = Question {
            name: name.clone(),
            kind,
            recursive: true,
        };
        let mut last = None;
        for server in &self.servers {
            let outcome = self.ask(server, &question).await;
            let (shown_server, name) = (server.to_string(), shown(name));
            last = Some(match outcome {
                Ok(answer) if matches!(answer.code, ResponseCode::NoError | ResponseCode::NXDomain) => {
                    return Ok((server, answer));
                }
                Ok(answer) => RecursiveProblem::Code {
                    server: shown_server,
                    name,
                    kind,
                    code: answer.code,
                },
                Err(problem) => RecursiveProblem::NoAnswer {
                    server: shown_server,
                    name,
                    kind,
                    problem,
                },
            });
        }
        Err(last.unwrap_or_else(|| RecursiveProblem::NoAnswer {
            server: "(none)".to_owned(),
            name: shown(name),
            kind,
            problem: AskProblem::Unreachable("no server is configured".to_owned()),
        }))
    }

    async fn ask(&self, server: &RecursiveServer, question: &Question) -> Result<Answer, AskProblem> {
        match server {
            RecursiveServer::Plain(server) => {
                let deadline = Instant::now() + self.limit;
                let mut outcome = Err(AskProblem::TimedOut(self.limit));
                for address in server.addresses(self.limit).await? {
                    outcome = ask(address, question, deadline.saturating_duration_since(Instant::now())).await;
                    if outcome.is_ok() {
                        break;
                    }
                }
                outcome
            }
            RecursiveServer::Https(url) => {
                let Some(client) = &self.https else {
                    return Err(AskProblem::Unreachable("there is no client for HTTPS".to_owned()));
                };
                timeout(self.limit, over_https(client, url, question))
                    .await
                    .unwrap_or(Err(AskProblem::TimedOut(self.limit)))
            }
        }
    }
}

/// Asks over HTTPS. The ID of the request is 0, as RFC 8484 recommends.
async fn over_https(client: &HttpClient, url: &Url, question: &Question) -> Result<Answer, AskProblem> {
    let mut body = question.to_bytes(false)?;
    if let Some(id) = body.get_mut(..2) {
        id.fill(0);
    }
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, DNS_MESSAGE), (header::ACCEPT, DNS_MESSAGE)]);
    let request = Request {
        purpose: "dns",
        method: Method::POST,
        url,
        headers,
        body: Some(Bytes::from(body)),
        limit: MAX_BODY,
    };
    let response = client
        .send(request)
        .await
        .map_err(|failure| AskProblem::Unreachable(failure.to_string()))?;
    if response.status != StatusCode::OK {
        return Err(AskProblem::Unusable(format!(
            "HTTP status {}",
            response.status.as_u16()
        )));
    }
    if response.headers.get(header::CONTENT_TYPE) != Some(&DNS_MESSAGE) {
        return Err(AskProblem::Unusable(
            "its Content-Type is not application/dns-message".to_owned(),
        ));
    }
    Answer::from_bytes(&response.body)
}

/// The zone that an answer for SOA names: of the name itself, or of one above it.
fn zone_in(candidate: &Name, answer: &Answer) -> Option<Zone> {
    // An alias is no zone (RFC 2181 section 10.1), and the SOA beside it is that of its target.
    let is_alias = answer
        .answers
        .iter()
        .any(|record| matches!(record.data, Data::Cname(_)));
    if is_alias {
        return None;
    }
    let records = answer.answers.iter().chain(&answer.authorities);
    records
        .filter(|record| !record.name.is_root() && record.name.zone_of(candidate))
        .find_map(|record| match &record.data {
            Data::Soa {
                primary,
                serial,
                minimum,
            } => Some(Zone {
                name: record.name.clone(),
                primary: primary.clone(),
                serial: *serial,
                minimum: *minimum,
            }),
            Data::Cname(_) | Data::Txt(_) | Data::Ns(_) | Data::Address(_) => None,
        })
}

/// How long the absence of a record is remembered (RFC 2308 section 5).
fn absence(answer: &Answer) -> Option<Duration> {
    answer.authorities.iter().find_map(|record| match record.data {
        Data::Soa { minimum, .. } => Some(Duration::from_secs(minimum.min(record.ttl).into())),
        Data::Cname(_) | Data::Txt(_) | Data::Ns(_) | Data::Address(_) => None,
    })
}
