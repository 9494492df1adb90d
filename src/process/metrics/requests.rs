//! Metrics of requests to ACME servers (MET-05).

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    durations::Durations,
    text::{Page, sample},
};

/// Maximum number of label combinations. Users choose the hosts, because they may create Issuers. The memory limit is 12 MB.
const SERIES_LIMIT: usize = 4_000;
/// Value of the labels host and status for requests above that limit.
const OTHER: &str = "other";
/// Value of the label status for a request without a response, as in cert-manager.
const NO_ANSWER: u16 = 999;

/// The labels of a request.
#[derive(Clone, Debug)]
pub struct RequestLabels<'a> {
    /// `https` or `http`.
    pub scheme: &'a str,
    /// Host, with the port if it is not the default.
    pub host: &'a str,
    /// The purpose, from a closed set.
    pub action: &'static str,
    /// The method.
    pub method: &'a str,
    /// The status; `None` without a response.
    pub status: Option<u16>,
}

/// The metrics of one label combination.
pub struct Requests {
    series: Mutex<BTreeMap<Labels, Durations>>,
    folded: AtomicU64,
    since: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    scheme: String,
    host: String,
    action: &'static str,
    method: String,
    status: String,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            series: Mutex::default(),
            folded: AtomicU64::new(0),
            since: Instant::now(),
        }
    }
}

impl Requests {
    /// Records a request that took `duration`.
    pub fn count(&self, request: &RequestLabels<'_>, duration: Duration) {
        let mut labels = Labels {
            scheme: request.scheme.to_owned(),
            host: request.host.to_owned(),
            action: request.action,
            method: request.method.to_owned(),
            status: request.status.unwrap_or(NO_ANSWER).to_string(),
        };
        let now = self.now();
        let mut series = self.lock();
        if series.len() >= SERIES_LIMIT && !series.contains_key(&labels) {
            labels = Labels {
                host: OTHER.to_owned(),
                status: OTHER.to_owned(),
                ..labels
            };
            if self.folded.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!(
                    "more than {SERIES_LIMIT} combinations of ACME servers, requests and answers were seen: the metrics count those \
                     that are new with host and status {OTHER:?}. Who names so many servers in Issuers?"
                );
            }
        }
        series.entry(labels).or_default().add(now, duration);
    }

    /// Writes the metrics.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
    pub fn write(&self, page: &mut Page) {
        const COUNT: &str = "certmanager_http_acme_client_request_count";
        const SECONDS: &str = "certmanager_http_acme_client_request_duration_seconds";
        const FOLDED: &str = "certlet_http_acme_client_requests_folded_total";
        let series = self.lock();
        page.head(COUNT, "counter", "Requests to ACME servers.");
        for (labels, durations) in series.iter() {
            sample(&mut page.text, COUNT, &labels.pairs(), durations.count as f64);
        }
        page.head(SECONDS, "summary", "How long requests to ACME servers took.");
        let now = self.now();
        for (labels, durations) in series.iter() {
            durations.write(&mut page.text, SECONDS, &labels.pairs(), now);
        }
        drop(series);
        page.head(
            FOLDED,
            "counter",
            "Requests to ACME servers that are counted with host and status \"other\" because too many were seen.",
        );
        sample(&mut page.text, FOLDED, &[], self.folded.load(Ordering::Relaxed) as f64);
    }

    fn now(&self) -> u32 {
        u32::try_from(self.since.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Labels, Durations>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Labels {
    fn pairs(&self) -> [(&str, &str); 5] {
        [
            ("scheme", &self.scheme),
            ("host", &self.host),
            ("action", self.action),
            ("method", &self.method),
            ("status", &self.status),
        ]
    }
}
