//! The Gateway API: Certificates of annotated Gateways and ListenerSets, and HTTP-01 through HTTPRoutes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod http01_listener_sets;
#[path = "../support/mod.rs"]
mod support;
