//! `certlet check`: whether an installation is well. `certlet check api` tries what the API server accepts, and `certlet check dns01`
//! what an issuer needs without a CA.

mod api;
mod definitions;
mod dns01;
mod finding;
mod gateway;
mod general;
mod ingress;
mod interrupt;
mod issuers;
mod lease;
mod manifest;
mod owners;
mod policies;
mod program;
pub(super) mod rights;
mod servers;
mod webhooks;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Check an installation: API, policies, rights, leader, left-over webhooks, ACME servers, clocks and Secrets
///
/// One line for each finding, with what to do. Reads only, except with --fix and --probe-ingress. ACME servers and clocks are tried from
/// the machine that the command runs on.
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Exit status:
  0  all is well; there may be warnings
  3  a line begins with FAIL
  1  an error, or an interruption
  2  invalid arguments

Examples:
  certlet check
  certlet check --wait 2m -o json                     until all is well, at most two minutes
  certlet check --probe-ingress                       also through each ingress controller, with temporary objects
  certlet check --fix                                 removes webhook configurations that cert-manager has left
  kubectl -n cert-manager exec deploy/certlet -- certlet check"
)]
pub(super) struct CheckArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    general: general::GeneralArgs,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    Api(api::ApiArgs),
    /// Try the dns01 solver of an issuer for a name: CNAMEs, Secrets, zone, name servers; with --write also the right to write
    Dns01(dns01::Dns01Args),
}

/// Runs the command.
pub(super) fn run(args: &CheckArgs) -> ExitCode {
    match &args.what {
        Some(What::Api(args)) => api::run(args),
        Some(What::Dns01(args)) => dns01::run(args),
        None => general::run(&args.general),
    }
}
