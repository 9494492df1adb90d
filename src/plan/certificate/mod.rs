//! The planner of Certificates: one planner for the work of six controllers of cert-manager (LIF-01 to LIF-06).
//!
//! Each plan is one step. The controller applies it, observes and plans again until nothing is left to do. A process that is
//! killed at any time continues with the same step.

mod checks;
mod failure;
mod fallback;
mod fitness;
mod in_use;
mod issuance;
pub mod keystores;
mod mail;
mod matching;
pub mod names;
mod outcome;
pub mod request;
pub mod secret;
mod stage;
mod status;
mod unsettled;
mod upkeep;
mod validation;
pub mod verdict;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use checks::{TEMPORARY_CA, Violation, is_temporary};
pub use fallback::{FallbackPolicy, FallbackSeen, ISSUED_BY_FALLBACK, ISSUER_UNAVAILABLE, fallback_for};
pub use fitness::{Candidate, request_fault};
pub use in_use::{Purpose, SecretUse};
pub use matching::{key_encoding, key_spec};
pub use outcome::{IssuanceOutcome, issuance_outcome, issuer_asked};
pub use request::DesiredRequest;
pub use unsettled::{DUE_AT_ONCE, SECRET_NOT_KEPT, UNSETTLED, unsettled_until};
pub use validation::InvalidSpec;

use super::{
    issuer::Reach,
    kinds::CertificateKind,
    notice::Notice,
    rotation::Share,
    seen::{Meta, Next, Object, ObjectKey, RequestSeen, SecretSeen},
    settings::Settings,
};
use crate::api::{
    CertificateStatus, InvalidField, IssuerRef, certificate_status::RenewalInformation, reference::ISSUER_KIND,
};

/// How long one of two Certificates with the same Secret waits until it is reconciled again (NB-16).
const DUPLICATE_RECHECK: SignedDuration = SignedDuration::from_mins(3);
/// How long an obstacle must last before it is reported.
const LASTING: SignedDuration = SignedDuration::from_secs(5);

/// The observation of a Certificate.
#[derive(Clone, Debug)]
pub struct CertificateObservation {
    /// The Certificate.
    pub certificate: Object<CertificateKind>,
    /// The target Secret.
    pub secret: Option<Arc<SecretSeen>>,
    /// Next-key Secrets: labelled, and owned by this Certificate's uid.
    pub next_keys: Vec<Arc<SecretSeen>>,
    /// Secrets of other owners with a possible name of the next-key Secret.
    pub strange_next_keys: Vec<ObjectKey>,
    /// Requests that this Certificate's uid owns, and those with a possible name of the next request.
    pub requests: Vec<Arc<RequestSeen>>,
    /// Other Certificates with the same target Secret.
    pub rivals: Vec<Rival>,
    /// Other references to the target Secret, and their purposes.
    pub uses: Vec<SecretUse>,
    /// The issuer.
    pub issuer: IssuerState,
    /// The other issuers, if the Certificate has a [`FallbackPolicy`].
    pub fallback: FallbackSeen,
    /// Whether all keystore passwords are available.
    pub keystore_passwords: Passwords,
    /// Whether the keystores in the target Secret are current.
    pub keystores: KeystoresSeen,
    /// The last renewal information for the certificate in the Secret, if it was polled since the process started.
    pub renewal_information: Option<RenewalInformation>,
    /// Why the pending request makes no progress, if something is wrong.
    pub obstacle: Option<Obstacle>,
    /// What the rotation of the issuer's CA requires.
    pub rotation: Share,
    /// Whether the Secrets were read live in this reconcile. Absence from a watch is not proof.
    pub live: bool,
    /// The certificate that this reconcile has made already.
    pub made: Made,
}

/// The certificate that a reconcile has made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Made {
    /// None yet.
    #[default]
    Nothing,
    /// The certificate of this request was stored. It counts as issued even if the Secret was changed since.
    Stored(Arc<str>),
    /// The certificate of this request cannot be stored, because the Secret would be invalid.
    Unfit(Arc<str>, Violation),
}

/// Another Certificate with the same `secretName`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its name.
    pub name: Arc<str>,
    /// When it was created.
    pub created: Timestamp,
}

/// Something that a pending request waits for. It is reported only if it lasts, because every issuance waits briefly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The obstacle, as a sentence.
    pub text: String,
    /// When it began.
    pub since: Timestamp,
}

/// The state of the issuer of a Certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerState {
    /// It does not exist.
    Missing,
    /// It exists and cannot sign. The text is a sentence.
    NotReady(String),
    /// It is a Ready fallback issuer that cannot issue this certificate. The text is a sentence.
    Unfit(String),
    /// It is Ready, and signs at once or later.
    Ready(Reach),
    /// It belongs to another controller (SGN-06).
    External,
}

impl IssuerState {
    /// What is wrong with the issuer that `reference` in `namespace` means, as a sentence.
    fn obstacle(&self, reference: &IssuerRef, namespace: &str) -> Option<String> {
        let (kind, name) = (reference.kind_or_default(), &reference.name);
        match self {
            Self::Missing if kind == ISSUER_KIND => {
                Some(format!("{kind} {name:?} does not exist in namespace {namespace:?}"))
            }
            Self::Missing => Some(format!("{kind} {name:?} does not exist")),
            Self::NotReady(why) => Some(format!("{kind} {name:?} is not ready: {why}")),
            Self::Unfit(why) => Some(format!("{kind} {name:?} cannot issue this certificate: {why}")),
            Self::Ready(_) | Self::External => None,
        }
    }
}

/// Whether the passwords of keystores are available (SEC-07).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passwords {
    /// All are available, or none is needed.
    Available,
    /// At least one is not available. The text is a sentence.
    Missing(String),
}

/// The state of the keystores in the target Secret. The record of a Secret does not contain it, because opening needs a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeystoresSeen {
    /// They were not opened.
    #[default]
    Unopened,
    /// They were opened. The text is what is wrong, as a sentence; `None` also if a password is not available.
    Opened(Option<String>),
}

/// An effect of a plan. Plain data: it names the place of key bytes and contains none.
#[derive(Clone, Debug, PartialEq)]
pub enum CertificateEffect {
    /// Read the live objects and plan again, because the next effect must not rest on the index.
    Confirm,
    /// Open the keystores in the target Secret and plan again.
    OpenKeystores,
    /// Delete this request.
    DeleteRequest(Box<Meta>),
    /// Delete this next-key Secret.
    DeleteNextKey(Box<Meta>),
    /// Create the next-key Secret (ANW-04).
    StoreKey {
        /// Its name.
        name: String,
        /// The source of the key.
        source: KeySource,
    },
    /// Create the request for the key in this Secret (ANW-05).
    CreateRequest(Box<DesiredRequest>),
    /// Issue in one pass: generate a key in memory, create its request, sign it, store both.
    IssueAtOnce {
        /// The request.
        request: Box<DesiredRequest>,
        /// The source of the key.
        source: KeySource,
    },
    /// Store the certificate of this Ready request with the key of this Secret.
    StoreCertificate {
        /// Name of the request.
        request: Arc<str>,
        /// Name of the Secret with its key.
        key_secret: Arc<str>,
    },
    /// Store a temporary certificate with the key of this Secret (SEC-06).
    StoreTemporary {
        /// Name of the Secret with the key.
        key_secret: Arc<str>,
    },
    /// Apply the target Secret again with its current key and certificate (POL-13).
    RepairSecret,
}

impl CertificateEffect {
    /// Whether it only reads, so that the plan is made again afterwards.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Confirm | Self::OpenKeystores)
    }

    /// Whether it writes the target Secret without a new certificate.
    pub fn mends(&self) -> bool {
        matches!(self, Self::RepairSecret | Self::StoreTemporary { .. })
    }

    /// A word for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Confirm => "Confirm",
            Self::OpenKeystores => "OpenKeystores",
            Self::DeleteRequest(_) => "DeleteRequest",
            Self::DeleteNextKey(_) => "DeleteNextKey",
            Self::StoreKey { .. } => "StoreKey",
            Self::CreateRequest(_) => "CreateRequest",
            Self::IssueAtOnce { .. } => "IssueAtOnce",
            Self::StoreCertificate { .. } => "StoreCertificate",
            Self::StoreTemporary { .. } => "StoreTemporary",
            Self::RepairSecret => "RepairSecret",
        }
    }

    /// Whether it requires live reads.
    fn wants_live(&self) -> bool {
        match self {
            Self::StoreKey { .. } | Self::CreateRequest(_) | Self::IssueAtOnce { .. } | Self::StoreTemporary { .. } => {
                true
            }
            Self::Confirm
            | Self::OpenKeystores
            | Self::DeleteRequest(_)
            | Self::DeleteNextKey(_)
            | Self::StoreCertificate { .. }
            | Self::RepairSecret => false,
        }
    }
}

/// The source of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Generate a new one.
    New,
    /// Reuse the one in the target Secret (`rotationPolicy: Never`).
    Target,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct CertificatePlan {
    /// Effects, in order, before the status is written.
    pub effects: Vec<CertificateEffect>,
    /// The status to write.
    pub status: CertificateStatus,
    /// Events to publish afterwards.
    pub events: Vec<Notice>,
    /// When to reconcile again without a change.
    pub next: Next,
}

impl CertificatePlan {
    fn nothing(status: &CertificateStatus) -> Self {
        Self {
            effects: Vec::new(),
            status: status.clone(),
            events: Vec::new(),
            next: Next::OnChange,
        }
    }
}

/// Plans the next step.
pub fn plan(now: Timestamp, seen: &CertificateObservation, settings: &Settings) -> CertificatePlan {
    if seen.certificate.meta.deleting.is_some() {
        return CertificatePlan::nothing(&seen.certificate.status);
    }
    let mut plan = stage::step(now, seen, settings);
    plan.events
        .extend(fallback::news(&seen.certificate.status, &plan.status));
    if seen.live || !plan.effects.iter().any(CertificateEffect::wants_live) {
        return plan;
    }
    CertificatePlan {
        effects: vec![CertificateEffect::Confirm],
        ..CertificatePlan::nothing(&seen.certificate.status)
    }
}

/// The plan for a Certificate whose spec cannot be decoded: report it and change nothing else.
pub fn plan_unreadable(
    now: Timestamp,
    meta: &Meta,
    status: &CertificateStatus,
    invalid: &InvalidField,
) -> CertificatePlan {
    let invalid = InvalidSpec {
        path: invalid.path.clone(),
        message: invalid.message.clone(),
    };
    let new_status = status::unreadable(status, meta.generation, &invalid, now);
    CertificatePlan {
        events: status::events_of_invalid(status, &new_status, &invalid),
        status: new_status,
        ..CertificatePlan::nothing(&CertificateStatus::default())
    }
}

/// The status of a Certificate for which the API server rejects a write: the current status with the reason.
pub fn status_when_refused(
    now: Timestamp,
    seen: &CertificateObservation,
    settings: &Settings,
    why: &str,
) -> CertificateStatus {
    let view = view::View::new(now, seen, settings, seen.certificate.status.revision.unwrap_or(0));
    status::base(&view, Some(why))
}

/// Why [`CertificateEffect::RepairSecret`] would be planned.
pub fn why_repaired(seen: &CertificateObservation, settings: &Settings) -> Option<Violation> {
    upkeep::check(seen, seen.secret.as_ref()?, settings)
}

/// Why the next issuance will fail, for a Certificate that needs none now, if it is known.
pub fn refused_later(seen: &CertificateObservation) -> Option<InvalidSpec> {
    issuance::refused_later(seen)
}

/// The possible names of the next request and of the Secret with its key, for collecting an observation.
pub fn names_to_look_up(certificate: &Object<CertificateKind>, settings: &Settings) -> LookUp {
    let (name, uid) = (certificate.meta.name(), &*certificate.meta.uid);
    let revision = certificate.status.revision.unwrap_or(0).saturating_add(1);
    LookUp {
        requests: names::request_names(name, uid, revision, names::Naming::of(certificate, settings)),
        next_keys: names::next_key_names(name, uid, revision),
    }
}

/// Possible names, see [`names_to_look_up`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUp {
    /// Names of requests, the preferred one first.
    pub requests: [String; 2],
    /// Names of Secrets with the next key, the preferred one first.
    pub next_keys: [String; 2],
}
