//! The harness of the cluster tests: a running test bed, certlet processes, and what looks at both from outside.
//!
//! A test binary says `mod support;` and every test begins with [`Bed::attach`]. The bed itself is started by
//! `tests/testbed/with-bed.sh` (`make cluster`), which is why cluster tests are `#[ignore]`d for a plain `cargo test`.
//!
//! ```ignore
//! #[tokio::test]
//! #[ignore = "needs the test bed: make cluster"]
//! async fn an_annotated_ingress_gets_a_certificate() {
//!     let bed = Bed::attach().await;
//!     let namespace = bed.new_namespace().await;
//!     let _certlet = Certlet::start(&bed, &[]).await;
//!     bed.apply(&namespace, include_str!("data/issuer-and-ingress.yaml")).await;
//!     let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
//!     until(&certificates, "web-tls", IN_TIME, condition_is("Ready", "True")).await;
//!     let chain = served_chain("web.example", "10.99.0.1:443").await;
//!     assert_eq!(openssl_verify(&bed.pebble().trust(0).await, &chain, "web.example").await, Ok(()));
//! }
//! ```

#![allow(
    dead_code,
    unused_imports,
    reason = "every test binary uses its own part of the harness"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the harness fails by panicking: the test that uses it has failed"
)]

pub(crate) mod acme_servers;
pub(crate) mod audit;
pub(crate) mod authority;
pub(crate) mod bed;
pub(crate) mod certlet;
pub(crate) mod command;
pub(crate) mod confidential;
pub(crate) mod dns;
pub(crate) mod documents;
pub(crate) mod events;
pub(crate) mod fault_proxy;
pub(crate) mod gateway;
pub(crate) mod hostile_acme;
mod leftovers;
pub(crate) mod metrics;
pub(crate) mod names;
pub(crate) mod pebble;
pub(crate) mod rights;
pub(crate) mod scene;
pub(crate) mod shop;
pub(crate) mod takeover;
pub(crate) mod wait;

pub(crate) use audit::{AuditMark, AuditedCall, AuditedWrite};
pub(crate) use authority::{Pair, certificate_says};
pub(crate) use bed::Bed;
pub(crate) use certlet::{Certlet, Killer};
pub(crate) use command::{
    NEW_P256, curl_status, on_path, openssl, openssl_csr, openssl_verify, run, run_with_input, served_chain,
};
pub(crate) use fault_proxy::{Fault, FaultProxy, Head, Moment, Times};
pub(crate) use metrics::Requests;
pub(crate) use names::{Names, plain_http};
pub(crate) use pebble::{Pebble, PebbleOptions};
pub(crate) use wait::{IN_TIME, condition_is, condition_reason_is, eventually, gone, until};
