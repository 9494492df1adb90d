//! Values of extensions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::{GeneralName, OtherName as ForeignOther};
use x509_cert::ext::pkix::{
    BasicConstraints as ForeignBasic, ExtendedKeyUsage, KeyUsage, NameConstraints as ForeignConstraints, SubjectAltName,
};

use super::*;
use crate::pki::constraints::{NameConstraints, NameTrees};
use crate::pki::extension::{BasicConstraints, basic_constraints};
use crate::pki::name::{OtherName, SubjectAltNames};

fn host() -> impl Strategy<Value = String> {
    r"(\*\.)?[a-z0-9-]{1,20}\.[a-z]{2,9}"
}

fn url() -> impl Strategy<Value = String> {
    "https?://[a-z0-9.-]{1,20}/[!-~]{0,140}"
}

pub(super) fn urls() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(url(), 0..3)
}

prop_compose! {
    pub(super) fn sans()(
        dns in proptest::collection::vec(host(), 0..5),
        emails in proptest::collection::vec("[a-z.]{1,9}@[a-z.]{1,9}", 0..3),
        ips in proptest::collection::vec(any::<IpAddr>(), 0..3),
        uris in urls(),
        others in proptest::collection::vec((dotted(), text()), 0..3),
    ) -> SubjectAltNames {
        let others = others.into_iter().map(|(oid, value)| OtherName { oid, value }).collect();
        SubjectAltNames { dns, emails, ips, uris, others, foreign: Vec::new() }
    }
}

/// DNS, e-mail, IP, URI, otherName.
pub(super) fn foreign_sans(sans: &SubjectAltNames) -> SubjectAltName {
    let other = |other: &OtherName| {
        GeneralName::OtherName(ForeignOther {
            type_id: oid(&other.oid),
            value: Any::encode_from(&Utf8StringRef::new(&other.value).unwrap()).unwrap(),
        })
    };
    let names = sans.dns.iter().map(|name| GeneralName::DnsName(ia5(name)));
    let names = names.chain(sans.emails.iter().map(|name| GeneralName::Rfc822Name(ia5(name))));
    let names = names.chain(sans.ips.iter().map(|ip| GeneralName::from(ip.to_canonical())));
    let names = names.chain(
        sans.uris
            .iter()
            .map(|uri| GeneralName::UniformResourceIdentifier(ia5(uri))),
    );
    SubjectAltName(names.chain(sans.others.iter().map(other)).collect())
}

/// A network as it is written, and its address and mask.
fn network() -> impl Strategy<Value = (String, Vec<u8>)> {
    let v4 = (any::<Ipv4Addr>(), 0_u32..=32).prop_map(|(ip, length)| {
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or_default();
        let bytes = [ip.to_bits() & mask, mask].map(u32::to_be_bytes).concat();
        (format!("{ip}/{length}"), bytes)
    });
    let v6 = (any::<Ipv6Addr>(), 0_u32..=128).prop_map(|(ip, length)| {
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or_default();
        let bytes = [ip.to_bits() & mask, mask].map(u128::to_be_bytes).concat();
        (format!("{ip}/{length}"), bytes)
    });
    prop_oneof![v4, v6]
}

/// Parts of the name space: ours, and what they are there.
type Trees = (NameTrees, Option<Vec<GeneralSubtree>>);

prop_compose! {
    fn trees()(
        dns_domains in proptest::collection::vec("[a-z.]{1,20}", 0..3),
        networks in proptest::collection::vec(network(), 0..3),
        email_addresses in proptest::collection::vec("[a-z.@]{1,20}", 0..3),
        uri_domains in proptest::collection::vec("[a-z.]{1,20}", 0..3),
    ) -> Trees {
        let bases = dns_domains.iter().map(|name| GeneralName::DnsName(ia5(name)));
        let ranges = networks.iter().map(|(_, bytes)| GeneralName::IpAddress(OctetString::new(bytes.as_slice()).unwrap()));
        let emails = email_addresses.iter().map(|name| GeneralName::Rfc822Name(ia5(name)));
        let uris = uri_domains.iter().map(|name| GeneralName::UniformResourceIdentifier(ia5(name)));
        let subtrees: Vec<_> = bases.chain(ranges).chain(emails).chain(uris).map(subtree).collect();
        let ip_ranges = networks.into_iter().map(|(text, _)| text).collect();
        let ours = NameTrees { dns_domains, ip_ranges, email_addresses, uri_domains };
        (ours, (!subtrees.is_empty()).then_some(subtrees))
    }
}

fn subtree(base: GeneralName) -> GeneralSubtree {
    GeneralSubtree {
        base,
        minimum: 0,
        maximum: None,
    }
}

prop_compose! {
    /// Name constraints: ours, and what they are there.
    pub(super) fn constraints()(critical in any::<bool>(), permitted in trees(), excluded in trees()) -> (NameConstraints, ForeignConstraints) {
        let ours = NameConstraints { critical, permitted: permitted.0, excluded: excluded.0 };
        (ours, ForeignConstraints { permitted_subtrees: permitted.1, excluded_subtrees: excluded.1 })
    }
}

proptest! {
    #[test]
    fn key_usages_are_written_as_x509_cert_writes_them(usages in usages()) {
        prop_assert_eq!(usages.ours.key_usage_der(), KeyUsage(usages.bits).to_der().unwrap());
        prop_assert_eq!(usages.ours.extended_key_usage_der(), ExtendedKeyUsage(usages.purposes).to_der().unwrap());
    }

    #[test]
    fn basic_constraints_are_written_as_x509_cert_writes_them(is_ca in any::<bool>(), len in any::<Option<u8>>()) {
        let ours = BasicConstraints { is_ca, path_len: len.map(u32::from) };
        // without a CA there is no path
        let foreign = ForeignBasic { ca: is_ca, path_len_constraint: len.filter(|_| is_ca) };
        prop_assert_eq!(basic_constraints(ours), foreign.to_der().unwrap());
    }

    #[test]
    fn alternative_names_are_written_as_x509_cert_writes_them(sans in sans()) {
        prop_assert_eq!(sans.to_der().unwrap(), foreign_sans(&sans).to_der().unwrap());
    }

    #[test]
    fn name_constraints_are_written_as_x509_cert_writes_them((ours, foreign) in constraints()) {
        prop_assert_eq!(ours.to_der().unwrap(), foreign.to_der().unwrap());
    }
}

/// What keeps these values our own (decision 045).
#[test]
fn x509_cert_cannot_say_all_of_it() {
    let long = BasicConstraints {
        is_ca: true,
        path_len: Some(256),
    };
    let der = basic_constraints(long);
    assert_eq!(der, [0x30, 7, 1, 1, 0xff, 2, 2, 1, 0]);
    assert!(ForeignBasic::from_der(&der).is_err());

    let mut usages = UsageSet::default();
    usages.insert_purpose("2.999.3");
    let der = usages.extended_key_usage_der();
    assert_eq!(der, [0x30, 5, 6, 3, 0x88, 0x37, 3]);
    assert!(ObjectIdentifier::new("2.999.3").is_err());

    // a directory name whose SET is not in order: O=b before O=a
    let organization = |value: u8| [0x30, 8, 6, 3, 0x55, 4, 10, 0x13, 1, value];
    let directory = [
        &[0xa4, 24, 0x30, 22, 0x31, 20][..],
        &organization(b'b'),
        &organization(b'a'),
    ]
    .concat();
    let sans = SubjectAltNames {
        foreign: vec![directory.clone()],
        ..SubjectAltNames::default()
    };
    assert_eq!(sans.to_der().unwrap()[2..], directory);
    let foreign = GeneralName::from_der(&directory);
    assert_ne!(foreign.and_then(|name| name.to_der()).ok(), Some(directory));
}
