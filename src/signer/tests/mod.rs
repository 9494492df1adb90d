//! Signers, judged by openssl.

mod authority;
mod own_key;
mod requests;
mod temporaries;

use jiff::{SignedDuration, Timestamp};

use super::ca::{CertificateAuthority, Outliving, SecretData, UnusablePair, Urls};
use super::{Request, selfsigned, temporary};
use crate::pki::certificate::CertificateInfo;
use crate::pki::chain::{SizeLimits, to_pem};
use crate::pki::csr::{CsrTemplate, build};
use crate::pki::fixture;
use crate::pki::key::{KeyAlgorithm, KeyEncoding};
use crate::pki::name::{Name, Subject, SubjectAltNames};
use crate::pki::oracle::Desk;
use crate::pki::pem;
use crate::pki::sign::{Extras, Issuer, Validity, self_sign};
use crate::pki::usage::{Usage, UsageSet};

const SERIAL: [u8; 16] = [0x42; 16];
const USAGES: [Usage; 2] = [Usage::DigitalSignature, Usage::ServerAuth];

/// Within the validity of [`fixture::validity`].
fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn template(common_name: &str) -> CsrTemplate {
    CsrTemplate {
        subject: Subject {
            common_name: common_name.into(),
            ..Subject::default()
        }
        .to_name(),
        sans: SubjectAltNames {
            dns: vec!["a.example".into()],
            ..SubjectAltNames::default()
        },
        usages: UsageSet::new(&USAGES, false),
        encode_usages: true,
        ..CsrTemplate::default()
    }
}

fn request(csr: &[u8]) -> Request<'_> {
    Request {
        csr,
        usages: &USAGES,
        is_ca: false,
        adds_cert_sign: true,
        duration: SignedDuration::from_hours(2160),
    }
}

struct Secret {
    key: Vec<u8>,
    certificate: Vec<u8>,
    ca: Option<Vec<u8>>,
}

impl Secret {
    fn of(issuer: &Issuer, chain: &[Vec<u8>]) -> Self {
        let key = issuer.key.to_pem(KeyEncoding::Pkcs1).unwrap().expose().clone();
        Self {
            key,
            certificate: to_pem(chain),
            ca: None,
        }
    }

    fn data(&self) -> SecretData<'_> {
        SecretData {
            namespace: "ns",
            name: "ca",
            tls_key: Some(&self.key),
            tls_crt: Some(&self.certificate),
            ca_crt: self.ca.as_deref(),
        }
    }

    fn authority(&self) -> Result<CertificateAuthority, UnusablePair> {
        CertificateAuthority::read(&self.data(), now(), &SizeLimits::default())
    }
}

fn certificates(text: &[u8]) -> Vec<CertificateInfo> {
    let blocks = pem::parse(text).unwrap();
    blocks
        .iter()
        .map(|block| CertificateInfo::parse(block.der.expose()).unwrap())
        .collect()
}
