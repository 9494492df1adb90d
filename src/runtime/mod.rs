//! The process: leadership, HTTP server, telemetry, clock, shutdown.

pub mod clock;
pub mod leader;

pub mod telemetry;
