//! Copies of the Secrets of Certificates in other namespaces, on a real API server: kubectl says what is there, openssl what it is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod consent;
mod foreign;
mod interrupted;
mod stage;
mod words;
