//! Writes of a request's status and the Events about it.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    api::{
        Condition, ConditionStatus,
        condition::{self, APPROVED, READY, whole_second},
        names::{APPROVED_MESSAGE, APPROVED_REASON},
    },
    plan::{notice::Notice, seen::RequestSeen},
};

/// The verdict about a request.
#[derive(Clone, PartialEq, Eq)]
pub enum RequestVerdict {
    /// It waits. `reason` is that of the Event; the reason of the condition is always `Pending`.
    Pending {
        /// The reason.
        reason: &'static str,
        /// The message.
        message: String,
    },
    /// It can never be signed. `reason` is that of the Event; the reason of the condition is always `Failed`.
    Failed {
        /// The reason.
        reason: &'static str,
        /// The message.
        message: String,
    },
    /// It was denied.
    Denied,
    /// It is signed.
    Issued {
        /// The chain in PEM, leaf first.
        certificate: Vec<u8>,
        /// The CA in PEM, if the issuer knows it (CRQ-06).
        ca: Option<Vec<u8>>,
        /// A remark about the certificate for the user, as a sentence.
        remark: Option<String>,
    },
}

impl RequestVerdict {
    /// The message of its condition.
    pub fn message(&self) -> String {
        VerdictText::of(self).message
    }
}

/// Certificates are long, so only their length is printed.
impl std::fmt::Debug for RequestVerdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pending { reason, message } => write!(f, "Pending({reason}: {message})"),
            Self::Failed { reason, message } => write!(f, "Failed({reason}: {message})"),
            Self::Denied => f.write_str("Denied"),
            Self::Issued {
                certificate,
                ca,
                remark,
            } => {
                write!(
                    f,
                    "Issued({} bytes, ca: {}, {remark:?})",
                    certificate.len(),
                    ca.is_some()
                )
            }
        }
    }
}

/// A status write.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusWrite {
    /// The merge patch of `status`.
    pub patch: Value,
    /// Events to publish after the write.
    pub notices: Vec<Notice>,
}

/// The write that approves `request` (if `approve`) and sets `verdict`; `None` if the status contains both already.
pub fn status_write(
    now: Timestamp,
    request: &RequestSeen,
    approve: bool,
    verdict: Option<&RequestVerdict>,
) -> Option<StatusWrite> {
    let mut conditions = request.conditions.to_vec();
    let mut patch = Map::new();
    let mut notices = Vec::new();
    if approve {
        let approved = Condition::new(APPROVED, ConditionStatus::True, APPROVED_REASON, APPROVED_MESSAGE);
        condition::set(&mut conditions, approved, now);
        notices.push(Notice::normal(APPROVED_REASON, APPROVED_MESSAGE));
    }
    if let Some(verdict) = verdict {
        let text = VerdictText::of(verdict);
        // a waiting request is reported once, whatever it waits for (NB-41)
        let waited = request
            .condition(READY)
            .is_some_and(|ready| ready.reason() == "Pending");
        if !(waited && matches!(verdict, RequestVerdict::Pending { .. })) {
            notices.push(text.notice);
        }
        condition::set(
            &mut conditions,
            Condition::new(READY, text.status, text.reason, text.message),
            now,
        );
        if text.failed && request.failure_time.is_none() {
            patch.insert("failureTime".to_owned(), json!(whole_second(now)));
        }
        if let RequestVerdict::Issued { certificate, ca, .. } = verdict {
            patch.insert("certificate".to_owned(), STANDARD.encode(certificate).into());
            if let Some(ca) = ca {
                patch.insert("ca".to_owned(), STANDARD.encode(ca).into());
            }
        }
    }
    if conditions != *request.conditions {
        patch.insert("conditions".to_owned(), json!(conditions));
    }
    (!patch.is_empty()).then_some(StatusWrite {
        patch: Value::Object(patch),
        notices,
    })
}

const DENIED: &str = "The CertificateRequest was denied by an approval controller";
const ISSUED: &str = "Certificate fetched from issuer successfully";

/// Reason and message of a verdict for condition and Event.
struct VerdictText {
    status: ConditionStatus,
    reason: &'static str,
    message: String,
    failed: bool,
    notice: Notice,
}

impl VerdictText {
    fn of(verdict: &RequestVerdict) -> Self {
        let (status, reason, message, failed, notice) = match verdict {
            RequestVerdict::Pending { reason, message } => (
                ConditionStatus::False,
                "Pending",
                message.clone(),
                false,
                Notice::normal(*reason, message),
            ),
            RequestVerdict::Failed { reason, message } => (
                ConditionStatus::False,
                "Failed",
                message.clone(),
                true,
                Notice::warning(*reason, message),
            ),
            RequestVerdict::Denied => (
                ConditionStatus::False,
                "Denied",
                DENIED.to_owned(),
                true,
                Notice::warning("Denied", DENIED),
            ),
            RequestVerdict::Issued { remark, .. } => {
                let message = match remark {
                    Some(remark) => format!("{ISSUED}. {remark}"),
                    None => ISSUED.to_owned(),
                };
                (
                    ConditionStatus::True,
                    "Issued",
                    message,
                    false,
                    Notice::normal("CertificateIssued", ISSUED),
                )
            }
        };
        Self {
            status,
            reason,
            message,
            failed,
            notice,
        }
    }
}
