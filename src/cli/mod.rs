//! The command line: one file per subcommand.

mod acmesolver;
mod approve;
mod args;
pub(crate) mod ca;
mod cainjector;
mod check;
mod complete;
mod crds;
mod create;
mod dns_persist;
mod format;
mod inspect;
mod kubernetes;
mod man;
mod plan;
mod program;
mod renew;
mod run;
mod secret;
mod status;
mod target;
mod version;

use std::{ffi::OsString, io::Write as _, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::CompleteEnv;

use serde::Serialize;

use crate::{solver::acmesolver::AcmeSolverArgs, text};
use format::Format;
use program::Program;

/// Exit status if a command has worked and its answer is not good. 1 is for errors, 2 for invalid arguments.
const NEGATIVE: u8 = 3;

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
    /// Inject CAs into webhook configurations, APIServices and CRDs, and do nothing else
    #[command(name = "cainjector")]
    CaInjector(Box<cainjector::CaInjectorArgs>),
    /// Show what is not well, or the state of one object and what happens next
    Status(Box<status::StatusArgs>),
    /// Show what the controller would do now, and why, without doing it
    Plan(Box<plan::PlanArgs>),
    /// Check whether an installation is well, or try the dns01 solver of an issuer
    Check(Box<check::CheckArgs>),
    /// Manage a certificate authority in files, without a cluster
    Ca(Box<ca::Args>),
    #[command(name = "dns-persist")]
    DnsPersist(dns_persist::DnsPersistArgs),
    /// Show certificates in a file, in a Secret, or of a server
    Inspect(Box<inspect::Args>),
    /// Re-issue Certificates now
    Renew(renew::RenewArgs),
    /// Create a request from a Certificate in a file, with a key that stays on this machine
    Create(Box<create::CreateArgs>),
    /// Approve a CertificateRequest
    Approve(approve::ApproveArgs),
    /// Deny a CertificateRequest
    Deny(approve::ApproveArgs),
    /// Show the versions of this program, of Kubernetes, and of the controller
    Version(version::VersionArgs),
    /// Serve one HTTP-01 challenge inside a solver pod
    #[command(name = "acmesolver", hide = true)]
    AcmeSolver(AcmeSolverArgs),
    /// Print shell completions, with names of objects
    #[command(after_help = "Examples:
  source <(certlet completion bash)
  certlet completion zsh >~/.zfunc/_certlet
  certlet completion fish >~/.config/fish/completions/certlet.fish
  certlet completion kubectl >kubectl_complete-certlet    for kubectl certlet: executable, on the PATH")]
    Completion {
        /// The shell
        shell: complete::Shell,
    },
    /// Answer kubectl: completions of kubectl certlet
    #[command(name = "__complete", hide = true)]
    Complete {
        /// The words after kubectl certlet; the last one is not complete
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// Write the manual pages, one for each command
    #[command(hide = true)]
    Man(man::ManArgs),
    /// Print the custom resource definitions, or write them to files
    Crds(crds::CrdsArgs),
}

/// The command line: for tests, which read the commands in documents.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program with the arguments of the process. Returns its exit code.
pub fn main() -> ExitCode {
    // fails only if a provider is installed already, which cannot be the case here
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let program = Program::of(std::env::args_os().next().as_deref());
    let completions = CompleteEnv::with_factory(|| program.command()).var(complete::VARIABLE);
    match completions.try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref()) {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        // a shell that asks for completions shows no errors
        Err(_) => return ExitCode::FAILURE,
    }
    if program == Program::PluginCompletions {
        let words: Vec<OsString> = std::env::args_os().skip(1).collect();
        return result(print_raw(&complete::answer(program.command(), &words)));
    }
    let line = match command_line() {
        Ok(line) => line,
        Err(error) => return fail(&error),
    };
    let flags: Vec<String> = line
        .iter()
        .skip(2)
        .filter_map(|flag| flag.to_str().map(str::to_owned))
        .collect();
    let parsed = program
        .command()
        .try_get_matches_from(line)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(Cli { command }) => run_command(command, program, &flags),
        Err(error) => misused(&error),
    }
}

fn run_command(command: Command, program: Program, flags: &[String]) -> ExitCode {
    match command {
        Command::Run(args) => run::run(*args, flags),
        Command::CaInjector(args) => cainjector::run(*args, flags),
        Command::Status(args) => status::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Renew(args) => renew::run(&args),
        Command::Create(args) => create::run(&args),
        Command::DnsPersist(args) => dns_persist::run(&args),
        Command::Approve(args) => approve::run(&args, approve::Decision::Approve),
        Command::Deny(args) => approve::run(&args, approve::Decision::Deny),
        Command::Version(args) => version::run(&args),
        Command::Ca(args) => offline(|surroundings| ca::run(&args, surroundings)),
        Command::Inspect(args) => offline(|surroundings| inspect::run(&args, surroundings)),
        Command::AcmeSolver(args) => acmesolver::run(&args),
        Command::Completion { shell } => result(complete::script(shell).and_then(|script| print_raw(&script))),
        Command::Complete { words } => result(print_raw(&complete::answer(program.command(), &words))),
        Command::Man(args) => result(man::run(&args)),
        Command::Crds(args) => result(crds::run(&args)),
    }
}

/// The exit code for a command whose error is a sentence.
fn result(result: Result<(), String>) -> ExitCode {
    result.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

/// The words of the command line, for completions. Words that are not UTF-8 are left out.
fn words() -> Vec<String> {
    std::env::args_os().filter_map(|word| word.into_string().ok()).collect()
}

/// The arguments of this process. For `run` and `cainjector`, those of its `--config` file are included.
fn command_line() -> Result<Vec<OsString>, args::config::ConfigError> {
    let line: Vec<OsString> = std::env::args_os().collect();
    let text: Option<Vec<String>> = line
        .iter()
        .map(|argument| argument.to_str().map(str::to_owned))
        .collect();
    match text.as_deref() {
        Some([program, command, flags @ ..]) => {
            let schema = match command.as_str() {
                "run" => args::config::CONTROLLER,
                "cainjector" => args::config::INJECTOR,
                _ => return Ok(line),
            };
            let flags = args::config::with_file(&schema, flags)?;
            let start = [program, command].into_iter().cloned();
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
    match command(&mut surroundings) {
        Ok(code) => code,
        // the reader of a pipe has what it wants
        Err(ca::Error::Print(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Prints text to standard output. A closed pipe is not an error.
fn print(text: &str) -> Result<(), String> {
    printed(format::text(&mut std::io::stdout(), text))
}

/// Prints bytes of this program itself, which need no escapes. A closed pipe is not an error.
fn print_raw(text: &str) -> Result<(), String> {
    printed(std::io::stdout().write_all(text.as_bytes()))
}

/// Prints a value to standard output. `text` renders it for people.
fn print_as<T: Serialize + ?Sized>(output: Format, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), String> {
    printed(format::print(&mut std::io::stdout(), output, value, text))
}

fn printed(result: std::io::Result<()>) -> Result<(), String> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("cannot print: {error}")),
        _ => Ok(()),
    }
}

/// Prints a remark to standard error.
fn remark(text: &str) {
    // an error of standard error cannot be reported anywhere
    drop(writeln!(std::io::stderr(), "certlet: {}", text::line(text)));
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
fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    // an error of standard error cannot be reported anywhere
    drop(writeln!(
        std::io::stderr(),
        "certlet: {}",
        text::lines(&error.to_string())
    ));
    ExitCode::FAILURE
}
