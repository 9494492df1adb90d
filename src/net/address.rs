//! The address policy: which addresses certlet contacts if a user chooses the target of a request (the server of an issuer, a
//! validated name, a redirect).
//!
//! Private networks are allowed, because ACME servers and ingresses inside clusters use them. Addresses that respond only because
//! of certlet's own location are rejected: link-local addresses, metadata services of clouds, which return credentials of the
//! node, and the loopback of the pod. The policy checks the address of the connection, never the name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The flag that allows additional addresses.
pub const FLAG: &str = "--allow-outgoing-networks";

/// Metadata services at addresses that are not link-local: Alibaba Cloud, Azure, Oracle Cloud.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// The ranges in which AWS and Google Cloud have theirs.
const METADATA_V6: [[u16; 2]; 2] = [[0xfd00, 0x0ec2], [0xfd20, 0x00ce]];

/// The policy. The default is for a pod: no exceptions, and no loopback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    allowed: Vec<Network>,
    loopback: bool,
}

/// A network such as `10.0.0.0/8`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A rejected address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {what}, which certlet does not contact; {FLAG}={address} allows it")]
pub struct RefusedAddress {
    /// The address.
    pub address: IpAddr,
    /// Its class.
    pub what: AddressKind,
}

/// Classes of rejected addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// Unspecified, multicast, reserved or broadcast.
    NoHost,
    /// Link-local.
    LinkLocal,
    /// A metadata service of a cloud.
    Metadata,
    /// Loopback: the pod or the machine itself.
    Loopback,
}

impl AddressPolicy {
    /// A policy that also allows `allowed`, and loopback if `loopback` is true, for a process outside of a pod.
    pub fn new(allowed: Vec<Network>, loopback: bool) -> Self {
        Self { allowed, loopback }
    }

    /// A policy without a rejected address, for targets that no user can choose.
    pub fn everything() -> Self {
        let all = |address| Network { address, prefix: 0 };
        Self {
            allowed: vec![all(Ipv4Addr::UNSPECIFIED.into()), all(Ipv6Addr::UNSPECIFIED.into())],
            loopback: true,
        }
    }

    /// Checks an address.
    ///
    /// # Errors
    /// The class of the address, if it is rejected. An IPv6 address that embeds an IPv4 address (mapped, compatible, translated,
    /// 6to4, Teredo) is also checked as that address.
    pub fn check(&self, address: IpAddr) -> Result<(), RefusedAddress> {
        match self.rejected_kind(address) {
            Some(AddressKind::Loopback) if self.loopback => Ok(()),
            Some(what) => Err(RefusedAddress { address, what }),
            None => Ok(()),
        }
    }

    /// Like [`Self::check`], but allows loopback if `here` is true. A name may resolve to loopback, a redirect may not.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_from(&self, address: IpAddr, here: bool) -> Result<(), RefusedAddress> {
        match self.rejected_kind(address) {
            Some(AddressKind::Loopback) if here => Ok(()),
            Some(what) => Err(RefusedAddress { address, what }),
            None => Ok(()),
        }
    }

    fn rejected_kind(&self, address: IpAddr) -> Option<AddressKind> {
        let forms = [Some(address), embedded(address)];
        if forms
            .iter()
            .flatten()
            .any(|form| self.allowed.iter().any(|network| network.contains(*form)))
        {
            return None;
        }
        forms.into_iter().flatten().find_map(kind)
    }
}

/// Whether the address is public, so that its responses are not confidential.
pub fn is_public(address: IpAddr) -> bool {
    let public = |form: IpAddr| kind(form).is_none() && !is_private(form);
    public(address) && embedded(address).is_none_or(public)
}

/// Networks that are not public: RFC 1918, RFC 6598, RFC 2544, IETF protocol assignments; unique-local and the former site-local
/// addresses.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, third, _] = v4.octets();
            v4.is_private()
                || (first == 100 && second & 0xc0 == 64)
                || (first == 198 && second & 0xfe == 18)
                || (first == 192 && second == 0 && third == 0)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.segments()[0] & 0xffc0 == 0xfec0,
    }
}

fn kind(address: IpAddr) -> Option<AddressKind> {
    match address {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => kind_v6(v6),
    }
}

fn kind_v4(address: Ipv4Addr) -> Option<AddressKind> {
    let first = address.octets()[0];
    if METADATA_V4.contains(&address) {
        Some(AddressKind::Metadata)
    } else if address.is_link_local() {
        Some(AddressKind::LinkLocal)
    } else if address.is_loopback() {
        Some(AddressKind::Loopback)
    } else if first == 0 || first >= 224 {
        // this network; multicast, reserved, broadcast
        Some(AddressKind::NoHost)
    } else {
        None
    }
}

fn kind_v6(address: Ipv6Addr) -> Option<AddressKind> {
    let [first, second, ..] = address.segments();
    if METADATA_V6.contains(&[first, second]) {
        Some(AddressKind::Metadata)
    } else if address.is_unicast_link_local() {
        Some(AddressKind::LinkLocal)
    } else if address.is_loopback() {
        Some(AddressKind::Loopback)
    } else if address.is_unspecified() || address.is_multicast() {
        Some(AddressKind::NoHost)
    } else {
        None
    }
}

/// The IPv4 address that is embedded in an IPv6 address.
fn embedded(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let found = match v6.segments() {
        // the unspecified address and loopback embed nothing
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        // IPv4-compatible, IPv4-mapped, IPv4-translated (RFC 4291 section 2.5.5, RFC 2765), NAT64 (RFC 6052, RFC 8215)
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        // 6to4 (RFC 3056)
        | [0x2002, high, low, ..]
        // ISATAP (RFC 5214)
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => v4(high, low),
        // Teredo (RFC 4380): the client's address, inverted
        [0x2001, 0, _, _, _, _, high, low] => v4(!high, !low),
        _ => return None,
    };
    Some(IpAddr::V4(found))
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (_, _) => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is neither an address nor a network; examples: 10.0.0.0/8, fd00::1");
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |prefix| prefix.parse().map_err(|_| wrong()))?;
        if prefix > longest {
            return Err(wrong());
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHost => "no address of a host",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the metadata service of a cloud",
            Self::Loopback => "this machine itself",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_answers_only_where_certlet_is_is_not_asked_in_any_of_its_forms() {
        let policy = AddressPolicy::default();
        for refused in [
            "169.254.169.254",
            "169.254.170.2",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2001:0:1:2:3:4:5601:5601",
            "fe80::5efe:a9fe:a9fe",
            "2001:db8::5efe:169.254.169.254",
            "fe80::1",
            "fe80::a9fe:a9fe",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "::ffff:100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "64:ff9b::192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "ff02::1",
            "240.0.0.1",
            "255.255.255.255",
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::127.0.0.1",
            "2002:7f00:1::",
        ] {
            assert!(policy.check(address(refused)).is_err(), "{refused}");
        }
    }

    #[test]
    fn private_and_public_networks_are_asked() {
        let policy = AddressPolicy::default();
        for asked in [
            "10.99.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "fd00::1",
            "fd20::1",
            "2001:db8::1",
            "203.0.113.8",
            "::ffff:10.0.0.1",
            "64:ff9b::203.0.113.8",
            "2002:cb00:7108::1",
        ] {
            assert_eq!(policy.check(address(asked)), Ok(()), "{asked}");
        }
    }

    #[test]
    fn what_everybody_may_ask_is_public_and_no_network_of_ones_own_in_any_of_its_forms() {
        for public in [
            "203.0.113.8",
            "100.128.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "64:ff9b::203.0.113.8",
        ] {
            assert!(is_public(address(public)), "{public}");
        }
        for private in [
            "10.0.0.1",
            "172.31.255.1",
            "192.168.0.1",
            "100.127.0.1",
            "198.19.0.1",
            "192.0.0.8",
            "127.0.0.1",
            "169.254.1.1",
            "fd12::1",
            "fec0::1",
            "fe80::1",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:a00:1::1",
        ] {
            assert!(!is_public(address(private)), "{private}");
        }
    }

    #[test]
    fn loopback_is_asked_where_the_machine_is_the_administrators_or_the_name_itself_leads_there() {
        let outside = AddressPolicy::new(Vec::new(), true);
        let pod = AddressPolicy::default();
        for here in ["127.0.0.1", "::1", "::ffff:127.0.0.1"].map(address) {
            assert_eq!(outside.check(here), Ok(()));
            assert_eq!(pod.check_from(here, true), Ok(()));
            assert!(outside.check_from(here, false).is_err() && pod.check(here).is_err());
        }
        assert!(outside.check(address("169.254.169.254")).is_err());
    }

    #[test]
    fn a_flag_allows_what_the_rules_refuse_and_the_sentence_names_it() {
        let allowed = ["169.254.20.0/24", "127.0.0.1", "fe80::/10"].map(|text| text.parse().unwrap());
        let policy = AddressPolicy::new(allowed.to_vec(), false);
        for asked in ["169.254.20.10", "::ffff:169.254.20.10", "127.0.0.1", "fe80::1"] {
            assert_eq!(policy.check(address(asked)), Ok(()), "{asked}");
        }
        for refused in ["169.254.21.1", "127.0.0.2", "::1"] {
            assert!(policy.check(address(refused)).is_err(), "{refused}");
        }
        let refused = AddressPolicy::default().check(address("169.254.169.254")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "169.254.169.254 is a link-local address, which certlet does not contact; --allow-outgoing-networks=169.254.169.254 allows it"
        );
        for wrong in ["", "x", "10.0.0.0/33", "10.0.0.0/", "fd00::/129", "10.0.0.0/8/8"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains(address("255.255.255.255")) && !all.contains(address("::1")));
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_refused_in_ipv6_clothes_as_in_its_own(bits in any::<u32>()) {
            let policy = AddressPolicy::default();
            let v4 = Ipv4Addr::from(bits);
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let clothes = [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 1, 1, 1, 1, !high, !low),
            ];
            for v6 in clothes {
                prop_assert_eq!(policy.check(v6.into()).is_err(), policy.check(v4.into()).is_err(), "{} as {}", v4, v6);
            }
        }
    }
}
