//! Name resolution for an HTTP client under the address policy. The checked addresses are the ones that are connected to.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{AddressPolicy, RefusedAddress};

/// Resolves with the system's resolver and removes rejected addresses. A client must check [`literal`] addresses itself, because
/// they are never resolved.
#[derive(Clone, Debug)]
pub struct CheckedNames {
    addresses: Arc<AddressPolicy>,
    exempt: Vec<String>,
    alias: Option<(String, String)>,
}

impl CheckedNames {
    /// `exempt` are hosts that the administrator chose: the proxies.
    pub fn new(addresses: Arc<AddressPolicy>, exempt: Vec<String>) -> Self {
        Self {
            addresses,
            exempt,
            alias: None,
        }
    }

    /// Resolves the first name of the pair to the addresses of the second one, which may be an address itself.
    #[must_use]
    pub fn with_alias(self, alias: Option<(String, String)>) -> Self {
        Self { alias, ..self }
    }
}

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = Arc::clone(&self.addresses);
        let real = self
            .alias
            .as_ref()
            .filter(|(alias, _)| alias.eq_ignore_ascii_case(name.as_str()))
            .map_or_else(|| name.as_str().to_owned(), |(_, real)| real.clone());
        // the real host: an issuer may set serverName to the name of a proxy
        let is_exempt = self.exempt.iter().any(|host| host.eq_ignore_ascii_case(&real));
        Box::pin(async move {
            let mut refused = None;
            let mut good: Vec<SocketAddr> = Vec::new();
            for address in tokio::net::lookup_host((real.as_str(), 0)).await? {
                match addresses.check(address.ip()) {
                    Err(verdict) if !is_exempt => refused = Some(verdict),
                    Err(_) | Ok(()) => good.push(address),
                }
            }
            match refused {
                Some(refused) if good.is_empty() => Err(refused.into()),
                Some(_) | None => Ok(Box::new(good.into_iter()) as Addrs),
            }
        })
    }
}

/// The hosts of proxies, from the values of `HTTPS_PROXY` and similar variables.
pub fn proxy_hosts(values: impl IntoIterator<Item = String>) -> Vec<String> {
    let host = |value: String| {
        let url = Url::parse(&value).ok().filter(Url::has_host);
        let url = url.or_else(|| Url::parse(&format!("http://{value}")).ok())?;
        url.host_str().map(str::to_owned)
    };
    values.into_iter().filter_map(host).collect()
}

/// The address in a URL without a host name.
pub fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        url::Host::Domain(_) => None,
        url::Host::Ipv4(address) => Some(address.into()),
        url::Host::Ipv6(address) => Some(address.into()),
    }
}

/// The rejected address, if that is the cause of a failed request.
pub fn refused(error: &reqwest::Error) -> Option<RefusedAddress> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref() {
            return Some(*refused);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_found_with_and_without_a_scheme() {
        let values = [
            "http://user:pw@proxy.example:3128/",
            "proxy2.example:3128",
            "",
            "socks5://[::1]:1080",
        ];
        let hosts = proxy_hosts(values.map(str::to_owned));
        assert_eq!(hosts, ["proxy.example", "proxy2.example", "[::1]"]);
    }

    #[tokio::test]
    async fn a_name_gives_what_may_be_asked_and_a_proxys_name_everything() {
        let resolved = async |exempt: &[&str]| {
            let exempt = exempt.iter().map(ToString::to_string).collect();
            let names = CheckedNames::new(Arc::new(AddressPolicy::default()), exempt);
            names.resolve("localhost".parse().unwrap()).await
        };
        let refused = resolved(&["elsewhere"]).await.err().unwrap();
        assert!(refused.downcast_ref::<RefusedAddress>().is_some(), "{refused}");
        let mut found = resolved(&["LOCALHOST"]).await.ok().unwrap();
        assert!(found.all(|address| address.ip().is_loopback()));
    }

    #[tokio::test]
    async fn a_server_is_no_proxy_because_its_issuer_gives_it_the_name_of_one() {
        let names = CheckedNames::new(Arc::new(AddressPolicy::default()), vec!["proxy.example".to_owned()]);
        let names = names.with_alias(Some(("proxy.example".to_owned(), "127.0.0.1".to_owned())));
        let refused = names.resolve("proxy.example".parse().unwrap()).await.err().unwrap();
        assert!(refused.downcast_ref::<RefusedAddress>().is_some(), "{refused}");
    }
}
