//! `make bench`: speed, API writes and memory of certlet on the test bed, as tables.
//!
//! Everything runs on one machine together with the control plane, so figures of two runs can only be compared as ratios. What a controller could at most
//! reach is measured in the same run, by a loop that makes the same writes without a controller (`ceiling`).
//!
//! Arguments select parts: `acme`, `ca`, `rsa`, `acme-many`, `scale`; without any, all of them. Environment: `BENCH_SIZES=100,1000,5000` (part `ca`),
//! `BENCH_SCALE=10000`, `BENCH_ACME=1000`, `BENCH_DETAIL=1` (writes by resource), `BENCH_PROGRAMS="before=/path/to/certlet after=/path/to/certlet"`
//! (builds that are compared in one run).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and ends when its bed does not work"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of some thousands fit a double"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod acme;
mod ca;
mod ceiling;
mod measure;
mod scale;

use measure::Program;
use support::Bed;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run());
}

async fn run() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|word| word == part);
    if std::env::var_os("CERTLET_TESTBED").is_none() {
        println!("the benchmark needs the test bed: make bench");
        return;
    }
    let bed = Bed::attach().await;
    bed.install_crds().await;
    ceiling::until_policies_are_read(&bed).await;
    let programs = Program::all();
    if wants("acme") {
        for program in &programs {
            acme::run(&bed, program).await;
        }
    }
    if wants("ca") {
        for program in &programs {
            ca::run(&bed, program, "ECDSA", 256).await;
        }
    }
    if wants("rsa") {
        for program in &programs {
            ca::rsa_beside_ecdsa(&bed, program).await;
        }
    }
    if wants("acme-many") {
        for program in &programs {
            acme::many(&bed, program).await;
        }
    }
    if wants("scale") {
        for program in &programs {
            scale::run(&bed, program).await;
        }
    }
}
