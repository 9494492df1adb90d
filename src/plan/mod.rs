//! Planners: pure functions from an observation and the time to a decision. No async, no client, no clock, no randomness.
//!
//! [`seen`] has the records of an observation, [`kinds`] the watched kinds, [`settings`] the administrator's settings. Every
//! other module decides about one kind or one question.

pub mod account;
pub mod ari;
pub mod backoff;
pub mod bundle;
pub mod certificate;
pub mod challenge;
pub mod copies;
pub mod ending;
pub mod injection;
pub mod issuer;
pub mod kinds;
pub mod lease;
pub mod link;
pub mod listener;
pub mod merge_patch;
pub mod namespace;
pub mod notice;
pub mod object_name;
pub mod order;
pub mod outage;
pub mod overview;
pub mod pace;
pub mod renewal;
pub mod request;
pub mod rotation;
pub mod route;
pub mod seen;
pub mod serving;
pub mod settings;
pub mod shim;
pub mod signing_request;
