//! What is written here, compared byte by byte with what `x509-cert` writes of the same: names, extensions, requests, certificates.

mod certificates;
mod extensions;
mod names;
mod requests;

use std::sync::LazyLock;

use ::der::asn1::{Any, Ia5String, Null, ObjectIdentifier, OctetString, PrintableStringRef, SetOfVec, Utf8StringRef};
use ::der::flagset::FlagSet;
use ::der::{Decode as _, Encode as _};
use proptest::prelude::*;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::name::{Name as ForeignName, RdnSequence, RelativeDistinguishedName};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::fixture;
use super::key::{KeyAlgorithm, PrivateKey};
use super::name::Subject;
use super::usage::{Usage, UsageSet};

/// Keys that sign, each with the algorithm that is used with it.
static KEYS: LazyLock<[(PrivateKey, AlgorithmIdentifierOwned); 3]> = LazyLock::new(|| {
    let algorithm = |dotted, parameters| AlgorithmIdentifierOwned {
        oid: oid(dotted),
        parameters,
    };
    [
        (fixture::p256(), algorithm("1.2.840.10045.4.3.2", None)),
        (fixture::key(KeyAlgorithm::Ed25519, 0), algorithm("1.3.101.112", None)),
        (
            fixture::key(KeyAlgorithm::Rsa, 2048),
            algorithm("1.2.840.113549.1.1.11", Some(Any::encode_from(&Null).unwrap())),
        ),
    ]
});

fn key(at: usize) -> (&'static PrivateKey, AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned) {
    let (key, algorithm) = &KEYS[at];
    let public = SubjectPublicKeyInfoOwned::from_der(key.spki_der()).unwrap();
    (key, algorithm.clone(), public)
}

fn oid(dotted: &str) -> ObjectIdentifier {
    ObjectIdentifier::new(dotted).unwrap()
}

/// Text with and without characters that no `PrintableString` has.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z0-9 '()+,./:=?-]{0,24}", r"\PC{1,12}", "[a-z]{120,140}"]
}

/// Object identifiers that `const-oid` writes too (decision 045).
fn dotted() -> impl Strategy<Value = String> {
    let arcs = proptest::collection::vec(any::<u32>().prop_map(|arc| arc >> 4), 0..6);
    (0_u32..3, 0_u32..40, arcs).prop_map(|(first, second, rest)| {
        let arcs = [first, second].into_iter().chain(rest);
        arcs.map(|arc| arc.to_string()).collect::<Vec<_>>().join(".")
    })
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::btree_set(text(), 0..4).prop_map(|texts| texts.into_iter().rev().collect())
}

prop_compose! {
    fn subject()(
        common_name in text(), serial_number in text(),
        lists in proptest::array::uniform7(texts()),
    ) -> Subject {
        let [countries, provinces, localities, street_addresses, postal_codes, organizations, organizational_units] = lists;
        Subject {
            common_name, organizations, organizational_units, countries, localities, provinces, street_addresses, postal_codes,
            serial_number,
        }
    }
}

fn attribute(dotted: &str, value: &str) -> AttributeTypeAndValue {
    let value = match PrintableStringRef::new(value) {
        Ok(printable) => Any::encode_from(&printable),
        Err(_) => Any::encode_from(&Utf8StringRef::new(value).unwrap()),
    };
    AttributeTypeAndValue {
        oid: oid(dotted),
        value: value.unwrap(),
    }
}

/// A name of these `RelativeDistinguishedNames`.
fn foreign_name(rdns: &[(&str, &[String])]) -> ForeignName {
    let rdns = rdns
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(dotted, values)| {
            let attributes: Vec<_> = values.iter().map(|value| attribute(dotted, value)).collect();
            RelativeDistinguishedName::try_from(attributes).unwrap()
        });
    let rdns = RdnSequence::from(rdns.collect::<Vec<_>>());
    ForeignName::from_der(&rdns.to_der().unwrap()).unwrap()
}

/// In the order of Go's `crypto/x509`.
fn foreign_subject(subject: &Subject) -> ForeignName {
    let one = |value: &String| {
        if value.is_empty() {
            Vec::new()
        } else {
            vec![value.clone()]
        }
    };
    foreign_name(&[
        ("2.5.4.6", &subject.countries),
        ("2.5.4.8", &subject.provinces),
        ("2.5.4.7", &subject.localities),
        ("2.5.4.9", &subject.street_addresses),
        ("2.5.4.17", &subject.postal_codes),
        ("2.5.4.10", &subject.organizations),
        ("2.5.4.11", &subject.organizational_units),
        ("2.5.4.3", &one(&subject.common_name)),
        ("2.5.4.5", &one(&subject.serial_number)),
    ])
}

/// The usages that are bits, and those that are purposes.
const BITS: [(Usage, KeyUsages); 9] = [
    (Usage::DigitalSignature, KeyUsages::DigitalSignature),
    (Usage::ContentCommitment, KeyUsages::NonRepudiation),
    (Usage::KeyEncipherment, KeyUsages::KeyEncipherment),
    (Usage::DataEncipherment, KeyUsages::DataEncipherment),
    (Usage::KeyAgreement, KeyUsages::KeyAgreement),
    (Usage::CertSign, KeyUsages::KeyCertSign),
    (Usage::CrlSign, KeyUsages::CRLSign),
    (Usage::EncipherOnly, KeyUsages::EncipherOnly),
    (Usage::DecipherOnly, KeyUsages::DecipherOnly),
];
const PURPOSES: [(Usage, ObjectIdentifier); 4] = [
    (Usage::ServerAuth, ::der::oid::db::rfc5280::ID_KP_SERVER_AUTH),
    (Usage::ClientAuth, ::der::oid::db::rfc5280::ID_KP_CLIENT_AUTH),
    (Usage::Timestamping, ::der::oid::db::rfc5280::ID_KP_TIME_STAMPING),
    (Usage::OcspSigning, ::der::oid::db::rfc5280::ID_KP_OCSP_SIGNING),
];

/// Usages: ours, and what they are there.
#[derive(Clone, Debug)]
struct Usages {
    ours: UsageSet,
    bits: FlagSet<KeyUsages>,
    purposes: Vec<ObjectIdentifier>,
}

prop_compose! {
    fn usages()(
        bits in proptest::sample::subsequence(BITS.to_vec(), 0..=BITS.len()),
        purposes in proptest::sample::subsequence(PURPOSES.to_vec(), 0..=PURPOSES.len()),
        unknown in proptest::collection::vec(dotted(), 0..3),
    ) -> Usages {
        let mut ours: UsageSet = bits.iter().map(|(usage, _)| *usage).chain(purposes.iter().map(|(usage, _)| *usage)).collect();
        for oid in &unknown { ours.insert_purpose(oid); }
        let mut flags = FlagSet::default();
        for (_, bit) in &bits { flags |= *bit; }
        let purposes = purposes.iter().map(|(_, oid)| *oid).chain(unknown.iter().map(|dotted| oid(dotted)));
        Usages { ours, bits: flags, purposes: purposes.collect() }
    }
}

fn extension(dotted: &str, critical: bool, value: &impl ::der::Encode) -> Extension {
    Extension {
        extn_id: oid(dotted),
        critical,
        extn_value: OctetString::new(value.to_der().unwrap()).unwrap(),
    }
}

fn ia5(text: &str) -> Ia5String {
    Ia5String::new(text).unwrap()
}

fn one<T: ::der::DerOrd>(value: T) -> SetOfVec<T> {
    SetOfVec::try_from(vec![value]).unwrap()
}
