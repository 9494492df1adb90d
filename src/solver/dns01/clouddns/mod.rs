//! Google Cloud DNS: row DNS-03. The record sets of one change are replaced in one atomic Change.

mod fault;
#[cfg(test)]
mod tests;
mod wire;

use std::{fmt, sync::Arc};

use futures::future::join_all;
use http::{HeaderMap, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde_json::json;

use self::{
    fault::{CHANGES_CREATE, CHANGES_GET, RECORDS_LIST, Right, ZONES_LIST},
    wire::{ChangeStatus, ManagedZone, RecordSet, RecordSets, Zones},
};
use super::{
    change::{Change, Receipt},
    merge,
    zones::TxtRecords,
};
use crate::{
    api::dns01::CloudDns,
    cloud::{Api, Call, Cloud, Fault, FaultKind, Reply, below, google::Login, oauth},
    pki::hidden::Hidden,
};

/// The API.
pub(crate) const BASE: &str = "https://dns.googleapis.com/";
/// Its name, for sentences.
const NAME: &str = "Google Cloud DNS";
/// The lifetime of records in caches, in seconds: that of cert-manager.
const TTL: i64 = 60;
/// How long the zones of a project are remembered.
const ZONES_FOR: SignedDuration = SignedDuration::from_hours(1);
/// The most pages of zones that are read.
const MOST_PAGES: usize = 20;
/// How many record sets are read at once.
const AT_ONCE: usize = 8;
/// The name of the zones in the memo.
const ZONES: &str = "zones";

/// The zones of a project of Google Cloud.
#[derive(Clone)]
pub(crate) struct Project(Arc<Inner>);

struct Inner {
    cloud: Cloud,
    api: Api,
    base: Url,
    login: Login,
    project: String,
    /// The name of the managed zone, if the settings give it.
    managed_zone: Option<String>,
    credential: String,
}

/// What became of one attempt at a change.
enum Outcome {
    Made(Option<Receipt>),
    /// The record sets were changed between reading and writing.
    Conflict,
}

impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Project")
            .field("project", &self.0.project)
            .field("managed_zone", &self.0.managed_zone)
            .finish_non_exhaustive()
    }
}

impl Project {
    /// The project of these settings, with this login. `base` is the URL of the API.
    ///
    /// # Errors
    /// If a setting is missing.
    pub(crate) fn new(cloud: &Cloud, settings: &CloudDns, login: Login, base: &str) -> Result<Self, Fault> {
        let CloudDns {
            hosted_zone_name,
            project,
            service_account_secret_ref: _,
        } = settings;
        if project.is_empty() {
            return Err(Fault::new(
                FaultKind::NoZone,
                "cloudDNS.project is empty: name the project of the zone",
            ));
        }
        let base = base
            .parse()
            .map_err(|_| Fault::new(FaultKind::Other, "the URL of the API is not one"))?;
        let managed_zone = hosted_zone_name.clone().filter(|name| !name.is_empty());
        Ok(Self(Arc::new(Inner {
            api: cloud.api(NAME),
            cloud: cloud.clone(),
            base,
            credential: format!("clouddns {project} {managed_zone:?} {}", login.credential()),
            login,
            project: project.clone(),
            managed_zone,
        })))
    }

    /// The managed zone that has this name in the DNS. `None` if there is none any more.
    async fn managed_zone(&self, zone: &str) -> Result<Option<String>, Fault> {
        if let Some(name) = &self.0.managed_zone {
            return Ok(Some(name.clone()));
        }
        let named = |zones: &[ManagedZone]| zones.iter().find(|one| one.is(zone)).map(|one| one.name.clone());
        let zones = self.zones(false).await?;
        match named(&zones) {
            Some(name) => Ok(Some(name)),
            None => Ok(named(&self.zones(true).await?)),
        }
    }

    /// All zones of the project, public ones first. They are remembered, unless `afresh`.
    async fn zones(&self, afresh: bool) -> Result<Vec<ManagedZone>, Fault> {
        let Inner { cloud, credential, .. } = &*self.0;
        let _turn = cloud.memo.turn(credential, ZONES).await;
        if afresh {
            cloud.memo.forget(credential, ZONES);
        } else if let Some(zones) = cloud.memo.get(credential, ZONES) {
            return Ok(serde_json::from_str(zones.expose()).unwrap_or_default());
        }
        let (mut zones, mut page): (Vec<ManagedZone>, Option<String>) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let mut url = self.url(&[])?;
            url.query_pairs_mut()
                .append_pair("fields", "managedZones(name,dnsName,visibility),nextPageToken");
            if let Some(page) = &page {
                url.query_pairs_mut().append_pair("pageToken", page);
            }
            let reply = self.call(Method::GET, &url, None, ZONES_LIST).await?;
            if reply.status != StatusCode::OK {
                return Err(self.no_zone(&reply));
            }
            let Zones {
                managed_zones,
                next_page_token,
            } = reply.json()?;
            zones.extend(managed_zones);
            page = next_page_token.filter(|page| !page.is_empty());
            if page.is_none() {
                break;
            }
        }
        zones.sort_by_key(|zone| !zone.is_public());
        let text = serde_json::to_string(&zones).unwrap_or_default();
        let until = (cloud.now)().saturating_add(ZONES_FOR).unwrap_or(Timestamp::MAX);
        cloud.memo.set(credential, ZONES, Hidden::new(text), until);
        Ok(zones)
    }

    /// Reads the record sets and replaces those that the change is for.
    async fn attempt(&self, managed_zone: &str, change: &Change) -> Result<Outcome, Fault> {
        let (mut additions, mut deletions) = (Vec::new(), Vec::new());
        for names in merge::names(change).chunks(AT_ONCE) {
            let found = join_all(names.iter().map(|name| self.record_set(managed_zone, name))).await;
            for (name, found) in names.iter().zip(found) {
                let Some(found) = found? else {
                    if merge::adds(change, name) {
                        return Err(self.no_managed_zone(managed_zone));
                    }
                    // the zone is gone, and the record with it
                    continue;
                };
                let now = found.as_ref().map(|set| set.rrdatas.clone()).unwrap_or_default();
                let value = |text: &String| merge::from_zone_file(text);
                let Some(after) = merge::merged(&now, change, name, value, merge::to_zone_file) else {
                    continue;
                };
                let kept = found.as_ref().map(|set| set.ttl);
                if let Some(found) = found {
                    deletions.push(found);
                }
                if !after.is_empty() {
                    let ttl = if merge::adds(change, name) {
                        TTL
                    } else {
                        kept.unwrap_or(TTL)
                    };
                    additions.push(RecordSet::txt(name, ttl, after));
                }
            }
        }
        if additions.is_empty() && deletions.is_empty() {
            return Ok(Outcome::Made(None));
        }
        let url = self.url(&[managed_zone, "changes"])?;
        let body = json!({"additions": additions, "deletions": deletions}).to_string();
        let reply = self.call(Method::POST, &url, Some(body), CHANGES_CREATE).await?;
        match reply.status {
            StatusCode::OK => {
                let made: ChangeStatus = reply.json()?;
                let receipt = Receipt(format!("{}/{managed_zone}/{}", self.0.project, made.id));
                Ok(Outcome::Made((!made.is_done()).then_some(receipt)))
            }
            // what is deleted is not there any more, or what is added is there already
            StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Ok(Outcome::Conflict),
            _ => Err(reply.unexpected("change records")),
        }
    }

    /// The TXT record set of a name. The outer `None` if there is no such zone, the inner one if there is no such record.
    async fn record_set(&self, managed_zone: &str, name: &str) -> Result<Option<Option<RecordSet>>, Fault> {
        let fqdn = format!("{name}.");
        let mut url = self.url(&[managed_zone, "rrsets"])?;
        url.query_pairs_mut()
            .append_pair("name", &fqdn)
            .append_pair("type", "TXT");
        let reply = self.call(Method::GET, &url, None, RECORDS_LIST).await?;
        match reply.status {
            StatusCode::OK => {
                let RecordSets { rrsets } = reply.json()?;
                let is_it = |set: &RecordSet| set.kind == "TXT" && set.name.eq_ignore_ascii_case(&fqdn);
                Ok(Some(rrsets.into_iter().find(is_it)))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(reply.unexpected("list records")),
        }
    }

    /// A URL below the managed zones of the project.
    fn url(&self, segments: &[&str]) -> Result<Url, Fault> {
        let path = ["dns", "v1", "projects", &self.0.project, "managedZones"];
        below(&self.0.base, path.iter().chain(segments).copied())
    }

    /// Makes a call. A reply with the status 2xx, 400, 404, 409 or 412 is for the caller.
    async fn call(&self, method: Method, url: &Url, body: Option<String>, right: Right) -> Result<Reply, Fault> {
        let Inner { cloud, api, login, .. } = &*self.0;
        let call = Call {
            purpose: "dns",
            method,
            url,
            headers: HeaderMap::new(),
            body: body.map(Into::into),
        };
        let reply = oauth::send(cloud, api, login, &call).await?;
        match reply.status {
            StatusCode::UNAUTHORIZED => Err(self.not_accepted(&reply)),
            StatusCode::FORBIDDEN => Err(self.forbidden(&reply, right)),
            _ => Ok(reply),
        }
    }
}

impl TxtRecords for Project {
    fn credential(&self) -> &str {
        &self.0.credential
    }

    /// With a hosted zone in the settings the DNS tells the zone: reading its name at Google would need one more right.
    async fn zone(&self, name: &str) -> Result<Option<String>, Fault> {
        if self.0.managed_zone.is_some() {
            return Ok(None);
        }
        let longest = |zones: &[ManagedZone]| {
            let of_name = zones.iter().filter(|zone| zone.has(name));
            let names = of_name.map(|zone| zone.domain().to_ascii_lowercase());
            names.max_by_key(String::len)
        };
        let zones = self.zones(false).await?;
        if let Some(zone) = longest(&zones) {
            return Ok(Some(zone));
        }
        match longest(&self.zones(true).await?) {
            Some(zone) => Ok(Some(zone)),
            None => Err(self.no_zone_of(name)),
        }
    }

    async fn change(&self, zone: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        let Some(managed_zone) = self.managed_zone(zone).await? else {
            if change.add.is_empty() {
                return Ok(None);
            }
            return Err(self.no_zone_of(zone));
        };
        for _ in 0..2 {
            if let Outcome::Made(receipt) = self.attempt(&managed_zone, change).await? {
                return Ok(receipt);
            }
        }
        Err(Self::contested(&managed_zone))
    }

    async fn is_done(&self, receipt: &Receipt) -> Result<bool, Fault> {
        let mut parts = receipt.0.rsplitn(3, '/');
        let (Some(id), Some(managed_zone)) = (parts.next(), parts.next()) else {
            return Ok(true);
        };
        let url = self.url(&[managed_zone, "changes", id])?;
        let reply = self.call(Method::GET, &url, None, CHANGES_GET).await?;
        match reply.status {
            StatusCode::OK => Ok(reply.json::<ChangeStatus>()?.is_done()),
            StatusCode::NOT_FOUND => Ok(true),
            _ => Err(reply.unexpected("tell the state of a change")),
        }
    }
}
