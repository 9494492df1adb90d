//! CAs in webhook configurations, APIServices and CRDs: `certlet run`, and `certlet cainjector`, on a real API server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod kinds;
mod lease;
mod rotation;
mod stage;
mod writes;
