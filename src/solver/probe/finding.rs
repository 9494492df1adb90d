//! Findings of a probe, as sentences for the user.
//!
//! A finding holds names, addresses and a status code. It never holds a part of a body, nor a header, except the host
//! of a redirect.

use std::fmt;
use std::net::IpAddr;

use super::super::host::Host;

/// The place of a finding: the origin, the address that answered, and the number of redirects before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The requested host.
    pub host: Host,
    /// The address of the connection.
    pub address: IpAddr,
    /// The port of the connection.
    pub port: u16,
    /// The number of redirects before.
    pub redirects: usize,
}

/// Why a name has no usable address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameProblem {
    /// NXDOMAIN.
    DoesNotExist,
    /// The name exists, without A and AAAA records.
    NoAddress,
    /// SERVFAIL.
    ServerFailure,
    /// REFUSED.
    Refused,
    /// No answer in time, or no DNS server reached.
    TimedOut,
    /// Any other answer, which is unusable.
    Unusable,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectProblem {
    /// No listener.
    Refused,
    /// No reply in time.
    TimedOut,
    /// No route from here, or another network error.
    Unreachable,
}

/// Why a connection gave no HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerProblem {
    /// The other side closed.
    Closed,
    /// No complete answer in time.
    TimedOut,
    /// The answer is not HTTP/1.1.
    NotHttp,
}

/// The content of an answer 200 that is not the key authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherBody {
    /// Not related to this challenge.
    AnotherServer,
    /// The right token with another account's thumbprint: another ACME client answers.
    AnotherAccount,
    /// Empty.
    Empty,
}

/// Why a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectProblem {
    /// It leads back to an earlier URL.
    Loop,
    /// More than ten.
    TooMany,
    /// No Location, or an unreadable one.
    NoLocation,
    /// To another scheme than http and https.
    Scheme,
    /// To a port that no CA follows.
    Port(u16),
    /// To an address instead of a name.
    Address,
}

/// The result of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The key authorization is served.
    Visible,
    /// The name has no address.
    Name {
        /// The name.
        host: Host,
        /// Why.
        problem: NameProblem,
    },
    /// The name has an address that no CA can reach (link-local, unspecified, multicast; loopback after a redirect).
    Address {
        /// The name.
        host: Host,
        /// The address, to which no request was sent.
        address: IpAddr,
    },
    /// No connection.
    Connect {
        /// Where.
        place: Place,
        /// Why.
        problem: ConnectProblem,
    },
    /// A connection, but no TLS.
    Handshake {
        /// Where.
        place: Place,
    },
    /// A connection, but no answer.
    NoAnswer {
        /// Where.
        place: Place,
        /// Why.
        problem: AnswerProblem,
    },
    /// Another status than 200.
    Status {
        /// Where.
        place: Place,
        /// The status code.
        status: u16,
    },
    /// Status 200, but not the key authorization.
    Body {
        /// Where.
        place: Place,
        /// What else.
        other: OtherBody,
    },
    /// A redirect leads to another host, where the challenge is not served. Nothing else is reported about that
    /// host. certlet may reach hosts that the author of a Challenge cannot: whether the name exists in the cluster,
    /// whether a port is open, what it answers.
    Elsewhere {
        /// The host that the redirect names.
        host: Host,
    },
    /// A redirect that no CA follows.
    Redirect {
        /// Where the redirect was given.
        place: Place,
        /// The host that it names, if it was readable.
        to: Option<Host>,
        /// Why it is not followed.
        problem: RedirectProblem,
    },
}

impl Finding {
    /// Whether the challenge is served as the CA expects it.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        matches!(self, Self::Visible)
    }

    /// Whether the first hop failed without a connection, as in a cluster that cannot reach its own public address.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Connect { place, .. } => place.redirects == 0,
            Self::Visible
            | Self::Name { .. }
            | Self::Address { .. }
            | Self::Handshake { .. }
            | Self::NoAnswer { .. }
            | Self::Status { .. }
            | Self::Body { .. }
            | Self::Elsewhere { .. }
            | Self::Redirect { .. } => false,
        }
    }

    /// One word for metrics and logs, from a closed set.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Visible => "visible",
            Self::Name { .. } => "name",
            Self::Address { .. } => "address",
            Self::Connect { .. } => "connect",
            Self::Handshake { .. } => "tls",
            Self::NoAnswer { .. } => "no_answer",
            Self::Status { .. } => "status",
            Self::Body { .. } => "body",
            Self::Elsewhere { .. } => "elsewhere",
            Self::Redirect { .. } => "redirect",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Visible => f.write_str("the challenge is visible"),
            Self::Name { host, problem } => name_sentence(f, host, *problem),
            Self::Address { host, address } => write!(
                f,
                "{host} points to {address}, which no CA can reach: change its A or AAAA record to the address of the ingress"
            ),
            Self::Connect { place, problem } => connect_sentence(f, place, *problem),
            Self::Handshake { place } => {
                write!(
                    f,
                    "{place} did not complete a TLS handshake: the redirect leads to a port that does not speak TLS"
                )
            }
            Self::NoAnswer { place, problem } => match problem {
                AnswerProblem::Closed => write!(f, "{place} closed the connection without an answer"),
                AnswerProblem::TimedOut => write!(f, "{place} did not answer in time"),
                AnswerProblem::NotHttp => write!(f, "{place} answered something that is not HTTP"),
            },
            Self::Status { place, status } => status_sentence(f, place, *status),
            Self::Body { place, other } => match other {
                OtherBody::AnotherServer => write!(
                    f,
                    "{place} answered 200, but not with this challenge's answer: another server answers there; does the name point to the ingress?"
                ),
                OtherBody::AnotherAccount => write!(
                    f,
                    "{place} answered this challenge for another ACME account: another ACME client or another certlet answers there"
                ),
                OtherBody::Empty => {
                    write!(
                        f,
                        "{place} answered 200 with an empty body: another server answers there; does the name point to the ingress?"
                    )
                }
            },
            Self::Elsewhere { host } => write!(
                f,
                "a redirect leads to {host}, where the challenge is not served: except the path /.well-known/acme-challenge/ from it"
            ),
            Self::Redirect { place, to, problem } => redirect_sentence(f, place, to.as_ref(), problem),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{} on ", self.scheme, self.host.in_url())?;
        match self.address {
            IpAddr::V4(address) => write!(f, "{address}:{}", self.port)?,
            IpAddr::V6(address) => write!(f, "[{address}]:{}", self.port)?,
        }
        match self.redirects {
            0 => Ok(()),
            1 => f.write_str(" (after a redirect)"),
            many => write!(f, " (after {many} redirects)"),
        }
    }
}

fn name_sentence(f: &mut fmt::Formatter<'_>, host: &Host, problem: NameProblem) -> fmt::Result {
    match problem {
        NameProblem::DoesNotExist => write!(
            f,
            "the name {host} does not exist in DNS (NXDOMAIN): create an A or AAAA record with the address of the ingress"
        ),
        NameProblem::NoAddress => write!(
            f,
            "the name {host} has no A or AAAA record in DNS: create one with the address of the ingress"
        ),
        NameProblem::ServerFailure => write!(
            f,
            "DNS answered SERVFAIL for {host}: the servers of its zone do not answer, or its DNSSEC signatures are broken"
        ),
        NameProblem::Refused => write!(f, "the DNS server refuses to answer for {host}"),
        NameProblem::TimedOut => write!(f, "no DNS server answered for {host} in time"),
        NameProblem::Unusable => write!(f, "DNS gave no usable answer for {host}"),
    }
}

fn connect_sentence(f: &mut fmt::Formatter<'_>, place: &Place, problem: ConnectProblem) -> fmt::Result {
    match problem {
        ConnectProblem::Refused => {
            write!(
                f,
                "{place} refused the connection: nothing listens there; does the name point to the ingress?"
            )
        }
        ConnectProblem::TimedOut => write!(
            f,
            "{place} cannot be connected to (time-out): a firewall drops the connection, or the name does not point to the ingress"
        ),
        ConnectProblem::Unreachable => write!(f, "{place} cannot be reached from here: there is no route to it"),
    }
}

fn status_sentence(f: &mut fmt::Formatter<'_>, place: &Place, status: u16) -> fmt::Result {
    write!(f, "{place} answered {status}")?;
    f.write_str(match status {
        401 | 403 => ": something before the ingress asks for a login or blocks this path",
        404 => ": the ingress controller does not serve the challenge's path yet, or another server answers there",
        429 => ": something before the ingress limits requests",
        502..=504 => ": the ingress serves the challenge's path, but cannot reach the solver behind it",
        _ => " for the challenge's path instead of 200",
    })
}

fn redirect_sentence(
    f: &mut fmt::Formatter<'_>,
    place: &Place,
    to: Option<&Host>,
    problem: &RedirectProblem,
) -> fmt::Result {
    match to {
        Some(host) => write!(f, "{place} redirects to {host}")?,
        None => write!(f, "{place} redirects")?,
    }
    match problem {
        RedirectProblem::Loop => f.write_str(
            ", which leads back to it: a redirect loop; except the path /.well-known/acme-challenge/ from it",
        ),
        RedirectProblem::TooMany => f.write_str(" after ten redirects; a CA follows no more"),
        RedirectProblem::NoLocation => f.write_str(", but its Location cannot be read"),
        RedirectProblem::Scheme => f.write_str(" by something else than http or https, which no CA follows"),
        RedirectProblem::Port(port) => write!(f, " on port {port}; a CA follows only to ports 80 and 443"),
        RedirectProblem::Address => f.write_str(", an address instead of a name, which no CA follows"),
    }
}
