//! What comes of asking a signer: a certificate, a refusal, or a reason to ask again later.

use std::fmt;

use jiff::Timestamp;

use super::{Issued, Refusal, RefusalKind};

/// What a signer answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The certificate.
    Issued(Issued),
    /// The request can never be signed; the next one may.
    Refused(Refused),
    /// Not yet.
    Wait(Wait),
}

/// Why a request can never be signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// The reason of the event.
    pub reason: &'static str,
    /// The message of condition and event.
    pub message: String,
}

/// Why there is no certificate yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wait {
    /// The reason of the event; the condition's is always `Pending`.
    pub reason: &'static str,
    /// The message of condition and event.
    pub message: String,
    /// When the signer is asked again.
    pub until: Until,
    /// What the signer has to be given then. It is written into the request before anything else is done.
    pub memo: Option<Memo>,
}

/// When a signer is asked again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Until {
    /// When an object changes that the request depends on.
    Change,
    /// After the queue's back-off: nothing tells that the signer can be asked again.
    Retry,
    /// At this time.
    At(Timestamp),
}

/// What a signer wants to be reminded of when it is asked again, for example the number under which a server keeps a request. It is no
/// secret: it is kept in an annotation of the request, see [`Signer::memo_annotation`](super::Signer::memo_annotation).
#[derive(Clone, Eq, PartialEq)]
pub struct Memo(Box<str>);

impl Memo {
    /// The longest memo, in bytes.
    pub const LONGEST: usize = 1024;

    /// A memo; `None` for a text that is empty, too long, or not printable ASCII: no server gave that.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=Self::LONGEST).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')).then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memo({:?})", self.0)
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
            }),
        }
    }
}

impl From<Result<Issued, Refusal>> for Outcome {
    fn from(result: Result<Issued, Refusal>) -> Self {
        result.map_or_else(Self::from, Self::Issued)
    }
}
