//! The test bed itself: before anything is believed that it says.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod acme;
mod api_server;
mod gateways;
mod ingresses;
mod processes;
