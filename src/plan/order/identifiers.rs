//! The names and addresses of an Order.

use std::net::IpAddr;

use crate::{acme::Identifier, api::order::OrderSpec};

/// The identifiers to order: DNS names, IP addresses, and the common name if it is one of these (ORD-02, AOR-01).
pub fn identifiers(spec: &OrderSpec) -> Vec<Identifier> {
    let address = |text: &str| text.parse::<IpAddr>().ok().map(Identifier::Ip);
    let common_name = spec.common_name.as_deref().filter(|name| !name.is_empty());
    let common_name =
        common_name.and_then(|name| address(name).or_else(|| is_fqdn(name).then(|| Identifier::Dns(name.to_owned()))));
    let names = spec.dns_names.iter().map(|name| Identifier::Dns(name.clone()));
    let addresses = spec.ip_addresses.iter().filter_map(|text| address(text));
    let mut all = Vec::new();
    for identifier in names.chain(addresses).chain(common_name) {
        if !all.contains(&identifier) {
            all.push(identifier);
        }
    }
    all
}

/// Whether a CA may ask for a proof of `identifier` (a name without the `*.` of a wildcard, or an address) for this
/// Order: it is ordered, or is a parent domain of an ordered name (RFC 8555 section 7.1.3 leaves the choice to the CA).
/// Other proofs are never presented, because users choose the CA.
pub fn may_be_asked_for(spec: &OrderSpec, identifier: &str) -> bool {
    let address = identifier.parse::<IpAddr>().ok();
    let asked = identifier.to_ascii_lowercase();
    let fits = |name: &str| {
        let name = parts(name).0.to_ascii_lowercase();
        let above = name
            .strip_suffix(asked.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        above && !asked.is_empty()
    };
    identifiers(spec).iter().any(|ordered| match (ordered, address) {
        (Identifier::Ip(ordered), Some(asked)) => ordered.to_canonical() == asked.to_canonical(),
        (Identifier::Dns(name), None) => fits(name),
        (_, _) => false,
    })
}

/// A name without the `*.` of a wildcard, and whether it had one.
pub fn parts(name: &str) -> (&str, bool) {
    name.strip_prefix("*.").map_or((name, false), |parent| (parent, true))
}

/// Whether a name has at least two labels of letters, digits and inner hyphens. The first may be `*`.
fn is_fqdn(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (1..=63).contains(&label.len()) && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let (rest, _) = parts(name);
    name.len() <= 253 && rest.contains('.') && rest.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_may_ask_for_what_is_ordered_and_for_names_above_it() {
        let spec = OrderSpec {
            dns_names: vec!["Shop.a.example".into(), "*.b.example".into()],
            ip_addresses: vec!["10.0.0.1".into(), "fd00::1".into()],
            ..OrderSpec::default()
        };
        for asked in [
            "shop.a.example",
            "SHOP.a.example",
            "a.example",
            "b.example",
            "10.0.0.1",
            "fd00:0::1",
        ] {
            assert!(may_be_asked_for(&spec, asked), "{asked}");
        }
        for asked in [
            "victim.example",
            "op.a.example",
            "x.shop.a.example",
            "*.b.example",
            "10.0.0.2",
            "::1",
            "",
            ".",
        ] {
            assert!(!may_be_asked_for(&spec, asked), "{asked}");
        }
    }

    #[test]
    fn the_common_name_is_ordered_only_if_it_can_be() {
        let spec = |common_name: &str| OrderSpec {
            common_name: Some(common_name.into()),
            dns_names: vec!["a.example".into(), "*.a.example".into()],
            ip_addresses: vec!["10.0.0.1".into(), "fd00::1".into()],
            ..OrderSpec::default()
        };
        let dns = |name: &str| Identifier::Dns(name.into());
        let ip = |text: &str| Identifier::Ip(text.parse().expect("an address"));
        let base = vec![dns("a.example"), dns("*.a.example"), ip("10.0.0.1"), ip("fd00::1")];
        for ignored in [
            "My Service",
            "localhost",
            "a.example",
            "10.0.0.1",
            "-a.example",
            "a..example",
            "",
        ] {
            assert_eq!(identifiers(&spec(ignored)), base, "{ignored:?}");
        }
        assert_eq!(
            identifiers(&spec("b.example")),
            [base.clone(), vec![dns("b.example")]].concat()
        );
        assert_eq!(identifiers(&spec("10.0.0.2")), [base, vec![ip("10.0.0.2")]].concat());
    }
}
