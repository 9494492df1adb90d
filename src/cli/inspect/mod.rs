//! `certlet inspect`: shows the content of certificates in a file, in a Secret, or of a server.

pub(super) mod report;
mod revocation;
mod secret;
pub(super) mod show;
mod url;
mod verdict;

use std::process::ExitCode;

use clap::Subcommand;

use super::ca::{Error, Surroundings};

/// Show certificates in a file, in a Secret, or of a server
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Show the certificates, signing requests and keys in a file
    Cert(show::ShowArgs),
    /// Show the certificate of a server and whether clients accept it
    Url(url::UrlArgs),
    /// Show a Secret, whether its key pair is good and not revoked, and whether its Certificate asks for another one
    Secret(secret::SecretArgs),
}

/// Runs one of the subcommands and returns its exit code.
///
/// # Errors
/// [`Error`], as a sentence for the person at the terminal.
pub(super) fn run(args: &Args, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    match &args.command {
        Command::Cert(args) => show::run(args, surroundings),
        Command::Url(args) => url::run(args, surroundings),
        Command::Secret(args) => secret::run(args, surroundings),
    }
}
