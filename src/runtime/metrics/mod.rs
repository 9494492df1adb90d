//! Metrics under cert-manager's names, so that dashboards and alerts go on working (MET rows).
//!
//! Written by hand in Prometheus' text format 0.0.4: the client library for it appends `_total` to every counter, and
//! cert-manager's names have none. What describes objects is read from the index when it is asked for.

mod objects;
mod text;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use self::text::{Page, sample};
use crate::{
    acme::transport::{Exchange, Observer},
    controller::Context,
    runtime::leader::Leadership,
};

/// How many recent durations a summary's quantiles are made from.
const RECENT: usize = 512;
/// How many combinations of labels of ACME requests are kept apart.
const SERIES_LIMIT: usize = 1_000;

/// Counters that no object holds.
#[derive(Default)]
pub struct Metrics {
    acme: Mutex<BTreeMap<AcmeLabels, Durations>>,
    held_back: AtomicU64,
}

impl Metrics {
    /// A Certificate waits because what was issued for it did not last.
    pub fn held_back(&self) {
        self.held_back.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct AcmeLabels {
    scheme: String,
    host: String,
    action: String,
    method: String,
    status: String,
}

#[derive(Default)]
struct Durations {
    count: u64,
    sum: Duration,
    recent: VecDeque<Duration>,
}

impl Observer for Metrics {
    fn exchanged(&self, exchange: &Exchange<'_>) {
        let labels = AcmeLabels {
            scheme: exchange.scheme.to_owned(),
            host: exchange.host.to_owned(),
            action: exchange.action.label().to_owned(),
            method: exchange.method.to_string(),
            status: exchange
                .status
                .map_or_else(|| "error".to_owned(), |status| status.to_string()),
        };
        let mut acme = self.acme.lock().unwrap_or_else(PoisonError::into_inner);
        if acme.len() >= SERIES_LIMIT && !acme.contains_key(&labels) {
            return;
        }
        let durations = acme.entry(labels).or_default();
        durations.count += 1;
        durations.sum += exchange.duration;
        durations.recent.push_back(exchange.duration);
        if durations.recent.len() > RECENT {
            durations.recent.pop_front();
        }
    }
}

/// The page that Prometheus reads, in pieces that are made as they are sent: with ten thousand Certificates all of it would be 20 MB at once.
pub fn page(context: &Arc<Context>, leadership: &Leadership) -> impl Iterator<Item = String> + Send + 'static + use<> {
    let (context, leadership) = (Arc::clone(context), leadership.clone());
    objects::certificates(&context.index).chain(std::iter::once_with(move || {
        let mut page = Page::default();
        objects::issuers(&context.index, &mut page);
        objects::challenges(&context.index, &mut page);
        let queues = &context.queues;
        let counts = [
            (queues.certificates.name(), queues.certificates.counts()),
            (queues.requests.name(), queues.requests.counts()),
            (queues.orders.name(), queues.orders.counts()),
            (queues.issuers.name(), queues.issuers.counts()),
            (queues.ingresses.name(), queues.ingresses.counts()),
            (queues.renewals.name(), queues.renewals.counts()),
            (queues.signing_requests.name(), queues.signing_requests.counts()),
        ];
        controllers(&counts, &mut page);
        own(&context, &mut page);
        leading(&leadership, &mut page);
        acme(&context.metrics, &mut page);
        process(context.now().as_second(), &mut page);
        page.text
    }))
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
fn controllers(counts: &[(&str, (u64, u64))], page: &mut Page) {
    page.head(
        "certmanager_controller_sync_call_count",
        "counter",
        "How often a controller looked at an object.",
    );
    for (name, (calls, _)) in counts {
        sample(
            &mut page.text,
            "certmanager_controller_sync_call_count",
            &[("controller", name)],
            *calls as f64,
        );
    }
    page.head(
        "certmanager_controller_sync_error_count",
        "counter",
        "How often that failed; conflicts do not count.",
    );
    for (name, (_, errors)) in counts {
        sample(
            &mut page.text,
            "certmanager_controller_sync_error_count",
            &[("controller", name)],
            *errors as f64,
        );
    }
}

/// Who leads.
fn leading(leadership: &Leadership, page: &mut Page) {
    page.head("certlet_leader", "gauge", "Whether this process leads.");
    let leads = f64::from(u8::from(leadership.leads()));
    sample(&mut page.text, "certlet_leader", &[], leads);
    page.head(
        "certlet_standing_by",
        "gauge",
        "Whether this process takes no part in the election because another installation may be at work.",
    );
    let standing_by = leadership.standing_by();
    let for_other = standing_by.is_some_and(|standing_by| standing_by.is_for_other_installation());
    sample(
        &mut page.text,
        "certlet_standing_by",
        &[],
        f64::from(u8::from(for_other)),
    );
}

/// What cert-manager does not count.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
fn own(context: &Context, page: &mut Page) {
    page.head(
        "certlet_http01_validations_total",
        "counter",
        "HTTP-01 requests answered with a key authorization, our own probes left out.",
    );
    let served = context.responder.served();
    sample(
        &mut page.text,
        "certlet_http01_validations_total",
        &[],
        served.validations as f64,
    );
    page.head(
        "certlet_certificate_issuances_held_back_total",
        "counter",
        "Issuances that wait because the certificates before did not last: see the condition Unsettled.",
    );
    sample(
        &mut page.text,
        "certlet_certificate_issuances_held_back_total",
        &[],
        context.metrics.held_back.load(Ordering::Relaxed) as f64,
    );
    page.head(
        "certlet_events_dropped_total",
        "counter",
        "Events that were not written because too many were waiting.",
    );
    sample(
        &mut page.text,
        "certlet_events_dropped_total",
        &[],
        context.events.dropped() as f64,
    );
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
fn acme(metrics: &Metrics, page: &mut Page) {
    const COUNT: &str = "certmanager_http_acme_client_request_count";
    const SECONDS: &str = "certmanager_http_acme_client_request_duration_seconds";
    let acme = metrics.acme.lock().unwrap_or_else(PoisonError::into_inner);
    page.head(COUNT, "counter", "Requests to ACME servers.");
    for (labels, durations) in acme.iter() {
        sample(&mut page.text, COUNT, &labels.pairs(), durations.count as f64);
    }
    page.head(SECONDS, "summary", "How long requests to ACME servers took.");
    for (labels, durations) in acme.iter() {
        let mut sorted: Vec<Duration> = durations.recent.iter().copied().collect();
        sorted.sort();
        for (quantile, per_cent) in [("0.5", 50), ("0.9", 90), ("0.99", 99)] {
            let at = (sorted.len() * per_cent / 100).min(sorted.len().saturating_sub(1));
            let value = sorted.get(at).map_or(f64::NAN, Duration::as_secs_f64);
            let pairs: Vec<_> = labels.pairs().into_iter().chain([("quantile", quantile)]).collect();
            sample(&mut page.text, SECONDS, &pairs, value);
        }
        sample(
            &mut page.text,
            &format!("{SECONDS}_sum"),
            &labels.pairs(),
            durations.sum.as_secs_f64(),
        );
        sample(
            &mut page.text,
            &format!("{SECONDS}_count"),
            &labels.pairs(),
            durations.count as f64,
        );
    }
}

impl AcmeLabels {
    fn pairs(&self) -> [(&str, &str); 5] {
        [
            ("scheme", &self.scheme),
            ("host", &self.host),
            ("action", &self.action),
            ("method", &self.method),
            ("status", &self.status),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
fn process(now: i64, page: &mut Page) {
    let now = now as f64;
    page.head(
        "certmanager_clock_time_seconds",
        "counter",
        "The time, in seconds since 1970; deprecated.",
    );
    sample(&mut page.text, "certmanager_clock_time_seconds", &[], now);
    page.head(
        "certmanager_clock_time_seconds_gauge",
        "gauge",
        "The time, in seconds since 1970.",
    );
    sample(&mut page.text, "certmanager_clock_time_seconds_gauge", &[], now);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':')
            .split_whitespace()
            .next()?
            .parse::<f64>()
            .ok()
    };
    if let Some(resident) = kib("VmRSS") {
        page.head("process_resident_memory_bytes", "gauge", "Memory in use.");
        sample(&mut page.text, "process_resident_memory_bytes", &[], resident * 1024.0);
    }
    if let Some(start) = started_at() {
        page.head(
            "process_start_time_seconds",
            "gauge",
            "When the process started, in seconds since 1970.",
        );
        sample(&mut page.text, "process_start_time_seconds", &[], start);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.head("process_open_fds", "gauge", "Open file descriptors.");
        sample(&mut page.text, "process_open_fds", &[], open.count() as f64);
    }
    if let Some(seconds) = cpu_seconds() {
        page.head("process_cpu_seconds_total", "counter", "Processor time used.");
        sample(&mut page.text, "process_cpu_seconds_total", &[], seconds);
    }
}

/// Linux counts a process's times in hundredths of a second.
const TICKS: f64 = 100.0;

/// Fields of `/proc/self/stat`, from the third on.
fn stat_fields(wanted: &[usize]) -> Option<Vec<f64>> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    wanted.iter().map(|at| fields.get(*at)?.parse().ok()).collect()
}

/// User and system time of this process.
fn cpu_seconds() -> Option<f64> {
    Some(stat_fields(&[11, 12])?.iter().sum::<f64>() / TICKS)
}

/// When the machine started, and how long after that this process did.
fn started_at() -> Option<f64> {
    let machine = std::fs::read_to_string("/proc/stat").ok()?;
    let booted = machine.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(booted.trim().parse::<f64>().ok()? + stat_fields(&[19])?.first()? / TICKS)
}

#[cfg(test)]
mod tests;
