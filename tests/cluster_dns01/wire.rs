//! Updates and queries at BIND and Knot. What they have is what `dig` says.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use certlet::dns::{
    Change, Data, Key, Nameserver, Primary, Question, RecordType, Recursive, RecursiveServer, ResponseCode, Transport,
    TxtRecord, UpdateFault, UpdateFaultKind, ask, parse_name, shown,
};
use certlet::net::AddressPolicy;
use certlet::process::clock;
use jiff::{SignedDuration, Timestamp};

use crate::support::dns::{BIND, KNOT, Knot, RESOLVER, dig_txt, secret};

const LIMIT: Duration = Duration::from_secs(10);

/// The keys that may write everything, with their algorithms.
const KEYS: [(&str, &str); 4] = [
    ("certlet-md5", "HMACMD5"),
    ("certlet-sha1", "HMACSHA1"),
    ("certlet-sha256", "HMACSHA256"),
    ("certlet-sha512", "HMACSHA512"),
];

fn key(name: &str, algorithm: &str) -> Key {
    Key::new(name, algorithm, secret(name).as_bytes()).unwrap()
}

fn primary(server: &str, key: Option<Key>) -> Primary {
    Primary {
        server: Nameserver::parse(server).unwrap(),
        transport: Transport::Udp,
        key,
    }
}

/// A name of a zone that no other test uses.
fn name_in(zone: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(1);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("_acme-challenge.wire{number}.{zone}")
}

fn txt(name: &str, value: &str) -> TxtRecord {
    TxtRecord {
        name: parse_name(name).unwrap(),
        value: value.as_bytes().to_vec(),
    }
}

fn change(zone: &str, add: &[(&str, &str)], remove: &[(&str, &str)]) -> Change {
    let records = |list: &[(&str, &str)]| list.iter().map(|(name, value)| txt(name, value)).collect();
    Change {
        zone: parse_name(zone).unwrap(),
        add: records(add),
        remove: records(remove),
    }
}

async fn update_at(primary: &Primary, change: &Change, now: Timestamp) -> Result<(), UpdateFault> {
    primary.update(&AddressPolicy::default(), change, now, LIMIT).await
}

async fn update(primary: &Primary, change: &Change) -> Result<(), UpdateFault> {
    update_at(primary, change, clock::now()).await
}

/// The fault of an update of a new name in a zone; nothing was written.
async fn fault(server: &str, key: Option<Key>, zone: &str) -> UpdateFault {
    let name = name_in(zone);
    let fault = update(&primary(server, key), &change(zone, &[(&name, "value")], &[]))
        .await
        .unwrap_err();
    assert_eq!(dig_txt(server, &name).await, [""; 0], "{fault}");
    println!("{fault}");
    fault
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn dns_09_records_are_written_and_removed_with_every_algorithm_over_udp_and_tcp() {
    let _knot = Knot::start().await;
    for server in [BIND, KNOT] {
        for (name, algorithm) in KEYS {
            for transport in [Transport::Udp, Transport::Tcp] {
                let mut primary = primary(server, Some(key(name, algorithm)));
                primary.transport = transport;
                let record = name_in("dns01.example");
                let started = tokio::time::Instant::now();
                update(&primary, &change("dns01.example", &[(&record, "value")], &[]))
                    .await
                    .unwrap();
                println!("{server} {algorithm} {transport:?}: {:?}", started.elapsed());
                assert_eq!(dig_txt(server, &record).await, ["\"value\""]);
                update(&primary, &change("dns01.example", &[], &[(&record, "value")]))
                    .await
                    .unwrap();
                assert_eq!(dig_txt(server, &record).await, [""; 0]);
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn one_update_has_many_records_and_a_removal_takes_one_value_and_may_be_repeated() {
    let _knot = Knot::start().await;
    for server in [BIND, KNOT] {
        let primary = primary(server, Some(key("certlet-sha256", "HMACSHA256")));
        let (one, other) = (name_in("dns01.example"), name_in("dns01.example"));
        let added = change("dns01.example", &[(&one, "a"), (&one, "b"), (&other, "c")], &[]);
        update(&primary, &added).await.unwrap();
        update(&primary, &added).await.unwrap(); // what is there is no error
        assert_eq!(dig_txt(server, &one).await, ["\"a\"", "\"b\""]);
        let swapped = change("dns01.example", &[(&one, "d")], &[(&one, "a"), (&other, "c")]);
        for _ in 0..2 {
            update(&primary, &swapped).await.unwrap();
            assert_eq!(dig_txt(server, &one).await, ["\"b\"", "\"d\""]);
            assert_eq!(dig_txt(server, &other).await, [""; 0]);
        }
        let long = "x".repeat(600);
        let names: Vec<String> = (0..60).map(|_| name_in("dns01.example")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
        update(&primary, &change("dns01.example", &many, &[])).await.unwrap();
        let strings = format!("\"{}\" \"{}\" \"{}\"", &long[..255], &long[..255], &long[..90]);
        for name in [&names[0], &names[59]] {
            assert_eq!(dig_txt(server, name).await, [strings.as_str()]);
        }
        let odd = "quotes \" and \\ and; semicolons";
        update(&primary, &change("dns01.example", &[(&other, odd)], &[]))
            .await
            .unwrap();
        assert_eq!(
            dig_txt(server, &other).await,
            ["\"quotes \\\" and \\\\ and; semicolons\""]
        );
        update(&primary, &change("dns01.example", &[], &[(&other, odd)]))
            .await
            .unwrap();
        assert_eq!(dig_txt(server, &other).await, [""; 0]);
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn names_of_any_length_are_written() {
    let primary = primary(BIND, Some(key("certlet-sha512", "HMACSHA512")));
    let label = "l".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}.dns01.example.", "m".repeat(47));
    assert!(parse_name(&longest).unwrap().len() >= 254);
    for name in [
        longest.as_str(),
        "_acme-challenge.UPPER.dns01.example.",
        "dns01.example",
    ] {
        update(&primary, &change("dns01.example.", &[(name, "value")], &[]))
            .await
            .unwrap();
        assert_eq!(dig_txt(BIND, name).await, ["\"value\""]);
        update(&primary, &change("dns01.example.", &[], &[(name, "value")]))
            .await
            .unwrap();
        assert_eq!(dig_txt(BIND, name).await, [""; 0]);
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_wrong_secret_and_a_key_that_the_server_does_not_know_are_told_apart() {
    let _knot = Knot::start().await;
    for server in [BIND, KNOT] {
        for (name, algorithm) in KEYS {
            let wrong = Key::new(name, algorithm, b"d3Jvbmc=").unwrap();
            assert_eq!(
                fault(server, Some(wrong), "dns01.example").await.kind,
                UpdateFaultKind::WrongSecret
            );
        }
        let unknown = Key::new("nobody", "HMACSHA256", b"d3Jvbmc=").unwrap();
        assert_eq!(
            fault(server, Some(unknown), "dns01.example").await.kind,
            UpdateFaultKind::UnknownKey
        );
        let other_algorithm = Key::new("certlet-sha256", "HMACSHA512", secret("certlet-sha256").as_bytes()).unwrap();
        assert_eq!(
            fault(server, Some(other_algorithm), "dns01.example").await.kind,
            UpdateFaultKind::UnknownKey
        );
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn clocks_that_differ_are_a_fault_that_says_by_how_much() {
    let _knot = Knot::start().await;
    for server in [BIND, KNOT] {
        for (name, algorithm) in KEYS {
            for (offset, expected) in [(-600, 600), (600, -600)] {
                let record = name_in("dns01.example");
                let change = change("dns01.example", &[(&record, "value")], &[]);
                let now = clock::now() + SignedDuration::from_secs(offset);
                let fault = update_at(&primary(server, Some(key(name, algorithm))), &change, now)
                    .await
                    .unwrap_err();
                let UpdateFaultKind::Clock { ahead } = fault.kind else {
                    panic!("{server}: {fault}")
                };
                assert!((ahead - expected).abs() <= 5, "{server}: {fault}");
                assert_eq!(dig_txt(server, &record).await, [""; 0]);
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_a_key_may_not_write_is_refused() {
    let _knot = Knot::start().await;
    let only = || Some(key("certlet-only", "HMACSHA256"));
    for (server, expected) in [(BIND, UpdateFaultKind::Refused), (KNOT, UpdateFaultKind::UnknownKey)] {
        assert_eq!(fault(server, only(), "dns01.example").await.kind, expected);
        let allowed = "_acme-challenge.only.dns01.example";
        let primary = primary(server, only());
        update(&primary, &change("dns01.example", &[(allowed, "value")], &[]))
            .await
            .unwrap();
        assert_eq!(dig_txt(server, allowed).await, ["\"value\""]);
        update(&primary, &change("dns01.example", &[], &[(allowed, "value")]))
            .await
            .unwrap();
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn zones_that_take_no_updates_or_no_unsigned_ones_say_so() {
    let _knot = Knot::start().await;
    let sha256 = || Some(key("certlet-sha256", "HMACSHA256"));
    assert_eq!(
        fault(BIND, sha256(), "frozen.example").await.kind,
        UpdateFaultKind::Refused
    );
    assert_eq!(fault(BIND, None, "frozen.example").await.kind, UpdateFaultKind::Refused);
    assert_eq!(fault(BIND, None, "dns01.example").await.kind, UpdateFaultKind::Refused);
    assert_eq!(
        fault(KNOT, None, "dns01.example").await.kind,
        UpdateFaultKind::NotAuthoritative
    );
    assert_eq!(
        fault(KNOT, None, "frozen.example").await.kind,
        UpdateFaultKind::NotAuthoritative
    );
    let record = name_in("open.example");
    update(
        &primary(BIND, None),
        &change("open.example", &[(&record, "value")], &[]),
    )
    .await
    .unwrap();
    assert_eq!(dig_txt(BIND, &record).await, ["\"value\""]);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_zone_that_the_server_does_not_have_and_a_name_outside_of_it_are_told_apart() {
    let _knot = Knot::start().await;
    for server in [BIND, KNOT] {
        let sha256 = || Some(key("certlet-sha256", "HMACSHA256"));
        assert_eq!(
            fault(server, sha256(), "absent.example").await.kind,
            UpdateFaultKind::NotAuthoritative
        );
        assert_eq!(
            fault(server, sha256(), "child.dns01.example").await.kind,
            UpdateFaultKind::NotAuthoritative
        );
        let outside = change(
            "dns01.example",
            &[("_acme-challenge.web.elsewhere.example", "value")],
            &[],
        );
        let fault = update(&primary(server, sha256()), &outside).await.unwrap_err();
        println!("{fault}");
        assert_eq!(fault.kind, UpdateFaultKind::NotInZone, "{server}");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_server_that_cannot_write_and_one_that_is_not_there_say_so() {
    let broken = fault(BIND, Some(key("certlet-sha256", "HMACSHA256")), "broken.example").await;
    assert_eq!(broken.kind, UpdateFaultKind::ServerFailure);
    let nowhere = primary("10.99.0.5:53", None);
    let change = change("dns01.example", &[("a.dns01.example", "value")], &[]);
    let fault = update(&nowhere, &change).await.unwrap_err();
    assert!(matches!(fault.kind, UpdateFaultKind::Unreachable(_)), "{fault}");
    let nameless = primary("no-such-name.invalid", None);
    let fault = update(&nameless, &change).await.unwrap_err();
    assert!(matches!(fault.kind, UpdateFaultKind::Unreachable(_)), "{fault}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_authoritative_server_is_asked_for_what_it_has() {
    let name = name_in("dns01.example");
    let written = primary(BIND, Some(key("certlet-sha1", "HMACSHA1")));
    let values: Vec<String> = (0..40).map(|number| format!("{number} {}", "v".repeat(40))).collect();
    let add: Vec<(&str, &str)> = values.iter().map(|value| (name.as_str(), value.as_str())).collect();
    update(&written, &change("dns01.example", &add, &[])).await.unwrap();
    let asked = async |name: &str, kind| {
        let question = Question {
            name: parse_name(name).unwrap(),
            kind,
            recursive: false,
        };
        ask(BIND.parse().unwrap(), &question, LIMIT).await.unwrap()
    };
    let answer = asked(&name, RecordType::TXT).await; // too large for UDP
    assert!(answer.authoritative && answer.code == ResponseCode::NoError);
    let mut found: Vec<String> = answer
        .texts()
        .map(|text| String::from_utf8(text.to_vec()).unwrap())
        .collect();
    let mut values = values;
    values.sort();
    found.sort();
    assert_eq!(found, values);
    let absent = asked("absent.dns01.example", RecordType::TXT).await;
    assert_eq!((absent.code, absent.answers.len()), (ResponseCode::NXDomain, 0));
    assert!(matches!(absent.authorities[0].data, Data::Soa { minimum: 5, .. }));
    let elsewhere = asked("web.test", RecordType::TXT).await;
    assert_eq!(
        (elsewhere.code, elsewhere.authoritative),
        (ResponseCode::Refused, false)
    );
    let wild = asked("a.wild.dns01.example", RecordType::TXT).await;
    let target = wild.cname(&parse_name("a.wild.dns01.example").unwrap()).unwrap();
    assert_eq!(shown(target), "wild.other.example");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn dns_11_the_recursive_server_leads_to_zones_aliases_and_name_servers() {
    let servers = vec![RecursiveServer::parse(RESOLVER).unwrap()];
    let recursive = Recursive::new(servers, LIMIT, || panic!("no server needs HTTPS")).unwrap();
    let name = |text: &str| parse_name(text).unwrap();
    for (asked, zone) in [
        ("_acme-challenge.web.dns01.example", "dns01.example"),
        ("_acme-challenge.sub.dns01.example", "sub.dns01.example"),
        ("_acme-challenge.a.b.sub.dns01.example", "sub.dns01.example"),
        ("_acme-challenge.alias.dns01.example", "dns01.example"),
        ("_acme-challenge.a.wild.dns01.example", "dns01.example"),
        ("_acme-challenge.alias.other.example", "other.example"),
    ] {
        assert_eq!(
            shown(&recursive.zone_of(&name(asked)).await.unwrap().name),
            zone,
            "{asked}"
        );
    }
    let alias = recursive
        .cname(&name("_acme-challenge.alias.dns01.example"))
        .await
        .unwrap();
    assert_eq!(alias, Some(name("_acme-challenge.alias.other.example")));
    assert_eq!(
        recursive
            .cname(&name("_acme-challenge.web.dns01.example"))
            .await
            .unwrap(),
        None
    );
    let servers = recursive.nameservers(&name("dns01.example")).await.unwrap();
    assert_eq!(
        servers,
        [(name("ns1.dns01.example"), vec!["10.99.0.3".parse().unwrap()])]
    );

    // what BIND has is there at once, also behind an alias
    let key = key("certlet-sha256", "HMACSHA256");
    let target = "_acme-challenge.alias.other.example";
    let absent = recursive.txt(&name(target)).await.unwrap();
    assert_eq!(
        (absent.values.len(), absent.absent_for),
        (0, Some(Duration::from_secs(5)))
    );
    update(
        &primary(BIND, Some(key.clone())),
        &change("other.example", &[(target, "value")], &[]),
    )
    .await
    .unwrap();
    for asked in [target, "_acme-challenge.alias.dns01.example"] {
        assert_eq!(recursive.txt(&name(asked)).await.unwrap().values, [b"value"], "{asked}");
    }
    update(
        &primary(BIND, Some(key)),
        &change("other.example", &[], &[(target, "value")]),
    )
    .await
    .unwrap();
    // and everything else is what the bed has always had
    assert_eq!(recursive.txt(&name("web.test")).await.unwrap().values.len(), 0);
}
