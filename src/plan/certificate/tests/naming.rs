use super::model::UID;
use crate::plan::certificate::names::{next_key_names, request_names};

#[test]
fn lif_03_requests_are_named_after_certificate_and_revision() {
    assert_eq!(request_names("web", UID, 7, true), ["web-7", "web-7-237faef4"]);
}

#[test]
fn nb_12_names_longer_than_233_are_shortened_with_a_hash() {
    let long = "a".repeat(234);
    let [name, other] = request_names(&long, UID, 1, true);
    assert_eq!(name.len(), 168 + 1 + 64 + 2);
    // sha256 of 234 letters a, by sha256sum
    assert!(name.starts_with(&"a".repeat(168)) && name.ends_with("-1"), "{name}");
    assert!(other.len() <= 253);
    assert_eq!(
        request_names(&"a".repeat(233), UID, 1, true)[0],
        format!("{}-1", "a".repeat(233))
    );
}

#[test]
fn a_shortened_name_does_not_end_in_a_dot_before_its_hash() {
    let name = format!("{}.{}", "a".repeat(167), "b".repeat(80));
    assert!(request_names(&name, UID, 1, true)[0].starts_with(&format!("{}-", "a".repeat(167))));
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
