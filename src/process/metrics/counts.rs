//! Counters with labels of a small set, and times by name. Each has a limit for the number of its series.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::text::{Page, sample};

/// Maximum number of label combinations. Users may choose the names of APIs of DNS-01 webhooks; the others are about 150.
const CALLS: usize = 400;
/// Maximum number of servers with a rate limit.
const LIMITED: usize = 256;
/// Value of the label `resource` above [`CALLS`].
const OTHER: &str = "other";

/// A request to the API server, by the labels of `apiserver_request_total`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiCall {
    /// Plural name, for example `certificates`.
    pub resource: String,
    /// For example `status`; may be empty.
    pub subresource: String,
    /// `create`, `update`, `patch`, `apply`, `delete`, `get`, `list`, `watch`.
    pub verb: &'static str,
    /// HTTP status; 0 without an answer.
    pub code: u16,
}

/// Requests to the API server.
#[derive(Debug, Default)]
pub struct ApiCalls(Mutex<BTreeMap<ApiCall, u64>>);

impl ApiCalls {
    /// Counts a request.
    pub fn count(&self, call: ApiCall) {
        let mut calls = lock(&self.0);
        let is_known = calls.len() < CALLS || calls.contains_key(&call);
        let call = if is_known {
            call
        } else {
            ApiCall {
                resource: OTHER.to_owned(),
                subresource: String::new(),
                ..call
            }
        };
        *calls.entry(call).or_default() += 1;
    }

    /// Writes the metric.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
    pub fn write(&self, page: &mut Page) {
        const NAME: &str = "certlet_api_requests_total";
        page.head(NAME, "counter", "Requests to the API server; code 0 is no answer.");
        for (call, count) in lock(&self.0).iter() {
            let code = call.code.to_string();
            let labels = [
                ("resource", call.resource.as_str()),
                ("subresource", call.subresource.as_str()),
                ("verb", call.verb),
                ("code", code.as_str()),
            ];
            sample(&mut page.text, NAME, &labels, *count as f64);
        }
    }
}

/// Findings of self-checks of challenges, by type of challenge and kind of finding. Both are words of closed sets.
#[derive(Debug, Default)]
pub struct Findings(Mutex<BTreeMap<(&'static str, &'static str), u64>>);

impl Findings {
    /// Counts a finding.
    pub fn count(&self, challenge_type: &'static str, kind: &'static str) {
        *lock(&self.0).entry((challenge_type, kind)).or_default() += 1;
    }

    /// Writes the metric.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
    pub fn write(&self, page: &mut Page) {
        const NAME: &str = "certlet_probe_findings_total";
        page.head(NAME, "counter", "Findings of self-checks of challenges.");
        for ((challenge_type, kind), count) in lock(&self.0).iter() {
            let labels = [("type", *challenge_type), ("finding", *kind)];
            sample(&mut page.text, NAME, &labels, *count as f64);
        }
    }
}

/// Waits that ACME servers have requested with status 429, by host: when they end.
#[derive(Debug, Default)]
pub struct RateLimits(Mutex<BTreeMap<String, Limit>>);

/// The wait that a server has requested.
#[derive(Debug)]
struct Limit {
    until: Timestamp,
    /// When it was recorded last.
    recorded: Timestamp,
}

impl RateLimits {
    /// Records that `host` takes no requests of this kind before `until`. The latest end counts. Above [`LIMITED`], the host that was
    /// recorded longest ago is forgotten.
    pub fn limited(&self, host: &str, until: Timestamp, now: Timestamp) {
        let mut hosts = lock(&self.0);
        hosts.retain(|_, limit| limit.until > now);
        let until = hosts.get(host).map_or(until, |known| until.max(known.until));
        if hosts.len() >= LIMITED && !hosts.contains_key(host) {
            let oldest = hosts.iter().min_by_key(|(_, limit)| limit.recorded);
            let oldest = oldest.map(|(host, _)| host.clone());
            oldest.and_then(|host| hosts.remove(&host));
        }
        hosts.insert(host.to_owned(), Limit { until, recorded: now });
    }

    /// Writes the waits that have not ended.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double exactly")]
    pub fn write(&self, now: Timestamp, page: &mut Page) {
        const NAME: &str = "certlet_acme_rate_limit_end_timestamp_seconds";
        page.head(
            NAME,
            "gauge",
            "End of the wait that an ACME server has requested with status 429; absent without one.",
        );
        for (host, limit) in lock(&self.0).iter().filter(|(_, limit)| limit.until > now) {
            sample(&mut page.text, NAME, &[("host", host)], limit.until.as_second() as f64);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_latest_end_of_a_rate_limit_is_written_until_it_has_passed() {
        let limits = RateLimits::default();
        let written = |now| {
            let mut page = Page::default();
            limits.write(time(now), &mut page);
            page.text
                .lines()
                .filter(|line| !line.starts_with('#'))
                .collect::<String>()
        };
        limits.limited("ca.example", time(50), time(10));
        limits.limited("ca.example", time(40), time(10));
        let line = r#"certlet_acme_rate_limit_end_timestamp_seconds{host="ca.example"} 50"#;
        assert_eq!(written(49), line);
        assert_eq!(written(50), "");
    }

    #[test]
    fn servers_and_apis_that_users_name_have_a_limit_and_every_request_is_counted() {
        let (limits, calls) = (RateLimits::default(), ApiCalls::default());
        for number in 0..10_000_u32 {
            limits.limited(&format!("ca{number}.example"), time(50), time(10));
            calls.count(ApiCall {
                resource: format!("solver{number}"),
                subresource: String::new(),
                verb: "create",
                code: 201,
            });
        }
        let mut page = Page::default();
        limits.write(time(10), &mut page);
        assert_eq!(page.text.matches("host=").count(), LIMITED);
        limits.limited("new.example", time(20), time(11));
        let mut page = Page::default();
        limits.write(time(11), &mut page);
        assert!(page.text.contains("new.example"), "{}", page.text);
        let mut page = Page::default();
        calls.write(&mut page);
        let counted = page.text.lines().filter(|line| !line.starts_with('#'));
        let counts: Vec<u64> = counted
            .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
            .collect();
        assert_eq!((counts.len(), counts.iter().sum::<u64>()), (CALLS + 1, 10_000));
    }
}
