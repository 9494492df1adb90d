//! The content of an Event: the type in which planners and controllers report to users.

use std::borrow::Cow;

/// The type of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// As expected.
    Normal,
    /// A user should act.
    Warning,
}

/// An Event that is not published yet. Its object is a parameter of the publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its type.
    pub severity: Severity,
    /// The reason, for example `Issuing`.
    pub reason: Cow<'static, str>,
    /// The message.
    pub message: String,
    /// Whether the message tells it from other Events of the object with the same reason. Otherwise they are one Event, with the message of the
    /// first and a count.
    pub is_by_message: bool,
}

impl Notice {
    /// An Event of type `Normal`.
    pub fn normal(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Normal,
            reason: reason.into(),
            message: message.into(),
            is_by_message: false,
        }
    }

    /// An Event of type `Warning`.
    pub fn warning(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            reason: reason.into(),
            message: message.into(),
            is_by_message: false,
        }
    }

    /// The same, as an Event of its own for each message.
    #[must_use]
    pub fn by_message(self) -> Self {
        Self {
            is_by_message: true,
            ..self
        }
    }

    /// Whether it is of type `Warning`.
    pub fn is_warning(&self) -> bool {
        self.severity == Severity::Warning
    }
}
