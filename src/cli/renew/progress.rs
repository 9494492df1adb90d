//! Whether an issuance that was requested has ended, from the status before and now.

use crate::api::{
    CertificateStatus, Time,
    condition::{self, Condition, ISSUING, READY},
};

/// The status before the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    revision: i64,
    failed_attempts: i64,
    last_failure: Option<Time>,
}

/// The state of the issuance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The certificate of this revision is in the Secret.
    Ready(i64),
    /// It failed. The text is the reason.
    Failed(String),
    /// It is not complete. The text is what it waits for.
    Pending(String),
}

impl Before {
    /// The parts of a status that change when an issuance ends.
    pub(super) fn of(status: &CertificateStatus) -> Self {
        Self {
            revision: status.revision.unwrap_or(0),
            failed_attempts: status.failed_issuance_attempts.unwrap_or(0),
            last_failure: status.last_failure_time.clone(),
        }
    }

    /// The state of the issuance in this status.
    pub(super) fn progress(&self, status: &CertificateStatus) -> Progress {
        let issuing = condition::get(&status.conditions, ISSUING);
        let ready = condition::get(&status.conditions, READY);
        let runs = issuing.is_some_and(Condition::is_true);
        let revision = status.revision.unwrap_or(0);
        if revision > self.revision && !runs && ready.is_some_and(Condition::is_true) {
            return Progress::Ready(revision);
        }
        let now = Self::of(status);
        let failed = now.failed_attempts > self.failed_attempts
            || (now.last_failure.is_some() && now.last_failure != self.last_failure);
        let message = |condition: Option<&Condition>| condition.map(Condition::message).unwrap_or_default().to_owned();
        if failed && !runs {
            return Progress::Failed(message(issuing));
        }
        // while a certificate is issued, Ready says what is awaited if it is known
        let awaited = match ready {
            Some(ready) if !ready.is_true() => message(Some(ready)),
            Some(_) | None => message(issuing),
        };
        Progress::Pending(if awaited.is_empty() {
            "no controller has answered yet".to_owned()
        } else {
            awaited
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(fields: &Value) -> CertificateStatus {
        serde_json::from_value(fields.clone()).unwrap()
    }

    fn condition(kind: &str, status: &str, message: &str) -> Value {
        json!({"type": kind, "status": status, "message": message, "reason": "R"})
    }

    #[test]
    fn it_is_over_when_a_later_revision_is_ready_and_nothing_is_issued() {
        let before = Before::of(&status(&json!({"revision": 1})));
        let ready = condition("Ready", "True", "fine");
        let issuing = condition("Issuing", "True", "Certificate re-issuance manually triggered");
        let old = status(&json!({"revision": 1, "conditions": [ready]}));
        assert_eq!(
            before.progress(&old),
            Progress::Pending("no controller has answered yet".into())
        );
        let runs = status(&json!({"revision": 1, "conditions": [ready, issuing]}));
        assert_eq!(
            before.progress(&runs),
            Progress::Pending("Certificate re-issuance manually triggered".into())
        );
        let done = status(&json!({"revision": 2, "conditions": [ready]}));
        assert_eq!(before.progress(&done), Progress::Ready(2));
    }

    #[test]
    fn a_new_failure_ends_it_and_an_old_one_does_not() {
        let failed = |attempts: i64, time: &str, runs: &str| {
            status(&json!({
                "revision": 1, "failedIssuanceAttempts": attempts, "lastFailureTime": time,
                "conditions": [condition("Issuing", runs, "the CA refuses")]
            }))
        };
        let before = Before::of(&failed(1, "2026-01-01T00:00:00Z", "False"));
        assert_eq!(
            before.progress(&failed(1, "2026-01-01T00:00:00Z", "True")),
            Progress::Pending("the CA refuses".into())
        );
        assert_eq!(
            before.progress(&failed(2, "2026-01-02T00:00:00Z", "False")),
            Progress::Failed("the CA refuses".into())
        );
    }
}
