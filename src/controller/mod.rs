//! Controllers, one file or folder per kind: what a reconcile reads, in which order its steps run, and what it writes.

pub mod ari;
pub mod certificate;
pub mod controllers;
pub mod error;
pub mod follow_up;
pub mod ingress;
pub mod issuer;
pub mod order;
pub mod ports;
pub mod queues;
pub mod renewals;
pub mod reported;
pub mod request;
pub mod rotations;
pub mod router;
pub mod signing;
pub mod signing_request;
pub mod solving;
pub mod sweep;
pub mod wake;

pub use controllers::Controllers;
pub use error::ControllerError;
pub use follow_up::FollowUp;
pub use ports::Ports;
