//! Requests as the API server itself counts them (`apiserver_request_total`).

use std::collections::BTreeMap;
use std::fmt;

use super::bed::Bed;

/// One series of the API server's request counter, without what nobody asks about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    /// Plural name, with the subresource if there is one: `certificates`, `certificates/status`.
    pub(crate) resource: String,
    /// `POST`, `PUT`, `PATCH`, `APPLY` (server-side apply), `DELETE`, `GET`, `LIST`, `WATCH` …
    pub(crate) verb: String,
    /// HTTP status of the answer.
    pub(crate) code: u16,
}

/// Requests by resource, verb and status code. Events and Leases are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests(BTreeMap<Series, u64>);

const WRITES: [&str; 6] = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];

impl Bed {
    /// All requests that the API server has answered so far, whoever made them.
    pub(crate) async fn requests(&self) -> Requests {
        let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
        Requests::parse(&self.client().request_text(request).await.unwrap())
    }
}

impl Requests {
    fn parse(exposition: &str) -> Self {
        let mut requests = Self::default();
        for line in exposition.lines() {
            let Some((labels, value)) = line
                .strip_prefix("apiserver_request_total{")
                .and_then(|rest| rest.rsplit_once("} "))
            else {
                continue;
            };
            let label = |name: &str| {
                labels.split("\",").find_map(|pair| {
                    pair.split_once("=\"")
                        .filter(|(key, _)| *key == name)
                        .map(|(_, text)| text.trim_end_matches('"'))
                })
            };
            let resource = label("resource").unwrap_or_default();
            if ["events", "leases", ""].contains(&resource) {
                continue;
            }
            let resource = match label("subresource") {
                None | Some("") => resource.to_owned(),
                Some(sub) => format!("{resource}/{sub}"),
            };
            let code = label("code").and_then(|code| code.parse().ok()).unwrap_or(0);
            let verb = label("verb").unwrap_or_default().to_owned();
            // Counters are written as floating point numbers ("1.234567e+06" from a million on).
            let count = value
                .trim()
                .parse::<f64>()
                .map(|count| format!("{count:.0}").parse().unwrap_or(0));
            *requests.0.entry(Series { resource, verb, code }).or_default() += count.unwrap_or(0);
        }
        requests
    }

    /// What came on top of an earlier look.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let more = self
            .0
            .iter()
            .map(|(series, count)| (series, count - before.0.get(series).copied().unwrap_or(0)));
        Self(
            more.filter(|(_, count)| *count > 0)
                .map(|(series, count)| (series.clone(), count))
                .collect(),
        )
    }

    /// Only the writes.
    pub(crate) fn writes(&self) -> Self {
        self.filter(|series| WRITES.contains(&series.verb.as_str()))
    }

    /// Only these resources; `certificates` stands for `certificates/status` too.
    pub(crate) fn of(&self, resources: &[&str]) -> Self {
        self.filter(|series| resources.contains(&series.resource.split('/').next().unwrap_or_default()))
    }

    /// Only what the given question says yes to.
    pub(crate) fn filter(&self, wanted: impl Fn(&Series) -> bool) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(series, _)| wanted(series))
                .map(|(series, count)| (series.clone(), *count))
                .collect(),
        )
    }

    /// How many there are.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (Series { resource, verb, code }, count) in &self.0 {
            writeln!(formatter, "{count:>7}  {verb:<16} {resource:<40} {code}")?;
        }
        write!(formatter, "{:>7}  in all", self.total())
    }
}
