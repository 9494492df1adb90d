//! Outages of the servers of issuers, for Certificates with fallback issuers: written by requests, Orders and issuers, read by
//! Certificates. What must survive a restart is in the status of the Certificate.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::{FollowUp, Ports};
use crate::{
    api::{GROUP, condition, names::annotation},
    cluster::{index::Index, store::Link},
    plan::{
        issuer::IssuerId,
        kinds::CertificateKind,
        outage::{Availability, Contact},
        seen::{Meta, ObjectKey, RequestSeen},
    },
};

/// Maximum number of stored requests, and of stored issuers. What is dropped is found out again.
const MOST: usize = 10_000;

/// What is known of servers.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    /// By uid of the request. A rate limit may concern only its names.
    requests: Mutex<HashMap<Box<str>, Availability>>,
    issuers: Mutex<HashMap<IssuerId, Availability>>,
}

impl Outages {
    /// What the request with this uid found out.
    pub(crate) fn of_request(&self, uid: &str) -> Availability {
        lock(&self.requests).get(uid).copied().unwrap_or_default()
    }

    /// What the checks of this issuer found out.
    pub(crate) fn of_issuer(&self, issuer: &IssuerId) -> Availability {
        lock(&self.issuers).get(issuer).copied().unwrap_or_default()
    }

    /// A request was sent to the server of its issuer, or could not be sent. Wakes its Certificate if that has fallback issuers and
    /// something has changed.
    pub(crate) fn requested(&self, ports: &Ports, request: &RequestSeen, contact: Contact) {
        // most passes call no server
        if contact == Contact::Unknown {
            return;
        }
        let Some(certificate) = with_fallback(&ports.index, &request.meta) else {
            return;
        };
        if note(&self.requests, request.meta.uid.clone(), ports.now(), contact) {
            ports.queues.follow_up(FollowUp::Available(certificate));
        }
    }

    /// An issuer was checked. Wakes the Certificates that wait for it and have fallback issuers, if something has changed.
    pub(crate) fn checked(&self, ports: &Ports, issuer: &IssuerId, contact: Contact) {
        if !note(&self.issuers, issuer.clone(), ports.now(), contact) {
            return;
        }
        let link = Link::Issuer(issuer.kind().into(), GROUP.into(), issuer.0.clone());
        for certificate in ports.index.certificates.linked(&link) {
            let has_fallback = certificate.meta.annotations.contains(annotation::FALLBACK_ISSUERS);
            if has_fallback && condition::is_true(&certificate.status().conditions, condition::ISSUING) {
                let key = certificate.meta.key.clone();
                ports.queues.follow_up(FollowUp::Available(key));
            }
        }
    }

    /// Forgets everything, at the end of a term.
    pub(crate) fn clear(&self) {
        lock(&self.requests).clear();
        lock(&self.issuers).clear();
    }
}

/// The Certificate of a request, if it has fallback issuers.
fn with_fallback(index: &Index, request: &Meta) -> Option<ObjectKey> {
    let certificate = request.owners_of_kind::<CertificateKind>().next()?;
    let found = index.certificates.get(&certificate)?;
    found
        .meta
        .annotations
        .contains(annotation::FALLBACK_ISSUERS)
        .then_some(certificate)
}

/// Whether the availability has changed.
fn note<K: Eq + Hash>(known: &Mutex<HashMap<K, Availability>>, key: K, now: Timestamp, contact: Contact) -> bool {
    let mut known = lock(known);
    let before = known.get(&key).copied().unwrap_or_default();
    let after = before.after(now, contact);
    if after == before {
        return false;
    }
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(key, after);
    true
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
