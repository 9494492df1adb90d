//! CAs that are old, and such as never end. openssl judges.

use std::collections::BTreeSet;

use crate::place::Place;

#[test]
fn old_roots_are_signed_again_with_the_same_key_and_stay_one_certificate() {
    for (digest, start, end) in [
        ("sha1", "20200101000000Z", "20400101000000Z"),
        ("md5", "20140101000000Z", "20240101000000Z"),
        ("sha1", "20140101000000Z", "20240101000000Z"),
        ("sha256", "20140101000000Z", "20240101000000Z"),
    ] {
        let place = Place::new();
        place.openssl("genrsa -out ca-key.pem 2048");
        place.dated_root("ca.pem", "ca-key.pem", [start, end], &format!("-md {digest}"));
        let facts = |place: &Place| {
            let said = place
                .openssl("x509 -in ca.pem -noout -subject -pubkey -ext subjectKeyIdentifier,basicConstraints,keyUsage");
            said.lines().map(|line| line.trim().to_owned()).collect::<BTreeSet<_>>()
        };
        let before = facts(&place);
        place.openssl("req -new -newkey rsa:2048 -nodes -subj /CN=c -keyout c-key.pem -out c.csr");
        place.openssl("x509 -req -in c.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 30 -out c.pem");
        place.certlet("ca renew ca.pem --force --days 1000");
        assert_eq!(place.text("ca.pem").matches("BEGIN CERTIFICATE").count(), 1, "{digest}");
        assert_eq!(facts(&place), before);
        let text = place.openssl("x509 -in ca.pem -noout -text");
        assert!(text.contains("Signature Algorithm: sha256WithRSAEncryption"), "{text}");
        place.openssl("verify -CAfile ca.pem c.pem");
    }
}

#[test]
fn a_root_with_an_old_signature_is_not_part_of_the_chains_below_it() {
    let place = Place::new();
    place.openssl("genrsa -out ca-key.pem 2048");
    place.dated_root(
        "ca.pem",
        "ca-key.pem",
        ["20200101000000Z", "20400101000000Z"],
        "-md sha1",
    );
    place.certlet("ca issue --host a.example --profile server");
    assert_eq!(place.text("a.example.pem").matches("BEGIN CERTIFICATE").count(), 1);
    assert!(
        place
            .certlet("ca verify a.example.pem --host a.example")
            .contains("good")
    );
    place.openssl("verify -CAfile ca.pem a.example.pem");
}

/// RFC 5280 section 4.1.2.5: 99991231235959Z says that there is no end.
#[test]
fn a_ca_without_an_end_can_do_everything() {
    let place = Place::new();
    place.openssl("genrsa -out ca-key.pem 2048");
    place.dated_root("ca.pem", "ca-key.pem", ["20200101000000Z", "99991231235959Z"], "");
    let shown = place.certlet("ca show ca.pem");
    assert!(
        shown.contains("for ever") && shown.contains("9999-12-31T23:59:59Z"),
        "{shown}"
    );
    place.certlet("ca issue --host a.example --profile server");
    assert!(
        place
            .certlet("ca verify a.example.pem --host a.example")
            .contains("good")
    );
    place.openssl("verify -CAfile ca.pem a.example.pem");
    place.certlet("ca renew ca.pem --force");
    let end = place.openssl("x509 -in ca.pem -noout -enddate -dateopt iso_8601");
    assert!(end.contains("9999-12-31 23:59:59Z"), "{end}");
    place.openssl("verify -CAfile ca.pem a.example.pem");
}
