//! Asks a signer: when it is the request's turn, with what the signer wanted to be reminded of; and says what is to be written then.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    plan::{
        notice::Notice,
        request::Verdict,
        seen::{Meta, Next, RequestSeen},
    },
    signer::{Issued, Memo, Outcome, Place, Refused, Signer, Task, Until, Wait},
    work::{Call, Key, Queue},
};

/// How long a certificate is valid when nobody says (CRT-06).
const DEFAULT_DURATION: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Requests that are remembered at most; one that is forgotten is only asked for a little too early.
const MAX_WAITS: usize = 10_000;

/// Requests that a server has under way: when it wants to be asked again, and what it wants to be reminded of. What must survive a restart
/// is in the request itself.
#[derive(Debug, Default)]
pub struct Waits(Mutex<HashMap<Box<str>, Entry>>);

#[derive(Debug)]
struct Entry {
    /// The issuer as it was: an edit ends the wait.
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

    /// Forgets everything: this process does not lead any more.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of asking.
#[derive(Debug)]
pub enum Asked {
    /// The signer's answer.
    Answered(Outcome),
    /// The signer was not asked: it wants to be left alone until then, or too many wait for its server already.
    NotYet(Next),
}

/// A request's turn: a worker of `queue` works on it, under this key.
pub struct Turn<'a, K: Key> {
    /// The queue whose workers would be kept by a server that does not answer.
    pub queue: &'a Arc<Queue<K>>,
    /// What the worker works on.
    pub key: &'a K,
    /// The time.
    pub now: Timestamp,
}

impl<K: Key> Turn<'_, K> {
    /// Asks `signer`, which `issuer` has for `request`. One that works on a server is asked in that server's lane, and not before its time.
    pub async fn ask(&self, waits: &Waits, signer: Signer, request: &RequestSeen, issuer: &Meta) -> Asked {
        let call = match signer.place() {
            Place::Here => None,
            Place::Server(server) => match self.call(waits, server, &request.meta, issuer) {
                Ok(call) => Some(call),
                Err(until) => return Asked::NotYet(Next::At(until)),
            },
        };
        let kept = signer.memo_annotation().and_then(|name| kept_memo(request, name));
        let task = task(request, kept.or_else(|| waits.memo(&request.meta)));
        let outcome = signer.sign(task, self.now).await;
        if let Some(call) = call {
            waits.remember(&request.meta, issuer, &outcome, self.now);
            drop(call);
        }
        Asked::Answered(outcome)
    }

    fn call(&self, waits: &Waits, server: &str, request: &Meta, issuer: &Meta) -> Result<Call<K>, Timestamp> {
        if let Some(until) = waits.until(request, issuer, self.now) {
            return Err(until);
        }
        self.queue.calling(server, self.key, self.now)
    }
}

fn kept_memo(request: &RequestSeen, annotation: &str) -> Option<Memo> {
    request.meta.annotations.get(annotation).and_then(Memo::new)
}

/// The parts of a request that a signer looks at.
pub(super) fn task(request: &RequestSeen, memo: Option<Memo>) -> Task {
    Task {
        csr: request.csr_pem.clone().unwrap_or_default(),
        // What is no usage has been refused before (VAL-31).
        usages: request.usages.iter().filter_map(|usage| usage.parse().ok()).collect(),
        is_ca: request.is_ca,
        adds_cert_sign: !request.of_kubernetes,
        duration: request.duration.map_or(DEFAULT_DURATION, SignedDuration::from),
        memo,
    }
}

/// What is to be written about a request after its signer answered, in this order, and when it is looked at again.
#[derive(Debug, PartialEq)]
pub struct Conclusion {
    /// An annotation with the signer's memo, unless the request has it. It is written before anything else, so that whoever goes on after a
    /// restart does not ask for the certificate a second time.
    pub memo: Option<(&'static str, Memo)>,
    /// What is told as events.
    pub notices: Vec<Notice>,
    /// What the request's status says.
    pub verdict: Verdict,
    /// When the signer is asked again, if it has to be.
    pub until: Until,
}

/// What an answer means for `request`; `annotation` is where the signer's memo is kept.
pub fn conclude(request: &RequestSeen, annotation: Option<&'static str>, outcome: Outcome) -> Conclusion {
    let plain = |verdict| Conclusion {
        memo: None,
        notices: Vec::new(),
        verdict,
        until: Until::Change,
    };
    match outcome {
        Outcome::Issued(issued) => issued_conclusion(issued),
        Outcome::Refused(Refused { reason, message }) => plain(Verdict::Failed { reason, message }),
        Outcome::Wait(Wait {
            reason,
            message,
            until,
            memo,
        }) => Conclusion {
            memo: annotation
                .zip(memo)
                .filter(|(name, memo)| request.meta.annotations.get(name) != Some(memo.as_str())),
            until,
            ..plain(Verdict::Pending { reason, message })
        },
    }
}

/// Warnings become events at once, and are kept in the condition's message.
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
    // An empty subject is told by an event alone, as cert-manager does (SGN-01).
    let remarks = warnings
        .into_iter()
        .filter(|warning| warning.reason != "BadConfig")
        .map(|warning| warning.message);
    Conclusion {
        memo: None,
        notices,
        verdict: Verdict::Issued {
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
