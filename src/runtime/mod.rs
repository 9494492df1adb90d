//! The process: leadership, HTTP server, telemetry, clock, shutdown.

pub mod clock;
mod ending;
pub mod foreign;
pub mod http;
pub mod leader;
pub mod metrics;
pub mod run;
pub mod standing;
pub mod telemetry;
