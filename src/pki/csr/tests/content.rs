//! What a request says: nothing that Go reads otherwise.

use super::*;
use crate::pki::der::Tag;
use crate::pki::oracle::GoReader;

/// A request by a P-256 key with these attributes (the content of `[0]`), signed.
fn request_of(attributes: &[Vec<u8>]) -> Vec<u8> {
    let info = info_of(&der::context(0, attributes));
    signed(&info)
}

fn info_of(attributes: &[u8]) -> Vec<u8> {
    let name = Subject::of_common_name("a.example").to_name();
    der::sequence(&[der::integer(0).as_slice(), name.der(), KEY.spki_der(), attributes])
}

static KEY: std::sync::LazyLock<PrivateKey> = std::sync::LazyLock::new(|| key(KeyAlgorithm::Ecdsa, 256));

fn signed(info: &[u8]) -> Vec<u8> {
    let algorithm = SignatureAlgorithm::EcdsaWithSha256;
    let signature = KEY.sign(algorithm, info).unwrap();
    der::sequence(&[info.to_vec(), algorithm.identifier(), der::bit_string(&signature)])
}

/// An attribute of this type with these values.
fn attribute(dotted: &'static str, values: &[Vec<u8>]) -> Vec<u8> {
    der::sequence(&[der::oid(dotted), der::tlv_of(Tag::Set, values)])
}

fn names(dns: &str) -> Vec<u8> {
    let sans = SubjectAltNames {
        dns: vec![dns.into()],
        ..SubjectAltNames::default()
    };
    extension::extension(oid::SUBJECT_ALT_NAME, false, &sans.to_der().unwrap())
}

fn list(extensions: &[Vec<u8>]) -> Vec<u8> {
    der::sequence(extensions)
}

/// A request, whether Go reads it and with which names, and what is reported of it.
type Case = (Vec<u8>, Option<&'static [&'static str]>, &'static str);

#[test]
fn requests_that_could_be_read_in_two_ways_are_refused() {
    let Some(go) = GoReader::start() else { return };
    let (good, evil) = (names("good.example"), names("evil.example"));
    let asked = |values: &[Vec<u8>]| attribute(oid::EXTENSION_REQUEST, values);
    let password = |text: &str| attribute("1.2.840.113549.1.9.7", &[der::tlv(Tag::Utf8String, text.as_bytes())]);
    let only = asked(&[list(std::slice::from_ref(&good))]);
    let whole = request_of(std::slice::from_ref(&only));
    let info = info_of(&der::context(0, std::slice::from_ref(&only)));
    let longer = |der: &[u8]| {
        // the same with a length of one byte more than it needs
        assert_eq!(der[1], 0x81);
        [&[der[0], 0x82, 0, der[2]], &der[3..]].concat()
    };
    let small = |der: &[u8]| [&[der[0], 0x81, der[1]], &der[2..]].concat();
    // Each with whether Go reads a request, and its names.
    let cases: Vec<Case> = vec![
        (
            request_of(&[only.clone(), asked(&[list(std::slice::from_ref(&evil))])]),
            None,
            "attribute 1.2.840.113549.1.9.14 more than once",
        ),
        (
            request_of(&[asked(&[
                list(std::slice::from_ref(&good)),
                list(std::slice::from_ref(&evil)),
            ])]),
            Some(&["good.example"]),
            "more than one list",
        ),
        (
            request_of(&[asked(&[list(&[good.clone(), evil.clone()])])]),
            None,
            "2.5.29.17 is there more than once",
        ),
        (
            request_of(&[password("a"), only.clone(), password("b")]),
            Some(&["good.example"]),
            "more than once",
        ),
        (
            request_of(&[attribute(oid::EXTENSION_REQUEST, &[])]),
            Some(&[]),
            "one of its attributes is none",
        ),
        (
            request_of(&[der::integer(1), only.clone()]),
            Some(&["good.example"]),
            "one of its attributes is none",
        ),
        (
            request_of(&[asked(&[der::integer(1)])]),
            None,
            "list of extensions is damaged",
        ),
        ([whole.clone(), vec![0]].concat(), None, "its DER cannot be read"),
        (signed(&[info.as_slice(), &[0x05, 0]].concat()), None, "three parts"),
        (
            signed(&der::sequence(&[&info[2..], &der::null()])),
            None,
            "version, subject, key and attributes",
        ),
        (longer(&whole), None, "its DER cannot be read"),
        (request_of(&[small(&only)]), None, "not encoded in DER"),
        (signed(&info_of(&[])), None, "version, subject, key and attributes"),
    ];
    for (der, expected, part) in cases {
        let text = pem::encode("CERTIFICATE REQUEST", &der);
        let refusal = CsrInfo::parse(&text).unwrap_err().to_string();
        assert!(refusal.contains(part), "{refusal} is not about {part}");
        let theirs = go.read(&text);
        if let Some(names) = expected {
            assert_eq!(
                (theirs.error.as_str(), theirs.dns.as_slice()),
                ("", &names.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
                "{part}"
            );
        }
    }
    assert_eq!(CsrInfo::from_der(&whole).unwrap().sans.dns, ["good.example"]);
}

#[test]
fn what_a_request_says_is_what_go_says() {
    let Some(go) = GoReader::start() else { return };
    let desk = Desk::new();
    let config = "[req]\ndistinguished_name=dn\nreq_extensions=ext\nattributes=attr\nprompt=no\n[dn]\nO=b\n0.OU=one\n1.OU=zw\u{f6}lf\nCN=a\n\
                  [attr]\nchallengePassword=secret\nunstructuredName=n\n\
                  [ext]\nsubjectAltName=DNS:a.example,DNS:*.b.example,IP:::1,IP:10.0.0.1,email:x@a.example,URI:spiffe://a/b\n\
                  tlsfeature=status_request\nkeyUsage=critical,keyAgreement,decipherOnly\nextendedKeyUsage=clientAuth,1.2.3.4\n\
                  basicConstraints=critical,CA:TRUE,pathlen:3\n";
    desk.put("req.cnf", config.as_bytes());
    for new_key in ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-384", "ed25519"] {
        let command = format!("req -new -utf8 -newkey {new_key} -nodes -config req.cnf -keyout key.pem -out a.csr");
        desk.openssl(&command).accepted();
        let text = desk.get("a.csr");
        let (ours, theirs) = (CsrInfo::parse(&text).unwrap(), go.read(&text));
        assert_eq!((theirs.error.as_str(), theirs.signature.as_str()), ("", ""));
        assert_eq!(ours.subject.der(), theirs.subject());
        assert_eq!(ours.sans.dns, theirs.dns);
        assert_eq!(ours.sans.emails, theirs.emails);
        assert_eq!(ours.sans.uris, theirs.uris);
        let ips: Vec<String> = ours.sans.ips.iter().map(ToString::to_string).collect();
        assert_eq!(ips, theirs.ips);
        let basic = BasicConstraints {
            is_ca: true,
            path_len: Some(3),
        };
        assert_eq!(ours.basic_constraints, Some(basic));
        let written: Vec<(String, bool)> = theirs
            .extensions
            .iter()
            .map(|it| (it.oid.clone(), it.critical))
            .collect();
        assert_eq!(theirs.headers, 0);
        let value = theirs.extensions.iter().find(|it| it.oid == oid::BASIC_CONSTRAINTS);
        let ours = extension::basic_constraints(basic)
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        assert_eq!(value.map(|it| it.value.as_str()), Some(ours.as_str()));
        assert!(written.contains(&(oid::BASIC_CONSTRAINTS.into(), true)), "{written:?}");
    }
}
