//! Errors of calls to the API server.

use std::{fmt, time::Duration};

/// Verb, kind and name of a call, for error sentences: `failed to create Order shop/web-1-1234`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Verb, for example `create`.
    pub verb: &'static str,
    /// Kind, for example `Order`.
    pub kind: String,
    /// Name, for example `shop/web-1-1234`.
    pub object: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.verb, self.kind, self.object)
    }
}

/// A failed call to the API server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This replica does not hold the Lease and must not write.
    #[error("failed to {0}: this replica is not the leader")]
    NotLeader(Call),
    /// A timeout.
    #[error("failed to {call}: no answer from the API server within {}s", after.as_secs())]
    Timeout {
        /// The call.
        call: Call,
        /// The time limit.
        after: Duration,
    },
    /// The API server rejected the call, or cannot be reached.
    #[error("failed to {call}: {}", reason(source))]
    Api {
        /// The call.
        call: Call,
        /// The cause.
        source: Box<kube::Error>,
    },
    /// The answer cannot be decoded.
    #[error("failed to {call}: the answer of the API server cannot be decoded: {message}")]
    Answer {
        /// The call.
        call: Call,
        /// The cause.
        message: String,
    },
}

fn reason(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error
        && !status.message.is_empty()
    {
        let message = status.message.clone();
        return match super::webhooks::advice(&message) {
            Some(advice) => format!("{message}. {advice}"),
            None => message,
        };
    }
    error.to_string()
}

impl Error {
    fn status(&self) -> Option<&kube::core::Status> {
        let Self::Api { source, .. } = self else { return None };
        let kube::Error::Api(status) = &**source else {
            return None;
        };
        Some(status)
    }

    /// The HTTP status of the answer; `None` without an answer.
    pub fn code(&self) -> Option<u16> {
        self.status().map(|status| status.code)
    }

    /// The message of the API server without the call, for conditions.
    pub fn server_message(&self) -> Option<&str> {
        self.status().map(|status| status.message.as_str())
    }

    /// What to do if the write was rejected because cert-manager's webhook does not answer.
    pub fn webhook_advice(&self) -> Option<String> {
        super::webhooks::advice(self.server_message()?)
    }

    /// Whether this replica does not hold the Lease.
    pub fn is_not_leader(&self) -> bool {
        matches!(self, Self::NotLeader(_))
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Whether the object has changed since it was observed, so that the plan is stale.
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409) && !self.is_already_exists()
    }

    /// Whether an object of this name exists already.
    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(|status| status.reason == "AlreadyExists")
    }

    /// Whether RBAC, a quota or an admission policy rejected the call.
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403) && !self.is_about_a_new_kind()
    }

    /// Whether the admission plugin OwnerReferencesPermissionEnforcement does not know the kind of an owner yet. It refreshes its
    /// list of kinds only twice a minute, so this happens after the CRDs were installed.
    fn is_about_a_new_kind(&self) -> bool {
        self.server_message()
            .is_some_and(|message| message.contains("cannot find RESTMapping for APIVersion"))
    }

    /// Whether validation rejected the object.
    pub fn is_invalid(&self) -> bool {
        self.code() == Some(422)
    }

    /// Whether the object is larger than the API server's limit.
    pub fn is_too_large(&self) -> bool {
        self.code() == Some(413)
    }

    /// Whether a retry of the same call can succeed without a change of the object or the configuration.
    pub fn is_transient(&self) -> bool {
        !matches!(self.code(), Some(400 | 403 | 404 | 405 | 413 | 422)) || self.is_about_a_new_kind()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(message: &str) -> Error {
        let status = kube::core::Status::failure(message, "Forbidden").with_code(403);
        Error::Api {
            call: Call {
                verb: "create",
                kind: "Secret".to_owned(),
                object: "shop/web-q4xhg".to_owned(),
            },
            source: Box::new(kube::Error::Api(Box::new(status))),
        }
    }

    #[test]
    fn a_kind_that_the_api_server_does_not_know_yet_is_no_refusal_for_good() {
        let new = refusal(
            "secrets \"web-q4xhg\" is forbidden: cannot set blockOwnerDeletion in this case because cannot find RESTMapping for \
             APIVersion cert-manager.io/v1 Kind Certificate: no matches for kind \"Certificate\" in version \"cert-manager.io/v1\"",
        );
        assert!(!new.is_forbidden() && new.is_transient());
        let old = refusal(
            "secrets \"web-q4xhg\" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on",
        );
        assert!(old.is_forbidden() && !old.is_transient());
    }
}
