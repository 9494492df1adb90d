//! Access to the Kubernetes API.
//!
//! Watches fill the [`index`]. The [`reader`] reads from the API server where the index may be too old. The [`writer`] writes
//! only while this process leads, and puts the answers into the index at once.

pub(crate) mod access;
pub(crate) mod bundle;
mod calls;
pub(crate) mod client;
pub(crate) mod commands;
pub(crate) mod controllers;
pub(crate) mod create;
pub mod error;
pub(crate) mod events;
pub(crate) mod identity;
pub(crate) mod index;
pub(crate) mod injection;
pub(crate) mod installation;
pub(crate) mod issuers;
pub(crate) mod kubeconfig;
pub(crate) mod leftovers;
pub(crate) mod metadata;
pub(crate) mod objects;
pub(crate) mod overview;
pub(crate) mod owner;
pub(crate) mod packed;
pub(crate) mod reader;
pub(crate) mod request;
mod reviews;
mod route;
pub(crate) mod scope;
pub(crate) mod secret;
pub(crate) mod serving;
pub(crate) mod signing_requests;
pub(crate) mod store;
pub(crate) mod temporary;
pub(crate) mod watch;
pub(crate) mod webhooks;
pub(crate) mod wire;
mod write;
pub(crate) mod writer;

pub use client::connect;
pub use error::Error;
