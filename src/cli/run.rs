//! `certlet run`.

use std::process::ExitCode;

use super::args::RunArgs;
use crate::{process::telemetry, runtime::run};

/// Two threads do: the API server is the limit, and each thread costs memory.
const THREADS: usize = 2;

/// Runs the controller until it is told to end.
pub(super) fn run(args: RunArgs) -> ExitCode {
    let (format, verbosity) = args.logging();
    telemetry::start(format, verbosity);
    for missing in args.missing() {
        tracing::warn!("{missing} is not there yet in this version of certlet");
    }
    for idle in args.idle() {
        tracing::info!("a flag that changes nothing in certlet: {idle}");
    }
    let options = match args.options() {
        Ok(options) => options,
        Err(error) => return super::fail(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return super::fail(&error),
    };
    match runtime.block_on(run::run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error),
    }
}
