//! The Helm chart, with helm as the judge: what becomes of each setting of cert-manager's chart, and whether the API server takes what is rendered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod helm;
mod manifests;
mod migrate;
mod release;
mod settings;
#[path = "../support/mod.rs"]
mod support;
mod versions;
