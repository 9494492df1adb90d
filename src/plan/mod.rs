//! Decisions: pure functions of what was seen and the time. No async, no client, no clock, no randomness.

pub mod backoff;
pub mod renewal;
