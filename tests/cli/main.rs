//! The program as people and shells run it, without a cluster, or with a stand-in for one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod api;
mod revocation;
mod start;

use std::path::Path;
use std::process::{Command, Stdio};

/// The program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_certlet");

/// A program that has ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs a program in a directory that is also its home, so that it finds no kubeconfig.
fn run(program: &str, args: &[&str], home: &Path) -> Ended {
    let output = Command::new(program)
        .args(args)
        .current_dir(home)
        .env("HOME", home)
        .env_remove("KUBECONFIG")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn certlet(args: &[&str], home: &Path) -> Ended {
    run(PROGRAM, args, home)
}

/// A kubeconfig for an API server.
fn kubeconfig(home: &Path, url: &str) -> String {
    let path = home.join("kubeconfig");
    let text = format!(
        "clusters: [{{name: c, cluster: {{server: '{url}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n\
         contexts: [{{name: x, context: {{cluster: c, user: u, namespace: shop}}}}]\ncurrent-context: x\n"
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
