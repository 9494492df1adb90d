//! Leader election with the Lease `cert-manager-controller`, and for the injection of CAs with that of cert-manager's cainjector.
//! cert-manager uses the same Leases, so both never act at the same time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    foreign,
    standing::{Reason, Reports, StandingBy},
};
use crate::{
    plan::lease::{LeaseSeen, LeaseStep, step},
    process::clock,
};

/// Time limit of a call for the Lease, below the difference between lease duration and renew deadline.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Time within which a leader must notice that its Lease expired. cert-manager's default of
/// `--internal-healthz-leader-election-timeout` is the same.
const NOTICE_TIME: Duration = Duration::from_secs(20);

/// `--leader-election-*` (FLG-06, FLG-07).
#[derive(Clone, Debug)]
pub(crate) struct Election {
    /// Name of the Lease.
    pub lease: &'static str,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Holder identity of this process.
    pub identity: String,
    /// Time after the last observed renewal until the Lease may be taken over.
    pub lease_duration: Duration,
    /// Time without a successful renewal until the leader stops.
    pub renew_deadline: Duration,
    /// Interval of renewals, and of reads by standbys.
    pub retry_period: Duration,
    /// Namespaces where another installation may hold a Lease of the same name ([`foreign::namespaces`]).
    pub others: Vec<String>,
}

/// The state of leadership: `flag` for writers, `changes` for tasks that wait for a change.
#[derive(Clone)]
pub(crate) struct Leadership {
    /// Whether this process leads.
    pub flag: Arc<AtomicBool>,
    changes: watch::Sender<bool>,
    standing_by: watch::Sender<Option<StandingBy>>,
    /// Expiry of our Lease.
    expires: watch::Sender<Option<Instant>>,
}

impl Default for Leadership {
    fn default() -> Self {
        Self {
            flag: Arc::default(),
            changes: watch::Sender::new(false),
            standing_by: watch::Sender::new(None),
            expires: watch::Sender::new(None),
        }
    }
}

impl Leadership {
    /// A receiver of all changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<bool> {
        self.changes.subscribe()
    }

    /// Sets the state, for a process without leader election.
    pub(crate) fn set(&self, leads: bool) {
        if leads {
            self.stand_by(None);
        }
        self.flag.store(leads, Ordering::Release);
        self.changes
            .send_if_modified(|before| std::mem::replace(before, leads) != leads);
    }

    /// The holder for which this process stands by, if known.
    pub(crate) fn standing_by(&self) -> Option<StandingBy> {
        self.standing_by.borrow().clone()
    }

    pub(super) fn stand_by(&self, standing_by: Option<StandingBy>) {
        self.standing_by.send_replace(standing_by);
    }

    /// Records a renewal with this duration.
    pub(super) fn renewed(&self, lease_duration: Duration) {
        self.expires.send_replace(Some(Instant::now() + lease_duration));
    }

    /// The time since our Lease expired, if this process has led for more than [`NOTICE_TIME`] since.
    pub(super) fn overdue(&self) -> Option<Duration> {
        let expired = self.expires.borrow().filter(|_| self.leads())?;
        Some(Instant::now().saturating_duration_since(expired)).filter(|late| *late > NOTICE_TIME)
    }

    /// Whether this process leads.
    pub(crate) fn leads(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }
}

/// Takes part in the election until `shutdown`, then releases the Lease.
pub(crate) async fn elect(client: Client, election: Election, leadership: Leadership, shutdown: CancellationToken) {
    foreign::until_none_acts(&client, &election.others, &leadership, &shutdown).await;
    let mut candidate = Candidate {
        leases: Api::namespaced(client.clone(), &election.namespace),
        election,
        leadership,
        seen: None,
        renewed: None,
        reported: None,
        reports: Reports::default(),
    };
    let namespace = candidate.election.namespace.clone();
    let changes = watcher(
        Api::<Lease>::namespaced(client, &namespace),
        watcher::Config::default().fields(&format!("metadata.name={}", candidate.election.lease)),
    );
    let mut changes = changes.default_backoff().boxed();
    while !shutdown.is_cancelled() {
        let wait = candidate.round().await;
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep_until(until) => break,
                change = changes.next() => if candidate.is_interesting(change) { break },
            }
        }
    }
    candidate.release().await;
}

struct Candidate {
    leases: Api<Lease>,
    election: Election,
    leadership: Leadership,
    /// The record of the Lease, and the time since it is unchanged.
    seen: Option<(Lease, Instant)>,
    renewed: Option<Instant>,
    /// The holder in the last log line.
    reported: Option<StandingBy>,
    reports: Reports,
}

impl Candidate {
    /// Reads the Lease and acts on it. Returns the delay until the next call.
    async fn round(&mut self) -> Duration {
        // a call must end before another replica may become the leader
        let limit = CALL_TIMEOUT.min(
            self.election
                .lease_duration
                .saturating_sub(self.election.renew_deadline),
        );
        match tokio::time::timeout(limit, self.attempt()).await {
            Ok(Ok(wait)) => wait,
            Ok(Err(error)) => self.failed(&error.to_string()),
            Err(_) => self.failed("the API server does not answer"),
        }
    }

    fn failed(&self, why: &str) -> Duration {
        let deadline = self.renewed.map(|renewed| renewed + self.election.renew_deadline);
        if self.leadership.leads() && deadline.is_none_or(|deadline| Instant::now() >= deadline) {
            tracing::warn!("lost the leadership: the Lease could not be renewed in time: {why}");
            self.leadership.set(false);
        } else {
            tracing::warn!("failed to renew or take the Lease {}: {why}", self.election.lease);
        }
        Duration::from_secs(1).min(self.election.retry_period)
    }

    async fn attempt(&mut self) -> Result<Duration, kube::Error> {
        let found = self.leases.get_opt(self.election.lease).await?;
        self.observe(found);
        let seen = self.seen.as_ref().map(|(lease, since)| {
            let spec = lease.spec.clone().unwrap_or_default();
            view(spec, since.elapsed(), self.election.lease_duration)
        });
        match step(&self.election.identity, seen.as_ref(), self.election.retry_period) {
            LeaseStep::Create => {
                let lease = Lease {
                    metadata: ObjectMeta {
                        name: Some(self.election.lease.into()),
                        ..ObjectMeta::default()
                    },
                    spec: Some(self.spec(0)),
                };
                let written = self.leases.create(&PostParams::default(), &lease).await?;
                self.won(written);
            }
            LeaseStep::Renew | LeaseStep::Take => {
                let Some((lease, _)) = self.seen.clone() else {
                    return Ok(Duration::ZERO);
                };
                let before = lease.spec.clone().unwrap_or_default();
                let holds = before.holder_identity.as_deref() == Some(&self.election.identity);
                let transitions = before.lease_transitions.unwrap_or(0) + i32::from(!holds);
                let mut spec = self.spec(transitions);
                if holds {
                    spec.acquire_time = before.acquire_time;
                }
                let lease = Lease {
                    spec: Some(spec),
                    ..lease
                };
                let written = self
                    .leases
                    .replace(self.election.lease, &PostParams::default(), &lease)
                    .await?;
                self.won(written);
            }
            LeaseStep::StandBy(wait) => {
                let holder = seen.map(|seen| seen.holder).unwrap_or_default();
                let standing_by =
                    StandingBy::new(&holder, self.election.lease, &self.election.namespace, Reason::Leader);
                self.leadership.set(false);
                self.leadership.stand_by(Some(standing_by.clone()));
                if self.reported.as_ref() != Some(&standing_by) && self.reports.is_due() {
                    tracing::info!("{standing_by}");
                    self.reported = Some(standing_by);
                }
                return Ok(wait);
            }
        }
        Ok(self.election.retry_period)
    }

    fn observe(&mut self, found: Option<Lease>) {
        let same = match (&found, &self.seen) {
            (Some(found), Some((seen, _))) => found.spec == seen.spec,
            _ => false,
        };
        match found {
            None => self.seen = None,
            Some(found) => {
                let since = self
                    .seen
                    .as_ref()
                    .filter(|_| same)
                    .map_or_else(Instant::now, |(_, since)| *since);
                self.seen = Some((found, since));
            }
        }
    }

    fn won(&mut self, written: Lease) {
        self.seen = Some((written, Instant::now()));
        self.renewed = Some(Instant::now());
        self.reported = None;
        self.leadership.renewed(self.election.lease_duration);
        if !self.leadership.leads() {
            tracing::info!(
                identity = self.election.identity,
                lease = %format_args!("{}/{}", self.election.namespace, self.election.lease),
                "leading"
            );
        }
        self.leadership.set(true);
    }

    fn spec(&self, transitions: i32) -> LeaseSpec {
        let now = MicroTime(clock::now());
        LeaseSpec {
            holder_identity: Some(self.election.identity.clone()),
            lease_duration_seconds: i32::try_from(self.election.lease_duration.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    /// While this process leads, its own renewals arrive from the watch and are ignored. Any other change is handled at once.
    fn is_interesting(&self, change: Option<watcher::Result<watcher::Event<Lease>>>) -> bool {
        let holder = |lease: &Lease| {
            lease
                .spec
                .as_ref()
                .and_then(|spec| spec.holder_identity.clone())
                .unwrap_or_default()
        };
        match change {
            Some(Ok(watcher::Event::Apply(lease) | watcher::Event::InitApply(lease))) => {
                let holder = holder(&lease);
                if self.leadership.leads() {
                    holder != self.election.identity
                } else {
                    holder.is_empty()
                }
            }
            Some(Ok(watcher::Event::Delete(_))) => true,
            Some(Ok(watcher::Event::Init | watcher::Event::InitDone) | Err(_)) | None => false,
        }
    }

    /// Releases the Lease, so that another replica leads at once.
    async fn release(&mut self) {
        let leads = self.leadership.leads();
        self.leadership.set(false);
        let (true, Some((mut lease, _))) = (leads, self.seen.take()) else {
            return;
        };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(clock::now()));
        }
        let parameters = PostParams::default();
        let released = self.leases.replace(self.election.lease, &parameters, &lease);
        match tokio::time::timeout(CALL_TIMEOUT, released).await {
            Ok(Ok(_)) => tracing::info!("released the Lease"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "failed to release the Lease; the next leader waits until it expires");
            }
            Err(_) => tracing::warn!("failed to release the Lease in time; the next leader waits until it expires"),
        }
    }
}

/// The record of a Lease, unchanged for this time.
pub(super) fn view(spec: LeaseSpec, unchanged_for: Duration, default_duration: Duration) -> LeaseSeen {
    let duration = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    LeaseSeen {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: duration.map_or(default_duration, Duration::from_secs),
        unchanged_for,
    }
}
