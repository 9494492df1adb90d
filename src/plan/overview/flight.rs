//! Orders and Challenges that are not finished.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    IssuerName, by_age,
    facts::{Facts, issuer_name, shared},
};

/// An Order in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderEntry {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// The Certificate that it is for, if its annotation says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The ordered names.
    pub names: Vec<String>,
    /// Its state at the ACME server; absent before it is placed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why it is in its state, as a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sentence: String,
    /// The ACME issuer.
    pub issuer: IssuerName,
    /// When it was created.
    pub since: Timestamp,
    /// The time that the ACME server asked to wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Timestamp>,
}

/// A Challenge in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChallengeEntry {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// The Order that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The name that is to be proved.
    pub dns_name: String,
    /// `HTTP-01` or `DNS-01`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Its state at the ACME server; absent before it is begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Whether the proof is presented.
    pub presented: bool,
    /// Why it is in its state: the finding of the self-check, for example.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sentence: String,
    /// The ACME issuer.
    pub issuer: IssuerName,
    /// When it was created.
    pub since: Timestamp,
}

/// All Orders in flight, oldest first.
pub(super) fn orders(facts: &Facts) -> Vec<OrderEntry> {
    let mut orders: Vec<_> = facts.orders.values().collect();
    by_age(&mut orders, |order| (order.created, &order.key));
    let entry = |order: &super::facts::OrderFacts| {
        let (namespace, name) = shared(&order.key);
        OrderEntry {
            namespace,
            name,
            certificate: order.certificate.clone(),
            names: order.names.clone(),
            state: order.state.map(|state| state.to_string()),
            sentence: order.reason.clone(),
            issuer: issuer_name(&order.issuer),
            since: order.created,
            next_attempt_time: order.waits_until,
        }
    };
    orders.into_iter().map(entry).collect()
}

/// All Challenges in flight, oldest first.
pub(super) fn challenges(facts: &Facts) -> Vec<ChallengeEntry> {
    let mut challenges: Vec<_> = facts.challenges().collect();
    by_age(&mut challenges, |challenge| (challenge.created, &challenge.key));
    let entry = |challenge: &super::facts::ChallengeFacts| {
        let (namespace, name) = shared(&challenge.key);
        ChallengeEntry {
            namespace,
            name,
            order: challenge.order.clone(),
            dns_name: challenge.dns_name.clone(),
            type_: challenge.type_.to_string(),
            state: challenge.state.map(|state| state.to_string()),
            presented: challenge.presented,
            sentence: challenge.reason.clone(),
            issuer: issuer_name(&challenge.issuer),
            since: challenge.created,
        }
    };
    challenges.into_iter().map(entry).collect()
}
