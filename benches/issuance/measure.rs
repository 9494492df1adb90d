//! Applying Certificates, and how long each took until it was ready, seen from outside by a watch.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::Value;
use tokio::time::Instant;

use super::support::{Bed, Certlet, Requests, scene::CERTIFICATES};

/// How long a batch may take before the benchmark gives up.
const LIMIT: Duration = Duration::from_secs(1_800);
/// How many of the user's creates are under way at once.
const CLIENTS: usize = 8;

/// What was seen of one batch.
pub(crate) struct Batch {
    /// From the first create to the last Ready.
    pub(crate) total: Duration,
    /// From each create to its Ready, sorted.
    latencies: Vec<Duration>,
    /// Requests that the API server answered meanwhile.
    pub(crate) requests: Requests,
}

impl Batch {
    pub(crate) fn count(&self) -> usize {
        self.latencies.len()
    }

    pub(crate) fn rate(&self) -> f64 {
        self.count() as f64 / self.total.as_secs_f64()
    }

    /// The latency below which this share lies.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let at = (self.count() as f64 * share) as usize;
        self.latencies
            .get(at.min(self.count().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }

    /// Writes to these resources, each divided by the number of certificates; the user's own creates are left out.
    pub(crate) fn writes_per_certificate(&self, shared: &[&str]) -> f64 {
        let all = self.requests.writes();
        let apart = all.filter(|series| shared.contains(&series.resource.as_str())).total();
        (all.total() - apart - self.count() as u64) as f64 / self.count() as f64
    }

    /// Writes to resources that all certificates of a namespace share.
    pub(crate) fn shared_writes(&self, shared: &[&str]) -> u64 {
        self.requests
            .writes()
            .filter(|series| shared.contains(&series.resource.as_str()))
            .total()
    }
}

/// Creates these Certificates and waits until all of them are ready.
pub(crate) async fn issue(bed: &Bed, namespace: &str, certificates: Vec<Value>) -> Batch {
    let api = bed.objects(CERTIFICATES.0, CERTIFICATES.1, Some(namespace)).await;
    let names: Vec<String> = certificates
        .iter()
        .map(|c| c["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    let before = bed.requests().await;
    let started = Instant::now();
    let watching = tokio::spawn(ready_times(api.clone(), names));
    let created: HashMap<String, Instant> = stream::iter(certificates)
        .map(|certificate| {
            let api = api.clone();
            async move {
                let at = Instant::now();
                let object: DynamicObject = serde_json::from_value(certificate)?;
                let created = api.create(&PostParams::default(), &object).await.map_err(anyhow)?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>((created.name_any(), at))
            }
        })
        .buffer_unordered(CLIENTS)
        .try_collect()
        .await
        .expect("the API server takes Certificates");
    let ready = tokio::time::timeout(LIMIT, watching)
        .await
        .expect("all certificates are issued in time")
        .unwrap();
    let mut latencies: Vec<Duration> = ready
        .iter()
        .map(|(name, at)| at.duration_since(created[name]))
        .collect();
    latencies.sort();
    let last = ready.values().max().copied().unwrap_or(started);
    // what follows the last Ready (a deleted key Secret, a deleted Ingress) belongs to the batch as well
    settle(bed).await;
    Batch {
        total: last.duration_since(started),
        latencies,
        requests: bed.requests().await.since(&before),
    }
}

fn anyhow(error: kube::Error) -> Box<dyn std::error::Error + Send + Sync> {
    Box::new(error)
}

/// Waits until these Certificates of the namespace are ready.
pub(crate) async fn all_ready(bed: &Bed, namespace: &str, names: Vec<String>) {
    let api = bed.objects(CERTIFICATES.0, CERTIFICATES.1, Some(namespace)).await;
    tokio::time::timeout(LIMIT, ready_times(api, names))
        .await
        .expect("all certificates are issued in time");
}

async fn ready_times(api: Api<DynamicObject>, names: Vec<String>) -> HashMap<String, Instant> {
    let mut waiting: std::collections::HashSet<String> = names.into_iter().collect();
    let mut ready = HashMap::new();
    let mut events = watcher(api, watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .boxed();
    while !waiting.is_empty() {
        let Some(Ok(certificate)) = events.next().await else {
            continue;
        };
        let name = certificate.name_any();
        if is_ready(&certificate) && waiting.remove(&name) {
            ready.insert(name, Instant::now());
        }
    }
    ready
}

fn is_ready(certificate: &DynamicObject) -> bool {
    let conditions = certificate.data["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|c| c["type"] == "Ready" && c["status"] == "True")
}

/// A build of certlet, measured beside others in one run.
pub(crate) struct Program {
    /// As `before`; empty where there is only one.
    name: String,
    /// Where it is; `None` for the one that was built with the benchmark.
    path: Option<PathBuf>,
}

impl Program {
    /// As `BENCH_PROGRAMS` names it; nothing where there is only one.
    pub(crate) fn variable(&self) -> Option<String> {
        let name = self.name.trim_end_matches(": ");
        self.path.as_ref().map(|path| format!("{name}={}", path.display()))
    }

    /// The programs that `BENCH_PROGRAMS` names; otherwise the one that was built with the benchmark.
    pub(crate) fn all() -> Vec<Self> {
        let Ok(named) = std::env::var("BENCH_PROGRAMS") else {
            return vec![Self {
                name: String::new(),
                path: None,
            }];
        };
        let pairs = named
            .split_whitespace()
            .map(|pair| pair.split_once('=').expect("NAME=PATH"));
        pairs
            .map(|(name, path)| Self {
                name: format!("{name}: "),
                path: Some(path.into()),
            })
            .collect()
    }
}

/// Its name, to begin a line with.
impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// Starts certlet, and waits until it is ready.
pub(crate) async fn start(bed: &Bed, program: &Program) -> Certlet {
    start_with(bed, program, &[]).await
}

/// Starts certlet with these arguments, and waits until it is ready.
pub(crate) async fn start_with(bed: &Bed, program: &Program, arguments: &[&str]) -> Certlet {
    let launch = Certlet::launch(bed).args(arguments);
    let launch = match &program.path {
        Some(path) => launch.program(path),
        None => launch,
    };
    launch.ready().await
}

/// Prints the resident memory of a certlet, and its peak since the start.
pub(crate) fn memory(certlet: &Certlet) {
    rest("memory of certlet", certlet);
}

/// Prints resident memory, now and at most, and returns both in MiB.
pub(crate) fn rest(what: &str, certlet: &Certlet) -> [f64; 2] {
    let [now, peak] = certlet.memory_kib().map(|kib| kib as f64 / 1024.0);
    println!("{what}: {now:.1} MiB, at most {peak:.1} MiB (VmRSS, VmHWM)");
    [now, peak]
}

/// Creates these objects, eight at a time.
pub(crate) async fn create(bed: &Bed, (api_version, kind): (&str, &str), namespace: Option<&str>, objects: Vec<Value>) {
    let api = bed.objects(api_version, kind, namespace).await;
    let created = stream::iter(objects).map(|object| {
        let api = api.clone();
        async move {
            let object: DynamicObject = serde_json::from_value(object).unwrap();
            api.create(&PostParams::default(), &object).await.unwrap();
        }
    });
    created.buffer_unordered(CLIENTS).collect::<Vec<()>>().await;
}

/// A number from the environment.
pub(crate) fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable)
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(otherwise)
}

/// Waits until no write has been answered for half a second.
pub(crate) async fn settle(bed: &Bed) {
    let mut last = bed.requests().await.writes().total();
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = bed.requests().await.writes().total();
        if now == last {
            return;
        }
        last = now;
    }
}
