//! The process itself: its clock, its environment, its log, and what it counts.

pub mod clock;
pub mod environment;
pub mod metrics;
pub mod telemetry;
