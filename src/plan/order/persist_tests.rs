use proptest::{collection::vec, prelude::*};

use super::*;

const ACCOUNT: &str = "https://ca.example/acct/123";

fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

fn demand() -> Demand {
    Demand {
        identifier: "example.com".to_owned(),
        wildcard: false,
        issuers: vec!["authority.example".to_owned(), "ca.example.net".to_owned()],
        account: ACCOUNT.to_owned(),
    }
}

fn wildcard() -> Demand {
    Demand {
        wildcard: true,
        ..demand()
    }
}

fn judge(demand: &Demand, is_parent: bool, records: &[&str]) -> Judged {
    demand.judge(now(), is_parent, records.iter().map(|record| record.as_bytes()))
}

fn why(demand: &Demand, records: &[&str]) -> String {
    match judge(demand, false, records) {
        Judged::Not(why) => why,
        counts @ Judged::Counts(_) => panic!("{records:?}: {counts:?}"),
    }
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// The examples of the draft: what is in their records, and what they are for.
#[test]
fn the_examples_of_the_draft_count_for_what_it_says() {
    let basic = "authority.example; accounturi=https://ca.example/acct/123";
    let wild = "authority.example; accounturi=https://ca.example/acct/123; policy=wildcard";
    assert_eq!(judge(&demand(), false, &[basic]), Judged::Counts(None));
    assert_eq!(judge(&demand(), false, &[wild]), Judged::Counts(None));
    assert_eq!(judge(&wildcard(), false, &[wild]), Judged::Counts(None));
    assert_eq!(judge(&demand(), true, &[wild]), Judged::Counts(None));
    assert!(why(&wildcard(), &[basic]).contains("no policy=wildcard, which a wildcard needs"));
    assert!(matches!(judge(&demand(), true, &[basic]), Judged::Not(why) if why.contains("which a subdomain needs")));
    // 2024-07-26: over
    let over = "authority.example; accounturi=https://ca.example/acct/123; persistUntil=1721952000";
    assert!(why(&demand(), &[over]).contains("2024-07-26T00:00:00Z (persistUntil) only"));
    // two CAs beside each other
    let two = [
        "ca1.example; accounturi=https://ca1.example/acme/acct/12345; policy=wildcard",
        "ca2.example; accounturi=https://ca2.example/acme/acct/67890; persistUntil=1830211200",
    ];
    let of = |issuer: &str, account: &str| Demand {
        issuers: vec![issuer.to_owned()],
        account: account.to_owned(),
        ..demand()
    };
    let first = of("ca1.example", "https://ca1.example/acme/acct/12345");
    assert_eq!(judge(&first, false, &two), Judged::Counts(None));
    let second = of("ca2.example", "https://ca2.example/acme/acct/67890");
    assert_eq!(
        judge(&second, false, &two),
        Judged::Counts(Some(at("2027-12-31T00:00:00Z")))
    );
}

#[test]
fn blanks_case_and_unknown_parameters_do_not_matter() {
    for record in [
        "authority.example;accounturi=https://ca.example/acct/123;policy=wildcard",
        "   authority.example   ;   accounturi   =   https://ca.example/acct/123   ;   policy   =   wildcard   ",
        "\tauthority.example\t;\tACCOUNTURI=https://ca.example/acct/123; Policy=WildCard",
        "ca.example.net; future=1; accounturi=https://ca.example/acct/123; policy=wildcard; flag=",
        "authority.example; policy=wildcard; persistUntil=99999999999999; accounturi=https://ca.example/acct/123",
    ] {
        assert!(
            matches!(judge(&wildcard(), false, &[record]), Judged::Counts(_)),
            "{record}"
        );
    }
    // another policy is as none
    for policy in ["", "subdomains", "wildcard,x"] {
        let record = format!("authority.example; accounturi={ACCOUNT}; policy={policy}");
        assert_eq!(judge(&demand(), false, &[&record]), Judged::Counts(None), "{record}");
        assert!(why(&wildcard(), &[&record]).contains("no policy=wildcard"), "{record}");
    }
}

#[test]
fn what_pebble_refuses_does_not_count_and_is_named() {
    let account = format!("accounturi={ACCOUNT}");
    for (rest, words) in [
        ("", "it has no accounturi"),
        (";", "an empty parameter, or a semicolon at its end"),
        (&format!("; {account};"), "a semicolon at its end"),
        (&format!("; ; {account}"), "an empty parameter"),
        ("; policy=wildcard", "it has no accounturi"),
        ("; accounturi=", "it has no accounturi"),
        ("; accounturi", "accounturi is no tag=value"),
        (&format!("; ={ACCOUNT}"), "a parameter without a tag"),
        (&format!("; {account}; {account}"), "it has a parameter twice"),
        (&format!("; {account}; AccountURI=x"), "it has a parameter twice"),
        (&format!("; {account}; x=1; X=2"), "it has a parameter twice"),
        (&format!("; {account} x"), "the value of accounturi has blanks"),
        (
            &format!("; {account}; x=\u{e9}"),
            "the value of x has blanks, or characters beyond ASCII",
        ),
        (&format!("; {account}; persistUntil="), "its persistUntil is no number"),
        (
            &format!("; {account}; persistUntil=2027-12-31"),
            "its persistUntil is no number",
        ),
        (
            &format!("; {account}; persistUntil=99999999999999999999"),
            "its persistUntil is no number",
        ),
        (
            &format!("; {account}; persistUntil=1"),
            "has counted until 1970-01-01T00:00:01Z",
        ),
        (
            &format!("; {account}; persistUntil=-1"),
            "has counted until 1969-12-31T23:59:59Z",
        ),
        ("; accounturi=HTTPS://ca.example/acct/123", "is for another account"),
        (
            "; accounturi=https://ca.example/acct/1234",
            "accounturi=https://ca.example/acct/123 is wanted",
        ),
    ] {
        let record = format!("authority.example{rest}");
        let sentence = why(&demand(), &[&record]);
        assert!(
            sentence.starts_with("has no TXT record that counts: \"authority.example"),
            "{sentence}"
        );
        assert!(sentence.contains(words), "{words} in {sentence}");
    }
}

#[test]
fn records_of_other_cas_are_only_counted_and_one_good_record_is_enough() {
    assert_eq!(why(&demand(), &[]), "has no TXT record");
    let other = "other.example; accounturi=https://other.example/1";
    assert_eq!(
        why(&demand(), &[other, "v=spf1 -all", ""]),
        "has 3 TXT records, and none for authority.example or ca.example.net"
    );
    let good = format!("ca.example.net; accounturi={ACCOUNT}; persistUntil=1830211200");
    let all = [
        other,
        "authority.example; broken",
        &good,
        "authority.example; accounturi=x",
    ];
    assert_eq!(
        judge(&demand(), false, &all),
        Judged::Counts(Some(at("2027-12-31T00:00:00Z")))
    );
    // the one that lasts longest counts
    let later = format!("authority.example; accounturi={ACCOUNT}; persistUntil=1830211201");
    assert_eq!(
        judge(&demand(), false, &[&good, &later]),
        Judged::Counts(Some(at("2027-12-31T00:00:01Z")))
    );
    let endless = format!("authority.example; accounturi={ACCOUNT}");
    for records in [[&good, &endless], [&endless, &good]] {
        assert_eq!(
            judge(&demand(), false, &records.map(String::as_str)),
            Judged::Counts(None)
        );
    }
    // Pebble compares octets
    for issuer in ["Authority.Example", "authority.example."] {
        let sentence = why(&demand(), &[&format!("{issuer}; accounturi={ACCOUNT}")]);
        assert!(
            sentence.contains("in small letters and without a final dot"),
            "{sentence}"
        );
    }
}

#[test]
fn a_record_that_ends_in_a_moment_does_not_count() {
    let ending = |seconds: i64| {
        let end = now().as_second() + seconds;
        judge(
            &demand(),
            false,
            &[&format!("authority.example; accounturi={ACCOUNT}; persistUntil={end}")],
        )
    };
    assert!(matches!(ending(59), Judged::Not(_)));
    assert!(matches!(ending(60), Judged::Counts(Some(_))));
}

#[test]
fn the_record_that_is_shown_counts_for_what_it_is_shown() {
    let until = Some(at("2027-12-31T00:00:00Z"));
    for (demand, asked, until, shown) in [
        (
            demand(),
            false,
            None,
            "authority.example; accounturi=https://ca.example/acct/123",
        ),
        (
            wildcard(),
            false,
            until,
            "authority.example; accounturi=https://ca.example/acct/123; policy=wildcard; persistUntil=1830211200",
        ),
        (
            demand(),
            true,
            None,
            "authority.example; accounturi=https://ca.example/acct/123; policy=wildcard",
        ),
    ] {
        let record = demand.record(asked, until);
        assert_eq!(record, shown);
        assert_eq!(judge(&demand, false, &[&record]), Judged::Counts(until));
    }
    assert_eq!(demand().name(), "_validation-persist.example.com");
    assert_eq!(name_of("WWW.Example.com."), "_validation-persist.www.example.com");
    assert_eq!(in_zone_file("a; b"), "\"a; b\"");
    let long = format!("authority.example; accounturi=https://ca.example/{}", "x".repeat(300));
    let strings = in_zone_file(&long);
    assert_eq!(strings.replace("\" \"", "").trim_matches('"'), long);
    assert!(strings.split("\" \"").all(|part| part.trim_matches('"').len() <= 255));
}

#[test]
fn parents_are_looked_at_only_if_the_ca_takes_their_records_and_never_a_top_level_domain() {
    let deep = Demand {
        identifier: "server.dept.example.com".to_owned(),
        ..demand()
    };
    let names = |parents| {
        deep.places(parents)
            .into_iter()
            .map(|place| place.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(false), ["_validation-persist.server.dept.example.com"]);
    assert_eq!(
        names(true),
        [
            "_validation-persist.server.dept.example.com",
            "_validation-persist.dept.example.com",
            "_validation-persist.example.com"
        ]
    );
    assert_eq!(deep.places(true).iter().filter(|place| place.is_parent).count(), 2);
    let endless = Demand {
        identifier: "a.".repeat(100) + "example",
        ..demand()
    };
    assert_eq!(endless.places(true).len(), MOST_PARENTS + 1);
}

#[test]
fn a_ca_names_itself_in_small_a_labels() {
    for good in [
        "letsencrypt.org",
        "a",
        "xn--bcher-kva.example",
        "a.".repeat(126).trim_end_matches('.'),
    ] {
        assert!(is_issuer(good), "{good}");
    }
    let long = format!("{}.example", "a".repeat(64));
    for bad in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "A.example",
        "b\u{fc}cher.example",
        "a b",
        "a;b",
        &long,
        &"a.".repeat(127),
    ] {
        assert!(!is_issuer(bad), "{bad}");
    }
}

#[test]
fn the_end_of_a_record_stands_in_the_reason_of_its_order_and_is_told_in_time() {
    let until: Timestamp = "2026-12-30T12:00:00Z".parse().unwrap();
    let name = demand().name();
    let note = note(&name, until);
    assert_eq!(
        note,
        "The TXT record _validation-persist.example.com of dns-persist-01 counts until 2026-12-30T12:00:00Z"
    );
    assert_eq!(noted(&note), Some((name.as_str(), until)));
    for other in [
        "",
        "Waiting",
        "The TXT record x",
        "The TXT record x of dns-persist-01 counts until soon",
    ] {
        assert_eq!(noted(other), None, "{other}");
    }
    let days = |days: i64| ends_soon(now(), &name, until, SignedDuration::from_hours(24 * days));
    assert!(days(30).is_some_and(|sentence| sentence.contains("counts until 2026-12-30")));
    assert_eq!(days(29), None);
}

#[test]
fn the_end_of_a_record_is_waited_for_at_once_and_the_certificate_only_once_the_end_is_near() {
    let until: Timestamp = "2026-12-30T12:00:00Z".parse().unwrap();
    let day = |days: i64| SignedDuration::from_hours(24 * days);
    let ending = Ending {
        name: "x",
        until,
        certificate: ObjectKey::new("shop", "web"),
        revision: 2,
    };
    let step = |warn_before, stored| end_step(now(), &ending, day(warn_before), stored);
    let due: Timestamp = "2026-12-10T12:00:00Z".parse().unwrap();
    // the Certificate does not have it yet, has it, and has a newer one
    assert_eq!(step(20, 1), EndStep::CheckAt(due));
    assert_eq!(step(20, 2), EndStep::CheckAt(due));
    assert_eq!(step(20, 3), EndStep::Nothing);
    assert_eq!(step(40, 1), EndStep::CheckAt(now() + STORED_WITHIN));
    assert!(matches!(step(40, 2), EndStep::Report(sentence) if sentence.contains("counts until 2026-12-30")));
    assert_eq!(step(40, 3), EndStep::Nothing);
}

proptest! {
    #[test]
    fn no_record_is_a_panic_and_only_one_with_our_account_counts(records in vec("(authority\\.example|ca)?[ ;=a-z0-9]{0,30}(accounturi=https://ca\\.example/acct/123)?[;= \t]{0,3}", 0..6)) {
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        if let Judged::Counts(_) = judge(&demand(), false, &records) {
            prop_assert!(records.iter().any(|record| record.contains(ACCOUNT)));
        }
    }

    #[test]
    fn any_bytes_are_judged(value in vec(any::<u8>(), 0..300)) {
        let mut ours = b"authority.example;".to_vec();
        ours.extend(&value);
        for value in [&value, &ours] {
            drop(wildcard().judge(now(), false, std::iter::once(value.as_slice())));
        }
    }
}
