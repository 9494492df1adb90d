//! ACME servers beside Pebble: OpenBao, and Caddy with the server of smallstep's step-ca. Each issues the same certificates, and answers in
//! its own way. The judge of a certificate is openssl with the root that the server itself tells.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../cluster_dns01/stage.rs"]
#[allow(dead_code, reason = "the tests of DNS-01 use the rest")]
mod stage;

mod caddy;
mod everyday;
mod openbao;
