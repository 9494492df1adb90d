//! Amazon Route 53 (DNS-05). Records are written as cert-manager writes them, so that either removes what the other has written.

mod find;
#[cfg(test)]
mod tests;
mod wire;

use std::{fmt, sync::Arc};

use http::Method;
use reqwest::Url;

use super::{
    change::{Change, Receipt},
    zones::TxtRecords,
};
use crate::cloud::{
    Fault, FaultKind, Reply,
    aws::{Action, Aws, invalid_batch},
};

/// How often a change is repeated without the records that are absent already. A reply names all of them, usually.
const MOST_ATTEMPTS: usize = 3;
/// The longest identifier of a zone or a change.
const LONGEST_ID: usize = 32;

/// Zones of an AWS account. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Zones(Arc<Inner>);

struct Inner {
    aws: Aws,
    zone_id: Option<String>,
    credential: String,
}

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zones")
            .field("zone_id", &self.0.zone_id)
            .finish_non_exhaustive()
    }
}

impl Zones {
    /// The zones of an account, or one of them.
    ///
    /// # Errors
    /// If `zone_id` cannot be the identifier of a zone.
    pub(crate) fn new(aws: Aws, zone_id: Option<&str>) -> Result<Self, Fault> {
        let zone_id = match zone_id.map(str::trim).filter(|id| !id.is_empty()) {
            Some(id) => Some(bare(id, "/hostedzone/").ok_or_else(|| {
                let sentence = format!(
                    "route53.hostedZoneID {id:?} is not the identifier of a hosted zone, such as Z0123456789ABCDEFGHIJ"
                );
                Fault::new(FaultKind::NoZone, sentence)
            })?),
            None => None,
        };
        let credential = format!("route53 {zone_id:?} {}", aws.credential());
        Ok(Self(Arc::new(Inner {
            aws,
            zone_id,
            credential,
        })))
    }

    fn url(&self, path: &str) -> Result<Url, Fault> {
        let mut url = self.0.aws.endpoint("route53")?.0;
        url.set_path(&format!("/2013-04-01/{path}"));
        Ok(url)
    }

    async fn get(&self, name: &'static str, resource: &str, url: Url) -> Result<Reply, Fault> {
        let action = Action {
            service: "route53",
            name,
            resource,
            method: Method::GET,
            url,
            body: String::new(),
        };
        self.0.aws.call(action).await
    }

    /// How a zone is named in policies.
    fn arn(&self, id: &str) -> String {
        format!("arn:{}:route53:::hostedzone/{id}", self.0.aws.partition())
    }

    /// The identifier of a zone.
    async fn id(&self, zone: &str) -> Result<String, Fault> {
        match &self.0.zone_id {
            Some(id) => Ok(id.clone()),
            None => self.find(zone).await.map(|found| found.id),
        }
    }

    async fn apply(&self, id: &str, change: &Change) -> Result<Reply, Fault> {
        let action = Action {
            service: "route53",
            name: "ChangeResourceRecordSets",
            resource: &self.arn(id),
            method: Method::POST,
            url: self.url(&format!("hostedzone/{id}/rrset"))?,
            body: wire::batch(change),
        };
        self.0.aws.call(action).await
    }
}

impl TxtRecords for Zones {
    fn credential(&self) -> &str {
        &self.0.credential
    }

    /// With `hostedZoneID` no further right is needed: the zone is looked up in the DNS.
    async fn zone(&self, name: &str) -> Result<Option<String>, Fault> {
        match &self.0.zone_id {
            Some(_) => Ok(None),
            None => self.find(name).await.map(|found| Some(found.name)),
        }
    }

    async fn change(&self, zone: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        let id = self.id(zone).await?;
        let mut rest = change.clone();
        let mut attempt = 1;
        while rest != Change::default() {
            let reply = self.apply(&id, &rest).await.inspect_err(|fault| {
                if fault.kind == FaultKind::NoZone {
                    self.forget(zone);
                }
            })?;
            let Some(message) = invalid_batch(&reply) else {
                let changed: wire::Changed = wire::parse(&reply)?;
                return Ok(bare(&changed.change_info.id, "/change/").map(Receipt));
            };
            // a batch is refused as a whole if one of its records is absent
            let before = rest.remove.len();
            rest.remove.retain(|txt| !wire::is_absent(&message, txt));
            if rest.remove.len() == before || attempt == MOST_ATTEMPTS {
                return Err(refused(&reply, &id, &rest, &message));
            }
            attempt += 1;
        }
        Ok(None)
    }

    async fn is_done(&self, receipt: &Receipt) -> Result<bool, Fault> {
        let Some(id) = bare(&receipt.0, "") else {
            return Ok(true);
        };
        let resource = format!("arn:{}:route53:::change/*", self.0.aws.partition());
        let url = self.url(&format!("change/{id}"))?;
        let reply = self.get("GetChange", &resource, url).await?;
        let changed: wire::Changed = wire::parse(&reply)?;
        Ok(changed.change_info.status == "INSYNC")
    }
}

/// Why a batch is refused that has no record which is absent already.
fn refused(reply: &Reply, id: &str, change: &Change, message: &str) -> Fault {
    let server = &reply.server;
    let names: Vec<&str> = change.add.iter().chain(&change.remove).map(|txt| &*txt.name).collect();
    let names = names.first().map_or("the records", |first| first);
    let (kind, why) = if message.contains("not permitted in zone") {
        (
            FaultKind::NoZone,
            format!(
                "the name is not in hostedzone/{id}: correct route53.hostedZoneID, or leave it out and allow route53:ListHostedZonesByName"
            ),
        )
    } else if message.contains("conflicts with other records") || message.contains("already exists") {
        (
            FaultKind::Conflict,
            "another record has that name, a CNAME for example: remove it, or set cnameStrategy: Follow".to_owned(),
        )
    } else if message.contains("values provided do not match") {
        (
            FaultKind::Conflict,
            "the record has been changed by another program: remove it by hand".to_owned(),
        )
    } else if message.contains("limit of") {
        (
            FaultKind::Other,
            "the zone has as many records as it may have".to_owned(),
        )
    } else {
        (
            FaultKind::Conflict,
            "probably a TXT record without multivalue answer routing has that name: remove it".to_owned(),
        )
    };
    let sentence = format!("{server} does not change {names} in hostedzone/{id} (InvalidChangeBatch): {why}");
    Fault::new(kind, sentence)
}

/// An identifier without this prefix, if it can be part of a path.
fn bare(id: &str, prefix: &str) -> Option<String> {
    let id = id.strip_prefix(prefix).unwrap_or(id);
    let id = id.strip_prefix("hostedzone/").unwrap_or(id);
    let usable = !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    usable.then(|| id.to_owned())
}
