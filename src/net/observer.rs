//! Who is told of every request of an [`HttpClient`](super::HttpClient).

use std::time::Duration;

use crate::process::metrics::{Metrics, RequestLabels};

/// Is called after every request, on an async thread: it must not block.
pub trait Observer: Send + Sync {
    /// A request has ended, `duration` after it was begun. Its action is [`Request::purpose`](super::Request::purpose).
    fn exchanged(&self, labels: &RequestLabels<'_>, duration: Duration);
}

/// Does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn exchanged(&self, _: &RequestLabels<'_>, _: Duration) {}
}

/// Requests to ACME servers are counted, the only ones that there are.
impl Observer for Metrics {
    fn exchanged(&self, labels: &RequestLabels<'_>, duration: Duration) {
        self.requests.count(labels, duration);
    }
}
