//! Certificates, judged by openssl and webpki.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::*;
use crate::pki::constraints::{NameConstraints, NameTrees};
use crate::pki::csr::{CsrTemplate, build};
use crate::pki::extension::RawExtension;
use crate::pki::fixture::{ca_extras, intermediate, issuer, key, leaf, p256, request, root, server_extras, validity};
use crate::pki::key::KeyAlgorithm::{Ecdsa, Ed25519, Rsa};
use crate::pki::name::Subject;
use crate::pki::oracle::Desk;
use crate::pki::pem;

/// 2027-01-15, within [`fixture::validity`].
const AT: u64 = 1_800_000_000;

fn webpki_accepts(root: &[u8], intermediates: &[Vec<u8>], leaf: &[u8], host: &str) -> Result<(), webpki::Error> {
    let root = CertificateDer::from(root);
    let anchor = anchor_from_trusted_cert(&root).unwrap();
    let intermediates: Vec<CertificateDer<'_>> = intermediates
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let leaf = CertificateDer::from(leaf);
    let leaf = EndEntityCert::try_from(&leaf)?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(AT));
    let anchors = [anchor];
    leaf.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &anchors,
        &intermediates,
        at,
        KeyUsage::server_auth(),
        None,
        None,
    )?;
    leaf.verify_is_valid_for_subject_name(&ServerName::try_from(host).unwrap())
}

fn put(desk: &Desk, name: &str, der: &[u8]) {
    desk.put(name, &pem::encode("CERTIFICATE", der));
}

#[test]
fn leaves_of_every_kind_of_ca_are_accepted_by_openssl_and_webpki() {
    let desk = Desk::new();
    for (algorithm, size) in [
        (Rsa, 2048),
        (Rsa, 3072),
        (Ecdsa, 256),
        (Ecdsa, 384),
        (Ecdsa, 521),
        (Ed25519, 0),
    ] {
        let root = root("root", key(algorithm, size));
        let middle = intermediate("middle", &root, key(algorithm, size));
        let leaf = leaf(&middle, &["a.example"], &p256());
        put(&desk, "root.pem", &root.chain[0]);
        put(&desk, "middle.pem", &middle.chain[0]);
        put(&desk, "leaf.pem", &leaf);
        desk.openssl(&format!(
            "verify -x509_strict -purpose sslserver -verify_hostname a.example -attime {AT} -CAfile root.pem -untrusted middle.pem leaf.pem"
        ))
        .accepted();
        webpki_accepts(&root.chain[0], &middle.chain[..1], &leaf, "a.example").unwrap();
    }
}

#[test]
fn leaves_for_every_kind_of_key_are_accepted_by_openssl() {
    let desk = Desk::new();
    let root = root("root", p256());
    put(&desk, "root.pem", &root.chain[0]);
    for (algorithm, size) in [(Rsa, 2048), (Ecdsa, 256), (Ecdsa, 384), (Ecdsa, 521), (Ed25519, 0)] {
        let key = key(algorithm, size);
        put(&desk, "leaf.pem", &leaf(&root, &["a.example"], &key));
        desk.openssl(&format!("verify -x509_strict -attime {AT} -CAfile root.pem leaf.pem"))
            .accepted();
        let public = desk.openssl("x509 -in leaf.pem -noout -pubkey").output();
        desk.put("public.pem", public.as_bytes());
        assert_eq!(
            desk.openssl("pkey -pubin -in public.pem -outform DER").accepted(),
            key.spki_der()
        );
    }
}

#[test]
fn a_certificate_that_names_nobody_has_critical_alternative_names() {
    let desk = Desk::new();
    let (root, key) = (root("root", p256()), p256());
    let der = sign(
        &request("", &["a.example"], &key),
        &root,
        validity(),
        [9; 16],
        &server_extras(),
    )
    .unwrap();
    put(&desk, "leaf.pem", &der);
    let text = desk.openssl("x509 -in leaf.pem -noout -text").output();
    assert!(text.contains("X509v3 Subject Alternative Name: critical"), "{text}");
    webpki_accepts(&root.chain[0], &[], &der, "a.example").unwrap();
}

#[test]
fn everything_an_issuer_adds_is_seen_by_openssl() {
    let desk = Desk::new();
    let (root, key) = (root("root", p256()), p256());
    let extras = Extras {
        crl_distribution_points: vec!["http://crl.example/1".into(), "http://crl.example/2".into()],
        ocsp_servers: vec!["http://ocsp.example".into()],
        issuing_certificate_urls: vec!["http://ca.example/ca.crt".into()],
        ..server_extras()
    };
    let serial = [0xff; 16];
    let der = sign(
        &request("leaf", &["a.example"], &key),
        &root,
        validity(),
        serial,
        &extras,
    )
    .unwrap();
    put(&desk, "leaf.pem", &der);
    let text = desk.openssl("x509 -in leaf.pem -noout -text").output();
    for part in [
        "Version: 3 (0x2)",
        "ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff",
        "Signature Algorithm: ecdsa-with-SHA256",
        "Issuer: CN = root",
        "Not Before: Jan  1 00:00:00 2026 GMT",
        "Not After : Jan  1 00:00:00 2036 GMT",
        "X509v3 Key Usage: critical",
        "Digital Signature, Key Encipherment",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "OCSP - URI:http://ocsp.example",
        "CA Issuers - URI:http://ca.example/ca.crt",
        "URI:http://crl.example/1",
        "URI:http://crl.example/2",
    ] {
        assert!(text.contains(part), "{part} is missing from\n{text}");
    }
    assert!(!text.contains("Serial Number: -"), "{text}");
    let info = CertificateInfo::parse(&der).unwrap();
    assert_eq!(info.authority_key_id, root.info.subject_key_id);
    assert!(!info.self_signed && root.info.self_signed && root.info.authority_key_id.is_none());
}

/// CRT-26: Go refuses a certificate with an extension that says nothing ("x509: empty name constraints extension").
#[test]
fn empty_name_constraints_are_not_written() {
    let desk = Desk::new();
    let key = p256();
    let template = CsrTemplate {
        subject: Subject::of_common_name("ca").to_name(),
        is_ca: true,
        name_constraints: Some(NameConstraints::default()),
        ..CsrTemplate::default()
    };
    desk.put("a.csr", &build(&template, &key).unwrap());
    let text = desk.openssl("req -in a.csr -noout -text").output();
    assert!(!text.contains("Name Constraints"), "{text}");
    assert_eq!(
        CsrInfo::from_template(&template, key.public_key())
            .unwrap()
            .name_constraints,
        None
    );
}

#[test]
fn name_constraints_and_path_lengths_bind() {
    let desk = Desk::new();
    let root = root("root", p256());
    let middle_key = p256();
    let constraints = NameConstraints {
        critical: true,
        permitted: NameTrees {
            dns_domains: vec!["example".into()],
            ..NameTrees::default()
        },
        excluded: NameTrees::default(),
    };
    let value = constraints.to_der().unwrap();
    let mut asked = request("middle", &[], &middle_key);
    asked.name_constraints = Some(RawExtension { critical: true, value });
    let extras = Extras {
        max_path_len: Some(0),
        ..ca_extras()
    };
    let middle = issuer(
        vec![],
        sign(&asked, &root, validity(), [5; 16], &extras).unwrap(),
        middle_key,
    );
    assert_eq!((middle.info.is_ca, middle.info.path_len), (true, Some(0)));
    for (host, fine) in [("a.example", true), ("a.test", false)] {
        let leaf = leaf(&middle, &[host], &p256());
        assert_eq!(
            webpki_accepts(&root.chain[0], &middle.chain, &leaf, host).is_ok(),
            fine,
            "{host}"
        );
    }
    let below = intermediate("below", &middle, p256());
    put(&desk, "root.pem", &root.chain[0]);
    desk.put(
        "chain.pem",
        &[&below.chain[0], &middle.chain[0]]
            .map(|der| pem::encode("CERTIFICATE", der))
            .concat(),
    );
    put(&desk, "leaf.pem", &leaf(&below, &["a.example"], &p256()));
    let verdict = desk.openssl(&format!(
        "verify -attime {AT} -CAfile root.pem -untrusted chain.pem leaf.pem"
    ));
    assert!(
        verdict.text.contains("path length constraint exceeded"),
        "{}",
        verdict.text
    );
}

#[test]
fn a_self_signed_certificate_is_its_own_issuer() {
    let desk = Desk::new();
    for (algorithm, size) in [(Rsa, 2048), (Ecdsa, 521), (Ed25519, 0)] {
        let key = key(algorithm, size);
        let der = self_sign(
            &request("me", &["me.example"], &key),
            &key,
            validity(),
            [7; 16],
            &server_extras(),
        )
        .unwrap();
        put(&desk, "me.pem", &der);
        desk.openssl(&format!("verify -attime {AT} -check_ss_sig -CAfile me.pem me.pem"))
            .accepted();
        assert!(CertificateInfo::parse(&der).unwrap().self_signed);
    }
    let error = self_sign(
        &request("me", &[], &p256()),
        &p256(),
        validity(),
        [7; 16],
        &server_extras(),
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("not the one of the certificate signing request"),
        "{error}"
    );
}

#[test]
fn a_ca_from_openssl_signs_and_its_subject_is_copied_byte_for_byte() {
    let desk = Desk::new();
    desk.openssl("req -x509 -sha256 -nodes -days 3650 -newkey rsa:2048 -keyout ca.key -out ca.pem -subj /CN=nginxsvc/O=nginxsvc -utf8").accepted();
    let blocks = pem::parse(&desk.get("ca.pem")).unwrap();
    let (ca_key, _) = PrivateKey::from_pem(&desk.get("ca.key")).unwrap();
    let ca = issuer(vec![], blocks[0].der.expose().clone(), ca_key);
    // Valid from now on, as that certificate is.
    let now = ca.info.not_before;
    let validity = Validity {
        not_before: now,
        not_after: ca.info.not_after,
    };
    let der = sign(
        &request("leaf", &["a.example"], &p256()),
        &ca,
        validity,
        [8; 16],
        &server_extras(),
    )
    .unwrap();
    put(&desk, "leaf.pem", &der);
    desk.openssl("verify -CAfile ca.pem leaf.pem").accepted();
    assert_eq!(
        CertificateInfo::parse(&der).unwrap().issuer.der(),
        ca.info.subject.der()
    );
}

#[test]
fn urls_that_cannot_be_written_are_refused() {
    let extras = Extras {
        ocsp_servers: vec![String::new()],
        ..server_extras()
    };
    let key = p256();
    let error = self_sign(&request("me", &[], &key), &key, validity(), [7; 16], &extras).unwrap_err();
    assert!(error.to_string().contains("cannot be written as a URL"), "{error}");
}
