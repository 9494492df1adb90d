//! DNS-01 with real DNS servers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod acmedns;
mod apis;
mod chain;
mod check;
mod faults;
mod kills;
mod pdns;
mod persist;
mod stage;
mod takeover;
mod webhook;
mod wire;
mod wrong;
