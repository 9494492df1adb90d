//! A DNS name or an IP address, in canonical form for comparisons.

use std::fmt;
use std::net::IpAddr;

/// The longest DNS name (RFC 1035 section 2.3.4), in text without the final dot.
const LONGEST_NAME: usize = 253;

/// The identifier of a challenge, or the host of a request: in lower case, without port, brackets and final dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A DNS name, in lower case.
    Name(String),
    /// An IP address (RFC 8738).
    Address(IpAddr),
}

impl Host {
    /// Parses an identifier or the value of a `Host` header: in any case, with or without port, IPv6 with or
    /// without brackets.
    ///
    /// Returns `None` if it is neither a DNS name nor an address.
    #[must_use]
    pub fn parse(authority: &str) -> Option<Self> {
        if let Ok(address) = authority.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical()));
        }
        if let Some(rest) = authority.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let port_is_fine = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            let address = address.parse::<std::net::Ipv6Addr>().ok()?;
            return port_is_fine.then(|| Self::Address(IpAddr::V6(address).to_canonical()));
        }
        let name = match authority.split_once(':') {
            Some((name, port)) if is_port(port) => name,
            Some(_) => return None,
            None => authority,
        };
        if let Ok(address) = name.parse::<IpAddr>() {
            return Some(Self::Address(address));
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        is_name(name).then(|| Self::Name(name.to_ascii_lowercase()))
    }

    /// The host as it is written in a URL or a `Host` header: IPv6 in brackets.
    #[must_use]
    pub fn in_url(&self) -> String {
        match self {
            Self::Address(IpAddr::V6(address)) => format!("[{address}]"),
            Self::Address(IpAddr::V4(_)) | Self::Name(_) => self.to_string(),
        }
    }

    /// The host of an Ingress rule. `None` for addresses, which a rule cannot have (HTT-04).
    #[must_use]
    pub fn in_rule(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    let is_label_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.len() <= LONGEST_NAME
        && text
            .split('.')
            .all(|label| (1..=63).contains(&label.len()) && label.bytes().all(is_label_byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_port_and_final_dot_do_not_matter() {
        for text in [
            "demo.example",
            "DEMO.Example",
            "demo.example:80",
            "demo.example.",
            "Demo.example.:8089",
        ] {
            assert_eq!(Host::parse(text), Some(Host::Name("demo.example".to_owned())), "{text}");
        }
    }

    #[test]
    fn addresses_compare_by_value_whatever_their_spelling() {
        let v6 = Host::parse("2001:db8::1");
        assert!(v6.is_some());
        for text in ["[2001:db8::1]", "[2001:DB8:0:0::1]:80", "2001:0db8::0001"] {
            assert_eq!(Host::parse(text), v6, "{text}");
        }
        assert_eq!(Host::parse("192.0.2.7:80"), Host::parse("192.0.2.7"));
        assert_eq!(Host::parse("[::ffff:192.0.2.7]"), Host::parse("192.0.2.7"));
        assert_eq!(v6.unwrap().in_url(), "[2001:db8::1]");
    }

    #[test]
    fn what_is_neither_name_nor_address_is_refused() {
        let long = format!("{}.example", "a".repeat(64));
        for text in [
            "",
            ".",
            "a..b",
            "demo.example:http",
            "[::1",
            "[demo]",
            "a b",
            "a/b",
            "demo.example:80:80",
            "*.x",
            &long,
        ] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_rule_names_only_dns_names() {
        assert_eq!(Host::parse("a.example").unwrap().in_rule(), Some("a.example"));
        assert_eq!(Host::parse("192.0.2.7").unwrap().in_rule(), None);
    }
}
