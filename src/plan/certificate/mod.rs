//! What a Certificate needs: one planner for what takes cert-manager six controllers (LIF-01 to LIF-06).
//!
//! Each plan is one step. The controller carries it out, looks again and plans again until nothing is left to do, so a process
//! that is killed at any instant goes on with the step that it was at.

mod checks;
mod failure;
mod fitness;
mod in_use;
mod issuance;
pub mod keystores;
mod mail;
mod matching;
pub mod names;
pub mod request;
pub mod secret;
mod stage;
mod status;
mod unsettled;
mod upkeep;
mod validation;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use checks::{TEMPORARY_CA, Violation, is_temporary};
pub use fitness::{Candidate, request_fault};
pub use in_use::{Purpose, SecretUse};
pub use matching::{key_encoding, key_spec, request_differences};
pub use request::DesiredRequest;
pub use unsettled::{DUE_AT_ONCE, SECRET_NOT_KEPT};
pub use validation::InvalidSpec;

use super::{
    issuer::Reach,
    kinds::CertificateKind,
    notice::Notice,
    rotation::Share,
    seen::{Meta, Next, Object, ObjectKey, RequestSeen, SecretSeen},
    settings::Settings,
};
use crate::api::{CertificateStatus, InvalidField, certificate_status::RenewalInformation};

/// How long one of two Certificates with the same Secret waits before it looks again (NB-16).
const DUPLICATE_RECHECK: SignedDuration = SignedDuration::from_mins(3);
/// How long an obstacle lasts before it is told.
const LASTING: SignedDuration = SignedDuration::from_secs(5);

/// Everything that a plan for a Certificate depends on.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The Certificate.
    pub certificate: Object<CertificateKind>,
    /// The target Secret.
    pub secret: Option<Arc<SecretSeen>>,
    /// Secrets with a next key: labelled, and owned by this Certificate's uid.
    pub next_keys: Vec<Arc<SecretSeen>>,
    /// Secrets of somebody else that have a name which the next key would have.
    pub strange_next_keys: Vec<ObjectKey>,
    /// Requests that this Certificate's uid owns, and whatever has a name that the next request would have.
    pub requests: Vec<Arc<RequestSeen>>,
    /// Other Certificates that name the same target Secret.
    pub rivals: Vec<Rival>,
    /// Who else names the target Secret, and for what.
    pub uses: Vec<SecretUse>,
    /// The issuer.
    pub issuer: IssuerState,
    /// Whether every keystore password can be had.
    pub keystore_passwords: Passwords,
    /// Whether the keystores in the target Secret are right.
    pub keystores: KeystoresSeen,
    /// What the ACME server last said about the certificate in the Secret, if it was asked since the process started.
    pub renewal_information: Option<RenewalInformation>,
    /// Why the pending request does not get on, where something is wrong.
    pub obstacle: Option<Obstacle>,
    /// What the issuer asks for while its CA gets another key pair.
    pub rotation: Share,
    /// The Secrets were looked up on the API server just now. Absence from a watch is never proof.
    pub live: bool,
    /// What this reconcile has made of a certificate already.
    pub made: Made,
}

/// What a reconcile has made of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Made {
    /// Nothing yet.
    #[default]
    Nothing,
    /// The certificate of this request was stored. It counts as issued even if the Secret was changed since.
    Stored(Arc<str>),
    /// The certificate of this request cannot be stored, for the Secret would be unfit.
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

/// Something that a pending request waits for. Told only when it lasts: every issuance waits a little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What it is, as a sentence.
    pub text: String,
    /// Since when.
    pub since: Timestamp,
}

/// What is known of the issuer that a Certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerState {
    /// There is none of that name.
    Missing,
    /// It is there and cannot sign; why, as a sentence.
    NotReady(String),
    /// It is Ready; how soon it can have signed.
    Ready(Reach),
    /// It belongs to another controller (SGN-06).
    External,
}

/// Whether the passwords of keystores can be had (SEC-07).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passwords {
    /// All of them, or none is needed.
    Available,
    /// At least one cannot be had; which, as a sentence.
    Missing(String),
}

/// What is known of the keystores in the target Secret. What is kept of a Secret does not tell: a password is needed to open them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeystoresSeen {
    /// Nobody has looked into this Secret's.
    #[default]
    Unopened,
    /// They were opened; what is wrong with them, as a sentence. `None` also where a password cannot be had.
    Opened(Option<String>),
}

/// One thing to do. Plain data: where key bytes are, not what they are.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Look at the live objects and plan again: what follows must not rest on a cache.
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
        /// Which key.
        source: KeySource,
    },
    /// Create the request for the key in this Secret (ANW-05).
    CreateRequest(Box<DesiredRequest>),
    /// Make a key that only memory holds, create its request, sign it and store both: one pass.
    IssueAtOnce {
        /// The request.
        request: Box<DesiredRequest>,
        /// Which key.
        source: KeySource,
    },
    /// Store the certificate of this Ready request with the key of this Secret.
    StoreCertificate {
        /// Name of the request.
        request: Arc<str>,
        /// Name of the Secret with its key.
        key_secret: Arc<str>,
    },
    /// Store a certificate of a throw-away CA with the key of this Secret (SEC-06).
    StoreTemporary {
        /// Name of the Secret with the key.
        key_secret: Arc<str>,
    },
    /// Apply the target Secret again with the key and certificate that it holds (POL-13).
    RepairSecret,
}

impl Effect {
    /// Whether it only asks for a closer look: the plan is made again afterwards.
    pub fn is_look(&self) -> bool {
        matches!(self, Self::Confirm | Self::OpenKeystores)
    }

    /// Whether it puts something into the target Secret that is no new certificate.
    pub fn mends(&self) -> bool {
        matches!(self, Self::RepairSecret | Self::StoreTemporary { .. })
    }

    /// Whether it must not be done on the word of a cache alone.
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

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A new one is made.
    New,
    /// The one in the target Secret is kept (`rotationPolicy: Never`).
    Target,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to do, in this order, before the status is written.
    pub effects: Vec<Effect>,
    /// The status after that.
    pub status: CertificateStatus,
    /// Events to send once all of it is done.
    pub events: Vec<Notice>,
    /// When to look again, should nothing change before.
    pub next: Next,
}

impl Plan {
    fn nothing(status: &CertificateStatus) -> Self {
        Self {
            effects: Vec::new(),
            status: status.clone(),
            events: Vec::new(),
            next: Next::OnChange,
        }
    }
}

/// Decides the next step.
pub fn plan(now: Timestamp, seen: &Seen, settings: &Settings) -> Plan {
    if seen.certificate.meta.deleting.is_some() {
        return Plan::nothing(&seen.certificate.status);
    }
    let plan = stage::step(now, seen, settings);
    if seen.live || !plan.effects.iter().any(Effect::wants_live) {
        return plan;
    }
    Plan {
        effects: vec![Effect::Confirm],
        ..Plan::nothing(&seen.certificate.status)
    }
}

/// The plan for a Certificate whose spec does not have the shape that its kind asks for: say so, touch nothing else.
pub fn plan_unreadable(now: Timestamp, meta: &Meta, status: &CertificateStatus, invalid: &InvalidField) -> Plan {
    let invalid = InvalidSpec {
        path: invalid.path.clone(),
        message: invalid.message.clone(),
    };
    let told = status::unreadable(status, meta.generation, &invalid, now);
    Plan {
        events: status::events_of_invalid(status, &told, &invalid),
        status: told,
        ..Plan::nothing(&CertificateStatus::default())
    }
}

/// The status of a Certificate for which the API server refuses to write something: what was there, and why it stays so.
pub fn status_when_refused(now: Timestamp, seen: &Seen, settings: &Settings, why: &str) -> CertificateStatus {
    let view = view::View::new(now, seen, settings, seen.certificate.status.revision.unwrap_or(0));
    status::base(&view, Some(why))
}

/// Why [`Effect::RepairSecret`] would be planned for what was seen.
pub fn why_repaired(seen: &Seen, settings: &Settings) -> Option<Violation> {
    upkeep::check(seen, seen.secret.as_ref()?, settings)
}

/// Why the next issuance will be refused of a Certificate that needs none now, where that is known already.
pub fn refused_later(seen: &Seen) -> Option<InvalidSpec> {
    issuance::refused_later(seen)
}

/// The names under which the next request, and the Secret with its key, are looked for: what `Seen` has to be gathered from.
pub fn names_to_look_up(certificate: &Object<CertificateKind>, settings: &Settings) -> LookUp {
    let (name, uid) = (certificate.meta.name(), &*certificate.meta.uid);
    let revision = certificate.status.revision.unwrap_or(0).saturating_add(1);
    LookUp {
        requests: names::request_names(name, uid, revision, names::Naming::of(certificate, settings)),
        next_keys: names::next_key_names(name, uid, revision),
    }
}

/// See [`names_to_look_up`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUp {
    /// Names of requests, the preferred one first.
    pub requests: [String; 2],
    /// Names of Secrets with the next key, the preferred one first.
    pub next_keys: [String; 2],
}
