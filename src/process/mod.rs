//! The process: clock, environment variables, log, and counters.

pub mod clock;
pub mod environment;
pub mod metrics;
pub mod telemetry;
