//! Other installations: a Lease of the same name that is renewed elsewhere means that somebody else acts on the same objects.
//!
//! Only namespaces that an administrator owns are looked at: anybody who may edit a namespace can write a Lease there.

use std::time::Duration;

use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    coordination::v1::{Lease, LeaseSpec},
};
use kube::{Api, Client, api::PostParams};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    leader::{CALL_TIMEOUT, Leadership, view},
    standing::{Reason, Reports, StandingBy},
};
use crate::{
    api::names,
    plan::lease::{Installation, installation},
};

/// How often the Lease of another installation is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How soon the API server is asked again that gave no answer about it.
const UNANSWERED_RETRY: Duration = Duration::from_secs(1);
/// What a Lease lasts that does not say so.
const DEFAULT_DURATION: Duration = Duration::from_secs(60);
/// Where the Lease of an installation for the whole cluster is, unless it was told otherwise (FLG-06).
const OF_CLUSTER: &str = "kube-system";

/// The namespaces whose Lease of the same name counts, beside that of our own election.
///
/// An installation for the whole cluster shares objects with every other: one in its own namespace and one in kube-system
/// count. An installation for one namespace shares nothing with those for other namespaces, so that only kube-system's counts.
/// `listed` are those that the administrator names.
pub fn namespaces(own_lease: &str, of_pod: Option<&str>, whole_cluster: bool, listed: &[String]) -> Vec<String> {
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

/// Returns when no other installation is at work in `namespaces`, or at `shutdown`. Says so while it waits.
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
    // what is suspected is reported apart from what is known, so that the first line about either comes at once
    let (mut suspicions, mut reports) = (Reports::default(), Reports::default());
    while !shutdown.is_cancelled() {
        let mut wait = LOOK_EVERY;
        let mut found = None;
        let mut unanswered = false;
        for other in &mut others {
            match tokio::time::timeout(CALL_TIMEOUT, other.look(client)).await {
                Ok(Ok(Some((reason, left)))) => {
                    wait = wait.min(left);
                    found = Some(StandingBy::new(other.holder(), &other.namespace, reason));
                }
                Ok(Ok(None)) => {}
                // an API server that is away now says nothing about who else is at work
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
    /// Whether we may see it; `None` while not known.
    visible: Option<bool>,
    /// What it says, since when, and whether it has changed before our eyes.
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

    /// Why we have to stand by for it, if so, and for how long it may be silent yet.
    async fn look(&mut self, client: &Client) -> Result<Option<(Reason, Duration)>, kube::Error> {
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

    /// Asks for the right before it looks: where we may not, this is said once, and no call is refused.
    async fn is_visible(&mut self, client: &Client) -> Result<bool, kube::Error> {
        if let Some(known) = self.visible {
            return Ok(known);
        }
        let allowed = may_look(client, &self.namespace).await?;
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

async fn may_look(client: &Client, namespace: &str) -> Result<bool, kube::Error> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some("coordination.k8s.io".to_owned()),
                resource: Some("leases".to_owned()),
                verb: Some("get".to_owned()),
                namespace: Some(namespace.to_owned()),
                name: Some(names::LEASE_NAME.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
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
