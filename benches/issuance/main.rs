//! `make bench`: speed, API writes and memory of certlet on the test bed, as tables.
//!
//! Everything runs on one machine together with the control plane, so figures of two runs can only be compared as ratios. What a controller could at most
//! reach is measured in the same run, by a loop that makes the same writes without a controller (`ceiling`).
//!
//! Each part runs with each program in a bed of its own, unless the benchmark is started in a bed.
//!
//! Arguments select parts: `acme`, `dns01`, `ca`, `rsa`, `acme-many`, `scale`, `injection`, `gateway`, `vault`; without any, all of them. Environment: `BENCH_SIZES=100,1000,5000` (parts `ca` and `vault`),
//! `BENCH_CRDS=400`, `BENCH_WEBHOOKS=200`, `BENCH_SECRETS=20000` (part `injection`), `BENCH_GATEWAYS=1000` (part `gateway`), `BENCH_SCALE=10000`, `BENCH_ACME=1000`, `BENCH_DETAIL=1` (writes by resource), `BENCH_PROGRAMS="before=/path/to/certlet after=/path/to/certlet"`
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
mod dns01;
mod gateway;
mod injection;
mod measure;
mod scale;
mod vault;

use std::process::Command;

use measure::Program;
use support::Bed;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run());
}

/// What `make bench` measures, in this order.
const PARTS: [&str; 9] = [
    "acme",
    "dns01",
    "ca",
    "rsa",
    "acme-many",
    "scale",
    "injection",
    "gateway",
    "vault",
];

async fn run() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if let Some(unknown) = wanted.iter().find(|word| !PARTS.contains(&word.as_str())) {
        println!("there is no part {unknown}; there are {}", PARTS.join(", "));
        std::process::exit(2);
    }
    let parts = PARTS
        .into_iter()
        .filter(|part| wanted.is_empty() || wanted.iter().any(|word| word == part));
    let in_bed = std::env::var_os("CERTLET_TESTBED").is_some();
    for part in parts {
        for program in &Program::all() {
            if in_bed {
                measure(part, program).await;
            } else {
                in_a_bed(part, program);
            }
        }
    }
}

/// Measures one part with one program in a bed of its own, so that none works in what another has left.
fn in_a_bed(part: &str, program: &Program) {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testbed/with-bed.sh"));
    command
        .arg(std::env::current_exe().expect("the path of this program"))
        .arg(part);
    if let Some(named) = program.variable() {
        command.env("BENCH_PROGRAMS", named);
    }
    let status = command.status().expect("with-bed.sh starts");
    if !status.success() {
        println!("{program}the part {part} ended with {status}");
        std::process::exit(1);
    }
}

/// Measures one part with one program in this bed.
async fn measure(part: &str, program: &Program) {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    ceiling::until_policies_are_read(&bed).await;
    match part {
        "acme" => acme::run(&bed, program).await,
        "dns01" => dns01::run(&bed, program).await,
        "ca" => ca::run(&bed, program, "ECDSA", 256).await,
        "rsa" => ca::rsa_beside_ecdsa(&bed, program).await,
        "acme-many" => acme::many(&bed, program).await,
        "scale" => scale::run(&bed, program).await,
        "gateway" => gateway::run(&bed, program).await,
        "injection" => injection::run(&bed, program).await,
        "vault" => vault::run(&bed, program).await,
        _ => println!("there is no part {part}"),
    }
}
