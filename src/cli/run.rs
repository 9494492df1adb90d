//! `certlet run`: starts the controller.

use std::process::ExitCode;

use super::args::{RunArgs, differing::differing};
use crate::{
    process::telemetry,
    runtime::{
        run::{self, Options},
        start::Start,
    },
};

/// Number of worker threads. The API server is the bottleneck, and each thread costs memory.
const THREADS: usize = 2;

/// Runs the controller until it receives a signal. `flags` are those from which `args` were parsed. Returns the exit code.
pub(super) fn run(args: RunArgs, flags: &[String]) -> ExitCode {
    start(args, differing::<RunArgs>(flags), |options| options)
}

/// Runs with the options of `args`, as `adapted` changes them, until a signal arrives. `flags` are those of the command line that differ
/// from their defaults. Returns the exit code.
pub(super) fn start(args: RunArgs, flags: Vec<String>, adapted: impl FnOnce(Options) -> Options) -> ExitCode {
    let (format, verbosity) = args.logging();
    telemetry::start(format, verbosity);
    let start = Start {
        flags,
        missing: args.missing(),
    };
    for missing in &start.missing {
        tracing::warn!("this version of certlet does not support {missing} yet");
    }
    for idle in args.idle() {
        tracing::info!("flag without effect: {idle}");
    }
    match args.options() {
        Ok(options) => run_options(adapted(options), start),
        Err(error) => super::fail(&error),
    }
}

fn run_options(options: Options, start: Start) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return super::fail(&error),
    };
    match runtime.block_on(run::run(options, start)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error),
    }
}
