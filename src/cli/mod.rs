//! The command line: one file per subcommand.

pub mod args;
pub mod crds;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// cert-manager in one small binary: issues, stores and renews X.509 certificates for Kubernetes
#[derive(Debug, Parser)]
#[command(name = "certlet", version, about, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Issue, store and renew certificates: the controller
    Run(Box<args::RunArgs>),
    /// Print the custom resource definitions, or write them as files
    Crds(crds::CrdsArgs),
}

/// Runs the program with the arguments it was started with.
pub fn main() -> ExitCode {
    // a second provider can not be installed; there is none before this
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    match Cli::parse().command {
        Command::Run(args) => run::run(*args),
        Command::Crds(args) => match crds::run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
    }
}

/// Tells people why it did not work.
#[expect(
    clippy::print_stderr,
    reason = "this is where a command line tells people what is wrong"
)]
fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("certlet: {error}");
    ExitCode::FAILURE
}
