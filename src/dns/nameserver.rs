//! A DNS server, as administrators and issuers name one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::AskProblem;
use crate::net::AddressPolicy;

/// The port of DNS.
pub const PORT: u16 = 53;

/// The most addresses of a server's name that are used.
const MOST_ADDRESSES: usize = 4;

/// A DNS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nameserver {
    /// By its address.
    Address(SocketAddr),
    /// By its name, which the system resolves for each request: the addresses of a Service may change.
    Name(String, u16),
}

impl Nameserver {
    /// Reads `host:port`, or a host alone for port 53. The host is a name or an address; an IPv6 address with a port is in brackets.
    /// `None` if the text is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address));
        }
        if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Some(Self::Address(SocketAddr::new(address, PORT)));
        }
        // "host:" is for Go a host without a port
        let (host, port) = match text.rsplit_once(':') {
            Some((host, "")) => (host, PORT),
            Some((host, port)) => (host, port.parse().ok()?),
            None => (text, PORT),
        };
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Some(Self::Address(SocketAddr::new(address, port)));
        }
        let is_label = |label: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=63).contains(&label.len()) && label.bytes().all(inner)
        };
        let is_name = host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label);
        is_name.then(|| Self::Name(host.to_owned(), port))
    }

    /// Its address, if it is known without a query.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Name(..) => None,
        }
    }

    /// Its addresses, at most four. The system resolves a name, within `limit`.
    ///
    /// # Errors
    /// If the name has no address.
    pub async fn addresses(&self, limit: Duration) -> Result<Vec<SocketAddr>, AskProblem> {
        match self {
            Self::Address(address) => Ok(vec![*address]),
            Self::Name(name, port) => {
                let found = timeout(limit, lookup_host((name.as_str(), *port)))
                    .await
                    .map_err(|_| AskProblem::Unreachable(format!("its name was not resolved within {limit:?}")))?
                    .map_err(|error| AskProblem::Unreachable(format!("its name has no address: {error}")))?;
                let found: Vec<SocketAddr> = found.take(MOST_ADDRESSES).collect();
                if found.is_empty() {
                    return Err(AskProblem::Unreachable("its name has no address".to_owned()));
                }
                Ok(found)
            }
        }
    }

    /// As [`Self::addresses`], without those that `policy` rejects: for a server that a user chooses.
    ///
    /// # Errors
    /// If the name has no address, or none that is allowed.
    pub async fn allowed_addresses(
        &self,
        policy: &AddressPolicy,
        limit: Duration,
    ) -> Result<Vec<SocketAddr>, AskProblem> {
        let mut refused = None;
        let mut allowed = Vec::new();
        for address in self.addresses(limit).await? {
            match policy.check(address.ip()) {
                Ok(()) => allowed.push(address),
                Err(reason) => refused = Some(reason),
            }
        }
        match refused {
            Some(reason) if allowed.is_empty() => Err(AskProblem::Unreachable(reason.to_string())),
            Some(_) | None => Ok(allowed),
        }
    }
}

impl fmt::Display for Nameserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_addresses_with_and_without_a_port_are_read_and_nothing_else() {
        let at = |text: &str| Some(Nameserver::Address(text.parse().unwrap()));
        let named = |name: &str, port| Some(Nameserver::Name(name.to_owned(), port));
        for (text, expected) in [
            ("10.0.0.1:53", at("10.0.0.1:53")),
            (" 10.0.0.2 ", at("10.0.0.2:53")),
            ("10.0.0.2:", at("10.0.0.2:53")),
            ("[fd00::1]:5353", at("[fd00::1]:5353")),
            ("[fd00::1]", at("[fd00::1]:53")),
            ("[fd00::1]:", at("[fd00::1]:53")),
            ("fd00::2", at("[fd00::2]:53")),
            ("dns.example.com:5353", named("dns.example.com", 5353)),
            ("dns.example.com", named("dns.example.com", 53)),
            ("dns.example.com:", named("dns.example.com", 53)),
            ("kube-dns.kube-system.svc.", named("kube-dns.kube-system.svc.", 53)),
            ("https://dns.example.com", None),
            ("dns:example:53", None),
            ("dns.example.com:x", None),
            ("dns.example.com:99999", None),
            ("a b:53", None),
            (":53", None),
            ("", None),
            ("a..b:53", None),
        ] {
            assert_eq!(Nameserver::parse(text), expected, "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_a_user_chooses_is_not_the_pod_itself() {
        let server = Nameserver::parse("127.0.0.1").unwrap();
        let limit = Duration::from_secs(1);
        let refused = server
            .allowed_addresses(&AddressPolicy::default(), limit)
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("--allow-outgoing-networks"), "{refused}");
        let outside = AddressPolicy::new(Vec::new(), true);
        assert_eq!(
            server.allowed_addresses(&outside, limit).await.unwrap(),
            [server.address().unwrap()]
        );
    }
}
