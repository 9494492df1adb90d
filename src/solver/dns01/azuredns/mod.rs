//! Azure DNS, public and private zones: row DNS-06. A record set is replaced only if no other client has changed it meanwhile.

mod fault;
#[cfg(test)]
mod tests;
mod wire;

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::Url;

use self::{
    fault::{Verb, is_absent},
    wire::RecordSet,
};
use super::{
    change::{Change, Receipt},
    merge::{self, Outcome},
    zones::TxtRecords,
};
use crate::{
    api::dns01::{AzureDns, AzureZoneType},
    cloud::{Api, Call, Cloud, Fault, FaultKind, Reply, azure::Login, below, oauth},
};

/// Its name, for sentences.
const NAME: &str = "Azure DNS";
/// The lifetime of new records in caches, in seconds: that of cert-manager.
const TTL: i64 = 60;

/// The zones of a resource group.
#[derive(Clone)]
pub(crate) struct ResourceGroup(Arc<Inner>);

struct Inner {
    cloud: Cloud,
    api: Api,
    base: Url,
    login: Login,
    subscription: String,
    group: String,
    /// The zone, if the settings name it.
    zone: Option<String>,
    zone_type: AzureZoneType,
    credential: String,
}

impl fmt::Debug for ResourceGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceGroup")
            .field("group", &self.0.group)
            .finish_non_exhaustive()
    }
}

impl ResourceGroup {
    /// The resource group of these settings, with this login. `base` is the URL of Azure Resource Manager.
    ///
    /// # Errors
    /// If a setting is missing.
    pub(crate) fn new(cloud: &Cloud, settings: &AzureDns, login: Login, base: &str) -> Result<Self, Fault> {
        let AzureDns {
            client_id: _,
            client_secret_secret_ref: _,
            environment: _,
            hosted_zone_name,
            managed_identity: _,
            resource_group_name: group,
            subscription_id: subscription,
            tenant_id: _,
            zone_type,
        } = settings;
        for (value, field) in [(group, "resourceGroupName"), (subscription, "subscriptionID")] {
            if value.is_empty() {
                let sentence = format!("azureDNS.{field} is empty: it is needed to find the zone");
                return Err(Fault::new(FaultKind::NoZone, sentence));
            }
        }
        let base = base
            .parse()
            .map_err(|_| Fault::new(FaultKind::Other, "the URL of the API is not one"))?;
        let zone_type = zone_type.unwrap_or_default();
        let zone = hosted_zone_name
            .as_deref()
            .map(|zone| zone.trim_end_matches('.').to_ascii_lowercase());
        let identity = login.credential();
        Ok(Self(Arc::new(Inner {
            api: cloud.api(NAME),
            cloud: cloud.clone(),
            base,
            credential: format!("azuredns {subscription}/{group} {zone_type:?} {identity}"),
            login,
            subscription: subscription.clone(),
            group: group.clone(),
            zone: zone.filter(|zone| !zone.is_empty()),
            zone_type,
        })))
    }

    async fn change_set(&self, zone: &str, name: &str, change: &Change) -> Result<(), Fault> {
        let relative = merge::relative(name, zone).ok_or_else(|| Self::not_in_zone(name, zone))?;
        let url = self.url(zone, relative)?;
        merge::twice(name, || self.attempt(&url, zone, name, change)).await
    }

    /// Reads a record set and writes what it has after the change.
    async fn attempt(&self, url: &Url, zone: &str, name: &str, change: &Change) -> Result<Outcome, Fault> {
        let reply = self.call(Verb::Read, zone, url, None, None).await?;
        let adds = merge::adds(change, name);
        let found = match reply.status {
            StatusCode::OK => Some(reply.json::<RecordSet>()?),
            // the zone is gone, and the record with it
            StatusCode::NOT_FOUND if is_absent(&reply) || !adds => None,
            StatusCode::NOT_FOUND => return Err(self.no_zone(&reply, zone)),
            _ => return Err(Self::unexpected(&reply, "read a record")),
        };
        let now = found.as_ref().map(RecordSet::texts).unwrap_or_default();
        let value = |strings: &Vec<String>| strings.concat();
        let Some(after) = merge::merged(&now, change, name, value, |value| vec![value.to_owned()]) else {
            return Ok(Outcome::Made);
        };
        let (verb, body, guard) = match found {
            Some(found) if after.is_empty() => (Verb::Delete, None, found.guard()),
            Some(found) => {
                let body = found.with(self.0.zone_type, after);
                (Verb::Write, Some(body), found.guard())
            }
            None => {
                let body = RecordSet::default().with(self.0.zone_type, after);
                let guard = (header::IF_NONE_MATCH, "*".to_owned());
                (Verb::Write, Some(body), Some(guard))
            }
        };
        let reply = self.call(verb, zone, url, body, guard).await?;
        match reply.status {
            StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {
                reply.is_json_or_empty().map(|()| Outcome::Made)
            }
            StatusCode::PRECONDITION_FAILED => Ok(Outcome::Conflict),
            StatusCode::CONFLICT => self.conflict(&reply, zone).map_or(Ok(Outcome::Conflict), Err),
            StatusCode::NOT_FOUND if !adds => Ok(Outcome::Made),
            StatusCode::NOT_FOUND => Err(self.no_zone(&reply, zone)),
            _ => Err(Self::unexpected(&reply, "change a record")),
        }
    }

    /// The URL of a record set.
    fn url(&self, zone: &str, relative: &str) -> Result<Url, Fault> {
        let Inner {
            base,
            subscription,
            group,
            zone_type,
            ..
        } = &*self.0;
        let (kind, version) = match zone_type {
            AzureZoneType::Public => ("dnsZones", "2018-05-01"),
            AzureZoneType::Private => ("privateDnsZones", "2020-06-01"),
        };
        let group = ["subscriptions", subscription, "resourceGroups", group];
        let set = ["providers", "Microsoft.Network", kind, zone, "TXT", relative];
        let mut url = below(base, group.into_iter().chain(set))?;
        url.query_pairs_mut().append_pair("api-version", version);
        Ok(url)
    }

    /// Makes a call. A reply with another status than 401 and 403 is for the caller.
    async fn call(
        &self,
        verb: Verb,
        zone: &str,
        url: &Url,
        body: Option<String>,
        guard: Option<(HeaderName, String)>,
    ) -> Result<Reply, Fault> {
        let Inner { cloud, api, login, .. } = &*self.0;
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = guard {
            let value = HeaderValue::try_from(value)
                .map_err(|_| Fault::new(FaultKind::Other, "the etag of a record set is not one"))?;
            headers.insert(name, value);
        }
        let call = Call {
            purpose: "dns",
            method: match verb {
                Verb::Read => Method::GET,
                Verb::Write => Method::PUT,
                Verb::Delete => Method::DELETE,
            },
            url,
            headers,
            body: body.map(Into::into),
        };
        let reply = oauth::send(cloud, api, login, &call).await?;
        match reply.status {
            StatusCode::UNAUTHORIZED => Err(self.not_accepted(&reply)),
            StatusCode::FORBIDDEN => Err(self.forbidden(&reply, zone, verb)),
            _ => Ok(reply),
        }
    }
}

impl TxtRecords for ResourceGroup {
    fn credential(&self) -> &str {
        &self.0.credential
    }

    /// Without a zone in the settings the DNS tells it, as for cert-manager.
    async fn zone(&self, name: &str) -> Result<Option<String>, Fault> {
        match &self.0.zone {
            Some(zone) if merge::relative(name, zone).is_none() => Err(Self::not_in_zone(name, zone)),
            zone => Ok(zone.clone()),
        }
    }

    async fn change(&self, zone: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        merge::each_set(change, |name| self.change_set(zone, name, change)).await?;
        Ok(None)
    }

    fn most_records(&self) -> usize {
        merge::MOST_RECORDS
    }
}
