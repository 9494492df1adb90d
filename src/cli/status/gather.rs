//! Reads what a report is about: the kinds of an overview, and for one object its Secret and Events.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;

use super::{
    What,
    report::{self, CertificateDetails, Next, Owned, Report, annotated_entry, conditions, order_entry, request_entry},
};
use crate::{
    api::{IssuerRef, gateway::Listener, names::data_key},
    cluster::{
        self,
        index::{Index, Stored},
        overview::seen,
        reader::Reader,
    },
    pki::certificate::CertificateInfo,
    plan::{
        issuer::IssuerId,
        kinds::{GatewayKind, IngressKind, ListenerSetKind},
        link::Link,
        overview::{Entry, IssuerEntry, Question, Urgency, certificates, overview},
        seen::{Kind, Lean, Meta, Object, ObjectKey, RequestSeen},
    },
};

/// The most objects whose Events are read.
const MOST_WITH_EVENTS: usize = 12;

/// One object, and where it is read from.
pub(super) struct Subject<'a> {
    pub(super) what: What,
    pub(super) key: ObjectKey,
    pub(super) index: &'a Index,
    pub(super) reader: &'a Reader,
    pub(super) question: &'a Question,
}

/// A report in the making: what differs between the kinds.
#[derive(Default)]
struct Draft {
    entry: Option<Entry>,
    conditions: Vec<crate::api::Condition>,
    certificate: Option<CertificateDetails>,
    issuer: Option<IssuerRef>,
    owned: Vec<Owned>,
    certificates: Vec<Entry>,
    /// Uids of the object and of what it owns.
    uids: Vec<String>,
}

impl Subject<'_> {
    /// The report at the time `now`. `incomplete`: what could not be listed.
    ///
    /// # Errors
    /// If the object does not exist or cannot be read.
    pub(super) async fn report(&self, now: Timestamp, mut incomplete: Vec<String>) -> Result<Report, String> {
        let mut draft = match self.what {
            What::Certificate => self.certificate(now).await?,
            What::Request => self.request()?,
            What::Order => self.order()?,
            What::Issuer | What::ClusterIssuer => self.issuer(now)?,
            What::Ingress => self.ingress(now).await?,
            What::Gateway => self.gateway(now).await?,
            What::ListenerSet => self.listener_set(now).await?,
        };
        let issuer_status = draft.issuer.take().and_then(|issuer| self.issuer_status(now, &issuer));
        draft.uids.truncate(MOST_WITH_EVENTS);
        // Events of cluster-scoped objects are in this namespace
        let namespace = Some(&*self.key.namespace)
            .filter(|namespace| !namespace.is_empty())
            .unwrap_or("default");
        let events = match cluster::overview::events_of(self.reader, namespace, &draft.uids).await {
            Ok(events) => report::events(events),
            Err(error) => {
                incomplete.push(error.to_string());
                Vec::new()
            }
        };
        let entry = draft.entry.ok_or_else(|| self.missing())?;
        Ok(Report {
            time: now,
            well: entry.urgency == Urgency::Well,
            next: Next::of(now, &entry),
            entry,
            conditions: conditions(draft.conditions),
            certificate: draft.certificate,
            issuer_status,
            owned: draft.owned,
            certificates: draft.certificates,
            events,
            incomplete,
        })
    }

    fn missing(&self) -> String {
        format!("{} {} does not exist", self.what.kind(), self.key)
    }

    async fn certificate(&self, now: Timestamp) -> Result<Draft, String> {
        let record = self.index.certificates.get(&self.key).ok_or_else(|| self.missing())?;
        let entry = self.entries(now).into_iter().find(|entry| is_of(entry, &self.key));
        let mut draft = Draft {
            entry,
            conditions: record.status().conditions,
            uids: vec![record.meta.uid.to_string()],
            ..Draft::default()
        };
        if let Ok(certificate) = record.parse() {
            let name = self.key.sibling(certificate.spec.secret_name.as_str());
            let secret = match self.reader.object::<Secret>(&name).await {
                Ok(secret) => Ok(secret.map(|secret| leaf(&secret))),
                Err(error) => Err(error.to_string()),
            };
            draft.certificate = Some(CertificateDetails::new(&certificate, secret));
            draft.issuer = Some(certificate.spec.issuer_ref);
        }
        let owner = Link::Owner(record.meta.uid.clone());
        let mut requests = self.index.requests.linked(&owner);
        requests.sort_by_key(|request| request.meta.created);
        for request in requests {
            draft.owned.push(Owned::request(&request));
            self.below_request(&request, &mut draft);
        }
        Ok(draft)
    }

    fn request(&self) -> Result<Draft, String> {
        let request = self.index.requests.get(&self.key).ok_or_else(|| self.missing())?;
        let mut draft = Draft {
            entry: Some(request_entry(&request)),
            conditions: request.conditions.to_vec(),
            issuer: Some(request.issuer_ref.clone()),
            ..Draft::default()
        };
        self.below_request(&request, &mut draft);
        Ok(draft)
    }

    fn order(&self) -> Result<Draft, String> {
        let order = self.index.orders.get(&self.key).ok_or_else(|| self.missing())?;
        let mut draft = Draft {
            entry: Some(order_entry(&order)),
            issuer: order.parse().ok().map(|object| object.spec.issuer_ref),
            ..Draft::default()
        };
        self.below_order(&order.meta.uid, &mut draft);
        Ok(draft)
    }

    fn below_request(&self, request: &Arc<RequestSeen>, draft: &mut Draft) {
        draft.uids.push(request.meta.uid.to_string());
        for order in self.index.orders.linked(&Link::Owner(request.meta.uid.clone())) {
            draft.owned.push(Owned::order(&order));
            self.below_order(&order.meta.uid, draft);
        }
    }

    fn below_order(&self, uid: &str, draft: &mut Draft) {
        draft.uids.push(uid.to_owned());
        for challenge in self.index.challenges.linked(&Link::Owner(uid.into())) {
            draft.uids.push(challenge.meta.uid.to_string());
            draft.owned.push(Owned::challenge(&challenge));
        }
    }

    fn issuer(&self, now: Timestamp) -> Result<Draft, String> {
        let (uid, status) = if self.what == What::ClusterIssuer {
            let found = self.index.cluster_issuers.get(&self.key);
            found.map(|issuer| (issuer.meta.uid.to_string(), issuer.status()))
        } else {
            let found = self.index.issuers.get(&self.key);
            found.map(|issuer| (issuer.meta.uid.to_string(), issuer.status()))
        }
        .ok_or_else(|| self.missing())?;
        let (namespace, name) = (&self.key.namespace, &self.key.name);
        let kind = self.what.kind();
        let issues = |entry: &Entry| {
            let named = entry.issuer.as_ref();
            named.is_some_and(|issuer| {
                issuer.kind == kind && *issuer.name == **name && issuer.group == crate::api::GROUP
            }) && (namespace.is_empty() || entry.namespace == *namespace)
        };
        let reference = IssuerRef {
            kind: Some(kind.to_owned()),
            name: name.to_string(),
            group: None,
        };
        Ok(Draft {
            entry: self.issuer_status(now, &reference).map(|issuer| issuer.entry()),
            conditions: status.conditions,
            certificates: self.entries(now).into_iter().filter(issues).collect(),
            issuer: Some(reference),
            uids: vec![uid],
            ..Draft::default()
        })
    }

    async fn ingress(&self, now: Timestamp) -> Result<Draft, String> {
        let found = self.record::<IngressKind>().await?;
        let blocks = found.spec.tls.iter().flatten();
        let secrets = blocks.filter_map(|tls| tls.secret_name.as_deref());
        Ok(self.annotated(now, &found.meta, secrets))
    }

    async fn gateway(&self, now: Timestamp) -> Result<Draft, String> {
        let found = self.record::<GatewayKind>().await?;
        Ok(Draft {
            conditions: found.status.conditions,
            ..self.annotated(now, &found.meta, secrets(&found.spec.listeners))
        })
    }

    async fn listener_set(&self, now: Timestamp) -> Result<Draft, String> {
        let found = self.record::<ListenerSetKind>().await?;
        Ok(Draft {
            conditions: found.status.conditions,
            ..self.annotated(now, &found.meta, secrets(&found.spec.listeners))
        })
    }

    async fn record<K: Stored + Kind<Record = Lean<K>>>(&self) -> Result<Object<K>, String> {
        let found = self.reader.get::<K>(&self.key).await;
        let found = found.map_err(|error| error.to_string())?;
        let found = found.ok_or_else(|| self.missing())?;
        found.parse().map_err(|error| error.to_string())
    }

    /// An annotated object that names these Secrets.
    fn annotated<'s>(&self, now: Timestamp, object: &Meta, secrets: impl Iterator<Item = &'s str>) -> Draft {
        let uid = &object.uid;
        let mut keys: Vec<ObjectKey> = secrets
            .flat_map(|name| self.index.certificates.linked(&Link::Secret(self.key.sibling(name))))
            .chain(self.index.certificates.linked(&Link::Owner(uid.clone())))
            .map(|certificate| certificate.meta.key.clone())
            .collect();
        keys.sort();
        keys.dedup();
        let entries = self.entries(now).into_iter();
        let certificates: Vec<Entry> = entries
            .filter(|entry| keys.iter().any(|key| is_of(entry, key)))
            .collect();
        let own = keys.iter().filter_map(|key| self.index.certificates.get(key));
        let uids = std::iter::once(uid.to_string()).chain(own.map(|certificate| certificate.meta.uid.to_string()));
        Draft {
            entry: Some(annotated_entry(self.what.kind(), object, &certificates)),
            certificates,
            uids: uids.collect(),
            ..Draft::default()
        }
    }

    fn entries(&self, now: Timestamp) -> Vec<Entry> {
        certificates(now, self.question, seen(self.index))
    }

    fn issuer_status(&self, now: Timestamp, reference: &IssuerRef) -> Option<IssuerEntry> {
        let IssuerId(key) = IssuerId::of(reference, &self.key.namespace)?;
        // a ClusterIssuer that no Certificate names is not in the overview of a namespace
        let everywhere = Question {
            namespace: None,
            ..self.question.clone()
        };
        let issuers = overview(now, &everywhere, seen(self.index)).issuers;
        issuers
            .into_iter()
            .find(|issuer| issuer.namespace == key.namespace && issuer.name == key.name)
    }
}

/// The Secrets of listeners.
fn secrets(listeners: &[Listener]) -> impl Iterator<Item = &str> {
    let secrets = listeners.iter().flat_map(Listener::certificate_refs);
    secrets.map(|secret| secret.name.as_str())
}

fn is_of(entry: &Entry, key: &ObjectKey) -> bool {
    entry.namespace == key.namespace && entry.name == key.name
}

/// The certificate in the Secret, or why there is none. The key is not read.
fn leaf(secret: &Secret) -> Result<CertificateInfo, String> {
    let data = secret.data.as_ref();
    let pem = data
        .and_then(|data| data.get(data_key::TLS_CRT))
        .map(|bytes| bytes.0.as_slice())
        .unwrap_or_default();
    if pem.is_empty() {
        return Err("it holds no certificate".into());
    }
    CertificateInfo::parse_pem(pem).map_err(|error| error.to_string())
}
