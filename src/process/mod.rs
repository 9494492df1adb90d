//! The process: clock, environment variables, log, and counters.

pub mod clock;
pub mod environment;
pub mod metrics;
pub mod telemetry;

/// What this process calls itself in HTTP requests: for the logs of ACME servers, and for the audit log of the API server.
pub const USER_AGENT: &str = concat!("certlet/", env!("CARGO_PKG_VERSION"));

/// The commit of the sources, if the build was given it: the variable `CERTLET_REVISION` at build time.
pub const COMMIT: Option<&str> = option_env!("CERTLET_REVISION");
