//! The choice as a table.

use jiff::{SignedDuration, Timestamp};

use super::{
    FallbackPolicy,
    choice::{Asked, Report, Situation, choose},
};
use crate::{
    api::IssuerRef,
    net::OutageKind,
    plan::outage::{Availability, Outage},
};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn down(since: i64) -> Availability {
    Availability::Unavailable(Outage {
        kind: OutageKind::Unreachable,
        since: at(since),
    })
}

fn limited(since: i64) -> Availability {
    Availability::Unavailable(Outage {
        kind: OutageKind::RateLimited,
        since: at(since),
    })
}

fn policy(after: i64) -> FallbackPolicy {
    let issuer = |name: &str| IssuerRef {
        name: name.to_owned(),
        ..IssuerRef::default()
    };
    FallbackPolicy {
        issuers: vec![issuer("first"), issuer("second")],
        after: SignedDuration::from_secs(after),
        primary: "Issuer/primary".to_owned(),
    }
}

const PRIMARY: Asked = Asked::Primary { issued: false };

fn fallback(place: usize, since: i64) -> Asked {
    Asked::Fallback {
        place,
        issued: false,
        since: at(since),
    }
}

/// What is asked, its server, whether the fallback issuers are Ready, expiry of the certificate, and the time; then the chosen
/// fallback issuer and when to choose again. An outage is waited for during six hours.
type Row = (
    &'static str,
    Asked,
    Availability,
    [bool; 2],
    Option<i64>,
    i64,
    Option<usize>,
    Option<i64>,
);

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn the_issuer_of_the_spec_is_asked_until_its_outage_has_lasted_and_a_fallback_issuer_until_its_own_has() {
    let both = [true, true];
    let issued = Asked::Fallback {
        place: 0,
        issued: true,
        since: at(0),
    };
    let rows: [Row; 20] = [
        (
            "nothing is known",
            PRIMARY,
            Availability::Unknown,
            both,
            None,
            DAY,
            None,
            None,
        ),
        (
            "it answers",
            PRIMARY,
            Availability::Available,
            both,
            None,
            DAY,
            None,
            None,
        ),
        (
            "not long enough",
            PRIMARY,
            down(0),
            both,
            None,
            6 * HOUR - 1,
            None,
            Some(6 * HOUR),
        ),
        ("long enough", PRIMARY, down(0), both, None, 6 * HOUR, Some(0), None),
        (
            "limits count, too",
            PRIMARY,
            limited(0),
            both,
            None,
            6 * HOUR,
            Some(0),
            None,
        ),
        (
            "before the request",
            Asked::Nothing,
            down(0),
            both,
            None,
            6 * HOUR,
            Some(0),
            None,
        ),
        (
            "half of what is left",
            PRIMARY,
            down(0),
            both,
            Some(4 * HOUR),
            2 * HOUR,
            Some(0),
            None,
        ),
        (
            "less than half",
            PRIMARY,
            down(0),
            both,
            Some(4 * HOUR),
            HOUR,
            None,
            Some(2 * HOUR),
        ),
        (
            "expired before the outage",
            PRIMARY,
            down(0),
            both,
            Some(-DAY),
            9,
            None,
            Some(10),
        ),
        (
            "expired, and no blip",
            PRIMARY,
            down(0),
            both,
            Some(-DAY),
            10,
            Some(0),
            None,
        ),
        (
            "the first is not Ready",
            PRIMARY,
            down(0),
            [false, true],
            None,
            6 * HOUR,
            Some(1),
            None,
        ),
        (
            "none is Ready",
            PRIMARY,
            down(0),
            [false; 2],
            None,
            7 * HOUR,
            None,
            Some(7 * HOUR + MINUTE),
        ),
        (
            "it has issued meanwhile",
            Asked::Primary { issued: true },
            down(0),
            both,
            None,
            DAY,
            None,
            None,
        ),
        (
            "a fallback is new",
            fallback(0, 0),
            Availability::Unknown,
            both,
            None,
            DAY,
            Some(0),
            None,
        ),
        ("a fallback has issued", issued, down(0), both, None, DAY, Some(0), None),
        (
            "its outage is short",
            fallback(0, 0),
            down(0),
            both,
            None,
            MINUTE,
            Some(0),
            Some(10 * MINUTE),
        ),
        (
            "its outage lasts",
            fallback(0, 0),
            down(0),
            both,
            None,
            10 * MINUTE,
            Some(1),
            None,
        ),
        (
            "it is not Ready any more",
            fallback(0, 0),
            Availability::Unknown,
            [false, true],
            None,
            10 * MINUTE,
            Some(1),
            None,
        ),
        (
            "the last one",
            fallback(1, 0),
            down(0),
            both,
            None,
            30 * MINUTE,
            Some(1),
            Some(HOUR),
        ),
        ("then back", fallback(1, 0), down(0), both, None, HOUR, None, None),
    ];
    let policy = policy(6 * HOUR);
    for (what, asked, server, ready, not_after, now, wanted, again) in rows {
        let situation = Situation {
            policy: &policy,
            ready: &ready,
            asked,
            server,
            unavailable_since: None,
            not_after: not_after.map(at),
        };
        let choice = choose(at(now), &situation);
        assert_eq!((choice.fallback, choice.at), (wanted, again.map(at)), "{what}");
    }
}

#[test]
fn an_outage_that_is_in_the_status_continues_after_a_restart_once_the_server_was_called() {
    let policy = policy(6 * HOUR);
    let situation = |server| Situation {
        policy: &policy,
        ready: &[true, true],
        asked: PRIMARY,
        server,
        unavailable_since: Some(at(0)),
        not_after: None,
    };
    let late = 20 * HOUR;
    let choice = choose(at(late), &situation(Availability::Unknown));
    assert_eq!((choice.fallback, choice.report), (None, Report::Unchanged));
    let choice = choose(at(late), &situation(Availability::Available));
    assert_eq!((choice.fallback, choice.report), (None, Report::Nothing));
    let choice = choose(at(late), &situation(down(late - 5)));
    let outage = Report::Outage {
        kind: OutageKind::Unreachable,
        since: at(0),
        next: Some((0, at(6 * HOUR))),
    };
    assert_eq!((choice.fallback, choice.report), (Some(0), outage));
}
