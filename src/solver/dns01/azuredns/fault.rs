//! What the API refuses, and how to correct it. Its codes are compared with known ones; its texts are not read.

use serde::Deserialize;

use super::ResourceGroup;
use crate::{
    api::dns01::AzureZoneType,
    cloud::{Fault, FaultKind, Reply},
};

/// What a call does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verb {
    /// It reads a record set.
    Read,
    /// It writes a record set.
    Write,
    /// It deletes a record set.
    Delete,
}

/// Codes for sentences. Others are not repeated.
const CODES: [&str; 16] = [
    "AuthorizationFailed",
    "LinkedAuthorizationFailed",
    "RequestDisallowedByPolicy",
    "ScopeLocked",
    "ResourceGroupNotFound",
    "ResourceNotFound",
    "ParentResourceNotFound",
    "SubscriptionNotFound",
    "InvalidSubscriptionId",
    "DisabledSubscription",
    "InvalidAuthenticationToken",
    "InvalidAuthenticationTokenTenant",
    "ExpiredAuthenticationToken",
    "MissingSubscriptionRegistration",
    "BadRequest",
    "NotFound",
];

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
    #[serde(default)]
    error: Coded,
}

#[derive(Default, Deserialize)]
struct Coded {
    #[serde(default)]
    code: String,
}

/// The code of a refusal, if it is a known one. Some servers put it into `error`.
fn code(reply: &Reply) -> Option<&'static str> {
    let refusal: Refusal = serde_json::from_slice(&reply.body).unwrap_or_default();
    let mut known = CODES.into_iter();
    known.find(|known| *known == refusal.error.code || *known == refusal.code)
}

/// Whether a reply with the status 404 is for the record set, and not for what it is in.
pub(super) fn is_absent(reply: &Reply) -> bool {
    matches!(code(reply), None | Some("NotFound"))
}

impl ResourceGroup {
    /// The resource type of the zone.
    fn kind(&self) -> &'static str {
        match self.0.zone_type {
            AzureZoneType::Public => "Microsoft.Network/dnsZones",
            AzureZoneType::Private => "Microsoft.Network/privateDnsZones",
        }
    }

    /// The status is 403.
    pub(super) fn forbidden(&self, reply: &Reply, zone: &str, verb: Verb) -> Fault {
        let (kind, group, who, server) = (self.kind(), &self.0.group, self.0.login.who(), &reply.server);
        let verb = match verb {
            Verb::Read => "read",
            Verb::Write => "write",
            Verb::Delete => "delete",
        };
        let sentence = if code(reply) == Some("RequestDisallowedByPolicy") {
            format!(
                "{server}: an Azure Policy forbids to {verb} TXT records of the zone {zone}: exempt the zone from it"
            )
        } else {
            format!(
                "{server} refused {who}: grant it {kind}/TXT/{verb} on the zone {zone} in the resource group {group} ({kind}/TXT/read, write \
                 and delete are needed)"
            )
        };
        Fault::new(FaultKind::Right, sentence)
    }

    /// The status is 401, with a new token.
    pub(super) fn not_accepted(&self, reply: &Reply) -> Fault {
        let code = code(reply).unwrap_or("401");
        let sentence = format!(
            "{} does not accept the token of {} ({code}): check the tenant and the environment",
            reply.server,
            self.0.login.who()
        );
        Fault::new(FaultKind::Credential, sentence)
    }

    /// The status is 409. `None` if the call may be repeated.
    pub(super) fn conflict(&self, reply: &Reply, zone: &str) -> Option<Fault> {
        (code(reply) == Some("ScopeLocked")).then(|| {
            let sentence = format!(
                "{}: a lock on the zone {zone} or on the resource group {} forbids the change (ScopeLocked): remove the lock",
                reply.server, self.0.group
            );
            Fault::new(FaultKind::Right, sentence)
        })
    }

    /// The status is 404, and not because of the record set.
    pub(super) fn no_zone(&self, reply: &Reply, zone: &str) -> Fault {
        let (server, group, subscription) = (&reply.server, &self.0.group, &self.0.subscription);
        let sentence = match code(reply) {
            Some(code @ ("SubscriptionNotFound" | "InvalidSubscriptionId")) => {
                format!("{server} has no subscription {subscription} ({code}): check azureDNS.subscriptionID")
            }
            Some(code @ "ResourceGroupNotFound") => {
                format!(
                    "the subscription {subscription} has no resource group {group} ({code}): check azureDNS.resourceGroupName"
                )
            }
            _ => format!(
                "the resource group {group} has no {} {zone}: check azureDNS.resourceGroupName, hostedZoneName and zoneType",
                self.kind()
            ),
        };
        Fault::new(FaultKind::NoZone, sentence)
    }

    /// A name that is not in the zone of the settings.
    pub(super) fn not_in_zone(name: &str, zone: &str) -> Fault {
        let sentence = format!("{name} is not in the zone {zone}: check azureDNS.hostedZoneName");
        Fault::new(FaultKind::NoZone, sentence)
    }

    /// A status that is not described.
    pub(super) fn unexpected(reply: &Reply, call: &str) -> Fault {
        let mut fault = reply.unexpected(call);
        if let Some(code) = code(reply) {
            fault.sentence = format!("{} ({code})", fault.sentence);
        }
        fault
    }
}
