//! Temporary certificates.

use super::*;

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
