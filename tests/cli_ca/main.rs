//! `certlet ca` and `certlet inspect` as people run them, compared with cfssl and judged by openssl. No cluster is needed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod cfssl_files;
mod escapes;
mod everyday;
mod old_certificates;
mod old_ways;
mod place;
mod reading;
