//! `certlet inspect`: what is in a certificate, in a Secret, behind a URL.

pub(super) mod report;
mod secret;
pub(super) mod show;
mod url;

use std::process::ExitCode;

use clap::Subcommand;

use super::ca::{Error, Surroundings};

/// Shows certificates: in a file, in a Secret, behind a URL.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Show what is in a file: certificates, signing requests, keys
    Cert(show::ShowArgs),
    /// Show the certificate that a server answers with, and whether clients will accept it
    Url(url::UrlArgs),
    /// Show what is in a Secret, and whether its parts belong together
    Secret(secret::SecretArgs),
}

/// Runs one of the subcommands.
///
/// # Errors
/// [`Error`], as a sentence for the person at the terminal.
pub fn run(args: &Args, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    match &args.command {
        Command::Cert(args) => show::run(args, surroundings),
        Command::Url(args) => url::run(args, surroundings),
        Command::Secret(args) => secret::run(args, surroundings),
    }
}
