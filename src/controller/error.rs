//! The error of a reconcile.

use jiff::Timestamp;

use crate::{
    cluster, pki,
    work::{Failure, Interrupted, Retry},
};

/// Why a reconcile did not finish its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControllerError {
    /// The API server rejected a call or cannot be reached.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// A precondition is not met.
    #[error("{message}")]
    Wait {
        /// What the reconcile waits for, as a sentence.
        message: String,
        /// When to retry.
        until: Timestamp,
    },
    /// A step failed, and a retry may succeed.
    #[error("{0}")]
    Failed(String),
    /// The observation is stale.
    #[error("{0}")]
    Stale(String),
    /// The reconcile panicked, which is a bug.
    #[error("the reconcile panicked; this is a bug, the log has the message")]
    Panicked,
}

impl ControllerError {
    /// An error that is retried at `until`.
    pub(crate) fn wait(message: impl Into<String>, until: Timestamp) -> Self {
        Self::Wait {
            message: message.into(),
            until,
        }
    }

    /// Whether the observation was stale, so that planning again at once makes sense.
    pub(crate) fn is_stale(&self) -> bool {
        match self {
            Self::Cluster(error) => error.is_conflict() || error.is_already_exists() || error.is_not_found(),
            Self::Stale(_) => true,
            Self::Wait { .. } | Self::Failed(_) | Self::Panicked => false,
        }
    }

    /// Whether this replica is not the leader.
    pub(crate) fn is_not_leader(&self) -> bool {
        matches!(self, Self::Cluster(error) if error.is_not_leader())
    }

    /// What to do if the API server rejected a write because cert-manager's webhook does not answer.
    pub(crate) fn webhook_advice(&self) -> Option<String> {
        match self {
            Self::Cluster(error) => error.webhook_advice(),
            Self::Wait { .. } | Self::Failed(_) | Self::Stale(_) | Self::Panicked => None,
        }
    }

    /// When a retry makes sense, if known.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Wait { until, .. } => Some(*until),
            Self::Cluster(_) | Self::Failed(_) | Self::Stale(_) | Self::Panicked => None,
        }
    }
}

impl From<pki::Error> for ControllerError {
    fn from(error: pki::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Interrupted> for ControllerError {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Ending => Self::Failed(interrupted.to_string()),
            Interrupted::Panicked => Self::Panicked,
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
