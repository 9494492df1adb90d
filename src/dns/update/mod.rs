//! Changes of TXT records in a zone (RFC 2136), signed with a [`Key`].

mod fault;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Header, Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::rdata::tsig::TsigError;
use hickory_proto::rr::{self, DNSClass, Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use jiff::Timestamp;

use super::exchange::{AskProblem, Transport, is_truncated, over_tcp, over_udp};
use super::name::shown;
use super::nameserver::Nameserver;
use super::tsig::{FUDGE, Key, Verified};
use crate::net::AddressPolicy;
pub use fault::{UpdateFault, UpdateFaultKind};

/// How long the records may be cached, in seconds, as with cert-manager (DNS-09).
const TTL: u32 = 60;

/// The longest character string of a TXT record. A longer value has several.
const CHARACTER_STRING: usize = 255;

/// The largest request that is sent over UDP: what passes without fragments.
const MAX_UDP: usize = 1232;

/// A server that takes updates.
#[derive(Clone, Debug)]
pub struct Primary {
    /// The server.
    pub server: Nameserver,
    /// How it is contacted.
    pub transport: Transport,
    /// The key that signs. Without one, requests are not signed.
    pub key: Option<Key>,
}

/// A TXT record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxtRecord {
    /// Its name.
    pub name: Name,
    /// Its value, of any length and of any bytes.
    pub value: Vec<u8>,
}

/// A change of a zone, all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The zone.
    pub zone: Name,
    /// Records that are added. To add one that is there is no error.
    pub add: Vec<TxtRecord>,
    /// Records that are removed, each by its value; others of the same name stay. To remove one that is not there is no error.
    pub remove: Vec<TxtRecord>,
}

impl Primary {
    /// Makes a change, within `limit`. `policy` is for the address of the server, which a user chose; `now` is signed.
    ///
    /// # Errors
    /// If the server did not confirm it.
    pub async fn update(
        &self,
        policy: &AddressPolicy,
        change: &Change,
        now: Timestamp,
        limit: Duration,
    ) -> Result<(), UpdateFault> {
        self.make(policy, change, now, limit).await.map_err(|kind| UpdateFault {
            server: self.server.to_string(),
            zone: shown(&change.zone),
            names: change
                .add
                .iter()
                .chain(&change.remove)
                .map(|record| shown(&record.name))
                .collect(),
            key: self.key.as_ref().map(|key| (key.name(), key.algorithm().to_string())),
            kind,
        })
    }

    async fn make(
        &self,
        policy: &AddressPolicy,
        change: &Change,
        now: Timestamp,
        limit: Duration,
    ) -> Result<(), UpdateFaultKind> {
        let now = u64::try_from(now.as_second()).unwrap_or_default();
        let request = change.to_bytes().ok_or(UpdateFaultKind::TooLarge)?;
        let (request, mac) = match &self.key {
            None => (request, Vec::new()),
            Some(key) => {
                let signed = key.sign(&request, now).ok_or(UpdateFaultKind::TooLarge)?;
                (signed.bytes, signed.mac)
            }
        };
        let addresses = self.server.allowed_addresses(policy, limit).await?;
        let each = limit / u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let mut outcome = Err(AskProblem::Unreachable("it has no address".to_owned()));
        for address in addresses {
            outcome = exchanged(address, self.transport, &request, each).await;
            match &outcome {
                Ok(_) | Err(AskProblem::Unusable(_)) => break,
                Err(AskProblem::TimedOut(_) | AskProblem::Unreachable(_)) => {}
            }
        }
        judged(self.key.as_ref(), &mac, now, &outcome?)
    }
}

/// Sends a request to one address.
async fn exchanged(
    address: SocketAddr,
    transport: Transport,
    request: &[u8],
    limit: Duration,
) -> Result<Vec<u8>, AskProblem> {
    if transport == Transport::Udp && request.len() <= MAX_UDP {
        let response = over_udp(address, request, limit).await?;
        if !is_truncated(&response) {
            return Ok(response);
        }
    }
    over_tcp(address, request, limit).await
}

/// What a response says about the change.
fn judged(key: Option<&Key>, request_mac: &[u8], now: u64, response: &[u8]) -> Result<(), UpdateFaultKind> {
    let header = Header::read(&mut BinDecoder::new(response));
    let code = header
        .map_err(|error| UpdateFaultKind::Unusable(error.to_string()))?
        .metadata
        .response_code;
    if let Some(key) = key {
        match key.verify(request_mac, response) {
            // an error without a signature is an error, too
            None if code != ResponseCode::NoError => {}
            None => return Err(UpdateFaultKind::NotSigned),
            Some(verified) => trusted(&verified, now)?,
        }
    }
    // an open set of codes
    if code == ResponseCode::NoError {
        return Ok(());
    }
    let known = [
        (ResponseCode::Refused, UpdateFaultKind::Refused),
        (ResponseCode::NotAuth, UpdateFaultKind::NotAuthoritative),
        (ResponseCode::NotZone, UpdateFaultKind::NotInZone),
        (ResponseCode::ServFail, UpdateFaultKind::ServerFailure),
    ];
    let kind = known.into_iter().find(|(known, _)| *known == code);
    Err(kind.map_or(UpdateFaultKind::Code(code), |(_, kind)| kind))
}

/// Reads bytes as the response to an update.
#[cfg(test)]
pub(crate) fn fuzz_response(key: &Key, response: &[u8]) {
    assert!(judged(Some(key), &[], 0, response).is_err(), "a signature was guessed");
}

/// What the TSIG record of a response says about the key and the clock.
fn trusted(verified: &Verified, now: u64) -> Result<(), UpdateFaultKind> {
    match verified.error {
        // such a response has no MAC, because the server has no key for one
        Some(TsigError::BadSig) => return Err(UpdateFaultKind::WrongSecret),
        Some(TsigError::BadKey) => return Err(UpdateFaultKind::UnknownKey),
        Some(TsigError::BadTime | TsigError::BadTrunc | TsigError::Unknown(_)) | None => {}
    }
    if !verified.valid {
        return Err(UpdateFaultKind::WrongSignature);
    }
    let ahead = |time: u64| time.cast_signed().saturating_sub(now.cast_signed());
    match verified.error {
        Some(TsigError::BadTime) => Err(UpdateFaultKind::Clock {
            ahead: ahead(verified.server_time.unwrap_or(verified.time)),
        }),
        Some(error) => Err(UpdateFaultKind::Code(u16::from(error).into())),
        None if ahead(verified.time).unsigned_abs() > u64::from(FUDGE) => Err(UpdateFaultKind::Clock {
            ahead: ahead(verified.time),
        }),
        None => Ok(()),
    }
}

impl Change {
    /// The request, with a random ID. `None` if it does not fit into a message.
    fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut message = Message::query();
        message.metadata.op_code = OpCode::Update;
        message.metadata.recursion_desired = false;
        message.add_query(Query::query(self.zone.clone(), RecordType::SOA));
        for TxtRecord { name, value } in &self.remove {
            // RFC 2136 section 2.5.4
            let mut record = rr::Record::from_rdata(name.clone(), 0, text(value));
            record.dns_class = DNSClass::NONE;
            message.add_authority(record);
        }
        for TxtRecord { name, value } in &self.add {
            message.add_authority(rr::Record::from_rdata(name.clone(), TTL, text(value)));
        }
        // what does not fit is left out, and the message then says that it is truncated
        message.to_vec().ok().filter(|bytes| !is_truncated(bytes))
    }
}

fn text(value: &[u8]) -> RData {
    let mut strings: Vec<&[u8]> = value.chunks(CHARACTER_STRING).collect();
    if strings.is_empty() {
        strings.push(b"");
    }
    RData::TXT(TXT::from_bytes(strings))
}
