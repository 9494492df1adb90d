//! Decisions: pure functions of what was seen and the time. No async, no client, no clock, no randomness.
//!
//! [`seen`] says what is known, [`kinds`] of which kinds, [`settings`] what the administrator set; every other module
//! decides about one kind or one question.

pub mod account;
pub mod ari;
pub mod backoff;
pub mod certificate;
pub mod challenge;
pub mod ending;
pub mod ingress;
pub mod issuer;
pub mod kinds;
pub mod lease;
pub mod merge_patch;
pub mod notice;
pub mod object_name;
pub mod order;
pub mod renewal;
pub mod request;
pub mod rotation;
pub mod seen;
pub mod settings;
pub mod signing_request;
