//! Copies of the Secret of a Certificate in other namespaces (ANO-18 to ANO-20). Nothing is copied unless the Certificate names the
//! namespace and the namespace accepts the Certificate; a copy follows its Secret, and is removed when either consent ends.
//!
//! All state is in the cluster: a copy is found by its annotation, and recognised by what our field manager owns of it.

mod consent;
mod observation;
mod report;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

pub use self::{
    consent::{MOST_NAMESPACES, SyncRequest, accepts, copy_of, is_requested, speaker_accepts},
    observation::{Consent, CopiedCertificate, CopyObservation, CopyObstacle, CopyTarget, Digests, SecretFacts},
    report::{SECRET_SYNCED, news, status},
};
use super::{
    pace::{Pace, Written, pace},
    seen::{Meta, Next, ObjectKey},
};
use crate::{
    api::names::{ACCEPTING_SECRET, annotation, data_key, label},
    pki::key::sha256,
};

/// The keys of `data` that are copied: those that an issuance writes. What another client stores beside them stays where it is.
pub const COPIED_KEYS: [&str; 9] = [
    data_key::TLS_CRT,
    data_key::TLS_KEY,
    data_key::CA_CRT,
    data_key::KEYSTORE_JKS,
    data_key::TRUSTSTORE_JKS,
    data_key::KEYSTORE_P12,
    data_key::TRUSTSTORE_P12,
    data_key::KEY_DER,
    data_key::TLS_COMBINED_PEM,
];

/// Delay before a consent that could not be read, or a name that another object uses, is checked again. No watch reports their end.
const RECHECK: SignedDuration = SignedDuration::from_mins(1);

/// A copy that is to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyWrite {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The copy that is replaced; `None` if there is no such Secret.
    pub over: Option<Meta>,
    /// What to remember of the write.
    pub written: Written,
}

/// A copy that is to be removed.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyRemoval {
    /// Its metadata.
    pub copy: Meta,
    /// Why, as the end of a sentence.
    pub why: &'static str,
}

/// Why there is no copy, or not now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyProblem {
    /// The reason of the condition.
    pub reason: &'static str,
    /// The sentence: what, where, what to do.
    pub message: String,
}

impl CopyProblem {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// The API server rejected a write.
    pub fn rejected(message: impl Into<String>) -> Self {
        Self::new("WriteFailed", message)
    }
}

/// The plan for the copies of one Certificate. The writes come first: a copy under an old name is removed after the new one exists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CopyPlan {
    /// What is written.
    pub writes: Vec<CopyWrite>,
    /// What is removed.
    pub removals: Vec<CopyRemoval>,
    /// The namespaces with a copy, those included that `writes` writes.
    pub copied: Vec<Arc<str>>,
    /// Why others have none.
    pub problems: Vec<CopyProblem>,
    /// When to plan again.
    pub next: Option<Timestamp>,
}

impl CopyPlan {
    /// When to plan again.
    pub fn next(&self) -> Next {
        self.next.map_or(Next::OnChange, Next::At)
    }

    fn again(&mut self, at: Timestamp) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    fn recheck(&mut self, now: Timestamp) {
        self.again(now.saturating_add(RECHECK).unwrap_or(Timestamp::MAX));
    }
}

/// The labels of a copy. Those of the Secret are not among them: a `secretTemplate` speaks to programs that the other namespace has not
/// accepted.
pub const LABELS: [(&str, &str); 2] = [(label::FOR_ATTENTION_OF, "true"), (label::COPY, "true")];

/// The annotations of a copy. Those of the Secret are not among them: the ones of cert-manager would make it the Secret of a Certificate in
/// its namespace.
pub fn annotations(certificate: &Meta) -> [(&'static str, String); 2] {
    [
        (annotation::COPY_OF, certificate.key.to_string()),
        (annotation::COPY_OF_UID, certificate.uid.to_string()),
    ]
}

/// Whether certlet wrote this Secret as a copy for the Certificate, and no other client has taken its content over since. Labels and annotations
/// alone prove nothing: other clients copy them along with Secrets.
pub fn is_ours(secret: &SecretFacts, certificate: &ObjectKey) -> bool {
    let SecretFacts { seen, applied, .. } = secret;
    let owns = |keys: &[Box<str>], key: &str| keys.iter().any(|owned| **owned == *key);
    applied.error.is_none()
        && copy_of(&seen.meta).as_ref() == Some(certificate)
        && owns(&applied.annotations, annotation::COPY_OF)
        && owns(&applied.data, data_key::TLS_CRT)
        && owns(&applied.data, data_key::TLS_KEY)
}

/// Plans the copies of one Certificate. `written` has the last write of each copy.
pub fn plan(now: Timestamp, seen: &CopyObservation, written: &BTreeMap<ObjectKey, Written>) -> CopyPlan {
    let mut plan = CopyPlan::default();
    if let Some(obstacle) = seen.obstacle {
        let is_requested = seen
            .certificate
            .as_ref()
            .is_some_and(|certificate| !certificate.request.is_empty());
        plan.problems.extend(is_requested.then(|| obstacle.problem()));
        return plan;
    }
    let origin = seen.certificate.as_ref().map(CopiedCertificate::origin);
    if let (Some(certificate), Some(origin)) = (&seen.certificate, &origin) {
        let case = Case {
            now,
            certificate,
            origin: origin.as_ref().ok().copied(),
            written,
        };
        // one sentence, not one for each namespace
        let problem = origin.as_ref().err().filter(|_| !seen.targets.is_empty());
        plan.problems.extend(problem.cloned());
        for target in &seen.targets {
            case.place(target, &mut plan);
        }
        let ignored = certificate.request.ignored.iter();
        plan.problems
            .extend(ignored.map(|why| CopyProblem::new("InvalidAnnotation", why.clone())));
    }
    let has_origin = matches!(origin, Some(Ok(_)));
    for other in &seen.others {
        if other.seen.meta.deleting.is_none()
            && is_ours(other, &seen.key)
            && let Some(why) = seen.unwanted(&other.seen.meta, has_origin)
        {
            plan.removals.push(CopyRemoval {
                copy: other.seen.meta.clone(),
                why,
            });
        }
    }
    plan
}

impl CopyObstacle {
    fn problem(self) -> CopyProblem {
        match self {
            Self::Off => CopyProblem::new(
                "Disabled",
                "this installation copies no Secrets: it runs with --enable-secret-sync=false",
            ),
            Self::OneNamespace => CopyProblem::new(
                "OneNamespace",
                "certlet acts in one namespace only (--namespace): copies need an installation for the whole cluster",
            ),
        }
    }
}

impl CopyObservation {
    /// Why a copy of ours is to be removed; `None` if it stays.
    fn unwanted(&self, copy: &Meta, has_origin: bool) -> Option<&'static str> {
        let Some(certificate) = &self.certificate else {
            return Some("the Certificate is gone");
        };
        let target = self
            .targets
            .iter()
            .find(|target| *target.namespace == *copy.key.namespace);
        match target.map(|target| &target.consent) {
            // its spec cannot be read
            None if certificate.request.namespaces.contains(&copy.key.namespace) => None,
            None => Some("the Certificate does not name the namespace any more"),
            Some(Consent::Withheld) => Some("the namespace does not accept it any more"),
            Some(Consent::Unknown(_)) => None,
            // under an earlier name; it stays until there is something to put under the new one
            Some(Consent::Given) => (has_origin && *copy.key.name != *certificate.secret_name)
                .then_some("the Certificate has another Secret"),
        }
    }
}

impl CopiedCertificate {
    /// The content of its Secret, if that may be copied. A Secret that belongs to another Certificate, or to none, may not: who may
    /// write Certificates could read every Secret of the namespace.
    fn origin(&self) -> Result<&Digests, CopyProblem> {
        let name = &self.secret_name;
        let not_ready = |message: String| CopyProblem::new("SecretNotReady", message);
        let secret = self
            .secret
            .as_ref()
            .filter(|secret| secret.seen.meta.deleting.is_none());
        let secret = secret.ok_or_else(|| not_ready(format!("Secret {name:?} does not exist yet")))?;
        if secret.seen.meta.annotations.get(annotation::CERTIFICATE_NAME) != Some(self.meta.name()) {
            return Err(not_ready(format!(
                "Secret {name:?} does not belong to this Certificate (annotation {})",
                annotation::CERTIFICATE_NAME
            )));
        }
        if secret.seen.pair.matches() != Some(true) {
            return Err(not_ready(format!(
                "Secret {name:?} has no certificate and key that belong together"
            )));
        }
        Ok(&secret.digests)
    }
}

/// What is the same for all namespaces.
struct Case<'a> {
    now: Timestamp,
    certificate: &'a CopiedCertificate,
    /// `None`: there is nothing to copy now.
    origin: Option<&'a Digests>,
    written: &'a BTreeMap<ObjectKey, Written>,
}

impl Case<'_> {
    /// What is to be done in one namespace that the Certificate names.
    fn place(&self, target: &CopyTarget, plan: &mut CopyPlan) {
        let namespace = &target.namespace;
        match &target.consent {
            Consent::Given => {}
            Consent::Withheld => {
                plan.problems.push(self.withheld(namespace));
                return;
            }
            Consent::Unknown(why) => {
                let message = format!("whether namespace {namespace} accepts it is not known: {why}");
                plan.problems.push(CopyProblem::new("ConsentUnknown", message));
                plan.recheck(self.now);
                return;
            }
        }
        let key = ObjectKey::new(Arc::clone(namespace), Arc::clone(&self.certificate.secret_name));
        if let Some(user) = &target.user {
            let message = format!("{user} in namespace {namespace} uses Secret {key} itself: use another secretName");
            plan.problems.push(CopyProblem::new("SecretInUse", message));
            plan.recheck(self.now);
            return;
        }
        if let Some(found) = &target.secret
            && (!is_ours(found, &self.certificate.meta.key) || found.seen.meta.deleting.is_some())
        {
            plan.problems.push(foreign(&key));
            return;
        }
        let Some(origin) = self.origin else { return };
        if target.secret.as_ref().is_some_and(|copy| self.is_current(copy, origin)) {
            plan.copied.push(Arc::clone(namespace));
            return;
        }
        let last = self.written.get(&key);
        match pace(self.now, last, self.content(origin)) {
            Pace::Write(written) => {
                plan.copied.push(Arc::clone(namespace));
                plan.writes.push(CopyWrite {
                    over: target.secret.as_ref().map(|copy| copy.seen.meta.clone()),
                    key,
                    written,
                });
            }
            Pace::Wait { until, changes_often } => {
                plan.again(until);
                if changes_often || last.is_some_and(Written::is_contested) {
                    plan.problems.push(delayed(&key, until));
                } else {
                    plan.copied.push(Arc::clone(namespace));
                }
            }
        }
    }

    fn withheld(&self, namespace: &str) -> CopyProblem {
        let message = format!(
            "namespace {namespace} does not accept it, or does not exist: the Namespace, or a Secret {ACCEPTING_SECRET} in it, needs the \
             annotation {}: {}",
            annotation::ACCEPT_SECRETS_FROM,
            self.certificate.meta.key
        );
        CopyProblem::new("NotAccepted", message)
    }

    /// Whether a copy of ours is what it should be.
    fn is_current(&self, copy: &SecretFacts, origin: &Digests) -> bool {
        let SecretFacts { seen, digests, applied } = copy;
        LABELS
            .iter()
            .all(|(key, value)| seen.meta.labels.get(key) == Some(value))
            && annotations(&self.certificate.meta)
                .iter()
                .all(|(key, value)| seen.meta.annotations.get(key) == Some(value.as_str()))
            && origin.iter().all(|(key, digest)| digests.get(key) == Some(digest))
            && applied.data.iter().all(|key| origin.contains_key(key))
    }

    /// A digest of what is written.
    fn content(&self, origin: &Digests) -> [u8; 32] {
        let mut all = self.certificate.meta.uid.as_bytes().to_vec();
        for (key, digest) in origin {
            all.extend(key.as_bytes());
            all.extend(digest);
        }
        sha256(&all)
    }
}

fn foreign(key: &ObjectKey) -> CopyProblem {
    let message = format!(
        "Secret {key} exists and is not a copy that certlet made for this Certificate: it is not changed. Delete it, or use another \
         secretName"
    );
    CopyProblem::new("SecretExists", message)
}

fn delayed(key: &ObjectKey, until: Timestamp) -> CopyProblem {
    let message = format!(
        "Secret {key} is changed or removed again and again by another client, or its source changes too often: it is written again at {}",
        until.strftime("%H:%M:%S UTC")
    );
    CopyProblem::new("SecretContested", message)
}
