//! Certificates that are signed with the key of the request.

use super::*;

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
