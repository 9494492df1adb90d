//! What is written into a request's status, and told as Events.

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

/// What is to be said about a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has to wait. `reason` is that of the Event; the condition's is always `Pending`.
    Pending {
        /// In one word.
        reason: &'static str,
        /// In one sentence.
        message: String,
    },
    /// It can never be signed. `reason` is that of the Event; the condition's is always `Failed`.
    Failed {
        /// In one word.
        reason: &'static str,
        /// In one sentence.
        message: String,
    },
    /// An approver said no.
    Denied,
    /// It is signed.
    Issued {
        /// The chain in PEM, leaf first.
        certificate: Vec<u8>,
        /// The CA in PEM, if the issuer knows it (CRQ-06).
        ca: Option<Vec<u8>>,
        /// What else the user should know about the certificate, as a sentence.
        remark: Option<String>,
    },
}

impl Verdict {
    /// The message of its condition.
    pub fn message(&self) -> String {
        Said::of(self).message
    }
}

/// Certificates are long: only their length is shown.
impl std::fmt::Debug for Verdict {
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

/// One status write.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusWrite {
    /// The merge patch of `status`.
    pub patch: Value,
    /// What is told once it is written.
    pub notices: Vec<Notice>,
}

/// The one write that approves `request` (if `approve`) and says `verdict`; `None` when it says all that already.
pub fn status_write(
    now: Timestamp,
    request: &RequestSeen,
    approve: bool,
    verdict: Option<&Verdict>,
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
        let said = Said::of(verdict);
        // Waiting is told once, whatever is waited for (NB-41).
        let waited = request
            .condition(READY)
            .is_some_and(|ready| ready.reason() == "Pending");
        if !(waited && matches!(verdict, Verdict::Pending { .. })) {
            notices.push(said.notice);
        }
        condition::set(
            &mut conditions,
            Condition::new(READY, said.status, said.reason, said.message),
            now,
        );
        if said.failed && request.failure_time.is_none() {
            patch.insert("failureTime".to_owned(), json!(whole_second(now)));
        }
        if let Verdict::Issued { certificate, ca, .. } = verdict {
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

/// A verdict in the words of condition and Event.
struct Said {
    status: ConditionStatus,
    reason: &'static str,
    message: String,
    failed: bool,
    notice: Notice,
}

impl Said {
    fn of(verdict: &Verdict) -> Self {
        let (status, reason, message, failed, notice) = match verdict {
            Verdict::Pending { reason, message } => (
                ConditionStatus::False,
                "Pending",
                message.clone(),
                false,
                Notice::normal(*reason, message),
            ),
            Verdict::Failed { reason, message } => (
                ConditionStatus::False,
                "Failed",
                message.clone(),
                true,
                Notice::warning(*reason, message),
            ),
            Verdict::Denied => (
                ConditionStatus::False,
                "Denied",
                DENIED.to_owned(),
                true,
                Notice::warning("Denied", DENIED),
            ),
            Verdict::Issued { remark, .. } => {
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
