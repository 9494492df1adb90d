//! Issuers, their accounts and their limits.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Entry, Question, Urgency,
    facts::{Facts, IssuerFacts, message, shared, since},
    judge::Judged,
};
use crate::{
    api::condition::{self, READY},
    plan::issuer::{EXPIRING_SOON, IssuerId, SOLVERS_SUPPORTED},
};

/// An Issuer or ClusterIssuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuerEntry {
    /// `Issuer` or `ClusterIssuer`.
    pub kind: &'static str,
    /// Its namespace; empty for a ClusterIssuer.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The field of its spec that is set: `acme`, `ca`, `selfSigned`, `vault` or `venafi`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<&'static str>,
    /// Whether it can sign.
    pub ready: bool,
    /// Reason of its Ready condition.
    pub reason: String,
    /// Message of its Ready condition.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sentence: String,
    /// Warnings: a CA that expires soon, solvers that are not supported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Directory of the ACME server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// URL of the ACME account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The end of a wait that the ACME server asked for: a rate limit, or an overload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limited_until: Option<Timestamp>,
    /// The words of the ACME server about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Since when it is ready, or not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Certificates that name it.
    pub certificates: usize,
    /// Those of them that are not well.
    pub certificates_not_well: usize,
    /// Orders in flight.
    pub orders: usize,
}

impl IssuerEntry {
    /// Its place in the list of problems, if it is not ready or has a warning.
    pub(super) fn problem(&self) -> Option<Entry> {
        let entry = self.entry();
        (entry.urgency != Urgency::Well).then_some(entry)
    }

    /// Its urgency, with one sentence.
    pub fn entry(&self) -> Entry {
        let (urgency, sentence) = if self.ready {
            match self.warnings.first() {
                Some(warning) => (Urgency::Failing, warning.clone()),
                None => (Urgency::Well, format!("ready: {}", self.sentence)),
            }
        } else if self.reason == NOT_RECONCILED {
            (Urgency::Waiting, self.sentence.clone())
        } else {
            let plural = if self.certificates == 1 { "" } else { "s" };
            let used = format!("used by {} Certificate{plural}", self.certificates);
            (Urgency::Failing, format!("not ready, {used}: {}", self.sentence))
        };
        Entry {
            urgency,
            kind: self.kind,
            namespace: Arc::clone(&self.namespace),
            name: Arc::clone(&self.name),
            reason: self.reason.clone(),
            sentence,
            issuer: None,
            since: self.since,
            not_after: None,
            renewal_time: None,
            next_attempt_time: self.limited_until,
            failed_issuance_attempts: None,
        }
    }
}

/// Reason of an issuer without a Ready condition.
const NOT_RECONCILED: &str = "NotReconciled";

/// What the Certificates and Orders of one issuer add to its entry.
#[derive(Default)]
struct Use {
    certificates: usize,
    not_well: usize,
    orders: usize,
    limit: Option<(Timestamp, String)>,
}

/// All issuers, those that are not ready first. Within one namespace: its Issuers, and the ClusterIssuers that its Certificates name.
pub(super) fn entries(now: Timestamp, question: &Question, facts: &Facts, judged: &[Judged]) -> Vec<IssuerEntry> {
    let mut uses: HashMap<IssuerId, Use> = HashMap::new();
    for certificate in judged {
        let Some(id) = &certificate.issuer else { continue };
        let of = uses.entry(id.clone()).or_default();
        of.certificates += 1;
        of.not_well += usize::from(certificate.entry.urgency != Urgency::Well);
    }
    for order in facts.orders.values() {
        let Some(id) = IssuerId::of(&order.issuer, &order.key.namespace) else {
            continue;
        };
        let of = uses.entry(id).or_default();
        of.orders += 1;
        let until = order.waits_until.filter(|until| *until > now);
        if let Some(until) = until
            && of.limit.as_ref().is_none_or(|(before, _)| *before < until)
        {
            of.limit = Some((until, order.reason.clone()));
        }
    }
    let in_use = facts.issuers_in_use();
    let shown = |id: &IssuerId| question.namespace.is_none() || !id.is_cluster() || in_use.contains(id);
    let issuers = facts.issuers.iter().filter(|(id, _)| shown(id));
    let mut entries: Vec<IssuerEntry> = issuers
        .map(|(id, issuer)| entry(id, issuer, uses.remove(id).unwrap_or_default()))
        .collect();
    entries.sort_by_key(|entry| (entry.ready && entry.limited_until.is_none(), entry.ready));
    entries
}

fn entry(id: &IssuerId, issuer: &IssuerFacts, uses: Use) -> IssuerEntry {
    let (namespace, name) = shared(&id.0);
    let status = &issuer.status;
    let ready = condition::get(&status.conditions, READY);
    let unsupported = condition::get(&status.conditions, SOLVERS_SUPPORTED).filter(|condition| !condition.is_true());
    let expiring = condition::get(&status.conditions, EXPIRING_SOON).filter(|condition| condition.is_true());
    let warnings = expiring.into_iter().chain(unsupported);
    let (limited_until, limit) = uses.limit.unzip();
    IssuerEntry {
        kind: id.kind(),
        namespace,
        name,
        type_: issuer.type_,
        ready: ready.is_some_and(condition::Condition::is_true),
        reason: ready.map_or_else(|| NOT_RECONCILED.to_owned(), |ready| ready.reason().to_owned()),
        sentence: ready.map_or_else(
            || "it has not been reconciled yet".to_owned(),
            |_| message(&status.conditions, READY),
        ),
        warnings: warnings.map(|condition| condition.message().to_owned()).collect(),
        server: issuer.server.clone(),
        account: status.acme.as_ref().and_then(|acme| acme.uri.clone()),
        limited_until,
        limit,
        since: ready.and_then(since).or(Some(issuer.created)),
        certificates: uses.certificates,
        certificates_not_well: uses.not_well,
        orders: uses.orders,
    }
}
