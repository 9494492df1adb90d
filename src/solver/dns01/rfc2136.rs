//! Dynamic updates of a DNS server (RFC 2136), signed with TSIG (RFC 8945): row DNS-09.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    change::{Change, Receipt, Txt},
    zones::TxtRecords,
};
use crate::{
    api::dns01::{Rfc2136, Rfc2136Protocol},
    cloud::{
        fault::{Fault, FaultKind},
        fingerprint,
    },
    dns::{
        self, Data, Key, Name, Nameserver, Primary, Question, RecordType, Transport, TxtRecord, UpdateFault,
        UpdateFaultKind, ask, parse_name, shown,
    },
    net::AddressPolicy,
    process::clock,
};

/// How long an update may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long the question for a zone may take: another way to find it follows.
const ZONE_LIMIT: Duration = Duration::from_secs(2);

/// A DNS server that takes updates.
#[derive(Clone)]
pub(crate) struct Server(Arc<Inner>);

struct Inner {
    primary: Primary,
    policy: AddressPolicy,
    /// Where the key is, for sentences.
    secret: String,
    credential: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("primary", &self.0.primary)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// The server of these settings. `secret` is the place of the key, for sentences, and its value. `policy` is for the address of the
    /// server.
    ///
    /// # Errors
    /// What of the settings or the key cannot be used.
    pub(crate) fn new(
        settings: &Rfc2136,
        secret: Option<(&str, &[u8])>,
        policy: &AddressPolicy,
    ) -> Result<Self, Fault> {
        let Rfc2136 {
            nameserver,
            protocol,
            tsig_algorithm,
            tsig_key_name,
            tsig_secret_secret_ref: _,
        } = settings;
        let server = Nameserver::parse(nameserver).ok_or_else(|| {
            let sentence = format!("rfc2136.nameserver {nameserver:?} is not host:port");
            Fault::new(FaultKind::Other, sentence)
        })?;
        let algorithm = tsig_algorithm.as_deref().unwrap_or_default();
        let key = match (tsig_key_name.as_deref().filter(|name| !name.is_empty()), secret) {
            (Some(name), Some((place, value))) => {
                let key = Key::new(name, algorithm, value);
                Some(key.map_err(|error| Fault::new(FaultKind::Credential, format!("{place}: {error}")))?)
            }
            (None, None) => None,
            (Some(_), None) => {
                let sentence = "rfc2136.tsigKeyName is set and tsigSecretSecretRef is not: name the Secret of the key";
                return Err(Fault::new(FaultKind::Credential, sentence));
            }
            (None, Some(_)) => {
                let sentence = "rfc2136.tsigSecretSecretRef is set and tsigKeyName is not: name the key";
                return Err(Fault::new(FaultKind::Credential, sentence));
            }
        };
        let transport = match protocol.unwrap_or_default() {
            Rfc2136Protocol::Tcp => Transport::Tcp,
            Rfc2136Protocol::Udp => Transport::Udp,
        };
        Ok(Self(Arc::new(Inner {
            credential: credential(settings, transport, secret.map(|(_, value)| value)),
            secret: secret.map(|(place, _)| place.to_owned()).unwrap_or_default(),
            policy: policy.clone(),
            primary: Primary { server, transport, key },
        })))
    }

    /// The zone of a name, as the server itself says. `None` if it does not, for example because it answers updates only.
    async fn zone_of(&self, name: &str) -> Option<String> {
        let Inner { primary, policy, .. } = &*self.0;
        let name = parse_name(name).ok()?;
        let question = Question {
            name: name.clone(),
            kind: RecordType::SOA,
            recursive: false,
        };
        let address = primary.server.allowed_addresses(policy, ZONE_LIMIT).await.ok()?;
        let answer = ask(*address.first()?, &question, ZONE_LIMIT).await.ok()?;
        if !answer.authoritative {
            return None;
        }
        let mut records = answer.answers.iter().chain(&answer.authorities);
        let zone = records.find(|record| matches!(record.data, Data::Soa { .. }) && record.name.zone_of(&name))?;
        Some(shown(&zone.name))
    }

    fn fault(&self, fault: &UpdateFault) -> Fault {
        let secret = &self.0.secret;
        let kind = match &fault.kind {
            UpdateFaultKind::WrongSecret | UpdateFaultKind::WrongSignature | UpdateFaultKind::NotSigned => {
                FaultKind::Credential
            }
            // Knot answers so if the key may not write the name: a matter of the record, not of the key
            UpdateFaultKind::UnknownKey | UpdateFaultKind::Refused => FaultKind::Right,
            UpdateFaultKind::NotAuthoritative | UpdateFaultKind::NotInZone => FaultKind::NoZone,
            UpdateFaultKind::Clock { .. } => FaultKind::Clock,
            UpdateFaultKind::Unreachable(_) | UpdateFaultKind::TimedOut(_) => FaultKind::Unreachable,
            UpdateFaultKind::ServerFailure
            | UpdateFaultKind::Code(_)
            | UpdateFaultKind::Unusable(_)
            | UpdateFaultKind::TooLarge => FaultKind::Other,
        };
        let sentence = match &fault.kind {
            UpdateFaultKind::WrongSecret | UpdateFaultKind::UnknownKey if !secret.is_empty() => {
                format!("{fault} (the key is in {secret})")
            }
            UpdateFaultKind::WrongSecret
            | UpdateFaultKind::UnknownKey
            | UpdateFaultKind::WrongSignature
            | UpdateFaultKind::NotSigned
            | UpdateFaultKind::Refused
            | UpdateFaultKind::NotAuthoritative
            | UpdateFaultKind::NotInZone
            | UpdateFaultKind::Clock { .. }
            | UpdateFaultKind::Unreachable(_)
            | UpdateFaultKind::TimedOut(_)
            | UpdateFaultKind::ServerFailure
            | UpdateFaultKind::Code(_)
            | UpdateFaultKind::Unusable(_)
            | UpdateFaultKind::TooLarge => fault.to_string(),
        };
        Fault::new(kind, sentence)
    }
}

impl TxtRecords for Server {
    fn credential(&self) -> &str {
        &self.0.credential
    }

    async fn zone(&self, name: &str) -> Result<Option<String>, Fault> {
        Ok(self.zone_of(name).await)
    }

    fn serves_alike(&self) -> bool {
        true
    }

    async fn change(&self, zone: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        let zone = name(zone)?;
        let change = dns::Change {
            zone,
            add: change.add.iter().map(record).collect::<Result<_, _>>()?,
            remove: change.remove.iter().map(record).collect::<Result<_, _>>()?,
        };
        let Inner { primary, policy, .. } = &*self.0;
        let result = primary.update(policy, &change, clock::now(), LIMIT).await;
        result.map(|()| None).map_err(|fault| self.fault(&fault))
    }
}

fn name(text: &str) -> Result<Name, Fault> {
    parse_name(text).map_err(|error| Fault::new(FaultKind::NoZone, error.to_string()))
}

fn record(txt: &Txt) -> Result<TxtRecord, Fault> {
    Ok(TxtRecord {
        name: name(&txt.name)?,
        value: txt.value.clone().into_bytes(),
    })
}

/// Identifies server and key. The secret takes part as a digest.
fn credential(settings: &Rfc2136, transport: Transport, secret: Option<&[u8]>) -> String {
    let Rfc2136 {
        nameserver,
        protocol: _,
        tsig_algorithm,
        tsig_key_name,
        tsig_secret_secret_ref: _,
    } = settings;
    let digest = fingerprint(secret.unwrap_or_default());
    format!("rfc2136 {nameserver} {transport:?} {tsig_key_name:?} {tsig_algorithm:?} {digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Rfc2136 {
        Rfc2136 {
            nameserver: "ns.example".to_owned(),
            tsig_key_name: Some("certlet".to_owned()),
            tsig_algorithm: Some("HMACSHA256".to_owned()),
            ..Rfc2136::default()
        }
    }

    fn made(settings: &Rfc2136, secret: Option<&[u8]>) -> Result<Server, Fault> {
        let place = "the key \"secret\" of the Secret shop/tsig";
        Server::new(settings, secret.map(|value| (place, value)), &AddressPolicy::default())
    }

    #[test]
    fn another_secret_is_another_credential_and_is_in_no_text() {
        let (one, other) = (
            made(&settings(), Some(b"c2VjcmV0MQ==")),
            made(&settings(), Some(b"c2VjcmV0Mg==")),
        );
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_ne!(one.credential(), other.credential());
        let text = format!("{one:?} {}", one.credential());
        assert!(!text.contains("c2VjcmV0") && !text.contains("secret1"), "{text}");
    }

    #[test]
    fn half_a_key_and_a_wrong_key_are_named() {
        let nameless = Rfc2136 {
            tsig_key_name: None,
            ..settings()
        };
        let sentences = [
            (made(&settings(), None), "name the Secret"),
            (made(&nameless, Some(b"c2VjcmV0")), "name the key"),
            (made(&settings(), Some(b"not base64!")), "Secret shop/tsig"),
        ];
        for (made, words) in sentences {
            let fault = made.unwrap_err();
            assert!(
                fault.kind == FaultKind::Credential && fault.sentence.contains(words),
                "{fault:?}"
            );
        }
        let unsigned = Rfc2136 {
            tsig_algorithm: None,
            ..nameless
        };
        assert!(made(&unsigned, None).is_ok());
    }
}
