//! The two annotations that have to agree before a Secret is copied: that of the Certificate (ANO-18), and that of the other
//! namespace (ANO-19).

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    api::names::annotation,
    plan::{
        object_name::is_name,
        seen::{Meta, ObjectKey, Pairs, SecretSeen},
    },
    text::excerpt,
};

/// Maximum number of namespaces into which one Secret is copied.
pub const MOST_NAMESPACES: usize = 100;
/// Maximum length of a namespace's name (RFC 1123 label).
const MAX_NAMESPACE: usize = 63;
/// Maximum number of sentences about ignored entries.
const MOST_IGNORED: usize = 3;
/// Stands for all Certificates of a namespace.
const ALL: &str = "*";

/// The namespaces that a Certificate names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncRequest {
    /// Names of namespaces, each once, without that of the Certificate.
    pub namespaces: BTreeSet<Arc<str>>,
    /// Why entries of the annotation are ignored, as sentences; at most three.
    pub ignored: Vec<String>,
}

impl SyncRequest {
    /// What the annotation of a Certificate requests. An entry that cannot be used does not invalidate the others: a typing error must
    /// not remove the copies of other namespaces.
    pub fn of(certificate: &Meta) -> Self {
        let mut request = Self::default();
        let list = certificate.annotations.get(annotation::SYNC_TO).unwrap_or_default();
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        for entry in entries {
            if entry == certificate.namespace() {
                request.ignore(&format!("{entry} is the namespace of the Certificate itself"));
            } else if !is_namespace(entry) {
                request.ignore(&format!("{:?} is not the name of a namespace", excerpt(entry)));
            } else if request.namespaces.len() == MOST_NAMESPACES && !request.namespaces.contains(entry) {
                request.ignore(&format!(
                    "it names more than {MOST_NAMESPACES} namespaces: {entry} and those behind it get no copy"
                ));
                break;
            } else {
                request.namespaces.insert(entry.into());
            }
        }
        request
    }

    fn ignore(&mut self, why: &str) {
        if self.ignored.len() < MOST_IGNORED {
            self.ignored
                .push(format!("an entry of {} is ignored: {why}", annotation::SYNC_TO));
        }
    }

    /// Whether nothing is requested.
    pub fn is_empty(&self) -> bool {
        self.namespaces.is_empty() && self.ignored.is_empty()
    }
}

/// Whether a Certificate has the annotation.
pub fn is_requested(certificate: &Meta) -> bool {
    certificate.annotations.contains(annotation::SYNC_TO)
}

/// Whether the annotations of a namespace, or of the Secret that speaks for it, accept the Secret of this Certificate. Each entry is
/// `<namespace>/<name>`, or `<namespace>/*` for all Certificates of that namespace; there is no entry for all namespaces.
pub fn accepts(annotations: &Pairs, certificate: &ObjectKey) -> bool {
    let list = annotations.get(annotation::ACCEPT_SECRETS_FROM).unwrap_or_default();
    list.split(',').any(|entry| match entry.trim().split_once('/') {
        Some((namespace, name)) => *namespace == *certificate.namespace && (name == ALL || *name == *certificate.name),
        None => false,
    })
}

/// Whether the Secret that speaks for its namespace accepts the Secret of this Certificate. An annotation that a `secretTemplate` has put
/// there is no consent: who may write Certificates in a namespace need not be allowed to write Secrets.
pub fn speaker_accepts(speaker: &SecretSeen, certificate: &ObjectKey) -> bool {
    let managed = &speaker.managed;
    let mut templated = managed.annotations.iter();
    let is_templated = templated.any(|owned| **owned == *annotation::ACCEPT_SECRETS_FROM);
    let is_own_word = managed.error.is_none() && !is_templated && speaker.meta.deleting.is_none();
    is_own_word && accepts(&speaker.meta.annotations, certificate)
}

/// The Certificate whose copy a Secret claims to be; [`super::is_ours`] decides whether it is one.
pub fn copy_of(secret: &Meta) -> Option<ObjectKey> {
    let (namespace, name) = secret.annotations.get(annotation::COPY_OF)?.split_once('/')?;
    (is_namespace(namespace) && is_name(name)).then(|| ObjectKey::new(namespace, name))
}

fn is_namespace(text: &str) -> bool {
    text.len() <= MAX_NAMESPACE && !text.contains('.') && is_name(text)
}
