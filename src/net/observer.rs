//! Observer of the requests of an [`HttpClient`](super::HttpClient), for metrics.

use std::time::Duration;

use super::RetryAfter;
use crate::process::{
    clock,
    metrics::{Metrics, RequestLabels},
};

/// Is called after every request, on an async thread. It must not block.
pub trait Observer: Send + Sync {
    /// A request has finished after `duration`. Its action is [`Request::purpose`](super::Request::purpose).
    fn exchanged(&self, labels: &RequestLabels<'_>, duration: Duration);

    /// The server at `host` has answered 429, and takes no such request before `wait` has ended.
    fn rate_limited(&self, _host: &str, _wait: RetryAfter) {}
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn exchanged(&self, _: &RequestLabels<'_>, _: Duration) {}
}

/// Counts the requests to ACME servers. There are no others yet.
impl Observer for Metrics {
    fn exchanged(&self, labels: &RequestLabels<'_>, duration: Duration) {
        self.requests.count(labels, duration);
    }

    fn rate_limited(&self, host: &str, wait: RetryAfter) {
        let now = clock::now();
        self.rate_limits.limited(host, wait.until(now), now);
    }
}
