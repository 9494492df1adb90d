//! The DNS servers that an administrator names for the probe (FLG-12).

use std::net::{IpAddr, SocketAddr};

use super::ProbeError;

/// The default port of DNS.
const PORT: u16 = 53;

/// A DNS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nameserver {
    /// By its address.
    Address(SocketAddr),
    /// By its name. The system resolves it for each query, because a Service's address may change.
    Name(String, u16),
}

impl Nameserver {
    /// Its address, if no query is needed for it.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Name(..) => None,
        }
    }
}

/// Parses the values of `--acme-http01-solver-nameservers`: `host:port`, as cert-manager has it, or a host alone for
/// port 53.
///
/// # Errors
/// If a value is neither. The error names it.
pub fn parse_nameservers<T: AsRef<str>>(values: &[T]) -> Result<Vec<Nameserver>, ProbeError> {
    let values = values
        .iter()
        .map(|value| value.as_ref().trim())
        .filter(|value| !value.is_empty());
    values
        .map(|value| parse(value).ok_or_else(|| ProbeError::Nameserver(value.to_owned())))
        .collect()
}

fn parse(value: &str) -> Option<Nameserver> {
    if let Ok(address) = value.parse() {
        return Some(Nameserver::Address(address));
    }
    if let Ok(address) = value.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(Nameserver::Address(SocketAddr::new(address, PORT)));
    }
    let (name, port) = match value.rsplit_once(':') {
        Some((name, port)) => (name, port.parse().ok()?),
        None => (value, PORT),
    };
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(inner)
    };
    let is_name = name.len() <= 253 && name.strip_suffix('.').unwrap_or(name).split('.').all(label);
    is_name.then(|| Nameserver::Name(name.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flg_12_hosts_and_addresses_with_and_without_a_port_are_read_and_nothing_else() {
        let values = [
            "10.0.0.1:53",
            "10.0.0.2",
            "[fd00::1]:5353",
            "fd00::2",
            "dns.example.com:53",
            "kube-dns.kube-system.svc.",
            " ",
        ];
        let at = |text: &str| Nameserver::Address(text.parse().unwrap());
        let named = |name: &str, port| Nameserver::Name(name.to_owned(), port);
        assert_eq!(
            parse_nameservers(&values).unwrap(),
            [
                at("10.0.0.1:53"),
                at("10.0.0.2:53"),
                at("[fd00::1]:5353"),
                at("[fd00::2]:53"),
                named("dns.example.com", 53),
                named("kube-dns.kube-system.svc.", 53),
            ]
        );
        for wrong in [
            "https://dns.example.com",
            "dns:example:53",
            "dns.example.com:x",
            "dns.example.com:99999",
            "a b:53",
            ":53",
            "a..b:53",
        ] {
            assert!(parse_nameservers(&[wrong]).is_err(), "{wrong}");
        }
    }
}
