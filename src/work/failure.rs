//! What a queue has to know of work that failed.

use std::fmt::Display;

use jiff::Timestamp;

/// When work that failed is done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not at all: the work is another process'.
    Never,
    /// At once: what it was planned from has changed.
    AtOnce,
    /// After a wait that grows with each failure.
    BackOff,
    /// Not before this time.
    NotBefore(Timestamp),
}

/// Why work failed.
pub trait Failure: Display + Send {
    /// The work panicked.
    fn panicked() -> Self;

    /// When it is done again.
    fn retry(&self) -> Retry;
}
