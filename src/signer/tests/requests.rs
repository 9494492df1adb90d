//! Requests: what of the CSR has to be that of the request.

use super::*;

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
