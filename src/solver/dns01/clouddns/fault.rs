//! What the API refuses, and how to correct it.

use super::{Project, wire::Refusal};
use crate::cloud::{Fault, FaultKind, Reply};

/// A right that a call needs: a permission of Google Cloud.
#[derive(Clone, Copy, Debug)]
pub(super) struct Right(&'static str);

/// To list zones.
pub(super) const ZONES_LIST: Right = Right("dns.managedZones.list");
/// To list record sets.
pub(super) const RECORDS_LIST: Right = Right("dns.resourceRecordSets.list");
/// To change record sets.
pub(super) const CHANGES_CREATE: Right =
    Right("dns.changes.create, dns.resourceRecordSets.create, .update and .delete");
/// To read the state of a change.
pub(super) const CHANGES_GET: Right = Right("dns.changes.get");

/// Reasons of a refusal for too many calls.
const LIMITS: [&str; 5] = [
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "quotaExceeded",
    "dailyLimitExceeded",
    "RATE_LIMIT_EXCEEDED",
];

impl Project {
    /// The status is 403.
    pub(super) fn forbidden(&self, reply: &Reply, Right(right): Right) -> Fault {
        let refusal: Refusal = serde_json::from_slice(&reply.body).unwrap_or_default();
        let (server, project, who) = (&reply.server, &self.0.project, self.0.login.who());
        if refusal.has(&LIMITS) {
            return self.0.api.limited(reply);
        }
        let sentence = if refusal.has(&["accessNotConfigured", "SERVICE_DISABLED"]) {
            format!(
                "{server}: the Cloud DNS API is not enabled: gcloud services enable dns.googleapis.com --project {project}"
            )
        } else if refusal.has(&["insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"]) {
            format!(
                "{server} refused the scope of the token: give the node pool the scope \
                 https://www.googleapis.com/auth/ndev.clouddns.readwrite, or use workload identity"
            )
        } else {
            let zone = self.0.managed_zone.as_ref();
            let zone = zone.map_or_else(String::new, |zone| format!(", managed zone {zone}"));
            format!(
                "{server} refused {who}: grant it {right} in the project {project}{zone}, for example with roles/dns.admin"
            )
        };
        Fault::new(FaultKind::Right, sentence)
    }

    /// The status is 401, with a new token.
    pub(super) fn not_accepted(&self, reply: &Reply) -> Fault {
        let sentence = format!(
            "{} does not accept the token of {} (401): check the credential",
            reply.server,
            self.0.login.who()
        );
        Fault::new(FaultKind::Credential, sentence)
    }

    /// The project does not exist.
    pub(super) fn no_zone(&self, reply: &Reply) -> Fault {
        let sentence = format!(
            "{} answered {} for the project {}: check cloudDNS.project, which is the identifier and not the display name",
            reply.server, reply.status, self.0.project
        );
        Fault::new(FaultKind::NoZone, sentence)
    }

    /// The managed zone of the settings does not exist.
    pub(super) fn no_managed_zone(&self, managed_zone: &str) -> Fault {
        let sentence = format!(
            "the project {} has no managed zone {managed_zone}: check cloudDNS.project and hostedZoneName, which is the name of the zone at \
             Google and not its DNS name",
            self.0.project
        );
        Fault::new(FaultKind::NoZone, sentence)
    }

    /// No zone of the project has this name.
    pub(super) fn no_zone_of(&self, name: &str) -> Fault {
        let mut asked = Vec::new();
        let mut rest = Some(name.trim_end_matches('.'));
        while let Some(one) = rest {
            asked.push(one);
            rest = one
                .split_once('.')
                .map(|(_, parent)| parent)
                .filter(|parent| parent.contains('.'));
        }
        let sentence = format!(
            "the project {} has no managed zone for {}: check cloudDNS.project, or create the zone",
            self.0.project,
            asked.join(", ")
        );
        Fault::new(FaultKind::NoZone, sentence)
    }

    /// The records were changed by another client twice.
    pub(super) fn contested(managed_zone: &str) -> Fault {
        let sentence =
            format!("the records in the managed zone {managed_zone} are changed by another client at the same time");
        Fault::new(FaultKind::Conflict, sentence)
    }
}
