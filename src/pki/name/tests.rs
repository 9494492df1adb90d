//! Names, judged by bytes that Go's crypto/x509/pkix wrote, and by openssl.

use proptest::prelude::*;

use super::*;

fn full() -> Subject {
    let list = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    Subject {
        common_name: "a.example".into(),
        organizations: list(&["Zeta", "Alpha & Co"]),
        organizational_units: list(&["Ü"]),
        countries: list(&["DE", "AT"]),
        localities: list(&["Graz*"]),
        provinces: list(&["Steiermark"]),
        street_addresses: list(&["Weg 1"]),
        postal_codes: list(&["8010"]),
        serial_number: "42".into(),
    }
}

#[test]
fn subjects_are_the_bytes_that_go_writes() {
    let go = "3081ac311630090603550406130241543009060355040613024445311330110603550408130a5374656965726d61726b310e300c06035504\
              070c054772617a2a310e300c060355040913055765672031310d300b06035504111304383031303120300b060355040a13045a657461301106\
              0355040a0c0a416c706861202620436f310b3009060355040b0c02c39c3112301006035504031309612e6578616d706c65310b300906035504\
              0513023432";
    let ours = show::hex(full().to_name().der());
    assert_eq!(ours.trim_start_matches('#'), go.replace(' ', ""));
    assert_eq!(Subject::default().to_name().der(), [0x30, 0]);
    assert!(Subject::default().to_name().is_empty());
}

#[test]
fn the_parts_of_a_subject_are_found_again() {
    let mut expected = full();
    // A SET has an order of its own.
    expected.countries.reverse();
    assert_eq!(Subject::from_name(&full().to_name()), expected);
}

#[test]
fn names_are_shown_with_the_last_part_first() {
    assert_eq!(
        full().to_name().to_string(),
        "SERIALNUMBER=42,CN=a.example,OU=Ü,O=Zeta+O=Alpha & Co,POSTALCODE=8010,STREET=Weg 1,L=Graz*,ST=Steiermark,C=AT+C=DE"
    );
}

#[test]
fn a_literal_subject_is_written_from_its_end() {
    let name = Name::from_literal("CN=foo-long, OU=one+UID=two; O=FooLong\\, Inc ,DC=corp,2.5.4.17=8010").unwrap();
    let attributes: Vec<(String, String)> = name.attributes().into_iter().map(|a| (a.oid, a.value)).collect();
    let expected = [
        (oid::POSTAL_CODE, "8010"),
        (oid::DOMAIN_COMPONENT, "corp"),
        (oid::ORGANIZATION, "FooLong, Inc"),
        (oid::ORGANIZATIONAL_UNIT, "one"),
        (oid::USER_ID, "two"),
        (oid::COMMON_NAME, "foo-long"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(oid, value)| ((*oid).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(attributes, expected);
    assert_eq!(name.common_name().as_deref(), Some("foo-long"));
}

#[test]
fn escapes_and_encoded_values_are_understood() {
    let name = Name::from_literal(r"CN=\C3\9C\ \#1\2C\ ,O=#0c0141").unwrap();
    let values: Vec<String> = name.attributes().into_iter().map(|a| a.value).collect();
    assert_eq!(values, ["A", "Ü #1, "]);
}

#[test]
fn mistakes_in_a_literal_subject_are_explained() {
    for (text, expected) in [
        ("CN", "has no \"=\""),
        ("CN=a,O", "near character 6"),
        ("CN=a,b,O=c", "no \"=\""),
        ("=a", "no attribute type"),
        ("XX=a", "unrecognized key \"XX\""),
        ("CN=a\\", "ends with a \\"),
        ("CN=a\\zz", "two hexadecimal digits"),
        ("CN=#1", "DER value"),
        ("CN=\\ff", "not UTF-8"),
    ] {
        let error = Name::from_literal(text).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("literal subject"), "{error}");
    }
}

#[derive(serde::Deserialize)]
struct Row {
    text: String,
    /// By relative name, type and value; nothing where it is refused.
    parts: Option<Vec<Vec<(String, String)>>>,
}

/// The table is what go-ldap v3.4.13 prints: `tests/data/go/literal_subject.go`.
#[test]
fn literal_subjects_are_read_as_go_ldap_reads_them() {
    let rows: Vec<Row> = serde_json::from_str(include_str!("../../../tests/data/literal_subject.json")).unwrap();
    assert!(rows.len() > 45);
    for Row { text, parts } in rows {
        let read = Name::from_literal(&text);
        let Some(parts) = parts else {
            assert!(read.is_err(), "{text:?}: {read:?}");
            continue;
        };
        let mut values: Vec<String> = read.unwrap().attributes().into_iter().map(|a| a.value).collect();
        values.sort();
        let mut expected: Vec<String> = parts.into_iter().flatten().map(|(_, value)| value).collect();
        expected.sort();
        assert_eq!(values, expected, "{text:?}");
    }
}

#[test]
fn names_with_control_characters_are_not_written() {
    for sans in [
        SubjectAltNames {
            dns: vec!["a\u{1b}[8m.example".into()],
            ..SubjectAltNames::default()
        },
        SubjectAltNames {
            emails: vec!["a\n@a.example".into()],
            ..SubjectAltNames::default()
        },
        SubjectAltNames {
            uris: vec!["spiffe://a/\u{7f}".into()],
            ..SubjectAltNames::default()
        },
    ] {
        let error = sans.to_der().unwrap_err().to_string();
        assert!(
            error.contains("control characters") && !error.contains(char::is_control),
            "{error}"
        );
    }
}

#[test]
fn alternative_names_are_written_in_the_order_of_their_kinds_and_read_back() {
    let names = SubjectAltNames {
        dns: vec!["*.a.example".into(), "b.example".into()],
        emails: vec!["x@a.example".into()],
        ips: vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        uris: vec!["spiffe://a/b".into()],
        others: vec![OtherName {
            oid: "1.3.6.1.4.1.311.20.2.3".into(),
            value: "üser@a".into(),
        }],
        foreign: vec![],
    };
    let der = names.to_der().unwrap();
    let tags: Vec<Tag> = der::read_all(&der, Tag::Sequence)
        .unwrap()
        .children()
        .unwrap()
        .iter()
        .map(|name| name.tag)
        .collect();
    assert_eq!(
        tags,
        [2, 2, 1, 7, 7, 6]
            .map(der::implicit)
            .into_iter()
            .chain([der::explicit(0)])
            .collect::<Vec<_>>()
    );
    assert_eq!(SubjectAltNames::from_der(&der).unwrap(), names);
}

#[test]
fn one_damaged_alternative_name_makes_all_of_them_unreadable() {
    let der = der::sequence(&[
        der::context_primitive(2, b"a.example"),
        der::context_primitive(7, &[1, 2, 3]),
    ]);
    assert!(
        SubjectAltNames::from_der(&der)
            .unwrap_err()
            .to_string()
            .contains("damaged IP address")
    );
    let der = der::sequence(&[der::context_primitive(2, &[0xff])]);
    assert!(
        SubjectAltNames::from_der(&der)
            .unwrap_err()
            .to_string()
            .contains("damaged DNS name")
    );
}

#[test]
fn names_outside_of_ascii_are_refused_with_advice() {
    let names = SubjectAltNames {
        dns: vec!["müller.example".into()],
        ..SubjectAltNames::default()
    };
    assert!(names.to_der().unwrap_err().to_string().contains("xn--"));
}

proptest! {
    #[test]
    fn what_is_shown_of_a_name_is_a_literal_subject_for_the_same_name(
        cn in "\\PC{1,12}", o in proptest::collection::vec("[ -~]{1,8}", 1..3)
    ) {
        let subject = Subject { common_name: cn, organizations: o, ..Subject::default() };
        let name = subject.to_name();
        prop_assert_eq!(Name::from_literal(&name.to_string()).unwrap(), name);
    }

    #[test]
    fn random_input_never_panics(text in "\\PC{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        drop(Name::from_literal(&text));
        drop(SubjectAltNames::from_der(&bytes));
        if let Ok(name) = Name::from_der(&bytes) { drop(name.to_string()); }
    }
}
