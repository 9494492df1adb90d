//! `certlet check`: tries what an issuer needs, without a CA.

mod dns01;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Try what an issuer needs, without a CA
#[derive(Args, Clone, Debug)]
pub(super) struct CheckArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Try the dns01 solver of an issuer for a name: CNAMEs, Secrets, zone, name servers; with --write also the right to write
    Dns01(dns01::Dns01Args),
}

/// Runs the command.
pub(super) fn run(args: &CheckArgs) -> ExitCode {
    match &args.what {
        What::Dns01(args) => dns01::run(args),
    }
}
