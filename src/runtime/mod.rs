//! The running process: wiring, leadership, listeners, shutdown.

mod ending;
pub mod foreign;
mod gzip;
mod health;
pub mod http;
pub mod leader;
pub mod metrics;
pub mod run;
mod server;
mod stalling;
pub mod standing;
mod webhooks;
