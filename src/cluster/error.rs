//! What can go wrong between us and the API server.

use std::{fmt, time::Duration};

/// What a call wanted to do, for error sentences: `failed to create Order shop/web-1-1234`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// As `create`.
    pub verb: &'static str,
    /// As `Order`.
    pub kind: String,
    /// As `shop/web-1-1234`.
    pub object: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.verb, self.kind, self.object)
    }
}

/// A call to the API server that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This process does not hold the Lease, so it must not write.
    #[error("failed to {0}: this replica is not the leader")]
    NotLeader(Call),
    /// No answer in time.
    #[error("failed to {call}: no answer from the API server within {}s", after.as_secs())]
    Timeout {
        /// The call.
        call: Call,
        /// The limit that passed.
        after: Duration,
    },
    /// The server refused, or could not be reached.
    #[error("failed to {call}: {}", reason(source))]
    Api {
        /// The call.
        call: Call,
        /// Why.
        source: Box<kube::Error>,
    },
    /// The answer could not be understood.
    #[error("failed to {call}: the answer of the API server cannot be read: {message}")]
    Answer {
        /// The call.
        call: Call,
        /// What is wrong with it.
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

    /// The HTTP status of the refusal.
    pub fn code(&self) -> Option<u16> {
        self.status().map(|status| status.code)
    }

    /// What the server said, without what we wanted: for conditions.
    pub fn server_message(&self) -> Option<&str> {
        self.status().map(|status| status.message.as_str())
    }

    /// What to do, if the write was refused because the webhook of cert-manager does not answer.
    pub fn webhook_advice(&self) -> Option<String> {
        super::webhooks::advice(self.server_message()?)
    }

    /// This process does not hold the Lease.
    pub fn is_not_leader(&self) -> bool {
        matches!(self, Self::NotLeader(_))
    }

    /// The object is not there.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// The object changed since it was seen: plan again.
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409) && !self.is_already_exists()
    }

    /// An object of this name is there already.
    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(|status| status.reason == "AlreadyExists")
    }

    /// RBAC, a quota or an admission policy says no.
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403) && !self.is_about_a_new_kind()
    }

    /// The plugin OwnerReferencesPermissionEnforcement reads only twice a minute which kinds there are, and refuses owners of the others: it
    /// will know those of definitions that have just been installed.
    fn is_about_a_new_kind(&self) -> bool {
        self.server_message()
            .is_some_and(|message| message.contains("cannot find RESTMapping for APIVersion"))
    }

    /// Validation says no.
    pub fn is_invalid(&self) -> bool {
        self.code() == Some(422)
    }

    /// The object is larger than the API server stores.
    pub fn is_too_large(&self) -> bool {
        self.code() == Some(413)
    }

    /// Whether trying the same call again can succeed without anybody editing anything.
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
