//! Whether the CA will find a TXT record: the verdict over the answers of the name servers of its zone (DNS-11).

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::{memory::NotYet, timing};

/// How long a check waits for a name server that does not answer, while the majority of the others has the record.
const SILENT_FOR: SignedDuration = SignedDuration::from_secs(10);

/// The longest time for which a memory of a recursive server is believed.
const LONGEST_MEMORY: SignedDuration = SignedDuration::from_hours(1);

/// The most name servers that a reason names.
const MOST_NAMED: usize = 3;

/// The answers about one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// The record.
    pub name: String,
    /// The zone whose name servers were asked.
    pub zone: String,
    /// One entry for each address of each name server of the zone.
    pub servers: Vec<ServerAnswer>,
    /// How long a recursive server remembers that the record does not exist (RFC 2308), if one was asked and says so.
    pub absent_for: Option<SignedDuration>,
}

/// The answer of one name server at one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAnswer {
    /// Name of the server.
    pub server: String,
    /// The address; `None` if the name of the server has none.
    pub address: Option<IpAddr>,
    /// What it answered.
    pub found: Found,
}

/// What a name server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The record with our value.
    Value,
    /// Only records with other values, this many.
    OtherValues(usize),
    /// No TXT record.
    Nothing,
    /// It does not serve the zone; the reason in two or three words, for example `REFUSED`.
    NotServed(String),
    /// It cannot be reached, or does not answer; why.
    Silent(String),
}

/// What follows from the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// The CA will find the record.
    Visible,
    /// It will not yet.
    NotYet(NotYet),
    /// No name server of the zone answered: port 53 may be closed. The recursive servers have to be asked.
    NoAnswer(NotYet),
}

/// Whether the CA will find the record: every name server of the zone has it, or all that answer have it and are the majority, and
/// the others had [`SILENT_FOR`] time to answer. The check began at `since`; `longest` is the longest wait between two checks.
pub fn visibility(now: Timestamp, since: Timestamp, longest: SignedDuration, answers: &Answers) -> Visibility {
    let not_yet = |reason: String, latest: Option<Timestamp>| {
        let again = timing::check_again(now, since, longest);
        NotYet {
            reason,
            again: latest.map_or(again, |latest| again.min(latest)),
        }
    };
    let Answers {
        name,
        zone,
        servers,
        absent_for,
    } = answers;
    let by_server = by_server(servers);
    if by_server.is_empty() {
        let reason = format!("the zone {zone} has no name server: its delegation is incomplete");
        return Visibility::NotYet(not_yet(reason, None));
    }
    let behind: Vec<&ServerAnswer> = by_server.iter().copied().filter(|one| one.found.is_behind()).collect();
    let silent: Vec<&ServerAnswer> = by_server.iter().copied().filter(|one| one.found.is_absent()).collect();
    let having = by_server.len() - behind.len() - silent.len();
    if let (Some(absent_for), [first]) = (absent_for, behind.as_slice())
        && first.found == Found::Nothing
    {
        // it answers from its memory until then
        let until = timing::add(now, (*absent_for).min(LONGEST_MEMORY));
        return Visibility::NotYet(NotYet {
            reason: format!(
                "{} remembers until {until:.0} that {name} has no TXT record; it is asked again then",
                named(&[*first])
            ),
            again: until.max(timing::check_again(now, since, longest)),
        });
    }
    if let Some(first) = behind.first() {
        let reason = if let (Found::OtherValues(others), 0) = (&first.found, having) {
            let values = if *others == 1 { "another value" } else { "other values" };
            format!(
                "{name} has {values}, and not the one of this challenge: does another program, such as external-dns, \
                 own that record?"
            )
        } else if having == 0 {
            format!("{name} has no TXT record yet at {}", named(&behind))
        } else {
            let have = if having == 1 { "has" } else { "have" };
            format!(
                "waiting for {}, which has not the TXT record of {name} yet; {having} of {} name servers of {zone} {have} it",
                named(&behind),
                by_server.len()
            )
        };
        return Visibility::NotYet(not_yet(reason, None));
    }
    if silent.is_empty() {
        return Visibility::Visible;
    }
    if having == 0 {
        let reason = format!("no name server of {zone} answers: {}", causes(&silent));
        let closed = silent.iter().all(|one| matches!(one.found, Found::Silent(_)));
        let not_yet = not_yet(reason, None);
        return if closed {
            Visibility::NoAnswer(not_yet)
        } else {
            Visibility::NotYet(not_yet)
        };
    }
    let end = timing::add(since, SILENT_FOR);
    if having * 2 > by_server.len() {
        if end <= now {
            return Visibility::Visible;
        }
        let left = end.duration_since(now).as_secs() + 1;
        let reason = format!("{}; going on with the other {having} in {left} s", causes(&silent));
        return Visibility::NotYet(not_yet(reason, Some(end)));
    }
    let reason = format!(
        "only {having} of {} name servers of {zone} have the TXT record of {name}: {}",
        by_server.len(),
        causes(&silent)
    );
    Visibility::NotYet(not_yet(reason, None))
}

impl Found {
    /// Whether the server serves the zone, without the record.
    fn is_behind(&self) -> bool {
        match self {
            Self::OtherValues(_) | Self::Nothing => true,
            Self::Value | Self::NotServed(_) | Self::Silent(_) => false,
        }
    }

    /// Whether nothing is known of the zone from this server.
    fn is_absent(&self) -> bool {
        match self {
            Self::NotServed(_) | Self::Silent(_) => true,
            Self::Value | Self::OtherValues(_) | Self::Nothing => false,
        }
    }

    /// Which answer counts for a server with several addresses: one that lacks the record, before one that has it, before none. An
    /// address family that is not routed from here says nothing about the server.
    fn rank(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::OtherValues(_) => 1,
            Self::Value => 2,
            Self::NotServed(_) => 3,
            Self::Silent(_) => 4,
        }
    }
}

/// The answer that counts of each server, in the order of the servers.
fn by_server(servers: &[ServerAnswer]) -> Vec<&ServerAnswer> {
    let mut counted: Vec<&ServerAnswer> = Vec::new();
    for answer in servers {
        match counted.iter_mut().find(|one| one.server == answer.server) {
            Some(one) if answer.found.rank() < one.found.rank() => *one = answer,
            Some(_) => {}
            None => counted.push(answer),
        }
    }
    counted
}

/// The servers by name and address, for a reason.
fn named(servers: &[&ServerAnswer]) -> String {
    list(servers, |one| match one.address {
        Some(address) => format!("{} ({address})", one.server),
        None => one.server.clone(),
    })
}

/// What is wrong with each server, for a reason.
fn causes(servers: &[&ServerAnswer]) -> String {
    list(servers, |one| {
        let server = named(&[one]);
        match &one.found {
            Found::NotServed(why) => {
                format!("{server} does not serve the zone ({why}): remove it from the delegation")
            }
            Found::Silent(why) => format!("{server} does not answer ({why})"),
            Found::Value | Found::OtherValues(_) | Found::Nothing => server,
        }
    })
}

fn list(servers: &[&ServerAnswer], text: impl Fn(&ServerAnswer) -> String) -> String {
    let mut parts: Vec<String> = servers.iter().take(MOST_NAMED).map(|one| text(one)).collect();
    match servers.len().saturating_sub(MOST_NAMED) {
        0 => {}
        more => parts.push(format!("{more} more")),
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SINCE: Timestamp = Timestamp::UNIX_EPOCH;
    const LONGEST: SignedDuration = SignedDuration::from_secs(10);

    fn answers(found: &[Found]) -> Answers {
        let server = |(at, found): (usize, &Found)| ServerAnswer {
            server: format!("ns{at}.example"),
            address: Some(format!("192.0.2.{at}").parse().unwrap()),
            found: found.clone(),
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
}
