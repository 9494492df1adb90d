//! Other installations: a live Lease of the same name elsewhere means that somebody else acts on the same objects.

use std::time::Duration;

use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    coordination::v1::Lease,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
use tokio_util::sync::CancellationToken;

use super::{clock, leader::CALL_TIMEOUT};
use crate::api::names;

/// How often another installation's Lease is looked at while it keeps us waiting.
const RETRY: Duration = Duration::from_secs(15);
/// How soon the API server is asked again that gave no answer about it.
const UNANSWERED_RETRY: Duration = Duration::from_secs(1);
/// Where the Lease of an installation for the whole cluster is, unless it was told otherwise (FLG-06).
const OF_CLUSTER: &str = "kube-system";

/// Whose Lease of the same name keeps this process from taking part in an election of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// That of any namespace: an installation for the whole cluster shares objects with each of them.
    Anywhere,
    /// That of an installation for the whole cluster. One for a namespace shares nothing with those for other namespaces; it
    /// may see this one only if the cluster's administrator gave it the right to.
    OfCluster,
}

/// Returns when no other installation is at work, as far as that can be seen, or at `shutdown`. Says so while it waits.
/// `own` is the namespace of our own Lease.
pub(super) async fn until_none_acts(client: &Client, others: Others, own: &str, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        let found = match tokio::time::timeout(CALL_TIMEOUT, leases(client, others, own)).await {
            Ok(Ok(found)) => found,
            // we may not look at others'
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => return,
            // an API server that is away now says nothing about who else is at work
            Ok(Err(_)) | Err(_) => {
                tokio::select! { () = shutdown.cancelled() => {}, () = tokio::time::sleep(UNANSWERED_RETRY) => {} }
                continue;
            }
        };
        let now = clock::now();
        let other = |lease: &&Lease| lease.namespace().as_deref() != Some(own) && is_live(lease, now);
        let Some(live) = found.iter().find(other) else { return };
        let spec = live.spec.as_ref();
        tracing::warn!(
            "standing by: {holder} holds the Lease {name} in namespace {namespace}; another installation is at work. {advice}",
            holder = spec
                .and_then(|spec| spec.holder_identity.as_deref())
                .unwrap_or_default(),
            name = names::LEASE_NAME,
            namespace = live.namespace().unwrap_or_default(),
            advice = match others {
                Others::Anywhere => "Stop it, or give both the same --leader-election-namespace",
                Others::OfCluster => "It acts on this namespace too, so nothing is left to do here until it ends",
            },
        );
        tokio::select! { () = shutdown.cancelled() => {}, () = tokio::time::sleep(RETRY) => {} }
    }
}

/// The Leases to look at. None where the rights do not allow it, which is said.
async fn leases(client: &Client, others: Others, own: &str) -> Result<Vec<Lease>, kube::Error> {
    match others {
        Others::Anywhere => {
            let selected = ListParams::default().fields(&format!("metadata.name={}", names::LEASE_NAME));
            let leases: Api<Lease> = Api::all(client.clone());
            leases.list(&selected).await.map(|found| found.items)
        }
        // our own election is about that very Lease
        Others::OfCluster if own == OF_CLUSTER => Ok(Vec::new()),
        Others::OfCluster if may_look(client).await? => {
            let leases: Api<Lease> = Api::namespaced(client.clone(), OF_CLUSTER);
            leases
                .get_opt(names::LEASE_NAME)
                .await
                .map(|found| found.into_iter().collect())
        }
        Others::OfCluster => {
            tracing::info!(
                "whether an installation for the whole cluster is at work cannot be seen from here: that takes the right to get \
                 the Lease {} in {OF_CLUSTER} (ClusterRole certlet-see-leader)",
                names::LEASE_NAME
            );
            Ok(Vec::new())
        }
    }
}

/// Asks before it looks: an installation for one namespace makes no call that its rights do not allow.
async fn may_look(client: &Client) -> Result<bool, kube::Error> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some("coordination.k8s.io".to_owned()),
                resource: Some("leases".to_owned()),
                verb: Some("get".to_owned()),
                namespace: Some(OF_CLUSTER.to_owned()),
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

fn is_live(lease: &Lease, now: jiff::Timestamp) -> bool {
    let Some(spec) = &lease.spec else { return false };
    let held = spec.holder_identity.as_deref().is_some_and(|holder| !holder.is_empty());
    let renewed = spec.renew_time.as_ref().map(|time| time.0);
    let duration = i64::from(spec.lease_duration_seconds.unwrap_or(60));
    held && renewed.is_some_and(|renewed| now.duration_since(renewed).as_secs() < duration)
}
