//! Observer of the requests of an [`HttpClient`](super::HttpClient), for metrics.

use std::time::Duration;

use http::Method;

use crate::process::metrics::{Metrics, RequestLabels};

/// One request for the metrics (MET-05).
#[derive(Clone, Debug)]
pub struct Exchange<'a> {
    /// The purpose, see [`Request::purpose`](super::Request::purpose).
    pub purpose: &'static str,
    /// `https` or `http`.
    pub scheme: &'a str,
    /// Host, with the port if it is not the default.
    pub host: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The status; `None` without a response.
    pub status: Option<u16>,
    /// Time from the first byte sent to the last byte received.
    pub duration: Duration,
}

/// Is called after every request, on an async thread. It must not block.
pub trait Observer: Send + Sync {
    /// A request has finished.
    fn exchanged(&self, exchange: &Exchange<'_>);
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn exchanged(&self, _: &Exchange<'_>) {}
}

/// Counts the requests to ACME servers. There are no others yet.
impl Observer for Metrics {
    fn exchanged(&self, exchange: &Exchange<'_>) {
        let labels = RequestLabels {
            scheme: exchange.scheme,
            host: exchange.host,
            action: exchange.purpose,
            method: exchange.method.as_str(),
            status: exchange.status,
        };
        self.requests.count(&labels, exchange.duration);
    }
}
