//! The running process: wiring, leadership, listeners, shutdown.

mod default_cas;
mod duties;
mod ending;
pub(crate) mod foreign;
mod gzip;
mod health;
pub(crate) mod http;
pub(crate) mod leader;
mod listeners;
pub(crate) mod metrics;
pub(crate) mod run;
mod server;
pub(crate) mod serving;
mod stalling;
pub(crate) mod standing;
pub(crate) mod start;
pub(crate) mod status;
mod surroundings;
mod webhooks;
