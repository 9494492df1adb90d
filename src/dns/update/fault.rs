//! What can go wrong with an update, as sentences.

use std::fmt;
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use crate::dns::exchange::AskProblem;
use crate::dns::query::code_name;

/// Why a change was not made. As text it is a sentence; it names neither the Secret of the key nor anything in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateFault {
    /// The server.
    pub server: String,
    /// The zone.
    pub zone: String,
    /// The names of the records.
    pub names: Vec<String>,
    /// Name and algorithm of the key.
    pub key: Option<(String, String)>,
    /// What went wrong.
    pub kind: UpdateFaultKind,
}

/// What went wrong with an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateFaultKind {
    /// No connection; the reason.
    Unreachable(String),
    /// No answer within this time. The change may have been made.
    TimedOut(Duration),
    /// The secret is not that of the key (BADSIG).
    WrongSecret,
    /// The server does not know the key with this algorithm (BADKEY). Knot also answers so if the key may not write the name.
    UnknownKey,
    /// The clocks differ (BADTIME).
    Clock {
        /// How many seconds the clock of the server is ahead; negative if it is behind.
        ahead: i64,
    },
    /// The key may not do this, or the zone takes no updates (REFUSED).
    Refused,
    /// The server is not the primary of the zone (NOTAUTH without a TSIG error).
    NotAuthoritative,
    /// A name is outside of the zone (NOTZONE).
    NotInZone,
    /// The server could not do it (SERVFAIL).
    ServerFailure,
    /// Another response code.
    Code(ResponseCode),
    /// The response has no signature. The change may have been made.
    NotSigned,
    /// The signature of the response is wrong. The change may have been made.
    WrongSignature,
    /// The response cannot be read; the reason. The change may have been made.
    Unusable(String),
    /// The request does not fit into a message.
    TooLarge,
}

impl From<AskProblem> for UpdateFaultKind {
    fn from(problem: AskProblem) -> Self {
        match problem {
            AskProblem::TimedOut(limit) => Self::TimedOut(limit),
            AskProblem::Unreachable(reason) => Self::Unreachable(reason),
            AskProblem::Unusable(reason) => Self::Unusable(reason),
        }
    }
}

impl std::error::Error for UpdateFault {}

#[expect(clippy::too_many_lines, reason = "one sentence for each kind")]
impl fmt::Display for UpdateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            server,
            zone,
            names,
            key,
            kind,
        } = self;
        let names = match names.as_slice() {
            [] => "nothing".to_owned(),
            [name] => name.clone(),
            [name, others @ ..] => format!("{name} and {} more", others.len()),
        };
        let (who, key) = match key {
            Some((name, algorithm)) => (format!("key {name}"), format!("key {name} with algorithm {algorithm}")),
            None => ("a client without a key".to_owned(), "no key".to_owned()),
        };
        match kind {
            UpdateFaultKind::Unreachable(reason) => write!(
                f,
                "DNS server {server} cannot be reached for an update of zone {zone}: {reason}; check nameserver and protocol of the \
                 issuer, and the firewalls"
            ),
            UpdateFaultKind::TimedOut(limit) => write!(
                f,
                "DNS server {server} did not answer an update of zone {zone} within {limit:?}; check nameserver and protocol of the \
                 issuer, and the firewalls"
            ),
            UpdateFaultKind::WrongSecret => write!(
                f,
                "DNS server {server} rejects the signature of an update of zone {zone} (BADSIG): the TSIG secret is not that of \
                 {who}"
            ),
            UpdateFaultKind::UnknownKey => write!(
                f,
                "DNS server {server} does not accept {key} for an update of zone {zone} (BADKEY): check tsigKeyName and \
                 tsigAlgorithm, and whether the server lets this key write TXT records at {names}"
            ),
            UpdateFaultKind::Clock { ahead } => write!(
                f,
                "the clock of DNS server {server} is {} seconds {} (BADTIME), so that zone {zone} was not updated; synchronize both \
                 clocks",
                ahead.unsigned_abs(),
                if *ahead < 0 { "behind" } else { "ahead" },
            ),
            UpdateFaultKind::Refused => write!(
                f,
                "DNS server {server} does not let {who} write TXT records at {names} in zone {zone} (REFUSED): allow it in the \
                 update policy of the zone"
            ),
            UpdateFaultKind::NotAuthoritative => write!(
                f,
                "DNS server {server} is not the primary of zone {zone} or does not let {who} update it (NOTAUTH): set nameserver to \
                 the primary server of the zone"
            ),
            UpdateFaultKind::NotInZone => write!(
                f,
                "DNS server {server} says that {names} is not in zone {zone} (NOTZONE): check the delegations of the zone"
            ),
            UpdateFaultKind::ServerFailure => write!(
                f,
                "DNS server {server} failed to update zone {zone} (SERVFAIL): its log has the reason, for example a zone file that it \
                 may not write"
            ),
            UpdateFaultKind::Code(code) => write!(
                f,
                "DNS server {server} did not update zone {zone} ({}): check whether it supports dynamic updates (RFC 2136)",
                code_name(*code)
            ),
            UpdateFaultKind::NotSigned => write!(
                f,
                "DNS server {server} did not sign its answer to an update of zone {zone}: something between it and certlet may have \
                 answered instead; check nameserver of the issuer"
            ),
            UpdateFaultKind::WrongSignature => write!(
                f,
                "the answer of DNS server {server} to an update of zone {zone} does not have the signature of {key}; check nameserver \
                 of the issuer"
            ),
            UpdateFaultKind::Unusable(reason) => {
                write!(
                    f,
                    "DNS server {server} gave an unusable answer to an update of zone {zone}: {reason}"
                )
            }
            UpdateFaultKind::TooLarge => write!(f, "the update of zone {zone} is too large for one DNS message"),
        }
    }
}
