//! What an Event will say: the one type in which planners and controllers report something to people.

use std::borrow::Cow;

/// Whether an Event is good news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// As expected.
    Normal,
    /// Somebody should act.
    Warning,
}

/// An Event that is not written yet. The object that it is about comes with the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How bad it is.
    pub severity: Severity,
    /// One word for programs, as `Issuing`.
    pub reason: Cow<'static, str>,
    /// One sentence for people.
    pub message: String,
}

impl Notice {
    /// An Event of type `Normal`.
    pub fn normal(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Normal,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// An Event of type `Warning`.
    pub fn warning(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// Whether it is of type `Warning`.
    pub fn is_warning(&self) -> bool {
        self.severity == Severity::Warning
    }
}
