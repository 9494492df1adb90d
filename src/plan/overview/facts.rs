//! What is kept of each object while the overview is made. Of finished requests, Orders and Challenges nothing is kept, but that a name was
//! proved by a record with an end.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::{Entry, IssuerName, Seen, bundles};
use crate::{
    api::{
        AcmeIssuer, CertificateSpec, CertificateStatus, Condition, IssuerRef, IssuerSpec, IssuerStatus, Time,
        challenge::ChallengeType,
        condition::{self, APPROVED, DENIED, READY},
        names::annotation,
        order::State,
    },
    plan::{
        certificate::ISSUED_BY_FALLBACK,
        copies::SECRET_SYNCED,
        issuer::{Backend, IssuerId},
        kinds::{CertificateKind, ChallengeKind, OrderKind},
        order::{self, persist::Ending},
        seen::{Kind, Lean, Meta, ObjectKey, RequestSeen},
    },
};

/// The facts, and how they are found.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) certificates: Vec<CertificateFacts>,
    /// Trust bundles that are not synced.
    pub(super) bundles: Vec<Entry>,
    pub(super) issuers: BTreeMap<IssuerId, IssuerFacts>,
    /// Unfinished requests by the uid of their Certificate.
    requests: HashMap<Box<str>, RequestFacts>,
    /// Unfinished requests without a Certificate.
    pub(super) lone_requests: Vec<RequestFacts>,
    /// Unfinished Orders by the uid of their request.
    pub(super) orders: HashMap<Box<str>, OrderFacts>,
    /// Unfinished Challenges by the uid of their Order.
    challenges: HashMap<Box<str>, Vec<ChallengeFacts>>,
    /// Records of dns-persist-01 with an end, by the Certificate that they were used for, and its revision.
    records: HashMap<(ObjectKey, i64), RecordFacts>,
}

/// Of a Certificate.
#[derive(Debug)]
pub(super) struct CertificateFacts {
    pub(super) key: ObjectKey,
    pub(super) uid: Box<str>,
    pub(super) created: Timestamp,
    pub(super) deleting: bool,
    pub(super) issuer: IssuerRef,
    /// Why its spec cannot be decoded.
    pub(super) unreadable: Option<String>,
    pub(super) status: CertificateStatus,
}

/// Of a record of dns-persist-01.
#[derive(Debug)]
pub(super) struct RecordFacts {
    /// The issuer of the Order, which may be a fallback issuer.
    pub(super) issuer: IssuerRef,
    pub(super) name: String,
    pub(super) until: Timestamp,
}

/// Of an issuer.
#[derive(Debug)]
pub(super) struct IssuerFacts {
    pub(super) created: Timestamp,
    /// The field of its spec that is set, `acme` for example.
    pub(super) type_: Option<&'static str>,
    pub(super) server: Option<String>,
    /// How long before their end records of dns-persist-01 are reported.
    pub(super) warn_before: Option<SignedDuration>,
    pub(super) status: IssuerStatus,
}

/// Of a request that is not finished.
#[derive(Debug)]
pub(super) struct RequestFacts {
    pub(super) key: ObjectKey,
    pub(super) uid: Box<str>,
    pub(super) created: Timestamp,
    pub(super) issuer: IssuerRef,
    pub(super) approved: bool,
    /// The message of its Ready condition.
    pub(super) message: String,
}

/// Of an Order that is not finished.
#[derive(Debug)]
pub(super) struct OrderFacts {
    pub(super) key: ObjectKey,
    pub(super) uid: Box<str>,
    pub(super) created: Timestamp,
    pub(super) issuer: IssuerRef,
    pub(super) certificate: Option<String>,
    pub(super) names: Vec<String>,
    pub(super) state: Option<State>,
    pub(super) reason: String,
    /// The time that the ACME server asked to wait for.
    pub(super) waits_until: Option<Timestamp>,
}

/// Of a Challenge that is not finished.
#[derive(Debug)]
pub(super) struct ChallengeFacts {
    pub(super) key: ObjectKey,
    pub(super) created: Timestamp,
    pub(super) issuer: IssuerRef,
    pub(super) order: Option<String>,
    pub(super) dns_name: String,
    pub(super) type_: ChallengeType,
    pub(super) state: Option<State>,
    pub(super) presented: bool,
    pub(super) reason: String,
}

impl Facts {
    pub(super) fn add(&mut self, object: Seen) {
        match object {
            Seen::Certificate(certificate) => self.certificates.push(CertificateFacts::new(&certificate)),
            Seen::Request(request) => self.add_request(&request),
            Seen::Order(order) => self.add_order(&order),
            Seen::Challenge(challenge) => self.add_challenge(&challenge),
            Seen::Issuer(issuer) => {
                let id = IssuerId(issuer.meta.key.clone());
                self.issuers.insert(id, issuer_facts(&issuer));
            }
            Seen::ClusterIssuer(issuer) => {
                let id = IssuerId(issuer.meta.key.clone());
                self.issuers.insert(id, issuer_facts(&issuer));
            }
            Seen::Bundle(bundle) => self.bundles.extend(bundles::entry(&bundle)),
        }
    }

    fn add_request(&mut self, request: &RequestSeen) {
        let failed = request
            .condition(READY)
            .is_some_and(|ready| ["Failed", "Denied"].contains(&ready.reason()));
        let is_final =
            request.is_true(READY) || failed || request.is_true(DENIED) || request.is_true(condition::INVALID_REQUEST);
        if is_final || request.meta.deleting.is_some() {
            return;
        }
        let facts = RequestFacts {
            key: request.meta.key.clone(),
            uid: request.meta.uid.clone(),
            created: request.meta.created,
            issuer: request.issuer_ref.clone(),
            approved: request.is_true(APPROVED),
            message: message(&request.conditions, READY),
        };
        match request.meta.controller_of_kind::<CertificateKind>() {
            Some(owner) => {
                // the last attempt of a Certificate counts
                let other = self.requests.get(&owner.uid);
                if other.is_none_or(|other| other.created <= facts.created) {
                    self.requests.insert(owner.uid.clone(), facts);
                }
            }
            None => self.lone_requests.push(facts),
        }
    }

    fn add_order(&mut self, order: &Lean<OrderKind>) {
        let status = order.status();
        self.add_record(order, status.reason.as_deref().unwrap_or_default());
        if status.state.is_some_and(State::is_final) || order.meta.deleting.is_some() {
            return;
        }
        let spec = order.parse().map(|order| order.spec).unwrap_or_default();
        let owner = order.meta.controller().map(|owner| owner.uid.clone());
        let reason = status.reason.unwrap_or_default();
        let facts = OrderFacts {
            key: order.meta.key.clone(),
            uid: order.meta.uid.clone(),
            created: order.meta.created,
            issuer: spec.issuer_ref,
            certificate: text(&order.meta, annotation::CERTIFICATE_NAME),
            names: spec.dns_names.into_iter().chain(spec.ip_addresses).collect(),
            state: status.state,
            waits_until: order::outcome::waits_until(&reason),
            reason,
        };
        // an Order without an owner is never continued; it is found by its own uid
        let owner = owner.unwrap_or_else(|| order.meta.uid.clone());
        self.orders.insert(owner, facts);
    }

    fn add_record(&mut self, order: &Lean<OrderKind>, reason: &str) {
        let Some((ending, object)) = Ending::of(&order.meta, reason).zip(order.parse().ok()) else {
            return;
        };
        let record = RecordFacts {
            issuer: object.spec.issuer_ref,
            name: ending.name.to_owned(),
            until: ending.until,
        };
        self.records.insert((ending.certificate, ending.revision), record);
    }

    /// The record with an end that the current certificate of a Certificate was proved by.
    pub(super) fn record(&self, certificate: &CertificateFacts) -> Option<&RecordFacts> {
        if self.records.is_empty() {
            return None;
        }
        let revision = certificate.status.revision?;
        self.records.get(&(certificate.key.clone(), revision))
    }

    fn add_challenge(&mut self, challenge: &Lean<ChallengeKind>) {
        let status = challenge.status();
        if status.state.is_some_and(State::is_final) || challenge.meta.deleting.is_some() {
            return;
        }
        let Ok(object) = challenge.parse() else { return };
        let owner = challenge.meta.controller();
        let facts = ChallengeFacts {
            key: challenge.meta.key.clone(),
            created: challenge.meta.created,
            issuer: object.spec.issuer_ref,
            order: owner.map(|owner| owner.name.to_string()),
            dns_name: object.spec.dns_name,
            type_: object.spec.type_,
            state: status.state,
            presented: status.presented == Some(true),
            reason: status.reason.unwrap_or_default(),
        };
        let owner = owner.map_or_else(|| challenge.meta.uid.clone(), |owner| owner.uid.clone());
        self.challenges.entry(owner).or_default().push(facts);
    }

    /// The unfinished request of a Certificate.
    pub(super) fn request(&self, certificate: &CertificateFacts) -> Option<&RequestFacts> {
        self.requests.get(&certificate.uid)
    }

    /// The unfinished Order of a request.
    pub(super) fn order(&self, request: &RequestFacts) -> Option<&OrderFacts> {
        self.orders.get(&request.uid)
    }

    /// The unfinished Challenges of an Order.
    pub(super) fn challenges_of(&self, order: &OrderFacts) -> &[ChallengeFacts] {
        self.challenges.get(&order.uid).map_or(&[], Vec::as_slice)
    }

    /// All unfinished Challenges.
    pub(super) fn challenges(&self) -> impl Iterator<Item = &ChallengeFacts> {
        self.challenges.values().flatten()
    }

    /// The issuers that Certificates name.
    pub(super) fn issuers_in_use(&self) -> BTreeSet<IssuerId> {
        let named = self.certificates.iter();
        named
            .filter_map(|certificate| IssuerId::of(&certificate.issuer, &certificate.key.namespace))
            .collect()
    }
}

impl CertificateFacts {
    fn new(certificate: &Lean<CertificateKind>) -> Self {
        let (issuer, unreadable) = match certificate.parse() {
            Ok(object) => (object.spec.issuer_ref, None),
            Err(invalid) => {
                let spec: CertificateSpec = crate::api::parse_readable(certificate.spec.get());
                (spec.issuer_ref, Some(invalid.to_string()))
            }
        };
        let mut status = certificate.status();
        if condition::is_true(&status.conditions, READY) && status.last_failure_time.is_none() {
            // most Certificates are well: their messages are not printed, except for these
            let unprinted = status
                .conditions
                .iter_mut()
                .filter(|condition| ![ISSUED_BY_FALLBACK, SECRET_SYNCED].contains(&condition.type_.as_str()));
            unprinted.for_each(|condition| condition.message = None);
            status.conditions.shrink_to_fit();
        }
        status.acme = None;
        Self {
            key: certificate.meta.key.clone(),
            uid: certificate.meta.uid.clone(),
            created: certificate.meta.created,
            deleting: certificate.meta.deleting.is_some(),
            issuer,
            unreadable,
            status,
        }
    }
}

fn issuer_facts<K>(issuer: &Lean<K>) -> IssuerFacts
where
    K: Kind<Spec = IssuerSpec, Status = IssuerStatus>,
{
    let spec: IssuerSpec = issuer
        .parse()
        .map_or_else(|_| crate::api::parse_readable(issuer.spec.get()), |object| object.spec);
    IssuerFacts {
        created: issuer.meta.created,
        type_: Backend::of(&spec).map(|backend| backend.issuer_type().field()),
        warn_before: spec.acme.as_ref().and_then(AcmeIssuer::persist_warn_before),
        server: spec.acme.map(|acme| acme.server),
        status: issuer.status(),
    }
}

/// The issuer that a reference names.
pub fn issuer_name(reference: &IssuerRef) -> IssuerName {
    IssuerName {
        kind: reference.kind_or_default().to_owned(),
        group: reference.group_or_default().to_owned(),
        name: reference.name.clone(),
    }
}

/// The message of a condition; empty if there is none.
pub(super) fn message(conditions: &[Condition], type_: &str) -> String {
    let found = condition::get(conditions, type_);
    found
        .map(|condition| condition.message().to_owned())
        .unwrap_or_default()
}

/// The time of a status field.
pub(super) fn instant(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

/// When a condition changed its status.
pub(super) fn since(condition: &Condition) -> Option<Timestamp> {
    instant(condition.last_transition_time.as_ref())
}

fn text(meta: &Meta, annotation: &str) -> Option<String> {
    meta.annotations.get(annotation).map(str::to_owned)
}

/// A namespace or name that entries share.
pub(super) fn shared(key: &ObjectKey) -> (Arc<str>, Arc<str>) {
    (Arc::clone(&key.namespace), Arc::clone(&key.name))
}
