//! Metrics over TLS (FLG-27): a certificate from files, and one that certlet signs with a CA in a Secret. Judges are curl and openssl.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod dynamic;
mod files;

use std::net::SocketAddr;

use support::{Pair, command::try_run};
use tempfile::TempDir;

/// A CA of the test.
fn authority(name: &str) -> Pair {
    Pair::dated(name, -1, 30, true)
}

/// Certificate and key for 127.0.0.1, of this CA.
fn local(authority: &Pair) -> Pair {
    authority.server(&["127.0.0.1"])
}

/// What curl gets that trusts this CA, for a name that leads to the address.
async fn curl(address: SocketAddr, ca: &str, name: &str) -> Result<String, String> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca).unwrap();
    let connect = format!("{name}::{address}");
    let url = format!("https://{name}:{}/metrics", address.port());
    let args = [
        "-sS",
        "--fail",
        "--max-time",
        "10",
        "--connect-to",
        &connect,
        "--cacert",
        file.to_str().unwrap(),
        &url,
    ];
    let finished = try_run("curl", &args, None).await;
    if finished.status.success() {
        Ok(finished.stdout)
    } else {
        Err(finished.stderr)
    }
}

/// The value of a series without labels.
fn value(page: &str, series: &str) -> f64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {page}")).parse().unwrap()
}
