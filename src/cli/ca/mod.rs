//! `certlet ca`: a certificate authority in files, without a cluster. Replaces scripts around cfssl and openssl, and reads their
//! files.

mod authority;
mod cfssl;
mod deliver;
mod files;
mod init;
mod issue;
mod profile;
mod renew;
mod sign;
mod subject;
mod verify;

pub(super) use files::{Output, check as check_files, write as write_files};

#[cfg(test)]
pub(crate) use cfssl::fuzz as fuzz_cfssl;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;

use super::inspect::show;
use super::secret::Cluster;
use crate::text::line;

/// Manage a certificate authority in files, without a cluster
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Create a CA (ca.pem and ca-key.pem) from flags, from cfssl's ca-csr.json, or from the same in YAML
    Init(init::InitArgs),
    /// Generate a key and issue a certificate for it, signed by a CA or self-signed
    Issue(Box<issue::IssueArgs>),
    /// Sign a certificate signing request
    Sign(sign::SignArgs),
    /// Show the certificates, signing requests and keys in a file
    Show(show::ShowArgs),
    /// Verify certificates: chain, dates, names
    Verify(verify::VerifyArgs),
    /// Renew a certificate with the same names and usages, and by default the same key
    Renew(renew::RenewArgs),
}

const EXAMPLES: &str = "\
Examples:
  certlet ca init --name 'Example CA' --days 3650
  certlet ca issue --host a.example --host 10.0.0.1 --profile server --days 90
  certlet ca issue --host a.example --secret a-tls -n web --dry-run=client -o yaml | kubectl apply -f -
  certlet ca init ca-csr.json
  certlet ca issue --config ca-config.json --profile kubernetes server-csr.json
  certlet ca verify --host a.example a.example.pem
  certlet ca renew a.example.pem --force";

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The arguments, or the content of a file, are invalid.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read or written, or exists already.
    #[error("{0}")]
    File(String),
    /// Keys, names or certificates cannot be used.
    #[error("{0}")]
    Pki(#[from] crate::pki::Error),
    /// The cluster rejected a request, or cannot be reached.
    #[error("{0}")]
    Cluster(String),
    /// The output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
}

/// The environment of a command: time, cluster and output.
pub(super) struct Surroundings<'a> {
    /// The time now.
    pub now: Timestamp,
    /// The cluster that stores Secrets.
    pub cluster: &'a dyn Cluster,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error, for remarks and warnings.
    pub remarks: &'a mut dyn Write,
}

impl Surroundings<'_> {
    pub(super) fn remark(&mut self, text: &str) -> Result<(), Error> {
        Ok(writeln!(self.remarks, "certlet: {}", line(text))?)
    }
}

/// Runs one of the subcommands.
///
/// # Errors
/// [`Error`], as a sentence for the person at the terminal.
pub(super) fn run(args: &Args, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    match &args.command {
        Command::Init(args) => init::run(args, surroundings),
        Command::Issue(args) => issue::run(args, surroundings),
        Command::Sign(args) => sign::run(args, surroundings),
        Command::Show(args) => show::run(args, surroundings),
        Command::Verify(args) => verify::run(args, surroundings),
        Command::Renew(args) => renew::run(args, surroundings),
    }
}

/// Reads a file for another command.
pub(super) fn read_file(path: &std::path::Path) -> Result<Vec<u8>, Error> {
    files::read(path)
}

/// The certificates of a CA bundle for another command, and sentences about the blocks that were skipped.
pub(super) fn read_bundle(path: &std::path::Path) -> Result<(Vec<Vec<u8>>, Vec<String>), Error> {
    files::bundle(path)
}
