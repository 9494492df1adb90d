//! The exchanges of one probe from one address to a finding, with the redirects that a CA would follow.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use tokio::time::timeout;
use url::Url;

use super::fetch::{Failure, Question, Reply};
use super::finding::{AnswerProblem, ConnectProblem, Finding, OtherBody, Place, RedirectProblem};
use super::{Probe, Target};
use crate::net::is_public;
use crate::solver::host::Host;
use crate::solver::token::KeyAuthorization;

/// The most redirects that a CA follows.
const MOST_REDIRECTS: usize = 10;

/// One step: a URL, and the addresses for it.
#[derive(Clone, Debug)]
struct Hop {
    url: Url,
    host: Host,
    addresses: Vec<IpAddr>,
    /// The first address of the probe.
    first: IpAddr,
    redirects: usize,
}

impl Probe {
    /// Fetches the challenge at `address`, and follows redirects.
    pub(super) async fn follow(&self, target: &Target, address: IpAddr) -> Finding {
        let all = timeout(self.whole_time, self.follow_all(target, address)).await;
        all.unwrap_or_else(|_| Finding::NoAnswer {
            place: Place {
                scheme: "http",
                host: target.host.clone(),
                address,
                port: self.fetcher.http_port,
                redirects: 0,
            },
            problem: AnswerProblem::TimedOut,
        })
    }

    async fn follow_all(&self, target: &Target, address: IpAddr) -> Finding {
        if !self.may_ask(address, address) {
            return Finding::Address {
                host: target.host.clone(),
                address,
            };
        }
        let start = format!(
            "http://{}{}",
            target.host.in_url(),
            target.key_authorization.token().path()
        );
        let Ok(url) = Url::parse(&start) else {
            return Finding::Name {
                host: target.host.clone(),
                problem: super::NameProblem::Unusable,
            };
        };
        let mut hop = Hop {
            url,
            host: target.host.clone(),
            addresses: vec![address],
            first: address,
            redirects: 0,
        };
        let mut seen = HashSet::from([hop.url.to_string()]);
        let mut inside: Option<Host> = None;
        let report = |finding: Finding, inside: Option<Host>| match inside {
            Some(host) if !finding.is_visible() => Finding::Elsewhere { host },
            Some(_) | None => finding,
        };
        loop {
            let (place, outcome) = self.ask(&hop).await;
            if inside.is_none() && hop.host != target.host && !is_public(place.address) {
                inside = Some(hop.host.clone());
            }
            let reply = match outcome {
                Ok(reply) => reply,
                Err(failure) => return report(failed(place, failure), inside),
            };
            if !matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
                return report(assess(place, &reply, &target.key_authorization), inside);
            }
            hop = match self.next(target, hop, &place, reply.location.as_deref()).await {
                Ok(next) if seen.insert(next.url.to_string()) => next,
                Ok(next) => {
                    let finding = Finding::Redirect {
                        place,
                        to: Some(next.host),
                        problem: RedirectProblem::Loop,
                    };
                    return report(finding, inside);
                }
                Err(finding) => return report(finding, inside),
            };
        }
    }

    /// Whether a CA too could connect to an address. Loopback is allowed only if the identifier itself has it (for
    /// a CA on the same machine), never after a redirect.
    fn may_ask(&self, address: IpAddr, first: IpAddr) -> bool {
        self.policy
            .check_from(address, first.to_canonical().is_loopback())
            .is_ok()
    }

    /// Probes one responder, which must answer without a redirect.
    pub(super) async fn ask_responder(&self, target: &Target, address: SocketAddr) -> Finding {
        let host = &target.host;
        let place = Place {
            scheme: "http",
            host: host.clone(),
            address: address.ip(),
            port: address.port(),
            redirects: 0,
        };
        let path = target.key_authorization.token().path();
        let question = Question {
            address,
            tls: false,
            host,
            path: &path,
            proxy_line: false,
        };
        match self.fetcher.fetch(question).await {
            Ok(reply) => assess(place, &reply, &target.key_authorization),
            Err(failure) => failed(place, failure),
        }
    }

    /// Sends the request to the hop's addresses in order, until one accepts the connection.
    async fn ask(&self, hop: &Hop) -> (Place, Result<Reply, Failure>) {
        let tls = hop.url.scheme() == "https";
        let (scheme, port) = if tls {
            ("https", self.fetcher.https_port)
        } else {
            ("http", self.fetcher.http_port)
        };
        let path = match hop.url.query() {
            Some(query) => format!("{}?{query}", hop.url.path()),
            None => hop.url.path().to_owned(),
        };
        let mut last = None;
        for &address in &hop.addresses {
            let place = Place {
                scheme,
                host: hop.host.clone(),
                address,
                port,
                redirects: hop.redirects,
            };
            let question = Question {
                address: SocketAddr::new(address, port),
                tls,
                host: &hop.host,
                path: &path,
                proxy_line: false,
            };
            let outcome = self.ask_either_way(question).await;
            let connected = !matches!(outcome, Err(Failure::Connect(_)));
            last = Some((place, outcome));
            if connected {
                break;
            }
        }
        last.unwrap_or_else(|| {
            let address = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
            let place = Place {
                scheme,
                host: hop.host.clone(),
                address,
                port,
                redirects: hop.redirects,
            };
            (place, Err(Failure::Connect(ConnectProblem::Unreachable)))
        })
    }

    /// Sends the request, and repeats it with a PROXY line if the other side seems to expect one. Inside a cluster,
    /// the load balancer that adds the line is often bypassed, while the CA's request passes it.
    async fn ask_either_way(&self, question: Question<'_>) -> Result<Reply, Failure> {
        let plain = self.fetcher.fetch(question).await;
        let wants_line = match &plain {
            Ok(reply) => reply.status == 400,
            Err(failure) => matches!(
                failure,
                Failure::Handshake | Failure::Answer(AnswerProblem::Closed | AnswerProblem::NotHttp)
            ),
        };
        if !wants_line {
            return plain;
        }
        match self
            .fetcher
            .fetch(Question {
                proxy_line: true,
                ..question
            })
            .await
        {
            Ok(reply) if reply.status != 400 => Ok(reply),
            Ok(_) | Err(_) => plain,
        }
    }

    /// The next hop of a redirect, or why it is not followed.
    async fn next(&self, target: &Target, from: Hop, place: &Place, location: Option<&str>) -> Result<Hop, Finding> {
        let refuse = |to: Option<Host>, problem| {
            Err(Finding::Redirect {
                place: place.clone(),
                to,
                problem,
            })
        };
        let Some(url) = location.and_then(|location| from.url.join(location).ok()) else {
            return refuse(None, RedirectProblem::NoLocation);
        };
        let Some(host) = url.host_str().and_then(Host::parse) else {
            return refuse(None, RedirectProblem::NoLocation);
        };
        let standard_port = match url.scheme() {
            "http" | "https" => url.port_or_known_default(),
            _ => return refuse(Some(host), RedirectProblem::Scheme),
        };
        match (url.scheme(), standard_port) {
            ("http", Some(80)) | ("https", Some(443)) => {}
            (_, port) => return refuse(Some(host), RedirectProblem::Port(port.unwrap_or_default())),
        }
        if from.redirects >= MOST_REDIRECTS {
            return refuse(Some(host), RedirectProblem::TooMany);
        }
        if matches!(host, Host::Address(_)) && host != target.host {
            return refuse(Some(host), RedirectProblem::Address);
        }
        let redirects = from.redirects + 1;
        if host == from.host {
            // With the same name on the same address, an ingress that is probed directly stays probed directly.
            return Ok(Hop { url, redirects, ..from });
        }
        // the DNS of the cluster may have names and addresses that the public DNS does not have
        let Ok(addresses) = self.addresses(&host).await else {
            return Err(Finding::Elsewhere { host });
        };
        if addresses.iter().any(|address| !self.may_ask(*address, from.first)) {
            return Err(Finding::Elsewhere { host });
        }
        Ok(Hop {
            url,
            host,
            addresses,
            first: from.first,
            redirects,
        })
    }
}

fn failed(place: Place, failure: Failure) -> Finding {
    match failure {
        Failure::Connect(problem) => Finding::Connect { place, problem },
        Failure::Handshake => Finding::Handshake { place },
        Failure::Answer(problem) => Finding::NoAnswer { place, problem },
    }
}

fn assess(place: Place, reply: &Reply, expected: &KeyAuthorization) -> Finding {
    if reply.status != 200 {
        return Finding::Status {
            place,
            status: reply.status,
        };
    }
    let other = match reply.body.as_deref().map(<[u8]>::trim_ascii_end) {
        // RFC 8555 section 8.3: the CA ignores white space at the end.
        Some(body) if body == expected.as_str().as_bytes() => return Finding::Visible,
        Some([]) => OtherBody::Empty,
        Some(body) if has_token(body, expected) => OtherBody::AnotherAccount,
        Some(_) | None => OtherBody::AnotherServer,
    };
    Finding::Body { place, other }
}

/// Whether a body is a key authorization for our token with another thumbprint.
fn has_token(body: &[u8], expected: &KeyAuthorization) -> bool {
    let rest = body.strip_prefix(expected.token().as_str().as_bytes());
    rest.is_some_and(|rest| rest.first() == Some(&b'.'))
}
