use super::model::UID;
use crate::plan::certificate::names::{
    Naming::{self, Counted},
    next_key_names, request_names,
};

#[test]
fn lif_03_requests_are_named_after_certificate_and_revision() {
    assert_eq!(request_names("web", UID, 7, Counted), ["web-7", "web-7-237faef4"]);
}

#[test]
fn nb_12_names_longer_than_233_are_shortened_with_a_hash() {
    let long = "a".repeat(234);
    let [name, other] = request_names(&long, UID, 1, Counted);
    assert_eq!(name.len(), 168 + 1 + 64 + 2);
    // sha256 of 234 letters a, by sha256sum
    assert!(name.starts_with(&"a".repeat(168)) && name.ends_with("-1"), "{name}");
    assert!(other.len() <= 253);
    assert_eq!(
        request_names(&"a".repeat(233), UID, 1, Counted)[0],
        format!("{}-1", "a".repeat(233))
    );
}

#[test]
fn a_shortened_name_does_not_end_in_a_dot_before_its_hash() {
    let name = format!("{}.{}", "a".repeat(167), "b".repeat(80));
    assert!(request_names(&name, UID, 1, Counted)[0].starts_with(&format!("{}-", "a".repeat(167))));
}

#[test]
fn next_key_names_are_the_same_each_time_and_differ_between_revisions_and_uids() {
    let [first, second] = next_key_names("web", UID, 1);
    assert_eq!(next_key_names("web", UID, 1), [first.clone(), second.clone()]);
    assert!(first.starts_with("web-") && first.len() == 9 && first != second);
    assert_ne!(next_key_names("web", UID, 2)[0], first);
    assert_ne!(next_key_names("web", "other", 1)[0], first);
    assert!(next_key_names(&"a".repeat(253), UID, 1)[0].len() <= 253);
}

#[test]
fn gat_07_without_stable_names_each_revision_and_attempt_has_five_letters_of_its_own() {
    let name = |certificate: &str, revision, failures| {
        let [name, _] = request_names(certificate, UID, revision, Naming::Lettered { failures });
        name
    };
    let first = name("web", 1, 0);
    assert_eq!(name("web", 1, 0), first, "a kill must not make two");
    let letters = first.strip_prefix("web-").unwrap();
    assert!(
        letters.len() == 5 && letters.bytes().all(|letter| letter.is_ascii_alphanumeric()),
        "{first}"
    );
    let others = [name("web", 2, 0), name("web", 1, 1), name("web", 1, 2)];
    assert!(
        others.iter().all(|other| *other != first) && others[1] != others[2],
        "{others:?}"
    );
    let long = name(&format!("{}.{}", "a".repeat(51), "b".repeat(100)), 1, 0);
    assert_eq!(
        long.len(),
        51 + 1 + 5,
        "52 bytes at most, and none that a name may not end with: {long}"
    );
}
