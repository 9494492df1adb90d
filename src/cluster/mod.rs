//! Access to the Kubernetes API.
//!
//! Watches fill the [`index`]. The [`reader`] reads from the API server where the index may be too old. The [`writer`] writes
//! only while this process leads, and puts the answers into the index at once.

pub mod client;
pub mod create;
pub mod error;
pub mod events;
pub mod identity;
pub mod index;
pub mod issuers;
pub mod leftovers;
pub mod metadata;
pub mod objects;
pub mod owner;
pub mod packed;
pub mod reader;
pub mod request;
pub mod secret;
pub mod signing_requests;
pub mod store;
pub mod watch;
pub mod webhooks;
pub mod wire;
mod write;
pub mod writer;

pub use error::Error;
