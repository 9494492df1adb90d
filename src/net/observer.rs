//! Who is told of every request of an [`HttpClient`](super::HttpClient).

use std::time::Duration;

use http::Method;

use crate::process::metrics::{Metrics, RequestLabels};

/// One request as metrics see it (MET-05).
#[derive(Clone, Debug)]
pub struct Exchange<'a> {
    /// What it was for, as in [`Request::purpose`](super::Request::purpose).
    pub purpose: &'static str,
    /// `https` or `http`.
    pub scheme: &'a str,
    /// Host, with the port where it is not the scheme's.
    pub host: &'a str,
    /// The method.
    pub method: &'a Method,
    /// `None` when there was no response.
    pub status: Option<u16>,
    /// From the first byte sent to the last received.
    pub duration: Duration,
}

/// Is called after every request, on an async thread: it must not block.
pub trait Observer: Send + Sync {
    /// A request has ended.
    fn exchanged(&self, exchange: &Exchange<'_>);
}

/// Does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn exchanged(&self, _: &Exchange<'_>) {}
}

/// Requests to ACME servers are counted, the only ones that there are.
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
