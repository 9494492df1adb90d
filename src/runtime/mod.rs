//! The process: leadership, HTTP server, telemetry, clock, shutdown.

pub mod clock;
pub mod http;
pub mod leader;
pub mod metrics;
pub mod run;
pub mod telemetry;
