//! Certificates for tests: a root, an intermediate and a leaf.

use super::certificate::CertificateInfo;
use super::csr::{CsrInfo, CsrTemplate};
use super::key::{KeyAlgorithm, KeySpec, PrivateKey};
use super::name::{Subject, SubjectAltNames};
use super::sign::{Extras, Issuer, Validity, self_sign, sign};
use super::usage::{Usage, UsageSet};

pub(crate) fn key(algorithm: KeyAlgorithm, size: u32) -> PrivateKey {
    PrivateKey::generate(KeySpec::new(algorithm, Some(size))).unwrap()
}

pub(crate) fn p256() -> PrivateKey {
    key(KeyAlgorithm::Ecdsa, 256)
}

/// From 2026 to 2036: openssl and webpki get a time in between.
pub(crate) fn validity() -> Validity {
    Validity {
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2036-01-01T00:00:00Z".parse().unwrap(),
    }
}

pub(crate) fn request(common_name: &str, dns: &[&str], key: &PrivateKey) -> CsrInfo {
    let subject = match common_name {
        "" => Subject::default(),
        name => Subject::of_common_name(name),
    };
    let sans = SubjectAltNames {
        dns: dns.iter().map(|name| (*name).to_owned()).collect(),
        ..SubjectAltNames::default()
    };
    let template = CsrTemplate {
        subject: subject.to_name(),
        sans,
        ..CsrTemplate::default()
    };
    CsrInfo::from_template(&template, key.public_key()).unwrap()
}

pub(crate) fn ca_extras() -> Extras {
    Extras {
        usages: UsageSet::new(&[], true),
        is_ca: true,
        ..Extras::default()
    }
}

pub(crate) fn server_extras() -> Extras {
    let usages = UsageSet::new(
        &[Usage::DigitalSignature, Usage::KeyEncipherment, Usage::ServerAuth],
        false,
    );
    Extras {
        usages,
        ..Extras::default()
    }
}

pub(crate) fn issuer(mut chain: Vec<Vec<u8>>, certificate: Vec<u8>, key: PrivateKey) -> Issuer {
    chain.insert(0, certificate);
    Issuer {
        info: CertificateInfo::parse(&chain[0]).unwrap(),
        chain,
        key,
    }
}

pub(crate) fn root(name: &str, key: PrivateKey) -> Issuer {
    let certificate = self_sign(&request(name, &[], &key), &key, validity(), [1; 16], &ca_extras()).unwrap();
    issuer(vec![], certificate, key)
}

pub(crate) fn intermediate(name: &str, root: &Issuer, key: PrivateKey) -> Issuer {
    let certificate = sign(&request(name, &[], &key), root, validity(), [2; 16], &ca_extras()).unwrap();
    issuer(root.chain.clone(), certificate, key)
}

pub(crate) fn leaf(issuer: &Issuer, dns: &[&str], key: &PrivateKey) -> Vec<u8> {
    sign(
        &request("leaf", dns, key),
        issuer,
        validity(),
        [3; 16],
        &server_extras(),
    )
    .unwrap()
}
