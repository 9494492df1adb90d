//! One question to one server, and its answer.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{self, DNSClass, Name, RData, RecordType};
use tokio::time::Instant;

use super::exchange::{AskProblem, is_truncated, over_tcp, over_udp};

/// The size of responses over UDP that is asked for: what passes without fragments (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1232;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name.
    pub name: Name,
    /// The type of the records.
    pub kind: RecordType,
    /// Whether the server is asked to find out what it does not know (RD).
    pub recursive: bool,
}

/// An answer with any response code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The response code.
    pub code: ResponseCode,
    /// Whether the server is authoritative for the name (AA).
    pub authoritative: bool,
    /// The answer section, as far as [`Data`] has its types.
    pub answers: Vec<Record>,
    /// The authority section, as far as [`Data`] has its types.
    pub authorities: Vec<Record>,
}

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its owner.
    pub name: Name,
    /// How long it may be cached, in seconds.
    pub ttl: u32,
    /// Its data.
    pub data: Data,
}

/// The data of a record. Records of other types, and of other classes than IN, are not in an [`Answer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An alias; the name that it leads to.
    Cname(Name),
    /// A text: its character strings, joined.
    Txt(Vec<u8>),
    /// The start of a zone.
    Soa {
        /// The primary server.
        primary: Name,
        /// The serial number.
        serial: u32,
        /// How long the absence of a name may be cached, in seconds.
        minimum: u32,
    },
    /// A name server of a zone.
    Ns(Name),
    /// An address.
    Address(IpAddr),
}

/// Asks one server at one address: over UDP, and over TCP if the answer is truncated or nothing came over UDP. The caller decides
/// whether the address may be contacted.
///
/// # Errors
/// If there is no readable answer within `limit`. An answer with any response code is not an error.
pub async fn ask(server: SocketAddr, question: &Question, limit: Duration) -> Result<Answer, AskProblem> {
    let answer = ask_with(server, question, true, limit).await?;
    if answer.code != ResponseCode::FormErr {
        return Ok(answer);
    }
    // a server from before RFC 6891
    ask_with(server, question, false, limit).await
}

async fn ask_with(
    server: SocketAddr,
    question: &Question,
    extended: bool,
    limit: Duration,
) -> Result<Answer, AskProblem> {
    let deadline = Instant::now() + limit;
    let request = question.to_bytes(extended)?;
    let rest = || deadline.saturating_duration_since(Instant::now());
    match over_udp(server, &request, limit * 2 / 3).await {
        Ok(response) if !is_truncated(&response) => Answer::from_bytes(&response),
        Ok(_) => Answer::from_bytes(
            &over_tcp(server, &request, rest())
                .await
                .map_err(|error| whole(error, limit))?,
        ),
        Err(AskProblem::TimedOut(_)) => {
            // some networks let only one of them through; what came over UDP is what is reported
            let response = over_tcp(server, &request, rest()).await;
            Answer::from_bytes(&response.map_err(|_| AskProblem::TimedOut(limit))?)
        }
        Err(problem) => Err(problem),
    }
}

/// A problem of one part of an exchange, as one of all of it.
fn whole(problem: AskProblem, limit: Duration) -> AskProblem {
    match problem {
        AskProblem::TimedOut(_) => AskProblem::TimedOut(limit),
        AskProblem::Unreachable(_) | AskProblem::Unusable(_) => problem,
    }
}

impl Question {
    /// The request, with a random ID.
    pub(super) fn to_bytes(&self, extended: bool) -> Result<Vec<u8>, AskProblem> {
        let mut message = Message::query();
        message.metadata.op_code = OpCode::Query;
        message.metadata.recursion_desired = self.recursive;
        message.add_query(Query::query(self.name.clone(), self.kind));
        if extended {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_PAYLOAD);
            message.set_edns(edns);
        }
        message
            .to_vec()
            .map_err(|error| AskProblem::Unusable(error.to_string()))
    }
}

impl Answer {
    /// Reads a message.
    ///
    /// # Errors
    /// If it is no complete response.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AskProblem> {
        let message = Message::from_vec(bytes).map_err(|error| AskProblem::Unusable(error.to_string()))?;
        if message.metadata.message_type != MessageType::Response {
            return Err(AskProblem::Unusable("it is no response".to_owned()));
        }
        if message.metadata.truncation {
            return Err(AskProblem::Unusable("it is truncated".to_owned()));
        }
        Ok(Self {
            code: message.metadata.response_code,
            authoritative: message.metadata.authoritative,
            answers: message.answers.iter().filter_map(Record::read).collect(),
            authorities: message.authorities.iter().filter_map(Record::read).collect(),
        })
    }

    /// The alias that the name is, if the answer says so.
    pub fn cname(&self, name: &Name) -> Option<&Name> {
        self.answers.iter().find_map(|record| match &record.data {
            Data::Cname(target) if record.name == *name => Some(target),
            Data::Cname(_) | Data::Txt(_) | Data::Soa { .. } | Data::Ns(_) | Data::Address(_) => None,
        })
    }

    /// The values of all TXT records, also of those that a CNAME leads to.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.answers.iter().filter_map(|record| match &record.data {
            Data::Txt(value) => Some(value.as_slice()),
            Data::Cname(_) | Data::Soa { .. } | Data::Ns(_) | Data::Address(_) => None,
        })
    }
}

impl Record {
    fn read(record: &rr::Record) -> Option<Self> {
        if record.dns_class != DNSClass::IN {
            return None;
        }
        Some(Self {
            name: record.name.clone(),
            ttl: record.ttl,
            data: Data::read(&record.data)?,
        })
    }
}

impl Data {
    fn read(data: &RData) -> Option<Self> {
        // an open set of types
        if let RData::CNAME(target) = data {
            Some(Self::Cname(target.0.clone()))
        } else if let RData::TXT(text) = data {
            Some(Self::Txt(text.txt_data.concat()))
        } else if let RData::SOA(soa) = data {
            Some(Self::Soa {
                primary: soa.mname.clone(),
                serial: soa.serial,
                minimum: soa.minimum,
            })
        } else if let RData::NS(server) = data {
            Some(Self::Ns(server.0.clone()))
        } else {
            data.ip_addr().map(Self::Address)
        }
    }
}

/// The name of a response code, as `dig` shows it.
pub fn code_name(code: ResponseCode) -> String {
    const NAMES: [(ResponseCode, &str); 11] = [
        (ResponseCode::NoError, "NOERROR"),
        (ResponseCode::FormErr, "FORMERR"),
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::NXDomain, "NXDOMAIN"),
        (ResponseCode::NotImp, "NOTIMP"),
        (ResponseCode::Refused, "REFUSED"),
        (ResponseCode::YXDomain, "YXDOMAIN"),
        (ResponseCode::YXRRSet, "YXRRSET"),
        (ResponseCode::NXRRSet, "NXRRSET"),
        (ResponseCode::NotAuth, "NOTAUTH"),
        (ResponseCode::NotZone, "NOTZONE"),
    ];
    let known = NAMES.iter().find(|(known, _)| *known == code);
    known.map_or_else(|| format!("code {}", u16::from(code)), |(_, name)| (*name).to_owned())
}
