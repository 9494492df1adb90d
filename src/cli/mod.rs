//! The command line: one file per subcommand.

mod acmesolver;
mod approve;
mod args;
pub(crate) mod ca;
mod check;
mod crds;
mod format;
mod inspect;
mod kubernetes;
mod plan;
mod renew;
mod run;
mod secret;
mod status;
mod target;

use std::{ffi::OsString, io::Write as _, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use serde::Serialize;

use crate::{solver::acmesolver::AcmeSolverArgs, text};

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
    /// Show the state of a Certificate and what happens next
    Status(status::StatusArgs),
    /// Show what the controller would do now, and why, without doing it
    Plan(plan::PlanArgs),
    /// Try what an issuer needs, without a CA
    Check(check::CheckArgs),
    /// Manage a certificate authority in files, without a cluster
    Ca(Box<ca::Args>),
    /// Show certificates in a file, in a Secret, or of a server
    Inspect(inspect::Args),
    /// Re-issue Certificates now
    Renew(renew::RenewArgs),
    /// Approve a CertificateRequest
    Approve(approve::ApproveArgs),
    /// Deny a CertificateRequest
    Deny(approve::ApproveArgs),
    /// Serve one HTTP-01 challenge inside a solver pod
    #[command(name = "acmesolver", hide = true)]
    AcmeSolver(AcmeSolverArgs),
    /// Print shell completions
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the custom resource definitions, or write them to files
    Crds(crds::CrdsArgs),
}

/// Runs the program with the arguments of the process. Returns its exit code.
pub fn main() -> ExitCode {
    // fails only if a provider is installed already, which cannot be the case here
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let line = match command_line() {
        Ok(line) => line,
        Err(error) => return fail(&error),
    };
    let flags: Vec<String> = line
        .iter()
        .skip(2)
        .filter_map(|flag| flag.to_str().map(str::to_owned))
        .collect();
    let command = match Cli::try_parse_from(line) {
        Ok(Cli { command }) => command,
        Err(error) => return misused(&error),
    };
    match command {
        Command::Run(args) => run::run(*args, &flags),
        Command::Status(args) => status::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Renew(args) => renew::run(&args),
        Command::Approve(args) => approve::run(&args, approve::Decision::Approve),
        Command::Deny(args) => approve::run(&args, approve::Decision::Deny),
        Command::Ca(args) => offline(|surroundings| ca::run(&args, surroundings)),
        Command::Inspect(args) => offline(|surroundings| inspect::run(&args, surroundings)),
        Command::AcmeSolver(args) => acmesolver::run(&args),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "certlet", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
        Command::Crds(args) => match crds::run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
    }
}

/// The arguments of this process. For `run`, those of its `--config` file are included.
fn command_line() -> Result<Vec<OsString>, args::config::ConfigError> {
    let line: Vec<OsString> = std::env::args_os().collect();
    let text: Option<Vec<String>> = line
        .iter()
        .map(|argument| argument.to_str().map(str::to_owned))
        .collect();
    match text.as_deref() {
        Some([program, run, flags @ ..]) if run == "run" => {
            let flags = args::config::with_file(flags)?;
            let start = [program, run].into_iter().cloned();
            Ok(start.chain(flags).map(OsString::from).collect())
        }
        _ => Ok(line),
    }
}

/// Runs a command that uses no cluster, or makes only a few requests.
fn offline(command: impl FnOnce(&mut ca::Surroundings<'_>) -> Result<ExitCode, ca::Error>) -> ExitCode {
    let mut surroundings = ca::Surroundings {
        now: crate::process::clock::now(),
        cluster: &kubernetes::KubernetesCluster,
        out: &mut std::io::stdout(),
        remarks: &mut std::io::stderr(),
    };
    command(&mut surroundings).unwrap_or_else(|error| fail(&error))
}

/// Prints text to standard output. A closed pipe is not an error.
fn print(text: &str) -> Result<(), String> {
    printed(format::text(&mut std::io::stdout(), text))
}

/// Prints a value to standard output. `text` renders it for people.
fn print_as<T: Serialize + ?Sized>(
    output: status::Output,
    value: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<(), String> {
    let mut out = std::io::stdout();
    printed(match output {
        status::Output::Text => format::text(&mut out, &text(value)),
        status::Output::Json => format::json(&mut out, value),
        status::Output::Yaml => format::yaml(&mut out, value),
    })
}

fn printed(result: std::io::Result<()>) -> Result<(), String> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("cannot print: {error}")),
        _ => Ok(()),
    }
}

/// Prints a remark to standard error.
#[expect(
    clippy::print_stderr,
    reason = "standard output is for the result: remarks go to standard error"
)]
fn remark(text: &str) {
    eprintln!("certlet: {}", text::line(text));
}

/// Prints help, or what is wrong with the arguments, and returns clap's exit code. clap repeats arguments without escaping them.
fn misused(error: &clap::Error) -> ExitCode {
    let plain = error.render().to_string();
    let escaped = text::lines(&plain);
    let printed = if error.use_stderr() && escaped != plain {
        std::io::stderr().write_all(escaped.as_bytes())
    } else {
        error.print()
    };
    // an error of standard error cannot be reported anywhere
    drop(printed);
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Prints an error to standard error and returns the exit code for failure.
#[expect(clippy::print_stderr, reason = "errors of the command line go to standard error")]
fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("certlet: {}", text::lines(&error.to_string()));
    ExitCode::FAILURE
}
