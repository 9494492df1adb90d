//! Signers, judged by openssl.

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

#[test]
fn sgn_02_a_leaf_of_an_intermediate_is_verified_by_openssl_with_its_ca_crt() {
    let desk = Desk::new();
    let root = fixture::root("root", fixture::key(KeyAlgorithm::Rsa, 2048));
    let middle = fixture::intermediate("middle", &root, fixture::p256());
    let leaf_key = fixture::p256();
    let csr = build(&template("leaf"), &leaf_key).unwrap();
    let mut with_root = Secret::of(&middle, &middle.chain);
    let mut root_in_ca_crt = Secret::of(&middle, &middle.chain[..1]);
    root_in_ca_crt.ca = Some(to_pem(&root.chain));
    with_root.ca = None;
    for secret in [with_root, root_in_ca_crt] {
        let authority = secret.authority().unwrap();
        let urls = Urls {
            ocsp_servers: vec!["http://o.example".into()],
            ..Urls::default()
        };
        let issued = authority
            .sign(&request(&csr), &urls, Outliving::State, now(), SERIAL)
            .unwrap();
        assert_eq!(issued.ca, to_pem(&root.chain));
        let chain = certificates(&issued.certificate);
        assert_eq!(chain.len(), 2, "the root is not part of the chain");
        assert_eq!((chain[0].not_before, chain[0].key_hash), (now(), leaf_key.hash()));
        assert_eq!(chain[0].not_after, now() + SignedDuration::from_hours(2160));
        assert!(issued.warnings.is_empty());
        desk.put("ca.pem", &issued.ca);
        desk.put("tls.pem", &issued.certificate);
        desk.openssl(
            "verify -x509_strict -purpose sslserver -attime 1800000001 -CAfile ca.pem -untrusted tls.pem tls.pem",
        )
        .accepted();
        let text = desk.openssl("x509 -in tls.pem -noout -text").output();
        assert!(text.contains("OCSP - URI:http://o.example"), "{text}");
    }
}

#[test]
fn sgn_01_a_self_signed_certificate_is_its_own_ca() {
    let desk = Desk::new();
    let key = fixture::p256();
    let csr = build(&template("me"), &key).unwrap();
    let issued = selfsigned::sign(&request(&csr), &key, &["http://crl.example".into()], now(), SERIAL).unwrap();
    assert_eq!(issued.certificate, issued.ca);
    assert!(issued.warnings.is_empty());
    desk.put("me.pem", &issued.certificate);
    desk.openssl("verify -attime 1800000001 -check_ss_sig -CAfile me.pem me.pem")
        .accepted();
    assert!(
        desk.openssl("x509 -in me.pem -noout -text")
            .output()
            .contains("URI:http://crl.example")
    );
}

#[test]
fn sgn_01_an_empty_subject_is_warned_of_and_a_foreign_key_is_refused() {
    let key = fixture::p256();
    let template = CsrTemplate {
        subject: Subject::default().to_name(),
        ..template("")
    };
    let csr = build(&template, &key).unwrap();
    let issued = selfsigned::sign(&request(&csr), &key, &[], now(), SERIAL).unwrap();
    assert_eq!(issued.warnings[0].reason, "BadConfig");
    let refusal = selfsigned::sign(&request(&csr), &fixture::p256(), &[], now(), SERIAL).unwrap_err();
    assert_eq!(
        (refusal.kind.to_string().as_str(), refusal.reason),
        ("Failed", "ErrorKeyMatch")
    );
}

#[test]
fn crq_03_usages_and_is_ca_of_the_csr_must_be_those_of_the_request() {
    let key = fixture::p256();
    let csr = build(&template("leaf"), &key).unwrap();
    let other = Request {
        usages: &[Usage::ClientAuth],
        ..request(&csr)
    };
    let refusal = selfsigned::sign(&other, &key, &[], now(), SERIAL).unwrap_err();
    assert_eq!(refusal.reason, "ErrorGenerating");
    assert_eq!(
        refusal.message,
        "Error generating certificate template: encoded CSR error: the usages [ 'digital signature', 'server auth' ] do not match the \
         expected usages [ 'client auth' ]"
    );
    let silent = CsrTemplate {
        encode_usages: false,
        ..template("leaf")
    };
    let csr = build(&silent, &key).unwrap();
    let silent = Request {
        usages: &[Usage::ClientAuth],
        ..request(&csr)
    };
    let issued = selfsigned::sign(&silent, &key, &[], now(), SERIAL).unwrap();
    assert_eq!(
        certificates(&issued.certificate)[0].usages.as_ref().unwrap().usages(),
        [Usage::ClientAuth]
    );
    // IKE has no name in the API
    let mut unnamed = template("leaf");
    unnamed.usages.insert_purpose("1.3.6.1.5.5.8.2.2");
    let csr = build(&unnamed, &key).unwrap();
    let issued = selfsigned::sign(&request(&csr), &key, &[], now(), SERIAL).unwrap();
    let desk = Desk::new();
    desk.put("leaf.pem", &issued.certificate);
    let text = desk.openssl("x509 -in leaf.pem -noout -ext extendedKeyUsage").output();
    assert!(
        // OpenSSL knows its name since 3.2
        text.contains("TLS Web Server Authentication, ipsec Internet Key Exchange")
            || text.contains("TLS Web Server Authentication, 1.3.6.1.5.5.8.2.2"),
        "{text}"
    );
    let ca = CsrTemplate {
        is_ca: true,
        encode_basic_constraints: true,
        usages: UsageSet::new(&USAGES, true),
        ..template("leaf")
    };
    let csr = build(&ca, &key).unwrap();
    let refusal = selfsigned::sign(&request(&csr), &key, &[], now(), SERIAL).unwrap_err();
    assert!(
        refusal
            .message
            .contains("IsCA true does not match expected value false"),
        "{}",
        refusal.message
    );
    let refusal = selfsigned::sign(&request(b"garbage"), &key, &[], now(), SERIAL).unwrap_err();
    assert!(
        refusal.message.contains("BEGIN CERTIFICATE REQUEST"),
        "{}",
        refusal.message
    );
}

fn root_with(validity: Validity, extras: &Extras) -> Issuer {
    let key = fixture::p256();
    let der = self_sign(&fixture::request("old", &[], &key), &key, validity, SERIAL, extras).unwrap();
    fixture::issuer(vec![], der, key)
}

#[test]
fn rdy_02_each_unusable_pair_is_explained_in_one_sentence() {
    let root = fixture::root("root", fixture::p256());
    let good = || Secret::of(&root, &root.chain);
    let leaf_issuer = root_with(fixture::validity(), &fixture::server_extras());
    let past = Validity {
        not_before: "2020-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2021-01-01T00:00:00Z".parse().unwrap(),
    };
    let expired = root_with(past, &fixture::ca_extras());
    let no_sign = root_with(
        fixture::validity(),
        &Extras {
            is_ca: true,
            ..fixture::server_extras()
        },
    );
    let with = |change: fn(&mut Secret)| {
        let mut secret = good();
        change(&mut secret);
        secret
    };
    let mut mixed = good();
    mixed.key = fixture::p256().to_pem(KeyEncoding::Pkcs8).unwrap().expose().clone();
    for (secret, reason, part) in [
        (
            with(|s| s.key.clear()),
            "ErrGetKeyPair",
            "no data for \"tls.key\" in secret 'ns/ca'",
        ),
        (
            with(|s| s.certificate.clear()),
            "ErrGetKeyPair",
            "no data for \"tls.crt\" in secret 'ns/ca'",
        ),
        (
            with(|s| s.key = b"x".to_vec()),
            "ErrGetKeyPair",
            "tls.key: the text holds no PEM block",
        ),
        (
            with(|s| s.certificate = b"x".to_vec()),
            "ErrGetKeyPair",
            "tls.crt: the text holds no certificate",
        ),
        (
            with(|s| s.ca = Some(b"x".to_vec())),
            "ErrGetKeyPair",
            "ca.crt: the text holds no certificate",
        ),
        (
            Secret::of(&leaf_issuer, &leaf_issuer.chain),
            "ErrInvalidKeyPair",
            "certificate is not a CA",
        ),
        (
            mixed,
            "ErrInvalidKeyPair",
            "tls.key is not the key of the certificate \"CN=root\"",
        ),
        (
            Secret::of(&expired, &expired.chain),
            "ErrInvalidKeyPair",
            "expired on 2021-01-01T00:00:00Z",
        ),
        (
            Secret::of(&no_sign, &no_sign.chain),
            "ErrInvalidKeyPair",
            "does not allow it to sign",
        ),
    ] {
        let problem = secret.authority().unwrap_err();
        assert_eq!(problem.ready_reason(), reason, "{problem}");
        let message = problem.ready_message();
        assert!(
            message.starts_with("Error getting keypair for CA issuer: ") && message.contains(part),
            "{message}"
        );
        assert_eq!(problem.refusal(&secret.data()).reason, "SecretInvalidData");
    }
    assert!(good().authority().is_ok());
}

/// CSR-05: what cert-manager's `BuildKeyUsagesKube` makes of the usages of a request of Kubernetes' own kind.
#[test]
fn csr_05_a_ca_of_a_kubernetes_request_has_the_usages_that_were_approved() {
    let key = fixture::p256();
    for encode_usages in [true, false] {
        let asking = CsrTemplate {
            is_ca: true,
            encode_basic_constraints: true,
            encode_usages,
            ..template("ca")
        };
        let csr = build(&asking, &key).unwrap();
        let asked = Request {
            is_ca: true,
            adds_cert_sign: false,
            ..request(&csr)
        };
        let issued = selfsigned::sign(&asked, &key, &[], now(), SERIAL).unwrap();
        let desk = Desk::new();
        desk.put("ca.pem", &issued.certificate);
        let text = desk
            .openssl("x509 -in ca.pem -noout -ext basicConstraints,keyUsage")
            .output();
        assert!(text.contains("CA:TRUE") && text.contains("Digital Signature"), "{text}");
        assert!(!text.contains("Certificate Sign"), "{text}");
    }
}

#[test]
fn a_leaf_never_outlives_its_ca_silently() {
    let root = fixture::root("root", fixture::p256());
    let authority = Secret::of(&root, &root.chain).authority().unwrap();
    let csr = build(&template("leaf"), &fixture::p256()).unwrap();
    let long = Request {
        duration: SignedDuration::from_hours(20 * 365 * 24),
        ..request(&csr)
    };
    for (outliving, ends_with_ca) in [(Outliving::State, false), (Outliving::Clamp, true)] {
        let issued = authority
            .sign(&long, &Urls::default(), outliving, now(), SERIAL)
            .unwrap();
        let leaf = &certificates(&issued.certificate)[0];
        assert_eq!(leaf.not_after == root.info.not_after, ends_with_ca);
        assert_eq!(issued.warnings[0].reason, "OutlivesCA");
        assert!(
            issued.warnings[0].message.contains("2036-01-01T00:00:00Z"),
            "{}",
            issued.warnings[0].message
        );
    }
}

#[test]
fn a_ca_below_a_ca_has_a_shorter_path_or_none() {
    let key = fixture::p256();
    let template = CsrTemplate {
        is_ca: true,
        encode_usages: false,
        ..template("below")
    };
    for (above, expected) in [(None, Some(None)), (Some(2), Some(Some(1))), (Some(0), None)] {
        let extras = Extras {
            max_path_len: above,
            ..fixture::ca_extras()
        };
        let root = root_with(fixture::validity(), &extras);
        let authority = Secret::of(&root, &root.chain).authority().unwrap();
        let csr = build(&template, &key).unwrap();
        let asked = Request {
            csr: &csr,
            is_ca: true,
            adds_cert_sign: true,
            usages: &[],
            duration: SignedDuration::from_hours(1),
        };
        let issued = authority.sign(&asked, &Urls::default(), Outliving::State, now(), SERIAL);
        let path_len = issued
            .as_ref()
            .ok()
            .map(|issued| certificates(&issued.certificate)[0].path_len);
        assert_eq!(path_len, expected, "{issued:?}");
    }
}

/// SEC-06: the issuer alone tells. cert-manager's have no serial number in the subject either: the raw subject outranks the field that it
/// sets.
#[test]
fn sec_06_a_temporary_certificate_is_recognised_by_its_issuer_and_says_what_the_template_says() {
    let key = fixture::p256();
    let template = CsrTemplate {
        subject: Name::from_literal("CN=a,O=b").unwrap(),
        ..template("unused")
    };
    let lifetime = SignedDuration::from_hours(1);
    let pem = temporary::sign_temporary(&template, &key.public_key(), lifetime, now(), SERIAL).unwrap();
    let [info] = &certificates(&pem)[..] else {
        panic!("only the leaf is stored")
    };
    assert!(crate::plan::certificate::is_temporary(info));
    let desk = Desk::new();
    desk.put("temporary.pem", &pem);
    let stated = desk
        .openssl("x509 -in temporary.pem -noout -subject -issuer -nameopt RFC2253")
        .output();
    for part in ["subject=CN=a,O=b", "issuer=CN=cert-manager.local"] {
        assert!(stated.contains(part), "{stated}");
    }
    assert_eq!(
        (info.subject.to_string().as_str(), info.key_hash),
        ("CN=a,O=b", key.hash())
    );
}

/// SEC-06, with certificates that openssl made: the issuer's common name tells, and no other field.
#[test]
fn sec_06_who_issued_a_certificate_tells_that_it_is_temporary_whoever_made_it() {
    let desk = Desk::new();
    let ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout";
    let made = |name: &str, ca: &str, leaf: &str| {
        desk.openssl(&format!(
            "req -x509 -new {ec} {name}.ca.key -subj {ca} -out {name}.ca.pem"
        ))
        .accepted();
        let by = format!("-CA {name}.ca.pem -CAkey {name}.ca.key");
        desk.openssl(&format!(
            "req -x509 -new {ec} {name}.key -subj {leaf} {by} -out {name}.pem"
        ))
        .accepted();
        CertificateInfo::parse_pem(&desk.get(&format!("{name}.pem"))).unwrap()
    };
    for (name, ca, leaf, temporary) in [
        ("temporary", "/CN=cert-manager.local", "/CN=a", true),
        (
            "with-more",
            "/O=x/CN=cert-manager.local",
            "/CN=a/serialNumber=1234567890",
            true,
        ),
        (
            "subject",
            "/CN=other",
            "/CN=cert-manager.local/serialNumber=1234567890",
            false,
        ),
        ("organisation", "/CN=other/O=cert-manager.local", "/CN=a", false),
        ("longer", "/CN=cert-manager.local.example", "/CN=a", false),
    ] {
        let info = made(name, ca, leaf);
        assert_eq!(crate::plan::certificate::is_temporary(&info), temporary, "{name}");
    }
}
