//! Detection of other installations: a Lease of the same name in another namespace that is being renewed.
//!
//! Only Leases in namespaces that an administrator owns count, because anyone who may edit a namespace can create a Lease in it.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    leader::{CALL_TIMEOUT, Leadership, view},
    standing::{Reason, Reports, StandingBy},
};
use crate::{
    api::names,
    cluster::access::{self, Right},
    plan::lease::{Installation, installation},
};

/// Interval at which the Lease of another installation is read.
const READ_INTERVAL: Duration = Duration::from_secs(5);
/// Delay before the API server is asked again if it gave no answer.
const UNANSWERED_RETRY: Duration = Duration::from_secs(1);
/// Duration of a Lease without `leaseDurationSeconds`.
const DEFAULT_DURATION: Duration = Duration::from_secs(60);
/// Default namespace of the Lease of an installation for the whole cluster (FLG-06).
const OF_CLUSTER: &str = "kube-system";

/// The namespaces whose Leases count, apart from that of the own election.
///
/// An installation for the whole cluster shares objects with every other one: kube-system and its own namespace count. An
/// installation for a single namespace shares objects only with those for the whole cluster, so only kube-system counts. `listed`
/// are namespaces from the administrator's flag.
pub(crate) fn namespaces(own_lease: &str, of_pod: Option<&str>, whole_cluster: bool, listed: &[String]) -> Vec<String> {
    let of_pod = of_pod.filter(|_| whole_cluster);
    let mut all: Vec<String> = std::iter::once(OF_CLUSTER)
        .chain(of_pod)
        .chain(listed.iter().map(String::as_str))
        .filter(|namespace| !namespace.is_empty() && *namespace != own_lease)
        .map(str::to_owned)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Returns when no other installation acts in `namespaces`, or at `shutdown`. Reports the reason while it waits.
pub(super) async fn until_none_acts(
    client: &Client,
    namespaces: &[String],
    leadership: &Leadership,
    shutdown: &CancellationToken,
) {
    let mut others: Vec<Other> = namespaces
        .iter()
        .map(|namespace| Other::new(client, namespace))
        .collect();
    // suspected and confirmed holders are reported separately, so that the first line about each is immediate
    let (mut suspicions, mut reports) = (Reports::default(), Reports::default());
    while !shutdown.is_cancelled() {
        let mut wait = READ_INTERVAL;
        let mut found = None;
        let mut unanswered = false;
        for other in &mut others {
            match tokio::time::timeout(CALL_TIMEOUT, other.observe(client)).await {
                Ok(Ok(Some((reason, left)))) => {
                    wait = wait.min(left);
                    found = Some(StandingBy::new(
                        other.holder(),
                        names::LEASE_NAME,
                        &other.namespace,
                        reason,
                    ));
                }
                Ok(Ok(None)) => {}
                // an unreachable API server gives no information about other installations
                Ok(Err(_)) | Err(_) => unanswered = true,
            }
        }
        if unanswered {
            wait = UNANSWERED_RETRY;
        } else if found.is_none() {
            leadership.stand_by(None);
            return;
        }
        if let Some(found) = found {
            match found.reason {
                Reason::Unproven(_) if suspicions.is_due() => tracing::info!("{found}"),
                Reason::OtherInstallation if reports.is_due() => tracing::warn!("{found}"),
                Reason::Unproven(_) | Reason::OtherInstallation | Reason::Leader => {}
            }
            leadership.stand_by(Some(found));
        }
        tokio::select! { () = shutdown.cancelled() => {}, () = tokio::time::sleep(wait) => {} }
    }
}

/// The Lease of another installation.
struct Other {
    namespace: String,
    leases: Api<Lease>,
    /// Whether this process may read the Lease; `None` if not known yet.
    visible: Option<bool>,
    /// The record of the Lease, the time since it is unchanged, and whether a change was observed.
    record: Option<(LeaseSpec, Instant, bool)>,
}

impl Other {
    fn new(client: &Client, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            leases: Api::namespaced(client.clone(), namespace),
            visible: None,
            record: None,
        }
    }

    fn holder(&self) -> &str {
        let record = self.record.as_ref();
        record
            .and_then(|(record, ..)| record.holder_identity.as_deref())
            .unwrap_or_default()
    }

    /// The reason to stand by, if any, and the remaining time until the Lease counts as abandoned.
    async fn observe(&mut self, client: &Client) -> Result<Option<(Reason, Duration)>, kube::Error> {
        if !self.is_visible(client).await? {
            return Ok(None);
        }
        let found = self.leases.get_opt(names::LEASE_NAME).await?;
        self.record = found.map(|lease| {
            let spec = lease.spec.unwrap_or_default();
            match self.record.take() {
                Some((before, since, changed)) if before == spec => (spec, since, changed),
                before => (spec, Instant::now(), before.is_some()),
            }
        });
        let Some((spec, since, changed)) = &self.record else {
            return Ok(None);
        };
        let seen = view(spec.clone(), since.elapsed(), DEFAULT_DURATION);
        Ok(match installation(&seen, *changed) {
            Installation::Absent => None,
            Installation::Unproven(left) => Some((Reason::Unproven(left), left)),
            Installation::AtWork(left) => Some((Reason::OtherInstallation, left)),
        })
    }

    /// Checks the permission before it reads, so that a missing one is logged once and no call is rejected.
    async fn is_visible(&mut self, client: &Client) -> Result<bool, kube::Error> {
        if let Some(known) = self.visible {
            return Ok(known);
        }
        let allowed = may_read(client, &self.namespace).await?;
        if !allowed {
            tracing::info!(
                "whether another installation is at work in namespace {namespace} cannot be seen from here: that takes the right to \
                 get the Lease {name} there (ClusterRole certlet-see-leader)",
                namespace = self.namespace,
                name = names::LEASE_NAME
            );
        }
        self.visible = Some(allowed);
        Ok(allowed)
    }
}

async fn may_read(client: &Client, namespace: &str) -> Result<bool, kube::Error> {
    let right = Right {
        namespace: namespace.to_owned(),
        group: "coordination.k8s.io".to_owned(),
        resource: "leases".to_owned(),
        name: names::LEASE_NAME.to_owned(),
        verb: "get".to_owned(),
        ..Right::default()
    };
    access::caller_may(client, &right).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_administrators_count_and_our_own_election_is_none_of_them() {
        let of = |own_lease, of_pod, whole_cluster, listed: &[&str]| {
            let listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
            namespaces(own_lease, of_pod, whole_cluster, &listed)
        };
        assert_eq!(of("kube-system", Some("cert-manager"), true, &[]), ["cert-manager"]);
        assert_eq!(
            of("locks", Some("cert-manager"), true, &[]),
            ["cert-manager", "kube-system"]
        );
        assert_eq!(of("kube-system", None, true, &["locks", "", "locks"]), ["locks"]);
        assert_eq!(of("team-a", Some("team-a"), false, &[]), ["kube-system"]);
        assert_eq!(of("team-a", Some("tools"), false, &["locks"]), ["kube-system", "locks"]);
    }
}
