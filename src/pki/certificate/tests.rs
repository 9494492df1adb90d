//! Certificates, compared with what openssl says of them.

use proptest::prelude::*;

use super::*;
use crate::pki::fixture::{self, leaf, p256, request, root, server_extras, validity};
use crate::pki::key::KeyAlgorithm;
use crate::pki::oracle::Desk;
use crate::pki::sign::sign;
use crate::pki::usage::Usage;

#[test]
fn a_certificate_from_openssl_says_what_openssl_says() {
    let desk = Desk::new();
    desk.put(
        "x.cnf",
        b"[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\nutf8=yes\nstring_mask=utf8only\n[dn]\nC=DE\nO=\xc3\x9c\nCN=a\n\
          [ext]\nsubjectAltName=DNS:a.example,URI:urn:x,email:m@a,IP:10.0.0.1\nbasicConstraints=critical,CA:TRUE,pathlen:3\n\
          keyUsage=cRLSign,keyCertSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n",
    );
    desk.openssl("req -x509 -newkey rsa:2048 -nodes -days 30 -config x.cnf -set_serial 0x00abcdef0123456789 -keyout k -out a.pem").accepted();
    let info = CertificateInfo::parse_pem(&desk.get("a.pem")).unwrap();
    assert_eq!(info.subject.to_string(), "CN=a,O=Ü,C=DE");
    assert_eq!((info.is_ca, info.path_len, info.self_signed), (true, Some(3), true));
    assert_eq!(
        info.usages.as_ref().unwrap().usages(),
        [Usage::CertSign, Usage::CrlSign]
    );
    assert_eq!(
        (
            info.sans.dns.len(),
            info.sans.uris.len(),
            info.sans.emails.len(),
            info.sans.ips.len()
        ),
        (1, 1, 1, 1)
    );
    assert_eq!(info.subject_key_id, info.authority_key_id);
    assert_eq!(
        info.key_spec,
        Some(KeySpec {
            algorithm: KeyAlgorithm::Rsa,
            size: 2048
        })
    );
    assert_eq!(info.not_after.as_second() - info.not_before.as_second(), 30 * 86_400);
    let stated = desk
        .openssl("x509 -in a.pem -noout -serial -fingerprint -sha256")
        .output();
    assert!(stated.contains(&info.serial_hex().to_uppercase()), "{stated}");
    let fingerprint: Vec<String> = info.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(stated.contains(&fingerprint.join(":")), "{stated}");
}

#[test]
fn the_identifier_for_renewal_information_is_that_of_the_rfc() {
    // RFC 9773 section 4.1.
    let mut root = root("root", p256());
    let id = [
        0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c, 0xde, 0x01,
        0xc8, 0xd4,
    ];
    root.info.subject_key_id = Some(id.to_vec());
    let mut serial = [0; 16];
    serial[12..].copy_from_slice(&[0x87, 0x65, 0x43, 0x21]);
    let der = sign(&request("a", &[], &p256()), &root, validity(), serial, &server_extras()).unwrap();
    let info = CertificateInfo::parse(&der).unwrap();
    assert_eq!(info.ari_id().as_deref(), Some("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"));
    assert_eq!(info.serial_hex(), "87654321");
    assert_eq!(root.info.ari_id(), None);
}

#[test]
fn a_certificate_issued_under_the_name_of_its_issuer_is_not_self_signed() {
    let root = root("same", p256());
    let der = sign(
        &request("same", &[], &p256()),
        &root,
        validity(),
        [4; 16],
        &fixture::ca_extras(),
    )
    .unwrap();
    let info = CertificateInfo::parse(&der).unwrap();
    assert_eq!(info.subject, info.issuer);
    assert!(!info.self_signed);
}

#[test]
fn keys_of_unknown_kinds_do_not_make_a_certificate_unreadable() {
    let desk = Desk::new();
    desk.openssl("req -x509 -newkey ed448 -nodes -subj /CN=a -days 30 -keyout k -out a.pem")
        .accepted();
    let info = CertificateInfo::parse_pem(&desk.get("a.pem")).unwrap();
    assert_eq!((info.key_spec, info.self_signed), (None, false));
}

#[test]
fn what_is_no_certificate_is_explained() {
    let key = p256().to_pem(crate::pki::key::KeyEncoding::Pkcs8).unwrap();
    for (input, expected) in [
        (key.expose().as_slice(), "holds no certificate"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".as_slice(),
            "is damaged",
        ),
        (b"".as_slice(), "holds no certificate"),
    ] {
        let error = CertificateInfo::parse_pem(input).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

proptest! {
    #[test]
    fn damaged_certificates_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        static DER: std::sync::LazyLock<Vec<u8>> =
            std::sync::LazyLock::new(|| leaf(&root("r", p256()), &["a.example"], &p256()));
        let mut der = DER.clone();
        let at = at.index(der.len());
        der[at] = byte;
        if let Ok(info) = CertificateInfo::parse(&der) { drop((info.ari_id(), info.subject_parts(), info.serial_hex())); }
        der.truncate(cut.index(der.len()));
        drop(CertificateInfo::parse(&der));
    }
}
