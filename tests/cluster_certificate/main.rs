//! Certificates on a real API server, issued by SelfSigned and CA issuers: what is written, what is not, and what is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod authority;
mod edited;
mod endless;
mod first_write;
mod issuing;
mod keystores;
mod kills;
mod refused;
mod restarts;
mod rotation;
mod rotation_troubled;
mod secret;
mod switches;
mod wrong;

use support::shop;
