//! Whether the CA will find a TXT record: the verdict over the answers of the name servers of its zone (DNS-11).

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::{memory::NotYet, timing};

/// How long a check waits for a name server that does not answer, while the majority of the others has the record.
const SILENT_FOR: SignedDuration = SignedDuration::from_secs(10);

/// How long a record may be at no name server before the reason asks whether it is in another view of its zone.
const LATE_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// The longest time for which a memory of a recursive server is believed.
const LONGEST_MEMORY: SignedDuration = SignedDuration::from_hours(1);

/// The most name servers that a reason names.
const MOST_NAMED: usize = 3;

/// The response code of a server that has no usable copy of a zone: it never got one, or the one it had has expired.
const SERVFAIL: &str = "SERVFAIL";

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
    /// The serial number of its copy of the zone; `None` if that is not known.
    pub serial: Option<u32>,
    /// Until when the record counts that it has, if that has an end.
    pub until: Option<Timestamp>,
}

/// What a name server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The record with our value.
    Value,
    /// Only records with other values, this many.
    OtherValues(usize),
    /// Records of which none counts; why, as a part of a sentence whose subject is the name of the record.
    Unfit(String),
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
    if !behind.is_empty() {
        let reason = if having == 0 {
            missing(now, since, answers, &behind)
        } else {
            lagging(answers, &behind, &by_server)
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

/// The reason while no name server has the record, and `behind` serve the zone without it.
fn missing(now: Timestamp, since: Timestamp, answers: &Answers, behind: &[&ServerAnswer]) -> String {
    let name = &answers.name;
    if let Some(Found::Unfit(why)) = behind.first().map(|one| &one.found) {
        return format!("{name} {why}");
    }
    if let Some(Found::OtherValues(others)) = behind.first().map(|one| &one.found) {
        let values = if *others == 1 { "another value" } else { "other values" };
        return format!(
            "{name} has {values}, and not the one of this challenge: does another program, such as external-dns, own that record?"
        );
    }
    let reason = format!("{name} has no TXT record yet at {}", named(behind));
    if now < timing::add(since, LATE_AFTER) {
        return reason;
    }
    format!(
        "{reason}; it was written {} s ago: does the provider write into another view of the zone than the one that certlet sees \
         (nameservers of the solver, --dns01-recursive-nameservers)?",
        now.duration_since(since).as_secs()
    )
}

/// The reason while some name servers have the record, and `behind` have not: with the serial numbers of both. A server that has the
/// same one does not lag: it serves other content.
fn lagging(answers: &Answers, behind: &[&ServerAnswer], by_server: &[&ServerAnswer]) -> String {
    let Answers { name, zone, .. } = answers;
    let having: Vec<&ServerAnswer> = by_server
        .iter()
        .copied()
        .filter(|one| one.found == Found::Value)
        .collect();
    let have = if having.len() == 1 { "has" } else { "have" };
    let newest = having.iter().find_map(|one| one.serial);
    let serial = newest
        .map(|serial| format!(", with serial {serial}"))
        .unwrap_or_default();
    let is_another_copy = newest.is_some() && behind.iter().any(|one| one.serial == newest);
    let hint = if is_another_copy {
        "; a server with the same serial does not lag: does it serve another view of the zone?"
    } else {
        ""
    };
    let servers = list(behind, |one| match one.serial {
        Some(serial) => format!("{} with serial {serial}", named(&[one])),
        None => named(&[one]),
    });
    format!(
        "waiting for {servers}, which has not the TXT record of {name} yet; {} of {} name servers of {zone} {have} it{serial}{hint}",
        having.len(),
        by_server.len()
    )
}

impl ServerAnswer {
    /// What is wrong with a server that says nothing about the zone, and what to do; `None` if it serves the zone.
    pub fn fault(&self) -> Option<String> {
        match &self.found {
            Found::NotServed(why) if why == SERVFAIL => Some(format!(
                "cannot answer for the zone ({why}): look at its log and at its transfers"
            )),
            Found::NotServed(why) => Some(format!(
                "does not serve the zone ({why}): remove it from the delegation"
            )),
            Found::Silent(why) => Some(format!("does not answer ({why})")),
            Found::Value | Found::OtherValues(_) | Found::Unfit(_) | Found::Nothing => None,
        }
    }
}

impl Answers {
    /// Whether some name servers have the record and others lack it: their serial numbers tell why.
    pub fn differ(&self) -> bool {
        let has = |is: fn(&Found) -> bool| self.servers.iter().any(|one| is(&one.found));
        has(Found::is_behind) && has(|found| *found == Found::Value)
    }

    /// Until when the record counts that the CA will find, if it has an end: the earliest one that a server has.
    pub fn until(&self) -> Option<Timestamp> {
        let having = self.servers.iter().filter(|one| one.found == Found::Value);
        having.filter_map(|one| one.until).min()
    }
}

impl Found {
    /// Whether the server serves the zone, without the record.
    fn is_behind(&self) -> bool {
        match self {
            Self::OtherValues(_) | Self::Unfit(_) | Self::Nothing => true,
            Self::Value | Self::NotServed(_) | Self::Silent(_) => false,
        }
    }

    /// Whether nothing is known of the zone from this server.
    fn is_absent(&self) -> bool {
        match self {
            Self::NotServed(_) | Self::Silent(_) => true,
            Self::Value | Self::OtherValues(_) | Self::Unfit(_) | Self::Nothing => false,
        }
    }

    /// Which answer counts for a server with several addresses: one that lacks the record, before one that has it, before none. An
    /// address family that is not routed from here says nothing about the server.
    fn rank(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::OtherValues(_) | Self::Unfit(_) => 1,
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
        match one.fault() {
            Some(fault) => format!("{server} {fault}"),
            None => server,
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
#[path = "dns_tests.rs"]
mod tests;
