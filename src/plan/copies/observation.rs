//! What decides about the copies for one Certificate: the input of the planner.

use std::{collections::BTreeMap, sync::Arc};

use super::SyncRequest;
use crate::plan::seen::{ManagedKeys, Meta, ObjectKey, SecretSeen};

/// SHA-256 of the values under [`super::COPIED_KEYS`].
pub type Digests = BTreeMap<Box<str>, [u8; 32]>;

/// A Secret, as the API server has it.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretFacts {
    /// Its summary.
    pub seen: SecretSeen,
    /// Digests of what is copied.
    pub digests: Digests,
    /// What the field manager of copies owns of it by server-side apply.
    pub applied: ManagedKeys,
}

/// Whether the other namespace accepts the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// It does.
    Given,
    /// It does not, or does not exist. A tenant must not find out which namespaces exist.
    Withheld,
    /// That could not be read; why, as a sentence. Nothing is written and nothing is removed.
    Unknown(String),
}

/// A namespace that the Certificate names.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyTarget {
    /// Its name.
    pub namespace: Arc<str>,
    /// Whether it accepts the Secret.
    pub consent: Consent,
    /// The Secret of that name in it, if it accepts.
    pub secret: Option<SecretFacts>,
    /// An object in it that writes a Secret of that name itself, for example `Certificate "web"`.
    pub user: Option<String>,
}

/// The Certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct CopiedCertificate {
    /// Metadata.
    pub meta: Meta,
    /// `spec.secretName`; empty if it cannot be read.
    pub secret_name: Arc<str>,
    /// What its annotation requests.
    pub request: SyncRequest,
    /// Its Secret, if the annotation names a namespace.
    pub secret: Option<SecretFacts>,
}

/// Why this installation copies nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyObstacle {
    /// The flag.
    Off,
    /// It acts in one namespace.
    OneNamespace,
}

/// The input of the planner.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyObservation {
    /// Namespace and name of the Certificate.
    pub key: ObjectKey,
    /// The Certificate; `None` if it does not exist, or is being deleted.
    pub certificate: Option<CopiedCertificate>,
    /// Why nothing is copied in this installation.
    pub obstacle: Option<CopyObstacle>,
    /// The namespaces that the Certificate names.
    pub targets: Vec<CopyTarget>,
    /// Secrets that claim to be copies for this Certificate, other than those in `targets`.
    pub others: Vec<SecretFacts>,
}
