//! Why a reconcile ended without having done its work.

use jiff::Timestamp;

use crate::{
    cluster,
    work::{Failure, Retry},
};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The API server refused or was not reached.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// Something else has to happen first; until when it makes no sense to try again.
    #[error("{message}")]
    Wait {
        /// What is waited for, in a sentence.
        message: String,
        /// When to try again.
        until: Timestamp,
    },
    /// A step failed for a reason that another try may cure.
    #[error("{0}")]
    Failed(String),
    /// What was planned from is no longer so.
    #[error("{0}")]
    Stale(String),
    /// A bug: the reconcile panicked.
    #[error("the reconcile panicked; this is a bug, the log has the message")]
    Panicked,
}

impl ControllerError {
    /// Not before `until`.
    pub fn wait(message: impl Into<String>, until: Timestamp) -> Self {
        Self::Wait {
            message: message.into(),
            until,
        }
    }

    /// Whether the plan was made from what is no longer so: plan again at once.
    pub fn is_stale(&self) -> bool {
        match self {
            Self::Cluster(error) => error.is_conflict() || error.is_already_exists() || error.is_not_found(),
            Self::Stale(_) => true,
            Self::Wait { .. } | Self::Failed(_) | Self::Panicked => false,
        }
    }

    /// Whether another replica leads.
    pub fn is_not_leader(&self) -> bool {
        matches!(self, Self::Cluster(error) if error.is_not_leader())
    }

    /// What to do, if the API server refused a write because the webhook of cert-manager does not answer.
    pub fn webhook_advice(&self) -> Option<String> {
        match self {
            Self::Cluster(error) => error.webhook_advice(),
            Self::Wait { .. } | Self::Failed(_) | Self::Stale(_) | Self::Panicked => None,
        }
    }

    /// Until when it makes no sense to try again.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Wait { until, .. } => Some(*until),
            Self::Cluster(_) | Self::Failed(_) | Self::Stale(_) | Self::Panicked => None,
        }
    }
}

impl Failure for ControllerError {
    fn panicked() -> Self {
        Self::Panicked
    }

    fn retry(&self) -> Retry {
        if self.is_not_leader() {
            Retry::Never
        } else if self.is_stale() {
            Retry::AtOnce
        } else {
            self.until().map_or(Retry::BackOff, Retry::NotBefore)
        }
    }
}
