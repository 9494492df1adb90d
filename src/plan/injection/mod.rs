//! Injection of CAs into webhook configurations, APIServices and CRDs (CAI rows): from the annotations of a target, its CA bundles and
//! its source to one write, or to the sentence why there is none.

mod source;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use jiff::Timestamp;

pub use self::source::{ANNOTATIONS, CaSource, allowed, source_of};
use super::{
    notice::Notice,
    pace::{self, Pace, Written},
    seen::{Meta, Next, Pairs},
};
use crate::{
    api::names::annotation,
    pki::{
        chain::{self, Anchor},
        key::sha256,
    },
};

/// Reason of the Event for an injection.
pub const INJECTED: &str = "CAInjected";
/// Reason of the Event for a source that does not exist yet, or has no CA yet.
pub const NOT_AVAILABLE: &str = "CANotAvailable";
/// Reason of the Event for a source that must not be used.
pub const REFUSED: &str = "CAInjectionRefused";
/// Reason of the Event for bundles that another client keeps changing.
pub const CONTESTED: &str = "CAInjectionContested";

/// Reason of the Event for a CA that changes more often than it is written.
pub const DELAYED: &str = "CAInjectionDelayed";

/// A kind of targets (CAI-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetKind {
    /// `ValidatingWebhookConfiguration`.
    ValidatingWebhook,
    /// `MutatingWebhookConfiguration`.
    MutatingWebhook,
    /// `APIService`.
    ApiService,
    /// `CustomResourceDefinition`.
    Definition,
}

impl TargetKind {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ValidatingWebhook => "ValidatingWebhookConfiguration",
            Self::MutatingWebhook => "MutatingWebhookConfiguration",
            Self::ApiService => "APIService",
            Self::Definition => "CustomResourceDefinition",
        }
    }
}

/// A target: kind and name. Targets are cluster-scoped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId {
    /// Its kind.
    pub kind: TargetKind,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.name)
    }
}

/// A field `caBundle` of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The name of the webhook that it belongs to; empty in kinds with one field.
    pub webhook: String,
    /// Its content; empty if it is not set.
    pub bundle: Vec<u8>,
}

/// A target, as the API server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSeen {
    /// Metadata.
    pub meta: Meta,
    /// All fields that get the CA. Empty for a CRD without conversion webhook, or a local APIService.
    pub slots: Vec<Slot>,
    /// Whether the API server would refuse a bundle, because `insecureSkipTLSVerify` is set (APIServices).
    pub skips_verification: bool,
}

/// A Secret with a CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSource {
    /// Its annotations.
    pub annotations: Pairs,
    /// `ca.crt`.
    pub ca: Option<Vec<u8>>,
    /// Whether it has a certificate, in `tls.crt`.
    pub has_certificate: bool,
}

/// A source, as the API server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSeen {
    /// A Secret; `None` if it does not exist.
    Secret(Option<SecretSource>),
    /// A Certificate and its Secret; `None` if it does not exist.
    Certificate(Option<(Arc<str>, Option<SecretSource>)>),
    /// The CA of the API server in PEM; `None` if certlet trusts it by other means.
    ApiServer(Option<Vec<u8>>),
}

/// Why no CA is injected, or not now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason of the Event.
    pub reason: &'static str,
    /// The sentence: what, where, what to do.
    pub message: String,
}

impl Refusal {
    fn denied(message: impl Into<String>) -> Self {
        Self {
            reason: REFUSED,
            message: message.into(),
        }
    }

    fn not_available(message: impl Into<String>) -> Self {
        Self {
            reason: NOT_AVAILABLE,
            message: message.into(),
        }
    }

    /// The Event.
    pub fn notice(&self) -> Notice {
        Notice::warning(self.reason, self.message.clone())
    }
}

/// The input of the planner.
#[derive(Clone, Copy, Debug)]
pub struct InjectionObservation<'a> {
    /// The target.
    pub target: &'a TargetSeen,
    /// Which source it names.
    pub source: &'a CaSource,
    /// The source.
    pub seen: &'a SourceSeen,
    /// The last write of this process; `None` if there is none.
    pub written: Option<&'a Written>,
    /// The size limit of a bundle, in bytes (FLG-30).
    pub limit: usize,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InjectionStep {
    /// Nothing: every bundle has the CA, or the target has no bundles.
    Leave,
    /// Write these bundles.
    Write {
        /// All of the target, those that stay as they are included: server-side apply takes away what it does not name.
        slots: Vec<Slot>,
        /// What to remember of the write.
        written: Written,
        /// The Events, once it is written.
        notices: Vec<Notice>,
    },
    /// Write nothing, and report why.
    Refuse(Refusal),
    /// Write nothing before the time of the plan, and report why.
    Delay(Refusal),
}

/// The plan for one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectionPlan {
    /// What to do.
    pub step: InjectionStep,
    /// When to plan again.
    pub next: Next,
}

impl From<InjectionStep> for InjectionPlan {
    fn from(step: InjectionStep) -> Self {
        Self {
            step,
            next: Next::OnChange,
        }
    }
}

/// Plans one injection.
pub fn plan(now: Timestamp, seen: &InjectionObservation<'_>) -> InjectionPlan {
    let InjectionObservation {
        target,
        source,
        seen: found,
        written,
        limit,
    } = *seen;
    if target.meta.deleting.is_some() || target.slots.is_empty() {
        return InjectionStep::Leave.into();
    }
    let ca = match ca_of(now, source, found, limit) {
        Ok(ca) => ca,
        Err(refusal) => return InjectionStep::Refuse(refusal).into(),
    };
    let slots = filled(now, &target.slots, &ca, limit);
    if slots == target.slots {
        return InjectionStep::Leave.into();
    }
    if target.skips_verification {
        let sentence = "spec.insecureSkipTLSVerify is true, and the API server allows no caBundle beside it: remove that field, or the \
                        annotation";
        return InjectionStep::Refuse(Refusal::denied(sentence)).into();
    }
    match pace::pace(now, written, digest_of(&ca)) {
        Pace::Wait { until, changes_often } => InjectionPlan {
            step: if changes_often {
                InjectionStep::Delay(delayed(source, until))
            } else {
                InjectionStep::Leave
            },
            next: Next::At(until),
        },
        Pace::Write(written) => {
            let notices = notices(source, &slots, &written);
            InjectionStep::Write {
                slots,
                written,
                notices,
            }
            .into()
        }
    }
}

/// The certificates to inject, none of them expired.
fn ca_of(now: Timestamp, source: &CaSource, seen: &SourceSeen, limit: usize) -> Result<Vec<Anchor>, Refusal> {
    let (place, text) = match seen {
        SourceSeen::ApiServer(None) => {
            return Err(Refusal::not_available(
                "certlet's configuration for this cluster names no CA of the API server",
            ));
        }
        SourceSeen::ApiServer(Some(text)) => ("certlet's configuration for this cluster".to_owned(), text),
        SourceSeen::Secret(secret) => {
            let secret = secret
                .as_ref()
                .ok_or_else(|| Refusal::not_available(format!("{source} does not exist")))?;
            if secret.annotations.get(annotation::ALLOW_DIRECT_INJECTION) != Some("true") {
                return Err(Refusal::denied(format!(
                    "{source} does not allow it: annotate the Secret with {}: \"true\"",
                    annotation::ALLOW_DIRECT_INJECTION
                )));
            }
            (format!("{source}"), ca_crt(&source.to_string(), secret)?)
        }
        SourceSeen::Certificate(None) => return Err(Refusal::not_available(format!("{source} does not exist"))),
        SourceSeen::Certificate(Some((name, None))) => {
            return Err(Refusal::not_available(format!(
                "{source} has no Secret yet: {name:?} does not exist"
            )));
        }
        SourceSeen::Certificate(Some((name, Some(secret)))) => {
            let place = format!("Secret {name:?} of {source}");
            let CaSource::Certificate(certificate) = source else {
                return Err(Refusal::not_available(format!("{source} was read as a Certificate")));
            };
            match secret.annotations.get(annotation::CERTIFICATE_NAME) {
                Some(owner) if *owner == *certificate.name => {}
                owner => {
                    let owner = owner.map_or_else(|| "no Certificate".to_owned(), |owner| format!("{owner:?}"));
                    return Err(Refusal::denied(format!(
                        "{place} belongs to {owner} (annotation {}): a Certificate may only give the CA of its own Secret",
                        annotation::CERTIFICATE_NAME
                    )));
                }
            }
            let text = ca_crt(&place, secret)?;
            (place, text)
        }
    };
    let anchors = chain::anchors(text, limit).map_err(|error| {
        Refusal::denied(format!(
            "the CA in {place} cannot be read, and is not injected: {error}"
        ))
    })?;
    let valid: Vec<Anchor> = anchors.into_iter().filter(|anchor| anchor.not_after >= now).collect();
    if valid.is_empty() {
        return Err(Refusal::denied(format!("the CA in {place} has expired")));
    }
    Ok(valid)
}

fn ca_crt<'a>(place: &str, secret: &'a SecretSource) -> Result<&'a Vec<u8>, Refusal> {
    let missing = || {
        let why = if secret.has_certificate {
            ": its issuer gives no CA"
        } else {
            " yet"
        };
        Refusal::not_available(format!("{place} has no ca.crt{why}"))
    };
    secret.ca.as_ref().filter(|ca| !ca.is_empty()).ok_or_else(missing)
}

/// The bundles with the CA in each (CAI-04): one that has it, and nothing that expired, stays as it is to the byte.
fn filled(now: Timestamp, slots: &[Slot], ca: &[Anchor], limit: usize) -> Vec<Slot> {
    let filled = slots.iter().map(|slot| {
        let there = chain::readable_anchors(&slot.bundle);
        let extended = chain::extended(now, &there, ca, limit);
        let is_unchanged = there.iter().map(|anchor| &anchor.der).eq(&extended);
        Slot {
            webhook: slot.webhook.clone(),
            bundle: if is_unchanged {
                slot.bundle.clone()
            } else {
                chain::to_pem(&extended)
            },
        }
    });
    filled.collect()
}

fn digest_of(ca: &[Anchor]) -> [u8; 32] {
    let all: Vec<u8> = ca.iter().flat_map(|anchor| anchor.der.iter().copied()).collect();
    sha256(&all)
}

fn delayed(source: &CaSource, until: Timestamp) -> Refusal {
    Refusal {
        reason: DELAYED,
        message: format!(
            "the CA of {source} has changed more than {} times in short succession: its present CA is injected at {}. Each further \
             change waits longer, up to 10 minutes",
            pace::FREE_CHANGES,
            until.strftime("%H:%M:%S UTC")
        ),
    }
}

fn notices(source: &CaSource, slots: &[Slot], written: &Written) -> Vec<Notice> {
    let into = match slots {
        [_] => "its caBundle".to_owned(),
        slots => format!("its {} caBundles", slots.len()),
    };
    let mut notices = vec![Notice::normal(
        INJECTED,
        format!("Injected the CA of {source} into {into}"),
    )];
    if written.is_contested() {
        notices.push(Notice::warning(
            CONTESTED,
            format!(
                "Another client keeps removing the CA of {source} from {into}; certlet injects it less often from now on. The \
                 managedFields name the client: exclude caBundle from what it writes"
            ),
        ));
    }
    notices
}
