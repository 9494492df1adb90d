//! Requests.

use ::der::asn1::BitString;
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::request::{CertReq, CertReqInfo, ExtensionReq, Version};

use super::extensions::{constraints, foreign_sans, sans};
use super::*;
use crate::pki::csr::{CsrTemplate, build_der};

proptest! {
    #[test]
    fn requests_are_written_as_x509_cert_writes_them(
        subject in subject(), sans in sans(), usages in usages(), is_ca in any::<bool>(), encode in any::<[bool; 2]>(),
        constraints in proptest::option::of(constraints()), key in 0..KEYS.len(),
    ) {
        let (constraints, foreign_constraints) = constraints.unzip();
        let [encode_usages, encode_basic_constraints] = encode;
        let template = CsrTemplate {
            subject: subject.to_name(), sans: sans.clone(), usages: usages.ours.clone(), encode_usages, is_ca, encode_basic_constraints,
            name_constraints: constraints.clone(), signature_algorithm: None,
        };
        let (key, algorithm, public_key) = super::key(key);
        let ours = build_der(&template, key).unwrap();

        let subject = foreign_subject(&subject);
        let mut extensions = Vec::new();
        if !sans.is_empty() {
            extensions.push(extension("2.5.29.17", subject.is_empty(), &foreign_sans(&sans)));
        }
        if encode_usages && !usages.bits.is_empty() {
            extensions.push(extension("2.5.29.15", true, &KeyUsage(usages.bits)));
        }
        if encode_usages && !usages.purposes.is_empty() {
            extensions.push(extension("2.5.29.37", false, &ExtendedKeyUsage(usages.purposes)));
        }
        if encode_basic_constraints {
            extensions.push(extension("2.5.29.19", true, &BasicConstraints { ca: is_ca, path_len_constraint: None }));
        }
        if let (Some(ours), Some(foreign)) = (&constraints, &foreign_constraints) && !ours.is_empty() {
            extensions.push(extension("2.5.29.30", ours.critical, foreign));
        }
        let attributes = if extensions.is_empty() {
            Attributes::default()
        } else {
            one(Attribute::try_from(ExtensionReq(extensions)).unwrap())
        };
        let info = CertReqInfo { version: Version::V1, subject, public_key, attributes };
        let signature: BitString = CertReq::from_der(&ours).unwrap().signature;
        let foreign = CertReq { info, algorithm, signature };
        prop_assert_eq!(ours, foreign.to_der().unwrap());
    }
}
