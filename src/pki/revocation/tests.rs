//! openssl is the CA, the responder and the judge.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::pki::{chain::parse_certificates, oracle::Desk};

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
const URL: &str = "http://ca.example/list.crl";

/// A CA of openssl with one certificate of serial number 0x1234.
struct Ca {
    desk: Desk,
    subject: Subject,
    now: Timestamp,
}

impl Ca {
    fn new() -> Self {
        let desk = Desk::new();
        desk.openssl(&format!(
            "req -x509 {NEW_KEY} -subj /CN=root -days 30 -keyout ca.key -out ca.pem"
        ))
        .accepted();
        desk.openssl(&format!(
            "req -new {NEW_KEY} -subj /CN=leaf -keyout leaf.key -out leaf.csr"
        ))
        .accepted();
        desk.openssl("x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 0x1234 -days 20 -out leaf.pem")
            .accepted();
        let subject = Subject::new(&Self::der(&desk, "leaf.pem"), &Self::der(&desk, "ca.pem")).unwrap();
        let now = subject.certificate.not_before;
        let ca = Self { desk, subject, now };
        ca.index("V\t301231235959Z\t\t1234\tunknown\t/CN=leaf\n");
        ca
    }

    fn der(desk: &Desk, name: &str) -> Vec<u8> {
        let text = desk.get(name);
        parse_certificates(&text, text.len()).unwrap().remove(0)
    }

    /// The database of `openssl ca` and `openssl ocsp`.
    fn index(&self, lines: &str) {
        self.desk.put("index.txt", lines.as_bytes());
    }

    fn revoke(&self) {
        self.index("R\t301231235959Z\t261101000000Z,keyCompromise\t1234\tunknown\t/CN=leaf\n");
    }

    /// The response of `openssl ocsp`, signed by the certificate and key with these names.
    fn response(&self, signer: &str) -> Vec<u8> {
        self.response_with(signer, "-ndays 1")
    }

    /// A response with further flags. Without `-ndays` and `-nmin` it has no `nextUpdate`.
    fn response_with(&self, signer: &str, flags: &str) -> Vec<u8> {
        self.desk.put("request.der", &OcspRequest::new(&self.subject).to_der());
        self.desk
            .openssl(&format!(
                "ocsp -index index.txt -CA ca.pem -rsigner {signer}.pem -rkey {signer}.key -reqin request.der \
                 -respout response.der {flags}"
            ))
            .accepted();
        self.desk.get("response.der")
    }

    /// A certificate and key with this name, signed by the CA, with this extended key usage. Now is then not before its first second.
    fn delegate(&mut self, name: &str, usage: &str) {
        let usage = format!("extendedKeyUsage={usage}");
        self.desk.put(&format!("{name}.ext"), usage.as_bytes());
        self.desk
            .openssl(&format!(
                "req -new {NEW_KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr"
            ))
            .accepted();
        self.desk
            .openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -set_serial 7 -days 9 -extfile {name}.ext -out {name}.pem"
            ))
            .accepted();
        let made = CertificateInfo::parse(&Self::der(&self.desk, &format!("{name}.pem"))).unwrap();
        self.now = self.now.max(made.not_before);
    }

    /// A list of `openssl ca -gencrl` with these lines in its section of extensions.
    fn list(&self, extensions: &str) -> Vec<u8> {
        let config = format!(
            "[ca]\ndefault_ca = root\n[root]\ndatabase = index.txt\ncertificate = ca.pem\nprivate_key = ca.key\n\
             default_md = sha256\ncrl_extensions = crl\n[crl]\nauthorityKeyIdentifier = keyid\n{extensions}\n"
        );
        self.desk.put("ca.cnf", config.as_bytes());
        self.desk
            .openssl("ca -gencrl -config ca.cnf -crldays 2 -out list.pem")
            .accepted();
        self.desk
            .openssl("crl -in list.pem -outform DER -out list.der")
            .accepted();
        self.desk.get("list.der")
    }

    fn in_response(&self, response: &[u8]) -> Result<Status, Error> {
        in_response(self.now, response, &self.subject)
    }

    fn in_list(&self, list: &[u8]) -> Result<Status, Error> {
        in_list(self.now, list, URL, &self.subject)
    }
}

fn revoked() -> Status {
    Status::Revoked {
        at: "2026-11-01T00:00:00Z".parse().unwrap(),
        reason: Some("keyCompromise"),
    }
}

#[track_caller]
fn refused(answer: Result<Status, Error>, why: &str) {
    let error = answer.unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn openssl_answers_our_request_and_its_statuses_are_read() {
    let ca = Ca::new();
    assert_eq!(ca.in_response(&ca.response("ca")), Ok(Status::Good));
    ca.revoke();
    assert_eq!(ca.in_response(&ca.response("ca")), Ok(revoked()));
    ca.index("");
    assert_eq!(ca.in_response(&ca.response("ca")), Ok(Status::Unknown));
}

#[test]
fn a_response_counts_only_from_the_issuer_or_a_responder_that_it_named() {
    let mut ca = Ca::new();
    ca.delegate("named", "OCSPSigning");
    ca.delegate("server", "serverAuth");
    assert_eq!(ca.in_response(&ca.response("named")), Ok(Status::Good));
    refused(ca.in_response(&ca.response("server")), "signed neither by the issuer");
    refused(ca.in_response(&ca.response("leaf")), "signed neither by the issuer");
}

#[test]
fn a_changed_response_of_a_responder_about_a_revoked_certificate_never_reads_as_good() {
    let mut ca = Ca::new();
    ca.delegate("named", "OCSPSigning");
    ca.revoke();
    let response = ca.response("named");
    assert_eq!(ca.in_response(&response), Ok(revoked()));
    for at in 0..response.len() {
        for bits in [1, 2, 0x20, 0x80] {
            let mut changed = response.clone();
            changed[at] ^= bits;
            // what is outside of the signed data may change
            assert!(
                !matches!(ca.in_response(&changed), Ok(status) if status != revoked()),
                "byte {at}"
            );
        }
    }
}

#[test]
fn a_forged_response_with_the_certificate_of_a_responder_does_not_count() {
    let mut ca = Ca::new();
    ca.delegate("named", "OCSPSigning");
    ca.desk
        .openssl(&format!(
            "req -x509 {NEW_KEY} -subj /CN=named -days 9 -keyout forger.key -out forger.pem"
        ))
        .accepted();
    let forged = ca.response_with("forger", "-ndays 1 -rother named.pem");
    let attached = Ca::der(&ca.desk, "named.pem");
    assert!(forged.windows(attached.len()).any(|part| part == attached));
    refused(ca.in_response(&forged), "signed neither by the issuer");
}

#[test]
fn of_several_certificates_of_responders_the_one_that_signed_counts() {
    let mut ca = Ca::new();
    for name in ["old", "new", "next"] {
        ca.delegate(name, "OCSPSigning");
    }
    let others = [ca.desk.get("old.pem"), ca.desk.get("next.pem")].concat();
    ca.desk.put("others.pem", &others);
    let response = ca.response_with("new", "-ndays 1 -rother others.pem");
    assert_eq!(ca.in_response(&response), Ok(Status::Good));
    // no certificate is attached
    let without = ca.response_with("new", "-ndays 1 -resp_no_certs -rother others.pem");
    refused(ca.in_response(&without), "signed neither by the issuer");
    // openssl attaches the signer first; the order does not matter
    let (own, old) = (Ca::der(&ca.desk, "new.pem"), Ca::der(&ca.desk, "old.pem"));
    let place = |part: &[u8]| response.windows(part.len()).position(|found| found == part).unwrap();
    let (first, second) = (place(&own).min(place(&old)), place(&own).max(place(&old)));
    let (one, two) = if place(&own) < place(&old) {
        (&own, &old)
    } else {
        (&old, &own)
    };
    let swapped = [
        &response[..first],
        two.as_slice(),
        &response[first + one.len()..second],
        one.as_slice(),
        &response[second + two.len()..],
    ]
    .concat();
    assert_eq!(ca.in_response(&swapped), Ok(Status::Good));
}

#[test]
fn an_answer_without_the_time_of_the_next_one_counts_for_a_day() {
    let ca = Ca::new();
    let response = ca.response_with("ca", "");
    assert_eq!(ca.in_response(&response), Ok(Status::Good));
    let after = |hours| ca.now.checked_add(SignedDuration::from_hours(hours)).unwrap();
    assert_eq!(in_response(after(23), &response, &ca.subject), Ok(Status::Good));
    refused(
        in_response(after(25), &response, &ca.subject),
        "does not say when a newer one is due",
    );
}

#[test]
fn a_response_that_is_changed_old_or_about_another_certificate_does_not_count() {
    let ca = Ca::new();
    let response = ca.response("ca");
    for at in 0..response.len() {
        let mut changed = response.clone();
        changed[at] ^= 1;
        // the certificates at the end are not needed if the issuer has signed
        assert!(
            !matches!(ca.in_response(&changed), Ok(status) if status != Status::Good),
            "byte {at}"
        );
    }
    let later = ca.now.checked_add(SignedDuration::from_hours(48)).unwrap();
    refused(in_response(later, &response, &ca.subject), "out of date");
    let before = ca.now.checked_sub(SignedDuration::from_hours(1)).unwrap();
    refused(in_response(before, &response, &ca.subject), "not valid before");
    let mut other = ca.subject.clone();
    other.certificate.serial = vec![0x12, 0x35];
    refused(in_response(ca.now, &response, &other), "about another certificate");
    refused(ca.in_response(b"<html>"), "no OCSP response");
    refused(ca.in_response(&[0x30, 3, 0x0a, 1, 3]), "tryLater");
}

#[test]
fn a_list_of_openssl_is_read_if_its_issuer_signed_it_and_it_is_current() {
    let ca = Ca::new();
    let list = ca.list("");
    assert_eq!(ca.in_list(&list), Ok(Status::Good));
    let later = ca.now.checked_add(SignedDuration::from_hours(72)).unwrap();
    refused(in_list(later, &list, URL, &ca.subject), "out of date");
    let mut changed = list;
    let at = changed.len() - 1;
    changed[at] ^= 1;
    refused(ca.in_list(&changed), "not signed by the issuer");
    refused(
        ca.in_list(b"-----BEGIN X509 CRL-----"),
        "no certificate revocation list",
    );
    ca.revoke();
    assert_eq!(ca.in_list(&ca.list("")), Ok(revoked()));
    refused(Ca::new().in_list(&ca.list("")), "not signed by the issuer");
}

#[test]
fn a_list_for_other_certificates_says_nothing() {
    let ca = Ca::new();
    let scope = |lines: &str| {
        ca.list(&format!(
            "issuingDistributionPoint = critical, @scope\n[scope]\n{lines}"
        ))
    };
    assert_eq!(ca.in_list(&scope(&format!("fullname = URI:{URL}"))), Ok(Status::Good));
    assert_eq!(ca.in_list(&scope("onlyuser = TRUE")), Ok(Status::Good));
    for lines in [
        "onlyCA = TRUE",
        "fullname = URI:http://ca.example/other.crl",
        "onlysomereasons = keyCompromise",
    ] {
        refused(ca.in_list(&scope(lines)), "for other certificates");
    }
    refused(
        ca.in_list(&ca.list("1.2.3.4 = critical, DER:05:00")),
        "critical extension 1.2.3.4",
    );
}

#[test]
fn the_issuer_has_to_have_signed() {
    let ca = Ca::new();
    let (leaf, root) = (Ca::der(&ca.desk, "leaf.pem"), Ca::der(&Ca::new().desk, "ca.pem"));
    let error = Subject::new(&leaf, &root).unwrap_err().to_string();
    assert!(error.contains("not the issuer"), "{error}");
}
