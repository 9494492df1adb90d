//! The question to the name servers of a zone whether they have a TXT record. The verdict is [`crate::plan::order::dns`].

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures::future::join_all;
use jiff::Timestamp;

use super::target::{self, Target};
use crate::{
    dns::{
        self, AskProblem, Data, Name, Record, RecordType, Recursive, ResponseCode, ask, code_name, nameserver::PORT,
        parse_name, shown,
    },
    net::AddressPolicy,
    plan::order::{
        dns::{Answers, Found, ServerAnswer},
        persist::{Demand, Judged},
    },
};

/// How long one name server may take to answer.
const LIMIT: Duration = Duration::from_secs(3);
/// The most addresses that are asked. A zone of more has more name servers than any CA asks.
const MOST_ADDRESSES: usize = 32;

/// A TXT record that a CA is to find.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// The name that the CA asks for.
    pub asked: &'a str,
    /// Where the record was written.
    pub target: &'a Target,
    /// Its value.
    pub sought: Sought<'a>,
}

/// What the record has to contain.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sought<'a> {
    /// This value.
    Value(&'a str),
    /// What counts for dns-persist-01.
    Persist {
        /// For what.
        demand: &'a Demand,
        /// Whether the record is that of a parent domain.
        is_parent: bool,
        /// At which time.
        now: Timestamp,
    },
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The answers of the name servers.
    Answers(Answers),
    /// CNAMEs lead the CA to another name than the one that was written.
    Elsewhere(String),
    /// No server could be queried; why, as a sentence.
    Failed(String),
}

/// Asks every name server of the zone, in parallel, and follows the CNAMEs that a CA would follow.
pub(crate) async fn at_authorities(dns: &Recursive, policy: &AddressPolicy, question: Question<'_>) -> Seen {
    let (elsewhere, answers) = tokio::join!(elsewhere(dns, question), answers(dns, policy, question));
    match (elsewhere, answers) {
        (Ok(Some(name)), _) => Seen::Elsewhere(name),
        // the servers of the zone say more than the cache of a recursive server
        (Ok(None) | Err(_), Ok(answers)) => Seen::Answers(answers),
        (Ok(None) | Err(_), Err(sentence)) => Seen::Failed(sentence),
    }
}

/// Asks the recursive servers only.
pub(crate) async fn at_recursive(dns: &Recursive, question: Question<'_>) -> Seen {
    match elsewhere(dns, question).await {
        Ok(Some(name)) => return Seen::Elsewhere(name),
        Ok(None) => {}
        Err(sentence) => return Seen::Failed(sentence),
    }
    let Target { name, zone } = question.target;
    let asked = match parse_name(name) {
        Ok(asked) => asked,
        Err(error) => return Seen::Failed(error.to_string()),
    };
    match dns.txt(&asked).await {
        Ok(texts) => {
            let (found, until) = found(texts.values.iter().map(Vec::as_slice), question.sought);
            Seen::Answers(Answers {
                name: name.clone(),
                zone: zone.clone(),
                servers: vec![ServerAnswer {
                    server: "the recursive name server".to_owned(),
                    address: None,
                    found,
                    serial: None,
                    until,
                }],
                absent_for: texts.absent_for.and_then(|time| time.try_into().ok()),
            })
        }
        Err(error) => Seen::Failed(format!("the TXT record of {name} cannot be looked up: {error}")),
    }
}

/// The name that CNAMEs lead the CA to, if it is not that of the record. A record at the name itself takes the place of a wildcard's
/// CNAME, which a recursive server may remember for a while: no CNAME is looked up for it.
async fn elsewhere(dns: &Recursive, Question { asked, target, .. }: Question<'_>) -> Result<Option<String>, String> {
    if target.name == asked {
        return Ok(None);
    }
    let name = target::found_at(dns, asked).await?;
    Ok((name != target.name).then_some(name))
}

async fn answers(dns: &Recursive, policy: &AddressPolicy, question: Question<'_>) -> Result<Answers, String> {
    let Target { name, zone } = question.target;
    let asked = parse_name(name).map_err(|error| error.to_string())?;
    let parsed = parse_name(zone).map_err(|error| error.to_string())?;
    let servers = dns.nameservers(&parsed).await;
    let servers =
        servers.map_err(|error| format!("the name servers of the zone {zone} cannot be looked up: {error}"))?;
    let servers = servers
        .into_iter()
        .map(|(server, addresses)| (shown(&server), addresses));
    let addresses = servers.flat_map(|(server, addresses)| {
        let none = addresses.is_empty().then(|| (server.clone(), None));
        let each = addresses
            .into_iter()
            .map(move |address| (server.clone(), Some(address)));
        none.into_iter().chain(each)
    });
    let asked = &asked;
    let answers = addresses.take(MOST_ADDRESSES).map(|(server, address)| async move {
        let silent = |why: String| ((Found::Silent(why), None), None);
        let ((found, until), serial) = match address.map(|address| (address, policy.check(address))) {
            Some((address, Ok(()))) => found_by(address, asked, question.sought).await,
            Some((_, Err(refused))) => silent(refused.to_string()),
            None => silent("its name has no address".to_owned()),
        };
        ServerAnswer {
            server,
            address,
            found,
            serial,
            until,
        }
    });
    let mut answers = Answers {
        name: name.clone(),
        zone: zone.clone(),
        servers: join_all(answers).await,
        absent_for: None,
    };
    if answers.differ() {
        join_all(answers.servers.iter_mut().map(|one| add_serial(one, &parsed))).await;
    }
    Ok(answers)
}

/// Asks a server that has TXT records for the serial number of its copy of the zone: its answer has none.
async fn add_serial(answer: &mut ServerAnswer, zone: &Name) {
    let (Found::Value | Found::OtherValues(_) | Found::Unfit(_), Some(address)) = (&answer.found, answer.address)
    else {
        return;
    };
    let question = dns::Question {
        name: zone.clone(),
        kind: RecordType::SOA,
        recursive: false,
    };
    let soa = ask(SocketAddr::new(address, PORT), &question, LIMIT).await.ok();
    answer.serial = soa.and_then(|soa| serial(&soa.answers));
}

/// The serial number in the SOA record among these.
fn serial(records: &[Record]) -> Option<u32> {
    records.iter().find_map(|record| match record.data {
        Data::Soa { serial, .. } => Some(serial),
        Data::Cname(_) | Data::Txt(_) | Data::Ns(_) | Data::Address(_) => None,
    })
}

/// What was found, and until when it counts if that has an end.
type Judgement = (Found, Option<Timestamp>);

/// What a server has, and the serial number of the zone if its answer names it.
async fn found_by(address: IpAddr, name: &Name, sought: Sought<'_>) -> (Judgement, Option<u32>) {
    let question = dns::Question {
        name: name.clone(),
        kind: RecordType::TXT,
        recursive: false,
    };
    let found = match ask(SocketAddr::new(address, PORT), &question, LIMIT).await {
        Ok(answer) if ![ResponseCode::NoError, ResponseCode::NXDomain].contains(&answer.code) => {
            Found::NotServed(code_name(answer.code))
        }
        Ok(answer) if !answer.authoritative => Found::NotServed("it is not authoritative".to_owned()),
        Ok(answer) => return (found(answer.texts(), sought), serial(&answer.authorities)),
        Err(AskProblem::TimedOut(_)) => Found::Silent(format!("no answer within {} s", LIMIT.as_secs())),
        Err(problem @ (AskProblem::Unreachable(_) | AskProblem::Unusable(_))) => Found::Silent(problem.to_string()),
    };
    ((found, None), None)
}

fn found<'a>(values: impl Iterator<Item = &'a [u8]>, sought: Sought<'_>) -> Judgement {
    let values: Vec<&[u8]> = values.collect();
    match sought {
        Sought::Value(_) if values.is_empty() => (Found::Nothing, None),
        Sought::Value(value) if values.contains(&value.as_bytes()) => (Found::Value, None),
        Sought::Value(_) => (Found::OtherValues(values.len()), None),
        Sought::Persist { demand, is_parent, now } => match demand.judge(now, is_parent, values.into_iter()) {
            Judged::Counts(until) => (Found::Value, until),
            Judged::Not(why) => (Found::Unfit(why), None),
        },
    }
}
