//! Metrics of calls of Venafi's servers (MET-06, MET-07).

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
    histogram::Histogram,
    text::{Page, sample},
};

/// Upper bounds of the buckets of logins, in seconds, as in cert-manager.
const BUCKETS: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// See the module. Nothing is written before the first call, as a client of Prometheus does for labels that were not used.
pub struct Venafi {
    calls: Mutex<BTreeMap<&'static str, Durations>>,
    granted: AtomicU64,
    refused: AtomicU64,
    logins: Histogram,
    since: Instant,
}

impl Default for Venafi {
    fn default() -> Self {
        Self {
            calls: Mutex::default(),
            granted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            logins: Histogram::new(&BUCKETS),
            since: Instant::now(),
        }
    }
}

impl Venafi {
    /// Records a call by its name, which is of a closed set.
    pub fn called(&self, api_call: &'static str, took: Duration) {
        let ended = self.now();
        self.lock().entry(api_call).or_default().add(ended, took);
    }

    /// Records a login.
    pub fn logged_in(&self, is_granted: bool, took: Duration) {
        let counter = if is_granted { &self.granted } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        self.logins.observe(took);
    }

    /// Writes the metrics.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
    pub fn write(&self, page: &mut Page) {
        const SECONDS: &str = "certmanager_http_venafi_client_request_duration_seconds";
        const LOGINS: &str = "certmanager_venafi_oauth_token_requests_total";
        const LOGIN_SECONDS: &str = "certmanager_venafi_oauth_token_request_duration_seconds";
        let (calls, now) = (self.lock(), self.now());
        if !calls.is_empty() {
            page.head(SECONDS, "summary", "How long calls of Venafi's servers took.");
        }
        for (api_call, durations) in calls.iter() {
            durations.write(&mut page.text, SECONDS, &[("api_call", api_call)], now);
        }
        drop(calls);
        if self.logins.is_empty() {
            return;
        }
        page.head(LOGINS, "counter", "Logins at Venafi's servers.");
        for (status, counter) in [("failure", &self.refused), ("success", &self.granted)] {
            let count = counter.load(Ordering::Relaxed);
            if count > 0 {
                sample(&mut page.text, LOGINS, &[("status", status)], count as f64);
            }
        }
        page.head(LOGIN_SECONDS, "histogram", "How long logins at Venafi's servers took.");
        self.logins.write(&mut page.text, LOGIN_SECONDS, &[]);
    }

    fn now(&self) -> u32 {
        u32::try_from(self.since.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Durations>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_logins_have_cert_managers_names() {
        let metrics = Venafi::default();
        let written = |metrics: &Venafi| {
            let mut page = Page::default();
            metrics.write(&mut page);
            page.text
        };
        assert_eq!(written(&metrics), "");
        metrics.called("ping", Duration::from_millis(250));
        metrics.logged_in(true, Duration::from_millis(20));
        metrics.logged_in(false, Duration::from_secs(60));
        let text = written(&metrics);
        for line in [
            "certmanager_http_venafi_client_request_duration_seconds{api_call=\"ping\",quantile=\"0.5\"} 0.25\n",
            "certmanager_http_venafi_client_request_duration_seconds_count{api_call=\"ping\"} 1\n",
            "certmanager_venafi_oauth_token_requests_total{status=\"failure\"} 1\n",
            "certmanager_venafi_oauth_token_requests_total{status=\"success\"} 1\n",
            "certmanager_venafi_oauth_token_request_duration_seconds_bucket{le=\"0.05\"} 1\n",
            "certmanager_venafi_oauth_token_request_duration_seconds_bucket{le=\"30\"} 1\n",
            "certmanager_venafi_oauth_token_request_duration_seconds_count 2\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
