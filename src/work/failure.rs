//! The queue's view of a failed reconcile.

use std::fmt::Display;

use jiff::Timestamp;

/// When a failed reconcile is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Not at all: another process is responsible.
    Never,
    /// At once: the observed objects have changed.
    AtOnce,
    /// After a back-off that grows with each failure.
    BackOff,
    /// At this time.
    NotBefore(Timestamp),
}

/// A failed reconcile.
pub(crate) trait Failure: Display + Send {
    /// The reconcile panicked.
    fn panicked() -> Self;

    /// When to retry.
    fn retry(&self) -> Retry;
}
