//! CSRs, judged by openssl and by Go.

mod content;
mod possession;
mod texts;
mod usages;

use proptest::prelude::*;

use super::*;
use crate::pki::constraints::NameTrees;
use crate::pki::key::KeyAlgorithm;
use crate::pki::name::{OtherName, Subject};
use crate::pki::oracle::Desk;
use crate::pki::usage::Usage;

fn key(algorithm: KeyAlgorithm, size: u32) -> PrivateKey {
    PrivateKey::generate(KeySpec::new(algorithm, Some(size))).unwrap()
}

fn template() -> CsrTemplate {
    CsrTemplate {
        subject: Subject::of_common_name("a.example").to_name(),
        sans: SubjectAltNames {
            dns: vec!["a.example".into()],
            emails: vec!["x@a.example".into()],
            ips: vec!["10.0.0.1".parse().unwrap()],
            uris: vec!["spiffe://a/b".into()],
            others: vec![OtherName {
                oid: "1.3.6.1.4.1.311.20.2.3".into(),
                value: "u".into(),
            }],
            foreign: vec![],
        },
        usages: UsageSet::new(&[Usage::ServerAuth, Usage::DigitalSignature], true),
        encode_usages: true,
        is_ca: true,
        encode_basic_constraints: true,
        name_constraints: Some(NameConstraints {
            critical: true,
            permitted: NameTrees {
                dns_domains: vec!["example".into()],
                ip_ranges: vec!["10.1.2.3/8".into()],
                ..NameTrees::default()
            },
            excluded: NameTrees {
                email_addresses: vec!["@b".into()],
                uri_domains: vec![".c".into()],
                ..NameTrees::default()
            },
        }),
        signature_algorithm: None,
    }
}

#[test]
fn everything_that_is_asked_for_is_seen_by_openssl() {
    let desk = Desk::new();
    desk.put("a.csr", &build(&template(), &key(KeyAlgorithm::Ecdsa, 256)).unwrap());
    let text = desk.openssl("req -in a.csr -verify -noout -text").output();
    for part in [
        "self-signature verify OK",
        "Subject: CN = a.example",
        "DNS:a.example, email:x@a.example, IP Address:10.0.0.1, URI:spiffe://a/b, othername: UPN::u",
        "X509v3 Key Usage: critical",
        "Digital Signature, Certificate Sign",
        "TLS Web Server Authentication",
        "X509v3 Basic Constraints: critical",
        "CA:TRUE",
        "X509v3 Name Constraints: critical",
        "DNS:example",
        "IP:10.0.0.0/255.0.0.0",
        "email:@b",
        "URI:.c",
    ] {
        assert!(text.contains(part), "{part} is missing from\n{text}");
    }
}

#[test]
fn every_signature_algorithm_is_accepted_by_openssl_and_by_us() {
    use KeyAlgorithm::{Ecdsa, Ed25519, Rsa};
    let desk = Desk::new();
    for (algorithm, size) in [(Rsa, 2048), (Ecdsa, 256), (Ecdsa, 384), (Ecdsa, 521), (Ed25519, 0)] {
        let key = key(algorithm, size);
        for signature in SignatureAlgorithm::ALL {
            let template = CsrTemplate {
                signature_algorithm: Some(signature),
                ..template()
            };
            let built = build(&template, &key);
            if signature.key_algorithm() != algorithm {
                assert!(built.unwrap_err().to_string().contains("cannot be used"));
                continue;
            }
            let csr = built.unwrap();
            desk.put("a.csr", &csr);
            desk.openssl("req -in a.csr -verify -noout").accepted();
            assert_eq!(
                CsrInfo::parse(&csr).unwrap().key_hash(),
                key.hash(),
                "{signature} {size}"
            );
        }
    }
}

#[test]
fn what_was_asked_for_is_read_back() {
    let key = key(KeyAlgorithm::Ecdsa, 384);
    let template = template();
    let der = build_der(&template, &key).unwrap();
    let info = CsrInfo::from_der(&der).unwrap();
    assert_eq!(info, CsrInfo::parse(&build(&template, &key).unwrap()).unwrap());
    assert_eq!(info, CsrInfo::from_template(&template, key.public_key()).unwrap());
    assert_eq!(
        (info.common_name().as_deref(), info.is_ca()),
        (Some("a.example"), Some(true))
    );
}

#[test]
fn alternative_names_are_critical_only_without_a_subject() {
    let desk = Desk::new();
    let key = key(KeyAlgorithm::Ed25519, 0);
    for (subject, critical) in [(Name::default(), true), (Subject::of_common_name("a").to_name(), false)] {
        let template = CsrTemplate { subject, ..template() };
        desk.put("a.csr", &build(&template, &key).unwrap());
        let text = desk.openssl("req -in a.csr -noout -text").output();
        assert_eq!(
            text.contains("X509v3 Subject Alternative Name: critical"),
            critical,
            "{text}"
        );
    }
}

#[test]
fn requests_from_openssl_are_read_extensions_we_do_not_know_included() {
    let desk = Desk::new();
    let config = "[req]\ndistinguished_name=dn\nreq_extensions=ext\nprompt=no\n[dn]\nO=b\n0.OU=one\n1.OU=two\nCN=a\n\
                  [ext]\nsubjectAltName=DNS:a.example,IP:::1,dirName:dn\ntlsfeature=status_request\nkeyUsage=keyAgreement,decipherOnly\n\
                  extendedKeyUsage=clientAuth,1.2.3.4\nbasicConstraints=CA:FALSE\n";
    desk.put("req.cnf", config.as_bytes());
    for new_key in [
        "rsa:2048",
        "ec -pkeyopt ec_paramgen_curve:P-521 -sha512",
        "ed25519",
        "rsa:3072 -sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest",
    ] {
        let command = format!("req -new -newkey {new_key} -nodes -config req.cnf -keyout key.pem -out a.csr");
        desk.openssl(&command).accepted();
        let info = CsrInfo::parse(&desk.get("a.csr")).unwrap();
        assert_eq!(info.sans.dns, ["a.example"]);
        assert_eq!((info.sans.ips.len(), info.sans.foreign.len()), (1, 1));
        assert_eq!(info.is_ca(), Some(false));
        let usages = info.usages.unwrap();
        assert_eq!(
            usages.usages(),
            [Usage::KeyAgreement, Usage::DecipherOnly, Usage::ClientAuth]
        );
        assert_eq!(usages.unknown_purposes(), ["1.2.3.4"]);
        assert_eq!(info.subject.to_string(), "CN=a,OU=two,OU=one,O=b");
        let (key, _) = PrivateKey::from_pem(&desk.get("key.pem")).unwrap();
        assert_eq!(info.public_key.hash(), key.hash(), "{new_key}");
    }
}

#[test]
fn wrong_requests_are_explained() {
    let desk = Desk::new();
    let der = build_der(&template(), &key(KeyAlgorithm::Ecdsa, 256)).unwrap();
    let mut forged = der.clone();
    let at = forged.windows(9).position(|window| window == b"a.example").unwrap();
    forged[at] = b'b';
    desk.openssl("req -new -newkey ec -pkeyopt ec_paramgen_curve:secp256k1 -nodes -subj /CN=a -keyout k -out k1.csr")
        .accepted();
    desk.openssl("req -new -newkey rsa:1024 -nodes -subj /CN=a -keyout k -out weak.csr")
        .accepted();
    for (input, expected) in [
        (b"garbage".to_vec(), "no PEM block was found"),
        (
            pem::encode("CERTIFICATE", &der),
            "where a CERTIFICATE REQUEST is expected",
        ),
        (pem::encode("CERTIFICATE REQUEST", b"garbage"), "is damaged"),
        (pem::encode("CERTIFICATE REQUEST", &forged), "signature"),
        (desk.get("k1.csr"), "on the curve 1.3.132.0.10"),
        (der.clone(), "give it as PEM"),
        (vec![0; 2_000_000], "limit"),
    ] {
        let error = CsrInfo::parse(&input).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    // Nothing is signed from it.
    let read = CsrInfo::from_der_unverified(&forged).unwrap();
    assert_eq!(read.subject, Subject::of_common_name("b.example").to_name());
    // Whether a weak key is good enough is not decided here.
    assert_eq!(CsrInfo::parse(&desk.get("weak.csr")).unwrap().key_spec().size, 1024);
}

#[test]
fn keytool_writes_another_label() {
    let csr = build_der(&template(), &key(KeyAlgorithm::Ecdsa, 256)).unwrap();
    assert!(CsrInfo::parse(&pem::encode("NEW CERTIFICATE REQUEST", &csr)).is_ok());
}

proptest! {
    #[test]
    fn damaged_requests_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        static DER: std::sync::LazyLock<Vec<u8>> =
            std::sync::LazyLock::new(|| build_der(&template(), &key(KeyAlgorithm::Ecdsa, 256)).unwrap());
        let mut der = DER.clone();
        let at = at.index(der.len());
        der[at] = byte;
        drop(CsrInfo::from_der(&der));
        der.truncate(cut.index(der.len()));
        drop(CsrInfo::from_der(&der));
        drop(CsrInfo::parse(&pem::encode("CERTIFICATE REQUEST", &der)));
    }
}
