//! Comparison of requests, keys and certificates with a spec (NB-07 to NB-10).
//!
//! The compared fields decide about re-issuance. They are exactly those of cert-manager.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::{
    api::{
        CertificateSpec, IssuerRef,
        certificate::Subject as SpecSubject,
        key::{KeyAlgorithm as SpecAlgorithm, KeyEncoding as SpecEncoding, PrivateKey as SpecKey},
        usage::KeyUsage,
    },
    pki::{
        certificate::CertificateInfo,
        csr::CsrInfo,
        key::{KeyAlgorithm, KeyEncoding, KeySpec},
        name::{Name, OtherName, Subject, SubjectAltNames},
        usage::{Usage, UsageSet},
    },
    plan::seen::RequestSeen,
};

/// The fields of the spec that a request to `issuer` does not match.
///
/// # Errors
/// Why the CSR of the request cannot be parsed.
pub(super) fn request_differences(
    request: &RequestSeen,
    spec: &CertificateSpec,
    issuer: &IssuerRef,
) -> Result<Vec<&'static str>, Box<str>> {
    let csr = request.csr.as_ref().map_err(Clone::clone)?;
    let mut fields = san_differences(&csr.sans, spec);
    if !same(&csr.sans.others, &other_names(spec)) {
        fields.push("spec.otherNames");
    }
    fields.extend(subject_differences(csr, spec));
    let is_ca = spec.is_ca.unwrap_or(false);
    if request.is_ca != is_ca {
        fields.push("spec.isCA");
    }
    let requested: Vec<Usage> = request.usages.iter().filter_map(|usage| usage.parse().ok()).collect();
    if UsageSet::new(&requested, request.is_ca) != UsageSet::new(&usages(&spec.usages), is_ca) {
        fields.push("spec.usages");
    }
    if request
        .duration
        .zip(spec.duration)
        .is_some_and(|(requested, wanted)| requested != wanted)
    {
        fields.push("spec.duration");
    }
    if !request.issuer_ref.means_same(issuer) {
        fields.push("spec.issuerRef");
    }
    Ok(fields)
}

/// Whether a request is what the spec asks of `issuer`.
pub(super) fn is_requested(request: &RequestSeen, spec: &CertificateSpec, issuer: &IssuerRef) -> bool {
    request_differences(request, spec, issuer).is_ok_and(|fields| fields.is_empty())
}

/// The fields of the spec that an issued certificate clearly does not match, if its request no longer exists. Issuers may move
/// names between common name and DNS names.
pub(super) fn certificate_differences(certificate: &CertificateInfo, spec: &CertificateSpec) -> Vec<&'static str> {
    let wanted_name = spec.common_name.as_deref().filter(|name| !name.is_empty());
    let issued_name = certificate.common_name().filter(|name| !name.is_empty());
    let wanted: BTreeSet<&str> = spec.dns_names.iter().map(String::as_str).chain(wanted_name).collect();
    let issued: BTreeSet<&str> = certificate
        .sans
        .dns
        .iter()
        .map(String::as_str)
        .chain(issued_name.as_deref())
        .collect();
    let mut fields = Vec::new();
    if wanted != issued && spec.literal_subject.is_none() {
        let missing = wanted_name.is_some_and(|name| !issued.contains(name));
        let extra = issued_name.as_deref().is_some_and(|name| !wanted.contains(name));
        if missing || extra {
            fields.push("spec.commonName");
        }
    }
    let lacking = spec.dns_names.iter().any(|name| !issued.contains(name.as_str()));
    let surplus = certificate.sans.dns.iter().any(|name| !wanted.contains(name.as_str()));
    if lacking || (surplus && spec.literal_subject.is_none()) {
        fields.push("spec.dnsNames");
    }
    fields.extend(
        san_differences(&certificate.sans, spec)
            .into_iter()
            .filter(|field| *field != "spec.dnsNames"),
    );
    fields
}

/// The fields of the spec that a key does not match.
pub(super) fn key_differences(key: KeySpec, spec: &CertificateSpec) -> Vec<&'static str> {
    let wanted = key_spec(spec);
    match (key.algorithm == wanted.algorithm, key.size == wanted.size) {
        (false, _) => vec!["spec.privateKey.algorithm"],
        (true, false) => vec!["spec.privateKey.size"],
        (true, true) => vec![],
    }
}

/// Algorithm and size of the key for a spec (CRT-20, CRT-21).
pub fn key_spec(spec: &CertificateSpec) -> KeySpec {
    let key = spec.private_key.as_ref();
    let algorithm = match key.and_then(|key| key.algorithm).unwrap_or_default() {
        SpecAlgorithm::Rsa => KeyAlgorithm::Rsa,
        SpecAlgorithm::Ecdsa => KeyAlgorithm::Ecdsa,
        SpecAlgorithm::Ed25519 => KeyAlgorithm::Ed25519,
    };
    let size = key.and_then(|key| key.size).filter(|size| *size > 0);
    KeySpec::new(algorithm, size.map(|size| u32::try_from(size).unwrap_or(u32::MAX)))
}

/// Encoding of the key for a spec (CRT-19).
pub fn key_encoding(spec: &CertificateSpec) -> KeyEncoding {
    match spec
        .private_key
        .as_ref()
        .and_then(|key: &SpecKey| key.encoding)
        .unwrap_or_default()
    {
        SpecEncoding::Pkcs1 => KeyEncoding::Pkcs1,
        SpecEncoding::Pkcs8 => KeyEncoding::Pkcs8,
    }
}

/// The parts of the subject in a spec.
pub(super) fn subject(spec: &CertificateSpec) -> Subject {
    let SpecSubject {
        countries,
        localities,
        organizational_units,
        organizations,
        postal_codes,
        provinces,
        serial_number,
        street_addresses,
    } = spec.subject.clone().unwrap_or_default();
    Subject {
        common_name: spec.common_name.clone().unwrap_or_default(),
        organizations,
        organizational_units,
        countries,
        localities,
        provinces,
        street_addresses,
        postal_codes,
        serial_number: serial_number.unwrap_or_default(),
    }
}

/// The usages of a spec, in its order.
pub(super) fn usages(usages: &[KeyUsage]) -> Vec<Usage> {
    usages.iter().filter_map(|usage| usage.as_str().parse().ok()).collect()
}

/// The other names of a spec.
pub(super) fn other_names(spec: &CertificateSpec) -> Vec<OtherName> {
    let name = |name: &crate::api::certificate::OtherName| OtherName {
        oid: name.oid.clone().unwrap_or_default(),
        value: name.utf8_value.clone().unwrap_or_default(),
    };
    spec.other_names.iter().map(name).collect()
}

fn san_differences(sans: &SubjectAltNames, spec: &CertificateSpec) -> Vec<&'static str> {
    let addresses: Option<Vec<IpAddr>> = spec
        .ip_addresses
        .iter()
        .map(|text| text.parse().ok().map(|ip: IpAddr| ip.to_canonical()))
        .collect();
    let named: Vec<IpAddr> = sans.ips.iter().map(IpAddr::to_canonical).collect();
    let checks = [
        (
            "spec.ipAddresses",
            addresses.is_some_and(|addresses| same(&named, &addresses)),
        ),
        ("spec.uris", same(&sans.uris, &spec.uris)),
        ("spec.emailAddresses", same(&sans.emails, &spec.email_addresses)),
        ("spec.dnsNames", same(&sans.dns, &spec.dns_names)),
    ];
    checks
        .into_iter()
        .filter(|(_, same)| !same)
        .map(|(field, _)| field)
        .collect()
}

fn subject_differences(csr: &CsrInfo, spec: &CertificateSpec) -> Vec<&'static str> {
    if let Some(literal) = spec.literal_subject.as_deref().filter(|literal| !literal.is_empty()) {
        // compared by value, because other encoders use other string types
        let same = Name::from_literal(literal).is_ok_and(|name| name.attributes() == csr.subject.attributes());
        return if same { vec![] } else { vec!["spec.literalSubject"] };
    }
    let requested = Subject::from_name(&csr.subject);
    let wanted = subject(spec);
    let checks = [
        ("spec.commonName", requested.common_name == wanted.common_name),
        (
            "spec.subject.serialNumber",
            requested.serial_number == wanted.serial_number,
        ),
        (
            "spec.subject.organizations",
            same(&requested.organizations, &wanted.organizations),
        ),
        ("spec.subject.countries", same(&requested.countries, &wanted.countries)),
        (
            "spec.subject.localities",
            same(&requested.localities, &wanted.localities),
        ),
        (
            "spec.subject.organizationalUnits",
            same(&requested.organizational_units, &wanted.organizational_units),
        ),
        (
            "spec.subject.postCodes",
            same(&requested.postal_codes, &wanted.postal_codes),
        ),
        ("spec.subject.provinces", same(&requested.provinces, &wanted.provinces)),
        (
            "spec.subject.streetAddresses",
            same(&requested.street_addresses, &wanted.street_addresses),
        ),
    ];
    checks
        .into_iter()
        .filter(|(_, same)| !same)
        .map(|(field, _)| field)
        .collect()
}

/// Whether both lists have the same values, in any order.
fn same<T: Ord + Clone>(a: &[T], b: &[T]) -> bool {
    let sorted = |values: &[T]| {
        let mut values = values.to_vec();
        values.sort();
        values
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}
