//! `certlet ca`: a certificate authority in files, without any cluster. Does what the usual cfssl and openssl scripts do, and reads their files.

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

#[cfg(test)]
pub(crate) use cfssl::fuzz as fuzz_cfssl;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;

use super::inspect::show;
use super::secret::Cluster;
use crate::text::line;

/// Makes and keeps a certificate authority in files: certificates without any cluster.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Make a CA: ca.pem and ca-key.pem, from flags, from cfssl's ca-csr.json, or from the same in YAML
    Init(init::InitArgs),
    /// Make a key and a certificate for it, signed by a CA or by itself
    Issue(Box<issue::IssueArgs>),
    /// Sign somebody else's certificate signing request
    Sign(sign::SignArgs),
    /// Show what is in a file: certificates, signing requests, keys
    Show(show::ShowArgs),
    /// Check whether certificates are good: chain, dates, names
    Verify(verify::VerifyArgs),
    /// Make a certificate again: same names, same usages, same key unless told otherwise
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

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments, or what a file says, do not make sense.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read or written, or is there already.
    #[error("{0}")]
    File(String),
    /// Keys, names or certificates cannot be used.
    #[error("{0}")]
    Pki(#[from] crate::pki::Error),
    /// The cluster did not take or give a Secret.
    #[error("{0}")]
    Cluster(String),
    /// The output went nowhere.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
}

/// What a command works with beside its arguments.
pub struct Surroundings<'a> {
    /// The time now.
    pub now: Timestamp,
    /// Where Secrets go.
    pub cluster: &'a dyn Cluster,
    /// What was asked for goes here.
    pub out: &'a mut dyn Write,
    /// Remarks and warnings go here.
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
pub fn run(args: &Args, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    match &args.command {
        Command::Init(args) => init::run(args, surroundings),
        Command::Issue(args) => issue::run(args, surroundings),
        Command::Sign(args) => sign::run(args, surroundings),
        Command::Show(args) => show::run(args, surroundings),
        Command::Verify(args) => verify::run(args, surroundings),
        Command::Renew(args) => renew::run(args, surroundings),
    }
}

/// Reads a file for another command of this program.
pub(super) fn read_file(path: &std::path::Path) -> Result<Vec<u8>, Error> {
    files::read(path)
}

/// The certificates of a file of CAs for another command of this program, and what in it was passed over.
pub(super) fn read_bundle(path: &std::path::Path) -> Result<(Vec<Vec<u8>>, Vec<String>), Error> {
    files::bundle(path)
}
