//! The Gateway API: certificates for Gateways, and HTTP-01 through HTTPRoutes, with controllers that serve them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod http01;
