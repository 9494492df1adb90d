//! The overview: what is not well, most urgent first, what is renewed next, and what is in flight. One model for the texts and the
//! JSON of `certlet status`, and for the status page.
//!
//! | module | what it is |
//! |---|---|
//! | [`bundles`] | trust bundles that are not synced |
//! | [`facts`] | what is kept of each object while the overview is made |
//! | [`judge`] | the urgency of a Certificate, and its one sentence |
//! | [`flight`] | Orders and Challenges that are not finished |
//! | [`issuers`] | issuers, their accounts and limits |
//! | [`targets`] | objects that do not have the CA that is to be injected |
//! | [`relative`] | times in words |

mod bundles;
mod facts;
mod flight;
mod issuers;
mod judge;
mod relative;
mod targets;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use self::facts::Facts;
pub use self::{
    facts::issuer_name,
    flight::{ChallengeEntry, OrderEntry},
    issuers::IssuerEntry,
    relative::{relative, span},
    targets::target,
};
use super::{
    backoff::Backoff,
    kinds::{BundleKind, CertificateKind, ChallengeKind, ClusterIssuerKind, IssuerKind, OrderKind},
    seen::{Lean, ObjectKey, RequestSeen},
};

/// The most renewals that an overview lists.
pub const MOST_RENEWALS: usize = 200;
/// The number of days of the schedule.
pub const SCHEDULE_DAYS: usize = 90;

/// What is asked, and the settings that the answer depends on.
#[derive(Clone, Debug)]
pub struct Question {
    /// The only namespace; `None` for all.
    pub namespace: Option<String>,
    /// The back-off of the controller.
    pub backoff: Backoff,
    /// Kinds that may not be listed: that an object of them was not observed says nothing.
    pub unlisted: Vec<&'static str>,
}

/// One observed object.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A Certificate.
    Certificate(Arc<Lean<CertificateKind>>),
    /// A CertificateRequest.
    Request(Arc<RequestSeen>),
    /// An Order.
    Order(Arc<Lean<OrderKind>>),
    /// A Challenge.
    Challenge(Arc<Lean<ChallengeKind>>),
    /// An Issuer.
    Issuer(Arc<Lean<IssuerKind>>),
    /// A ClusterIssuer.
    ClusterIssuer(Arc<Lean<ClusterIssuerKind>>),
    /// A trust bundle.
    Bundle(Arc<Lean<BundleKind>>),
}

/// How urgent an object is, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Urgency {
    /// The certificate in the Secret has expired.
    Expired,
    /// The certificate expires soon, and nothing renewed it in time.
    Expiring,
    /// There is no certificate, and the attempt to issue one failed or cannot begin.
    Missing,
    /// The certificate is valid, but its renewal fails; or the issuer is not ready.
    Failing,
    /// Not ready yet: in progress.
    Waiting,
    /// Nothing to do.
    Well,
}

impl Urgency {
    /// All, most urgent first.
    pub const ALL: [Self; 6] = [
        Self::Expired,
        Self::Expiring,
        Self::Missing,
        Self::Failing,
        Self::Waiting,
        Self::Well,
    ];

    /// The word for people; the same as in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Expiring => "expiring",
            Self::Missing => "missing",
            Self::Failing => "failing",
            Self::Waiting => "waiting",
            Self::Well => "well",
        }
    }
}

/// An object with its urgency and one sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// How urgent it is.
    pub urgency: Urgency,
    /// Kind of the object.
    pub kind: &'static str,
    /// Its namespace; empty for a cluster-scoped object.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// One word for programs: the reason of a condition, or of this overview.
    pub reason: String,
    /// What is the matter, in one sentence.
    pub sentence: String,
    /// Kind and name of its issuer, for a Certificate or a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerName>,
    /// Since when it is in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Expiry of the certificate in the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// When it is to be renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal_time: Option<Timestamp>,
    /// The time of the next attempt after a failure, or that an ACME server asked to wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Timestamp>,
    /// Failed issuances in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_issuance_attempts: Option<i64>,
}

/// An issuer as a Certificate names it, with defaults applied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct IssuerName {
    /// Kind.
    pub kind: String,
    /// API group.
    pub group: String,
    /// Name.
    pub name: String,
}

impl std::fmt::Display for IssuerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// The renewal of a Certificate that is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Renewal {
    /// Namespace of the Certificate.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// When it is to be renewed.
    pub renewal_time: Timestamp,
    /// When its certificate expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Its issuer.
    pub issuer: IssuerName,
}

/// How many Certificates are to be renewed on one day, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Day {
    /// The date.
    pub date: jiff::civil::Date,
    /// How many.
    pub renewals: usize,
}

/// How many objects there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Certificates.
    pub certificates: usize,
    /// Certificates by urgency. Urgencies without a Certificate are not listed.
    pub certificates_by_urgency: BTreeMap<Urgency, usize>,
    /// Issuers and ClusterIssuers.
    pub issuers: usize,
    /// Those that are not ready.
    pub issuers_not_ready: usize,
    /// Orders in flight.
    pub orders: usize,
    /// Challenges in flight.
    pub challenges: usize,
}

impl Counts {
    /// The number of Certificates of this urgency.
    pub fn of(&self, urgency: Urgency) -> usize {
        self.certificates_by_urgency.get(&urgency).copied().unwrap_or_default()
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The time that it is true for.
    pub time: Timestamp,
    /// The only namespace; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Whether `problems` is empty.
    pub well: bool,
    /// How many objects there are.
    pub counts: Counts,
    /// What is not well, most urgent first.
    pub problems: Vec<Entry>,
    /// What is renewed next, at most [`MOST_RENEWALS`].
    pub renewals: Vec<Renewal>,
    /// Renewals by day, from today on. Later ones are not listed.
    pub schedule: Vec<Day>,
    /// Issuers, those that are not ready first.
    pub issuers: Vec<IssuerEntry>,
    /// Orders in flight, oldest first.
    pub orders: Vec<OrderEntry>,
    /// Challenges in flight, oldest first.
    pub challenges: Vec<ChallengeEntry>,
    /// What could not be read, as sentences: the overview is incomplete.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

impl Overview {
    /// The same with further problems.
    #[must_use]
    pub fn with_problems(mut self, problems: Vec<Entry>) -> Self {
        self.problems.extend(problems);
        self.problems.sort_by_key(place);
        self.well = self.problems.is_empty();
        self
    }
}

/// The overview of the observed objects at the time `now`.
pub fn overview(now: Timestamp, question: &Question, seen: impl IntoIterator<Item = Seen>) -> Overview {
    let mut facts = Facts::default();
    for object in seen {
        facts.add(object);
    }
    let judged: Vec<judge::Judged> = facts
        .certificates
        .iter()
        .map(|certificate| judge::certificate(now, question, &facts, certificate))
        .collect();
    let issuers = issuers::entries(now, question, &facts, &judged);
    let (orders, challenges) = (flight::orders(&facts), flight::challenges(&facts));
    let mut counts = Counts {
        certificates: judged.len(),
        issuers: issuers.len(),
        issuers_not_ready: issuers.iter().filter(|issuer| !issuer.ready).count(),
        orders: orders.len(),
        challenges: challenges.len(),
        ..Counts::default()
    };
    for judged in &judged {
        *counts.certificates_by_urgency.entry(judged.entry.urgency).or_default() += 1;
    }
    let schedule = schedule(now, judged.iter().filter_map(|judged| judged.entry.renewal_time));
    let (well, mut problems): (Vec<Entry>, Vec<Entry>) = judged
        .into_iter()
        .map(|judged| judged.entry)
        .partition(|entry| entry.urgency == Urgency::Well);
    problems.extend(issuers.iter().filter_map(IssuerEntry::problem));
    problems.extend(judge::requests(&facts));
    // they belong to no namespace
    if question.namespace.is_none() {
        problems.append(&mut facts.bundles);
    }
    problems.sort_by_key(place);
    Overview {
        time: now,
        namespace: question.namespace.clone(),
        well: problems.is_empty(),
        counts,
        problems,
        renewals: renewals(well),
        schedule,
        issuers,
        orders,
        challenges,
        incomplete: Vec::new(),
    }
}

/// The entries of all observed Certificates, most urgent first.
pub fn certificates(now: Timestamp, question: &Question, seen: impl IntoIterator<Item = Seen>) -> Vec<Entry> {
    let mut facts = Facts::default();
    for object in seen {
        facts.add(object);
    }
    let judged = facts
        .certificates
        .iter()
        .map(|certificate| judge::certificate(now, question, &facts, certificate));
    let mut entries: Vec<Entry> = judged.map(|judged| judged.entry).collect();
    entries.sort_by_key(place);
    entries
}

/// The place of an entry in the list: by urgency, then by expiry, then the one that lasts longest.
fn place(entry: &Entry) -> impl Ord + use<> {
    (
        entry.urgency,
        entry.not_after.unwrap_or(Timestamp::MAX),
        entry.since.unwrap_or(Timestamp::MAX),
        Arc::clone(&entry.namespace),
        entry.kind,
        Arc::clone(&entry.name),
    )
}

fn renewals(well: Vec<Entry>) -> Vec<Renewal> {
    let renewal = |entry: Entry| {
        Some(Renewal {
            renewal_time: entry.renewal_time?,
            namespace: entry.namespace,
            name: entry.name,
            not_after: entry.not_after,
            issuer: entry.issuer?,
        })
    };
    let mut renewals: Vec<Renewal> = well.into_iter().filter_map(renewal).collect();
    let place = |renewal: &Renewal| {
        (
            renewal.renewal_time,
            Arc::clone(&renewal.namespace),
            Arc::clone(&renewal.name),
        )
    };
    renewals.sort_by_cached_key(place);
    renewals.truncate(MOST_RENEWALS);
    renewals
}

/// The days from today on, each with its renewals. Overdue ones count for today.
fn schedule(now: Timestamp, renewals: impl Iterator<Item = Timestamp>) -> Vec<Day> {
    let date = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    let today = date(now);
    let days = std::iter::successors(Some(today), |date| date.tomorrow().ok()).take(SCHEDULE_DAYS);
    let mut counts: BTreeMap<jiff::civil::Date, usize> = days.map(|date| (date, 0)).collect();
    for renewal in renewals {
        if let Some(count) = counts.get_mut(&date(renewal).max(today)) {
            *count += 1;
        }
    }
    let days = counts.into_iter().map(|(date, renewals)| Day { date, renewals });
    days.collect()
}

/// The order of what is in flight: oldest first.
fn by_age<T>(entries: &mut [T], key: impl Fn(&T) -> (Timestamp, &ObjectKey)) {
    entries.sort_by(|one, other| key(one).cmp(&key(other)));
}
