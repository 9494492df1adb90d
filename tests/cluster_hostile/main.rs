//! What a tenant may store on a real API server, and everybody else is served all the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod bombs;
mod paged;
mod poison;
#[path = "../support/mod.rs"]
mod support;
mod unreadable;
