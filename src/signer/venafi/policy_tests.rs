//! Policies of zones.

use super::*;
use crate::pki::{key::PrivateKey, name::SubjectAltNames};

fn allows(rule: &Rule, texts: [(&str, bool); 6]) {
    for (text, allowed) in texts {
        assert_eq!(rule.allows(text), allowed, "{rule}: {text}");
    }
}

#[test]
fn domains_and_patterns_are_compared_as_a_whole() {
    let within = Rules::domains(&["a.example".to_owned(), ".b.example".to_owned()], false);
    allows(
        &within.0[0],
        [
            ("a.example", true),
            ("x.y-1.a.example", true),
            ("*.a.example", false),
            ("xa.example", false),
            (".a.example", false),
            ("a.example.org", false),
        ],
    );
    allows(
        &within.0[1],
        [
            ("b.example", false),
            ("x.b.example", true),
            ("x..b.example", false),
            ("x_y.b.example", false),
            ("ü.b.example", true),
            ("", false),
        ],
    );
    assert!(Rules::domains(&["a.example".to_owned()], true).0[0].allows("*.a.example"));
    allows(
        &Rule::pattern(r"[\w-]+\.example"),
        [
            ("web.example", true),
            ("a.web.example", false),
            ("web.example.org", false),
            ("", false),
            ("webXexample", false),
            ("w-1.example", true),
        ],
    );
    assert!(matches!(Rule::pattern(r"\p{L}+"), Rule::Unreadable));
    assert!(matches!(Rule::pattern("((a{100}){100}){100}"), Rule::Unreadable));
    assert!(matches!(Rule::pattern(&"a".repeat(LONGEST + 1)), Rule::Unreadable));
}

fn csr(subject: &Subject, dns: &[&str], key: KeySpec) -> CsrInfo {
    let key = PrivateKey::generate(key).unwrap();
    CsrInfo {
        subject: subject.to_name(),
        sans: SubjectAltNames {
            dns: dns.iter().map(ToString::to_string).collect(),
            ..SubjectAltNames::default()
        },
        public_key: key.public_key(),
        usages: None,
        basic_constraints: None,
        name_constraints: None,
    }
}

fn free() -> Policy {
    let part = || Part {
        default: Vec::new(),
        rules: Rules::any(),
    };
    Policy {
        common_name: Rules::any(),
        dns: Rules::any(),
        organization: part(),
        organizational_unit: part(),
        province: part(),
        locality: part(),
        country: part(),
        keys: None,
        rsa_bits: None,
    }
}

#[test]
fn a_violation_names_the_value_and_what_is_allowed() {
    let p256 = KeySpec::new(KeyAlgorithm::Ecdsa, None);
    let request = csr(&Subject::of_common_name("web.example"), &["web.example"], p256);
    assert_eq!(free().violation(&request), None);
    let policy = Policy {
        common_name: Rules::domains(&["other.example".to_owned()], false),
        ..free()
    };
    assert_eq!(
        policy.violation(&request).unwrap(),
        "common name \"web.example\" is not allowed in this policy (allowed: [*.]other.example)"
    );
    let policy = Policy {
        dns: Rules::default(),
        ..free()
    };
    assert!(policy.violation(&request).unwrap().contains("DNS name \"web.example\""));
    let keys = Keys {
        rsa: Some(Sizes::AtLeast(2048)),
        curves: Some(Sizes::OneOf(vec![384])),
    };
    let policy = Policy {
        keys: Some(keys),
        ..free()
    };
    assert!(policy.violation(&request).unwrap().contains("ECDSA 256"));
}

#[test]
fn a_default_of_the_zone_counts_for_a_request_without_a_value() {
    let p256 = KeySpec::new(KeyAlgorithm::Ecdsa, None);
    let policy = Policy {
        organization: Part {
            default: vec!["Example".to_owned()],
            rules: Rules(vec![Rule::Exactly("Example".to_owned())]),
        },
        ..free()
    };
    let none = csr(&Subject::of_common_name("web.example"), &[], p256);
    assert_eq!(policy.violation(&none), None);
    let other = Subject {
        organizations: vec!["Other".to_owned()],
        ..Subject::of_common_name("web.example")
    };
    let sentence = policy.violation(&csr(&other, &[], p256)).unwrap();
    assert!(
        sentence.contains("organization \"Other\"") && sentence.contains("Example"),
        "{sentence}"
    );
}

#[test]
fn curves_have_their_usual_names() {
    for (name, bits) in [("P256", 256), ("p-384", 384), ("P521", 521), ("ED25519", 0), ("", 256)] {
        assert_eq!(curve_bits(name), bits, "{name}");
    }
}
