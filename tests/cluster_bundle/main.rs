//! Trust bundles: trust-manager itself and certlet on the same objects, and what certlet does by itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod fields;
mod judged;
mod lease;
mod stage;
