//! The condition of a Bundle, with trust-manager's reasons, and its messages where all is well.

use std::borrow::Cow;

use super::{BundleSettings, Parsed};
use crate::{
    api::{Condition, ConditionStatus, bundle::SYNCED},
    plan::notice::Notice,
};

/// Reason: a source, or a certificate in it, does not exist.
pub const NOT_FOUND: &str = "SourceNotFound";
/// Reason: a source cannot be used.
pub const SOURCE_ERROR: &str = "SourceBuildError";
/// Reason: the administrator does not allow the target Secrets.
pub const SECRETS_DISABLED: &str = "SecretTargetsDisabled";
/// Reason: the spec is one that trust-manager's webhook refuses.
pub const INVALID: &str = "InvalidBundle";

/// Why a Bundle is not synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The reason of the condition and the Event.
    pub reason: Cow<'static, str>,
    /// The sentence: what, where, what to do.
    pub message: String,
}

impl Failure {
    /// A failure with this reason.
    pub fn new(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// A target Secret without consent.
    pub fn without_consent(name: &str) -> Self {
        Self::new(
            SECRETS_DISABLED,
            format!(
                "Bundle has Secret targets but the feature is disabled: add {name:?} to certlet's flag --authorized-secrets, or remove \
                 spec.target.secret"
            ),
        )
    }

    /// A cluster without Namespaces: certlet does not see them. Without this, every target would be one of a Namespace that has gone.
    pub fn without_namespaces() -> Self {
        Self::new(
            "NamespaceListError",
            "certlet sees no Namespaces; apply the roles for Bundles (deploy/bundles, or rbac.bundles of the Helm chart)",
        )
    }

    /// The Event.
    pub fn notice(&self) -> Notice {
        Notice::warning(self.reason.clone(), self.message.clone())
    }
}

/// The condition of a Bundle with this generation that is not synced.
pub fn failed(failure: &Failure, generation: i64) -> Condition {
    let Failure { reason, message } = failure;
    let condition = Condition::new(SYNCED, ConditionStatus::False, reason.as_ref(), message.as_str());
    condition.observed(Some(generation))
}

/// The condition of one that is. The message is trust-manager's, which compares it to know whether it wrote it.
pub fn synced(parsed: &Parsed, settings: &BundleSettings, generation: i64) -> Condition {
    let selector = &parsed.namespaces;
    let allowed = if settings.target_namespaces.is_empty() {
        ""
    } else {
        "allowed "
    };
    let message = if selector.is_everything() {
        format!("Successfully synced Bundle to all {allowed}namespaces")
    } else {
        format!("Successfully synced Bundle to {allowed}namespaces that match this label selector: {selector}")
    };
    Condition::new(SYNCED, ConditionStatus::True, "Synced", message).observed(Some(generation))
}
