//! Certificates over ACME, from `kubectl apply` to the chain that an ingress controller serves: a real API server,
//! Pebble, Traefik and haproxy-ingress, and certlet as users run it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod awkward;
mod faults;
mod hostile;
mod issuing;
mod kills;
mod surroundings;
mod takeover;
mod together;
mod words;
mod wrong;

use support::scene;
