//! Calls of signers: in the lane of the signer's server, at the right time, with the stored memo; and the writes for an outcome.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    plan::{
        notice::Notice,
        request::RequestVerdict,
        seen::{Meta, Next, RequestSeen},
    },
    signer::{Issued, Memo, Outcome, Place, Refused, Signer, Task, Until, Wait},
    work::{Call, Key, Queue},
};

/// Default lifetime of a certificate (CRT-06).
const DEFAULT_DURATION: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Maximum number of stored requests. One that is dropped is only asked for too early.
const MAX_WAITS: usize = 10_000;

/// Requests that a remote signer is working on: when to call it again, and its memo. What must survive a restart is in the
/// request.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<HashMap<Box<str>, Entry>>);

#[derive(Debug)]
struct Entry {
    /// The issuer's resourceVersion; an edit ends the wait.
    issuer: Box<str>,
    until: Option<Timestamp>,
    memo: Option<Memo>,
}

impl Waits {
    fn until(&self, request: &Meta, issuer: &Meta, now: Timestamp) -> Option<Timestamp> {
        let waits = self.lock();
        let entry = waits.get(&request.uid)?;
        entry
            .until
            .filter(|until| *until > now && *entry.issuer == *issuer.resource_version)
    }

    fn memo(&self, request: &Meta) -> Option<Memo> {
        self.lock().get(&request.uid)?.memo.clone()
    }

    fn remember(&self, request: &Meta, issuer: &Meta, outcome: &Outcome, now: Timestamp) {
        let mut waits = self.lock();
        let Outcome::Wait(Wait { until, memo, .. }) = outcome else {
            waits.remove(&request.uid);
            return;
        };
        if waits.len() >= MAX_WAITS {
            waits.retain(|_, entry| entry.until.is_some_and(|until| until > now));
        }
        if waits.len() >= MAX_WAITS {
            waits.clear();
        }
        let entry = Entry {
            issuer: issuer.resource_version.clone(),
            until: if let Until::At(until) = until {
                Some(*until)
            } else {
                None
            },
            memo: memo.clone(),
        };
        waits.insert(request.uid.clone(), entry);
    }

    /// Forgets everything, at the end of a term.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result of a call.
#[derive(Debug)]
pub(crate) enum SignerCall {
    /// The outcome of the signer.
    Answered(Outcome),
    /// The signer was not called: it requested a delay, or the lane of its server is full.
    NotYet(Next),
}

/// The turn of a request: a worker of `queue` reconciles it under this key.
pub(crate) struct Turn<'a, K: Key> {
    /// The queue whose workers the server would occupy.
    pub queue: &'a Arc<Queue<K>>,
    /// The key that the worker reconciles.
    pub key: &'a K,
    /// The current time.
    pub now: Timestamp,
}

impl<K: Key> Turn<'_, K> {
    /// Calls `signer` of `issuer` for `request`. A remote signer is called in the lane of its server and not before its time.
    pub(crate) async fn ask(&self, waits: &Waits, signer: Signer, request: &RequestSeen, issuer: &Meta) -> SignerCall {
        let call = match signer.place() {
            Place::Here => None,
            Place::Server(server) => match self.call(waits, server, &request.meta, issuer) {
                Ok(call) => Some(call),
                Err(until) => return SignerCall::NotYet(Next::At(until)),
            },
        };
        let stored = signer.memo_annotation().and_then(|name| stored_memo(request, name));
        let task = task(request, stored.or_else(|| waits.memo(&request.meta)));
        let outcome = signer.sign(task, self.now).await;
        if let Some(call) = call {
            waits.remember(&request.meta, issuer, &outcome, self.now);
            drop(call);
        }
        SignerCall::Answered(outcome)
    }

    fn call(&self, waits: &Waits, server: &str, request: &Meta, issuer: &Meta) -> Result<Call<K>, Timestamp> {
        if let Some(until) = waits.until(request, issuer, self.now) {
            return Err(until);
        }
        self.queue.calling(server, self.key, self.now)
    }
}

fn stored_memo(request: &RequestSeen, annotation: &str) -> Option<Memo> {
    request.meta.annotations.get(annotation).and_then(Memo::new)
}

/// The parts of a request that a signer needs.
pub(super) fn task(request: &RequestSeen, memo: Option<Memo>) -> Task {
    Task {
        csr: request.csr_pem.clone().unwrap_or_default(),
        // unknown usages were rejected earlier (VAL-31)
        usages: request.usages.iter().filter_map(|usage| usage.parse().ok()).collect(),
        is_ca: request.is_ca,
        adds_cert_sign: !request.of_kubernetes,
        duration: request.duration.map_or(DEFAULT_DURATION, SignedDuration::from),
        memo,
    }
}

/// The writes for an outcome, in order, and when to reconcile the request again.
#[derive(Debug, PartialEq)]
pub(crate) struct Conclusion {
    /// The annotation with the signer's memo, unless the request has it. It is written first, so that a new leader does not
    /// request the certificate a second time.
    pub memo: Option<(&'static str, Memo)>,
    /// Events.
    pub notices: Vec<Notice>,
    /// The verdict for the request's status.
    pub verdict: RequestVerdict,
    /// When to call the signer again, if necessary.
    pub until: Until,
}

/// The writes for an outcome; `annotation` is the place of the signer's memo.
pub(crate) fn conclude(request: &RequestSeen, annotation: Option<&'static str>, outcome: Outcome) -> Conclusion {
    let plain = |verdict| Conclusion {
        memo: None,
        notices: Vec::new(),
        verdict,
        until: Until::Change,
    };
    match outcome {
        Outcome::Issued(issued) => issued_conclusion(issued),
        Outcome::Refused(Refused { reason, message }) => plain(RequestVerdict::Failed { reason, message }),
        Outcome::Wait(Wait {
            reason,
            message,
            until,
            memo,
            outage: _,
        }) => Conclusion {
            memo: annotation
                .zip(memo)
                .filter(|(name, memo)| request.meta.annotations.get(name) != Some(memo.as_str())),
            until,
            ..plain(RequestVerdict::Pending { reason, message })
        },
    }
}

/// Warnings become Events, and are added to the message of the condition.
fn issued_conclusion(issued: Issued) -> Conclusion {
    let Issued {
        certificate,
        ca,
        warnings,
    } = issued;
    let notices = warnings
        .iter()
        .map(|warning| Notice::warning(warning.reason, warning.message.as_str()))
        .collect();
    // an empty subject is reported by an Event only, as in cert-manager (SGN-01)
    let remarks = warnings
        .into_iter()
        .filter(|warning| warning.reason != "BadConfig")
        .map(|warning| warning.message);
    Conclusion {
        memo: None,
        notices,
        verdict: RequestVerdict::Issued {
            certificate,
            ca: Some(ca),
            remark: remarks.reduce(|all, one| format!("{all}. {one}")),
        },
        until: Until::Change,
    }
}

#[cfg(test)]
#[path = "asking_tests.rs"]
mod tests;
