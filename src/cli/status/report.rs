//! The report about one object: a pure function of what was read.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use serde::Serialize;

use crate::{
    api::{
        Condition,
        condition::{APPROVED, DENIED, INVALID_REQUEST, READY},
        names::annotation,
        order::State,
    },
    pki::certificate::CertificateInfo,
    plan::{
        kinds::{CertificateKind, ChallengeKind, OrderKind},
        order::outcome,
        overview::{Entry, IssuerEntry, Urgency, issuer_name, relative},
        seen::{Lean, Meta, Object, RequestSeen},
    },
};

/// The most Events of a report, newest first.
const MOST_EVENTS: usize = 20;

/// The report. Field names and words are for programs, sentences for people.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The time that it is true for.
    pub(super) time: Timestamp,
    /// Whether there is nothing to do.
    pub(super) well: bool,
    /// The object.
    #[serde(flatten)]
    pub(super) entry: Entry,
    /// Its conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) conditions: Vec<Condition>,
    /// Of a Certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) certificate: Option<CertificateDetails>,
    /// The issuer, of this object or this object itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issuer_status: Option<IssuerEntry>,
    /// The requests, Orders and Challenges that it owns, from the outermost to the innermost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) owned: Vec<Owned>,
    /// Of an issuer: the Certificates that name it. Of an Ingress, a Gateway or a ListenerSet: those that it owns or whose Secret it names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) certificates: Vec<Entry>,
    /// Events of the object and of what it owns, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) events: Vec<EventRow>,
    /// What happens next.
    pub(super) next: Next,
    /// What could not be read, as sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) incomplete: Vec<String>,
}

/// What only a Certificate has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateDetails {
    /// The names of its spec, each once.
    pub(super) names: Vec<String>,
    /// The target Secret.
    pub(super) secret: SecretDetails,
    /// When the certificate begins to be valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) not_before: Option<Timestamp>,
    /// How many certificates were issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<i64>,
    /// When issuing last failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_failure_time: Option<Timestamp>,
}

/// The certificate in the target Secret. The key is not read.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretDetails {
    /// Name of the Secret.
    pub(super) name: String,
    /// Type of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    /// Who signed the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issuer: Option<String>,
    /// Its serial number, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) serial: Option<String>,
    /// Why there is no certificate, or why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// A request, Order or Challenge.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Owned {
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// The state in one word.
    pub(super) state: String,
    /// Why, as a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) sentence: String,
    /// When it was created.
    pub(super) since: Timestamp,
    /// The time that the ACME server asked to wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_attempt_time: Option<Timestamp>,
    /// The name that a Challenge proves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dns_name: Option<String>,
}

/// An Event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventRow {
    /// When it last happened.
    pub(super) time: Timestamp,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) reason: String,
    /// Kind and name of the object.
    pub(super) kind: String,
    pub(super) name: String,
    /// How often it happened.
    pub(super) count: i32,
    pub(super) message: String,
}

/// What happens next, and when.
#[derive(Debug, Serialize)]
pub(super) struct Next {
    pub(super) sentence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<Timestamp>,
}

impl Next {
    /// What follows for an object.
    pub(super) fn of(now: Timestamp, entry: &Entry) -> Self {
        let at = |time: Timestamp, sentence: String| Self {
            sentence,
            time: Some(time),
        };
        let only = |sentence: &str| Self {
            sentence: sentence.to_owned(),
            time: None,
        };
        match (entry.urgency, entry.next_attempt_time, entry.renewal_time) {
            _ if entry.reason == "Deleting" => only("it is being deleted"),
            (_, Some(time), _) if time > now && entry.kind == "Certificate" => {
                let advice = "edit the Certificate, or run `certlet renew`, to try at once";
                at(
                    time,
                    format!("the next attempt follows {}; {advice}", relative(now, time)),
                )
            }
            (_, Some(time), _) if time > now => at(time, format!("it is tried again {}", relative(now, time))),
            (_, Some(time), _) => at(time, "the next attempt is due".to_owned()),
            (Urgency::Well, None, Some(time)) => at(time, format!("it is renewed {}", relative(now, time))),
            (Urgency::Well, None, None) if entry.kind == "Certificate" => {
                only("nothing; automatic renewal is disabled")
            }
            (Urgency::Well, None, None) => only("nothing"),
            (Urgency::Waiting, None, _) => only("it continues by itself"),
            (Urgency::Expired | Urgency::Expiring | Urgency::Missing | Urgency::Failing, None, _) => {
                only("see the reason above; a change of the objects involved is noticed at once")
            }
        }
    }
}

impl CertificateDetails {
    /// The details of a Certificate. `secret`: permission denied, no Secret, no readable certificate, or the certificate.
    pub(super) fn new(
        certificate: &Object<CertificateKind>,
        secret: Result<Option<Result<CertificateInfo, String>>, String>,
    ) -> Self {
        let (spec, status) = (&certificate.spec, &certificate.status);
        let names = spec.common_name.iter().chain(&spec.dns_names).chain(&spec.ip_addresses);
        let mut names: Vec<String> = names.chain(&spec.uris).chain(&spec.email_addresses).cloned().collect();
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let name = spec.secret_name.clone();
        let nothing = |error: String| SecretDetails {
            name: name.clone(),
            error: Some(error),
            ..SecretDetails::default()
        };
        let secret = match secret {
            Ok(None) => nothing("it does not exist".to_owned()),
            Err(error) | Ok(Some(Err(error))) => nothing(error),
            Ok(Some(Ok(leaf))) => SecretDetails {
                name: name.clone(),
                key: Some(
                    leaf.key_spec
                        .map_or_else(|| "another type".into(), |spec| spec.to_string()),
                ),
                issuer: Some(leaf.issuer.to_string()),
                serial: Some(leaf.serial_hex()),
                error: None,
            },
        };
        Self {
            names,
            secret,
            not_before: status.not_before.as_ref().map(|time| time.0),
            revision: status.revision,
            last_failure_time: status.last_failure_time.as_ref().map(|time| time.0),
        }
    }
}

impl Owned {
    pub(super) fn request(request: &RequestSeen) -> Self {
        let ready = request.condition(READY);
        let held = [DENIED, INVALID_REQUEST].into_iter().find(|kind| request.is_true(kind));
        let told = held.and_then(|kind| request.condition(kind)).or(ready);
        let state = match (held, ready) {
            (Some(kind), _) => kind.to_owned(),
            (None, Some(ready)) if ready.is_true() => "Ready".to_owned(),
            (None, Some(ready)) => ready.reason().to_owned(),
            (None, None) if request.is_true(APPROVED) => "Approved".to_owned(),
            (None, None) => "Pending".to_owned(),
        };
        let revision = request.meta.annotations.get(annotation::CERTIFICATE_REVISION);
        let revision = revision.map(|revision| format!("revision {revision}"));
        let message = told.map(Condition::message).filter(|message| !message.is_empty());
        let waits = (!request.is_true(APPROVED) && held.is_none()).then_some("it waits for approval");
        let parts = revision.as_deref().into_iter().chain(waits).chain(message);
        Self {
            kind: "CertificateRequest",
            name: request.meta.name().to_owned(),
            state,
            sentence: parts.collect::<Vec<_>>().join(": "),
            since: request.meta.created,
            next_attempt_time: None,
            dns_name: None,
        }
    }

    pub(super) fn order(order: &Lean<OrderKind>) -> Self {
        let status = order.status();
        let sentence = status.reason.unwrap_or_default();
        Self {
            kind: "Order",
            name: order.meta.name().to_owned(),
            state: status
                .state
                .map_or_else(|| "not placed".into(), |state| state.to_string()),
            next_attempt_time: outcome::waits_until(&sentence),
            sentence,
            since: order.meta.created,
            dns_name: None,
        }
    }

    pub(super) fn challenge(challenge: &Lean<ChallengeKind>) -> Self {
        let status = challenge.status();
        let spec = challenge.parse().map(|object| object.spec).unwrap_or_default();
        let state = status
            .state
            .map_or_else(|| "not begun".into(), |state| state.to_string());
        let presented = if status.presented == Some(true) {
            ", presented"
        } else {
            ""
        };
        Self {
            kind: "Challenge",
            name: challenge.meta.name().to_owned(),
            state: format!("{}, {state}{presented}", spec.type_),
            sentence: status.reason.unwrap_or_default(),
            since: challenge.meta.created,
            next_attempt_time: None,
            dns_name: Some(spec.dns_name),
        }
    }
}

/// The entry of a request.
pub(super) fn request_entry(request: &RequestSeen) -> Entry {
    let owned = Owned::request(request);
    let failed = ["Failed", DENIED, INVALID_REQUEST].contains(&owned.state.as_str());
    let urgency = match (request.is_true(READY), failed) {
        (_, true) => Urgency::Failing,
        (true, false) => Urgency::Well,
        (false, false) => Urgency::Waiting,
    };
    Entry {
        reason: owned.state,
        issuer: Some(issuer_name(&request.issuer_ref)),
        ..blank("CertificateRequest", &request.meta, urgency, owned.sentence)
    }
}

/// The entry of an Order.
pub(super) fn order_entry(order: &Lean<OrderKind>) -> Entry {
    let (owned, state) = (Owned::order(order), order.status().state);
    let urgency = match state {
        Some(State::Valid) => Urgency::Well,
        Some(state) if state.is_failure() => Urgency::Failing,
        Some(_) | None => Urgency::Waiting,
    };
    let sentence = match owned.sentence.as_str() {
        "" => format!("the order is {}", owned.state),
        reason => format!("the order is {}: {reason}", owned.state),
    };
    let issuer = order.parse().map(|object| issuer_name(&object.spec.issuer_ref));
    Entry {
        reason: owned.state,
        issuer: issuer.ok(),
        next_attempt_time: owned.next_attempt_time,
        ..blank("Order", &order.meta, urgency, sentence)
    }
}

/// The entry of an Ingress, a Gateway or a ListenerSet: that of the most urgent of its Certificates.
pub(super) fn annotated_entry(kind: &'static str, meta: &Meta, certificates: &[Entry]) -> Entry {
    match certificates.iter().min_by_key(|entry| entry.urgency) {
        None => {
            let sentence = "no Certificate belongs to it: it has no annotation for one, or its Events say why";
            blank(kind, meta, Urgency::Well, sentence.to_owned())
        }
        Some(worst) if worst.urgency == Urgency::Well => {
            let sentence = format!("{} Certificates, all well", certificates.len());
            blank(kind, meta, Urgency::Well, sentence)
        }
        Some(worst) => Entry {
            reason: worst.reason.clone(),
            next_attempt_time: worst.next_attempt_time,
            ..blank(
                kind,
                meta,
                worst.urgency,
                format!("Certificate {}: {}", worst.name, worst.sentence),
            )
        },
    }
}

fn blank(kind: &'static str, meta: &Meta, urgency: Urgency, sentence: String) -> Entry {
    Entry {
        urgency,
        kind,
        namespace: meta.key.namespace.clone(),
        name: meta.key.name.clone(),
        reason: urgency.word().to_owned(),
        sentence,
        issuer: None,
        since: Some(meta.created),
        not_after: None,
        renewal_time: None,
        next_attempt_time: None,
        failed_issuance_attempts: None,
    }
}

/// The conditions of a Certificate, Ready first.
pub(super) fn conditions(mut conditions: Vec<Condition>) -> Vec<Condition> {
    conditions.sort_by_key(|condition| condition.type_ != READY);
    conditions
}

/// The rows of Events, newest first.
pub(super) fn events(events: Vec<Event>) -> Vec<EventRow> {
    let mut rows: Vec<EventRow> = events.into_iter().filter_map(event).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.time));
    rows.truncate(MOST_EVENTS);
    rows
}

fn event(event: Event) -> Option<EventRow> {
    let series = event.series.unwrap_or_default();
    let last = series.last_observed_time.or(event.event_time).map(|time| time.0);
    let last = last.or_else(|| event.last_timestamp.map(|time| time.0));
    Some(EventRow {
        time: last.or_else(|| event.metadata.creation_timestamp.map(|time| time.0))?,
        type_: event.type_.unwrap_or_default(),
        reason: event.reason.unwrap_or_default(),
        kind: event.involved_object.kind.unwrap_or_default(),
        name: event.involved_object.name.unwrap_or_default(),
        count: series.count.or(event.count).unwrap_or(1).max(1),
        message: event.message.unwrap_or_default(),
    })
}
