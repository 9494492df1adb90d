use proptest::{collection::vec, prelude::*};

use super::*;

const SINCE: Timestamp = Timestamp::UNIX_EPOCH;
const LONGEST: SignedDuration = SignedDuration::from_secs(10);

fn answers(found: &[Found]) -> Answers {
    let server = |(at, found): (usize, &Found)| ServerAnswer {
        server: format!("ns{at}.example"),
        address: Some(format!("192.0.2.{at}").parse().unwrap()),
        found: found.clone(),
        serial: None,
        until: None,
    };
    Answers {
        name: "_acme-challenge.a.example".to_owned(),
        zone: "example".to_owned(),
        servers: found.iter().enumerate().map(server).collect(),
        absent_for: None,
    }
}

fn after(seconds: i64, found: &[Found]) -> Visibility {
    let now = timing::add(SINCE, SignedDuration::from_secs(seconds));
    visibility(now, SINCE, LONGEST, &answers(found))
}

fn reason(visibility: Visibility) -> String {
    let Visibility::NotYet(not_yet) = visibility else {
        panic!("{visibility:?}");
    };
    not_yet.reason
}

fn silent() -> Found {
    Found::Silent("no answer within 3 s".to_owned())
}

fn refused() -> Found {
    Found::NotServed("REFUSED".to_owned())
}

#[test]
fn a_record_that_every_name_server_has_is_visible_at_once() {
    assert_eq!(after(0, &[Found::Value, Found::Value]), Visibility::Visible);
}

#[test]
fn a_name_server_without_the_record_is_named_and_waited_for_without_end() {
    for seconds in [0, 10, 3600] {
        let reason = reason(after(seconds, &[Found::Value, Found::Nothing, Found::Value]));
        assert!(
            reason.contains("waiting for ns1.example (192.0.2.1)") && reason.contains("2 of 3"),
            "{reason}"
        );
    }
}

#[test]
fn a_name_server_that_lags_is_told_by_both_serials_from_one_that_serves_another_view() {
    let mut answers = answers(&[Found::Value, Found::Nothing]);
    let told = |answers: &Answers| reason(visibility(SINCE, SINCE, LONGEST, answers));
    (answers.servers[0].serial, answers.servers[1].serial) = (Some(42), Some(41));
    assert!(answers.differ());
    let lags = told(&answers);
    assert!(
        lags.contains("ns1.example (192.0.2.1) with serial 41, which") && lags.ends_with("has it, with serial 42"),
        "{lags}"
    );
    answers.servers[1].serial = Some(42);
    assert!(told(&answers).contains("another view"), "{}", told(&answers));
    answers.servers[0].serial = None;
    assert!(!told(&answers).contains("another view"));
    answers.servers[0].found = Found::Nothing;
    assert!(!answers.differ());
}

#[test]
fn a_record_that_no_server_has_for_half_a_minute_may_be_in_another_view_of_the_zone() {
    let found = [Found::Nothing, Found::Nothing];
    assert!(!reason(after(29, &found)).contains("view"));
    let late = reason(after(31, &found));
    assert!(
        late.contains("written 31 s ago") && late.contains("another view"),
        "{late}"
    );
}

#[test]
fn a_server_without_a_copy_of_the_zone_is_no_reason_to_change_the_delegation() {
    let found = [Found::Value, Found::Value, Found::NotServed("SERVFAIL".to_owned())];
    let told = reason(after(0, &found));
    assert!(told.contains("its transfers") && !told.contains("delegation"), "{told}");
}

#[test]
fn name_servers_that_do_not_serve_the_zone_are_named_and_do_not_count_after_ten_seconds() {
    let found = [Found::Value, Found::Value, refused()];
    let early = reason(after(3, &found));
    assert!(
        early.contains("ns2.example (192.0.2.2) does not serve the zone (REFUSED)") && early.contains("in 8 s"),
        "{early}"
    );
    assert_eq!(after(10, &found), Visibility::Visible);
    let minority = [Found::Value, silent(), refused()];
    assert!(reason(after(60, &minority)).contains("only 1 of 3"));
}

#[test]
fn an_address_that_is_not_routed_does_not_count_where_the_server_answers_at_another() {
    let mut answers = answers(&[Found::Value, Found::Silent("network is unreachable".to_owned())]);
    answers.servers[1].server = answers.servers[0].server.clone();
    assert_eq!(visibility(SINCE, SINCE, LONGEST, &answers), Visibility::Visible);
    answers.servers[1].found = Found::Nothing;
    assert_ne!(visibility(SINCE, SINCE, LONGEST, &answers), Visibility::Visible);
}

#[test]
fn a_closed_port_is_told_from_servers_that_refuse() {
    assert!(matches!(after(0, &[silent(), silent()]), Visibility::NoAnswer(_)));
    assert!(matches!(after(0, &[silent(), refused()]), Visibility::NotYet(_)));
    assert!(reason(after(0, &[])).contains("no name server"));
}

#[test]
fn a_recursive_server_is_asked_again_when_it_has_forgotten_that_there_was_no_record() {
    let mut answers = answers(&[Found::Nothing]);
    answers.absent_for = Some(SignedDuration::from_secs(47));
    let Visibility::NotYet(not_yet) = visibility(SINCE, SINCE, LONGEST, &answers) else {
        panic!("it is not visible");
    };
    assert_eq!(not_yet.again, timing::add(SINCE, SignedDuration::from_secs(47)));
    assert!(
        not_yet.reason.contains("remembers until 1970-01-01T00:00:47Z"),
        "{}",
        not_yet.reason
    );
    answers.servers[0].found = Found::Value;
    assert_eq!(visibility(SINCE, SINCE, LONGEST, &answers), Visibility::Visible);
}

#[test]
fn other_values_raise_the_question_who_owns_the_record() {
    let reason = reason(after(0, &[Found::OtherValues(2), Found::OtherValues(2)]));
    assert!(reason.contains("external-dns"), "{reason}");
}

fn found() -> impl Strategy<Value = Found> {
    prop_oneof![
        Just(Found::Value),
        (1..5_usize).prop_map(Found::OtherValues),
        Just(Found::Nothing),
        Just(refused()),
        Just(silent()),
    ]
}

#[test]
fn records_of_which_none_counts_are_named_by_what_is_wrong_with_them() {
    let unfit = Found::Unfit("has no TXT record that counts: x".to_owned());
    let none = reason(after(60, &[unfit.clone(), unfit.clone()]));
    assert_eq!(none, "_acme-challenge.a.example has no TXT record that counts: x");
    assert!(reason(after(60, &[Found::Value, unfit])).starts_with("waiting for ns1.example"));
    let mut seen = answers(&[Found::Value, Found::Value, Found::Nothing]);
    assert_eq!(seen.until(), None);
    let at = |seconds| timing::add(SINCE, SignedDuration::from_secs(seconds));
    for (server, seconds) in seen.servers.iter_mut().zip([9, 7, 5]) {
        server.until = Some(at(seconds));
    }
    assert_eq!(
        seen.until(),
        Some(at(7)),
        "what a server without the record says does not count"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_record_is_never_visible_while_a_server_answers_without_it_and_a_check_never_repeats_at_once(
        found in vec(found(), 0..7), seconds in 0..1000_i64,
    ) {
        let now = timing::add(SINCE, SignedDuration::from_secs(seconds));
        match visibility(now, SINCE, LONGEST, &answers(&found)) {
            Visibility::Visible => {
                prop_assert!(!found.iter().any(Found::is_behind));
                let having = found.iter().filter(|one| **one == Found::Value).count();
                prop_assert!(having * 2 > found.len());
            }
            Visibility::NotYet(not_yet) | Visibility::NoAnswer(not_yet) => {
                prop_assert!(not_yet.again > now && !not_yet.reason.is_empty());
            }
        }
    }
}
