//! certlet as its users run it: the Deployment of deploy/ on a node, with its own image, rights and Services.
//!
//! Needs root, for a node; says so and is counted as skipped elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod chart;
mod confidential;
mod installation;
mod pods;
mod replicas;
#[path = "../support/mod.rs"]
mod support;
mod uninstall;
mod within_rights;
