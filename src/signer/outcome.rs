//! The outcome of a call of a signer: a certificate, a refusal, or a delay.

use std::fmt;

use jiff::Timestamp;

use super::{Issued, Refusal, RefusalKind};
use crate::net::OutageKind;
use crate::plan::outage::Contact;
use crate::text::is_hidden;

/// The outcome of a signer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The certificate.
    Issued(Issued),
    /// The request can never be signed; a new request may be.
    Refused(Refused),
    /// Not yet.
    Wait(Wait),
}

/// A permanent refusal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refused {
    /// Reason of the Event.
    pub reason: &'static str,
    /// Message of condition and Event.
    pub message: String,
}

/// A certificate that is not available yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Wait {
    /// Reason of the Event. The reason of the condition is always `Pending`.
    pub reason: &'static str,
    /// Message of condition and Event.
    pub message: String,
    /// When to call the signer again.
    pub until: Until,
    /// The memo for that call. It is written to the request before anything else.
    pub memo: Option<Memo>,
    /// The outage of the server, if that is the cause.
    pub outage: Option<OutageKind>,
}

/// When to call a signer again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Until {
    /// When an object changes that the request depends on.
    Change,
    /// After the queue's back-off: nothing tells when the signer can be called again.
    Retry,
    /// At this time.
    At(Timestamp),
}

/// A signer's memo for its next call, for example the pick-up id of a server. It is not secret: it is stored in an annotation of
/// the request, see [`Signer::memo_annotation`](super::Signer::memo_annotation).
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Memo(Box<str>);

impl Memo {
    /// Maximum length of a memo, in bytes.
    pub(crate) const LONGEST: usize = 1024;

    /// A memo; `None` for a text that is empty, too long, or has hidden characters, which no server returns.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let fits = (1..=Self::LONGEST).contains(&text.len());
        (fits && !text.contains(is_hidden)).then(|| Self(text.into()))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memo({:?})", self.0)
    }
}

impl Outcome {
    /// What the call showed of the server.
    pub(crate) fn contact(&self) -> Contact {
        match self {
            Self::Wait(Wait {
                outage: Some(outage), ..
            }) => Contact::Outage(*outage),
            Self::Issued(_) | Self::Refused(_) | Self::Wait(_) => Contact::Answered,
        }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        let until = if refusal.is_unanswered() {
            Until::Retry
        } else {
            Until::Change
        };
        let Refusal { kind, reason, message } = refusal;
        match kind {
            RefusalKind::Failed => Self::Refused(Refused { reason, message }),
            RefusalKind::Pending => Self::Wait(Wait {
                reason,
                message,
                until,
                memo: None,
                outage: None,
            }),
        }
    }
}

impl From<Result<Issued, Refusal>> for Outcome {
    fn from(result: Result<Issued, Refusal>) -> Self {
        result.map_or_else(Self::from, Self::Issued)
    }
}
