//! Wiring, one file per kind: what triggers a reconcile, and in which order its steps run.

pub mod context;
pub mod error;
pub mod queue;
pub mod router;

pub use context::Context;
pub use error::ControllerError;
